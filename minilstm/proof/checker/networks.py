"""A network's loss as a function of plain arrays: what the gradient checker works on.
The loss runs on the NumPy twin, real or complex; the gradients on the backend in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minilstm.backend import Backend, current_backend, load_backend
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack
from minilstm.layers import Signal
from minilstm.losses.functions import FunctionLoss
from minilstm.network.examples import as_answers, as_batches
from minilstm.network.network import Network
from minilstm.network.passes.heads import find_heads
from minilstm.network.passes.memory import plan_memory
from minilstm.network.passes.mini_batch import mini_batch
from minilstm.network.passes.placement import moved_state
from minilstm.network.passes.training_pass import TrainingPass
from minilstm.proof.causes.lstm import lstm_equations
from minilstm.proof.derivatives.problem import Array, Problem
from minilstm.proof.derivatives.randomness import generator
from minilstm.proof.reports.places import GATES

AxisNames = dict[str, tuple[Any, ...]]

BOTH_WAYS = tuple(f"{way} {gate}" for way in ("forward", "backward") for gate in GATES)
# What the axes of learnable arrays are called, by the kind of their layer.
AXES: dict[str, AxisNames] = {
    **{
        kind: {
            "input_weights": (blocks, "feature"),
            "recurrent_weights": (blocks, "unit"),
            "bias": (blocks,),
        }
        for kind, blocks in (("lstm", GATES), ("bilstm", BOTH_WAYS))
    },
    "fully_connected": {"weights": ("output", "feature"), "bias": ("output",)},
    "batch_normalization": {"scale": ("channel",), "offset": ("channel",)},
}
DROPOUT_KEY = 1  # random bits of the step, which fix what dropout drops


def problem_of_network(net: Network, x: Any, y: Any) -> Problem:
    """The loss of a network on labelled sequences as a problem, in float64 whatever its dtype.

    Its arrays are the learnables, "input" (N, D) and "LAYER/initial_hidden" (B, H) ...; the backend
    in force computes the gradients. The state before the first step is random and not zero, so that
    its gradients are checked too. `x` and `y` are as for `minilstm.train`.
    """
    heads = find_heads(net.wiring, net.losses)
    batches = as_batches(net.wiring, x, np.float64, net.data_format, others=net.others)
    by_output = net.classes if isinstance(net.classes, dict) else {}
    classes: list[Any] = [None] * len(heads)
    for k, head in enumerate(heads):
        if head.loss.kind == "classes":
            name = net.layers[head.output].name
            known = by_output.get(name, None if by_output else net.classes)
            classes[k] = np.arange(head.columns) if known is None else known
    answers = as_answers(net.wiring, heads, batches[0], y, classes, dtype=np.float64)
    batch = mini_batch(heads, [b.sequences for b in batches], answers.targets, [None] * len(heads))
    order = pack(batches[0].sequences).order  # (B,) number of each sequence, as the user counts
    net, backend = net.replace(dtype=np.float64), current_backend()
    rng = generator(0, "initial states")
    active = batch.signals[0].active
    states = {
        f"{name}/initial_{part}": 0.5 * rng.standard_normal(value.shape)  # (B, H)
        for name, state in net.initial_state(int(active[0])).items()
        for part, value in zip(LSTMState._fields, state, strict=True)
    }
    names = [f"input_{k + 1}" if k else "input" for k in range(len(batch.signals))]
    inputs = {name: signal.rows for name, signal in zip(names, batch.signals, strict=True)}
    arrays = {**net.parameters, **inputs, **states}
    whole = any(head.loss.whole for head in heads)
    walk = TrainingPass(net.wiring, heads, inputs_too=True)

    def run(values: Mapping[str, Array], where: Backend, loss_only: bool) -> Any:
        dtype = np.result_type(*values.values())
        values = {name: value.astype(dtype) for name, value in values.items()}
        moved = net.replace(parameters={k: values[k] for k in net.parameters}, dtype=dtype)
        signals = tuple(Signal(values[name], active) for name in names)
        state = {
            name: LSTMState(values[f"{name}/initial_hidden"], values[f"{name}/initial_cell"])
            for name in net.initial_state()
        }
        plan = plan_memory(
            net.wiring, active, dtype, np.inf, whole=whole, gpu_bytes=where.gpu_bytes
        )
        placed = batch._replace(signals=signals).moved(where.to_device)
        start = moved_state(state, where.to_device)
        by_layer = moved.by_layer(where)
        how: dict[str, Any] = {"dtype": dtype, "key": DROPOUT_KEY, "loss_only": loss_only}
        return walk.run(by_layer, where, placed, start, plan, **how)

    def loss(replaced: Mapping[str, Array]) -> Any:
        return run({**arrays, **replaced}, load_backend("numpy"), True)[0].loss

    def gradients(replaced: Mapping[str, Array], where: Backend = backend) -> dict[str, Array]:
        found, dstate, dinputs = run({**arrays, **replaced}, where, False)
        grads = dict(found.gradients)
        for name, state in dstate.items():
            grads[f"{name}/initial_hidden"], grads[f"{name}/initial_cell"] = state
        grads.update(zip(names, dinputs, strict=True))
        return {name: where.to_host(g) for name, g in grads.items()}

    def forward(values: Mapping[str, Array]) -> Any:
        return run({**arrays, **values}, readable, True)[0].loss

    def again(moved: Mapping[str, Array]) -> Problem:
        return replace(
            problem, arrays={**arrays, **moved}, inputs={**arrays, **moved}, base=None, notes=[],
            loss=lambda values: loss({**moved, **values}),
            gradients=lambda values: gradients({**moved, **values}),
            forward=lambda values: forward({**moved, **values}),
            forward_passes=0, backward_passes=0,
        )  # fmt: skip

    readable = replace(load_backend("numpy"), lstm_forward=lstm_equations)
    steps = np.concatenate([np.full(n, t) for t, n in enumerate(active)])  # (N,)
    sequences = np.concatenate([order[:n] for n in active])  # (N,)
    heads_divide = {f"the divisor of the loss ({d:g})": int(d) for d in batch.divisors}
    counts = {"the batch": int(active[0]), "the time steps": len(active), "the rows": len(steps)}
    base = float(np.real(loss({})))
    problem = Problem(
        arrays,
        loss,
        gradients,
        backend.name,
        magnitude=abs(base),  # a sum of losses, none of which is negative
        base=base,
        terms=sum(a.size for a in arrays.values()),
        analytic=not any(isinstance(head.loss, FunctionLoss) for head in heads),
        axes={**_axes(net), **{n: ("row", *_features(a)) for n, a in inputs.items()}},
        rows=np.stack([sequences, steps], axis=1),  # (N, 2)
        lengths={**counts, **heads_divide},
        inputs=arrays,
        forward=forward,
        again=again,
        forward_passes=1,
    )
    return problem


def _axes(net: Network) -> AxisNames:
    """Names of the axes of learnables and initial states."""
    found: AxisNames = {}
    for layer in net.layers:
        for name, axes in AXES.get(layer.kind, {}).items():
            found[f"{layer.name}/{name}"] = axes
    for name in net.initial_state():
        for part in LSTMState._fields:
            found[f"{name}/initial_{part}"] = ("sequence", "unit")
    return found


def _features(rows: Array) -> tuple[str, ...]:
    """Names of the axes of one row: of a vector, an image or a volume."""
    spatial = ("height", "width", "depth")[: rows.ndim - 2]
    return ("feature",) if rows.ndim == 2 else (*spatial, "channel")
