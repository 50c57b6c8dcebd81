"""A network's loss as a function of plain arrays: what the gradient checker works on.
The loss runs on the NumPy reference, real or complex; the gradients on the backend in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.answers import as_answers
from minilstm.backend import Backend, load_backend
from minilstm.functional.lstm import LSTMState
from minilstm.heads import MiniBatch, find_heads
from minilstm.inputs import as_batches
from minilstm.layers import Signal
from minilstm.memory import plan_memory
from minilstm.mini_batch import mini_batch
from minilstm.spans import TrainingPass, find_route

Array = NDArray[Any]


class GradientProblem(NamedTuple):
    """Arrays, the loss they give, and the gradients that backward claims."""

    arrays: dict[str, Array]  # float64: learnables, "input" (N, D), "LAYER/initial_hidden" ...
    loss: Callable[[Mapping[str, Array]], Any]  # some arrays replaced, real or complex
    gradients: Callable[[], dict[str, Array]]
    backend: str


def from_data(net: Any, x: Any, y: Any, backend: Backend) -> GradientProblem:
    """The problem of sequences with answers, in whatever form a user has them.

    Parameters
    ----------
    net : Network of any dtype; the problem is in float64
    x, y : as for `minilstm.train`
    backend : runs the backward pass
    """
    heads = find_heads(net.wiring, net.losses)
    batches = as_batches(net.wiring, x, np.float64, net.data_format)
    by_output = net.classes if isinstance(net.classes, dict) else {}
    names = [net.layers[h.output].name for h in heads]
    known = [
        by_output.get(name, None if by_output else net.classes)
        if h.loss.kind == "classes"
        else None
        for h, name in zip(heads, names, strict=True)
    ]
    classes = [
        np.arange(h.columns) if k is None and h.loss.kind == "classes" else k
        for k, h in zip(known, heads, strict=True)
    ]
    answers = as_answers(net.wiring, heads, batches[0], y, classes)
    batch = mini_batch(heads, [b.sequences for b in batches], answers.targets, [None] * len(heads))
    return build(net.replace(dtype=np.float64), batch, backend)


def build(net: Any, batch: MiniBatch, backend: Backend, key: int = 1) -> GradientProblem:
    """The problem of one mini-batch, starting from a random non-zero state.

    Parameters
    ----------
    net : Network in float64
    batch : packed
    backend : runs the backward pass
    key : random bits of the step, which fix what dropout drops
    """
    rng = np.random.default_rng(0)
    active = batch.signals[0].active
    states = {
        f"{name}/initial_{part}": 0.5 * rng.standard_normal(value.shape)  # (B, H)
        for name, state in net.initial_state(int(active[0])).items()
        for part, value in zip(LSTMState._fields, state, strict=True)
    }
    names = [f"input_{k + 1}" if k else "input" for k in range(len(batch.signals))]
    inputs = {name: signal.rows for name, signal in zip(names, batch.signals, strict=True)}
    arrays = {**net.parameters, **inputs, **states}
    heads = find_heads(net.wiring, net.losses)
    whole = any(head.loss.whole for head in heads)
    route = find_route(net.wiring, heads, inputs_too=True)

    def run(values: Mapping[str, Array], where: Backend, loss_only: bool) -> Any:
        dtype = np.result_type(*values.values())
        values = {name: value.astype(dtype) for name, value in values.items()}
        moved = net.replace(parameters={k: values[k] for k in net.parameters}, dtype=dtype)
        signals = tuple(Signal(values[name], active) for name in names)
        state = {
            name: LSTMState(values[f"{name}/initial_hidden"], values[f"{name}/initial_cell"])
            for name in net.initial_state()
        }
        plan = plan_memory(net.wiring, active, dtype, np.inf, whole=whole)
        walk = TrainingPass(route, moved.by_layer(), where, key)
        return walk.run(batch._replace(signals=signals), state, plan, loss_only=loss_only)

    def loss(replaced: Mapping[str, Array]) -> Any:
        return run({**arrays, **replaced}, load_backend("numpy"), True)[0].loss

    def gradients() -> dict[str, Array]:
        found, more = run(arrays, backend, False)
        grads = dict(found.gradients)
        for name, state in more.state.items():
            grads[f"{name}/initial_hidden"], grads[f"{name}/initial_cell"] = state
        return {**grads, **dict(zip(names, more.inputs, strict=True))}

    return GradientProblem(arrays, loss, gradients, backend.name)
