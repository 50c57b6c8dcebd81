"""A network's loss as a function of plain arrays: what the gradient checker works on.
The loss runs on the NumPy reference, real or complex; the gradients on the backend in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend, load_backend
from minilstm.data.batch import as_batch
from minilstm.data.labels import as_labels, to_targets
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray, pack_with_targets
from minilstm.layers import Signal
from minilstm.structure import check_classifier, output_size

Array = NDArray[Any]


class GradientProblem(NamedTuple):
    """Arrays, the loss they give, and the gradients that backward claims."""

    arrays: dict[str, Array]  # float64: learnables, "input" (N, D), "LAYER/initial_hidden" ...
    loss: Callable[[Mapping[str, Array]], Any]  # some arrays replaced, real or complex
    gradients: Callable[[], dict[str, Array]]
    backend: str


def from_data(net: Any, x: Any, y: Any, backend: Backend) -> GradientProblem:
    """The problem of labelled sequences, in whatever form a user has them.

    Parameters
    ----------
    net : Network of any dtype; the problem is in float64
    x, y : as for `minilstm.train`
    backend : runs the backward pass
    """
    batch = as_batch(x, net.input_size, np.float64, "x")
    labels = as_labels(y, batch, net.output_mode, "y")
    classes = np.arange(output_size(net.layers)) if net.classes is None else net.classes
    check_classifier(net.layers, len(classes))
    packed, targets = pack_with_targets(batch.sequences, to_targets(labels, classes))
    signal = Signal(packed.rows, packed.active)
    return build(net.replace(dtype=np.float64), signal, targets, backend)


def build(net: Any, signal: Signal, targets: IntArray, backend: Backend) -> GradientProblem:
    """The problem of one packed batch, starting from a random non-zero state.

    Parameters
    ----------
    net : Network in float64
    signal : rows (N, D) float64 and active (T,)
    targets : (N,) or (B,) class numbers in packed order
    backend : runs the backward pass
    """
    rng = np.random.default_rng(0)
    states = {
        f"{name}/initial_{part}": 0.5 * rng.standard_normal(value.shape)  # (B, H)
        for name, state in net.initial_state(int(signal.active[0])).items()
        for part, value in zip(LSTMState._fields, state, strict=True)
    }
    arrays = {**net.parameters, "input": signal.rows, **states}
    reference = load_backend("numpy")

    def state_of(values: Mapping[str, Array]) -> dict[str, LSTMState]:
        names = sorted({key.split("/")[0] for key in states})
        return {
            n: LSTMState(values[f"{n}/initial_hidden"], values[f"{n}/initial_cell"]) for n in names
        }

    def loss(replaced: Mapping[str, Array]) -> Any:
        values = {**arrays, **replaced}
        dtype = np.result_type(*replaced.values())
        values = {key: value.astype(dtype) for key, value in values.items()}
        moved = net.replace(parameters={k: values[k] for k in net.parameters}, dtype=dtype)
        logits, _, _ = moved.forward(
            Signal(values["input"], signal.active),
            state_of(values),
            backend=reference,
            layers=net.layers[:-1],
        )
        return reference.softmax_cross_entropy_forward(logits.rows, targets)[0]

    def gradients() -> dict[str, Array]:
        logits, _, caches = net.forward(
            signal, state_of(arrays), backend=backend, layers=net.layers[:-1]
        )
        _, cache = backend.softmax_cross_entropy_forward(logits.rows, targets)
        dlogits = backend.softmax_cross_entropy_backward(cache)
        grads, dstate0, dx = net.backward(dlogits, caches, backend=backend, need_dx=True)
        for name, state in dstate0.items():
            grads[f"{name}/initial_hidden"], grads[f"{name}/initial_cell"] = state
        return {**grads, "input": dx}

    return GradientProblem(arrays, loss, gradients, backend.name)
