"""Loss and gradients of a batch of any length in a stated memory: span after span of time.
Forward keeps the gates of as many spans as the budget holds and computes the others a second time.

The spans are the same for every budget, and each is restored to the very bits it had, so the
budget changes time and memory and not one bit of a gradient.

Axes: B batch, T time, N rows of a packed ragged batch, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray
from minilstm.layers import FullyConnected, Layer, Signal
from minilstm.memory import MemoryPlan

Array = NDArray[Any]
State = dict[str, LSTMState]
Parameters = Mapping[str, Any]


class LossAndGradients(NamedTuple):
    """What one pass over a batch gives."""

    loss: float  # mean over all real steps (or sequences), nats
    correct: int  # steps (or sequences) whose largest score is the true class
    gradients: dict[str, Array]  # by "layer/parameter"


def loss_and_gradients(
    layers: Sequence[Layer],
    parameters: Mapping[str, Parameters],
    signal: Signal,
    targets: IntArray,
    state: State,
    plan: MemoryPlan,
    backend: Backend,
    *,
    last_only: bool = False,
    truncation: int | None = None,
) -> LossAndGradients:
    """Mean cross-entropy of a packed batch and the gradient of every learnable.

    Parameters
    ----------
    layers : of a network that ends in Softmax
    parameters : of each layer, by its name
    signal : rows (N, D) and active (T,)
    targets : (N,) class numbers, or (B,) with `last_only`, in packed order
    state : initial state by layer name, (B, H) arrays
    plan : from `plan_memory`, for this batch
    backend : computes
    last_only : the loss looks at each sequence's last step only
    truncation : as for `plan_memory`

    Returns
    -------
    LossAndGradients
    """
    chain = _Chain(layers, parameters, backend, last_only)
    spans, active = plan.spans, signal.active
    count = len(targets)

    def part(n: int) -> Signal:
        s = spans[n]
        return Signal(signal.rows[s.row : s.row_end], active[s.first : s.last])

    states: list[State] = [state]
    kept: dict[int, list[Any] | None] = {}
    for n in range(len(spans) - 1):
        after, kept[n] = chain.advance(part(n), states[n], n >= plan.first_kept)
        following = int(active[spans[n].last])  # sequences that reach the next span
        states.append({k: LSTMState(*(a[:following] for a in s)) for k, s in after.items()})

    losses, correct = [0.0] * len(spans), 0
    gradients: dict[str, Array] = {}
    dstate: State = {}
    for n in range(len(spans) - 1, -1, -1):
        span = spans[n]
        if last_only:  # sequences that do not reach the next span have their last step in this one
            following = int(active[span.last]) if n + 1 < len(spans) else 0
            own = slice(following, int(active[span.first]))
        else:
            own = slice(span.row, span.row_end)
        if truncation is not None and span.last % truncation == 0:
            dstate = {}
        losses[n], right, grads, dstate = chain.loss_and_backward(
            part(n), states[n], kept.pop(n, None), own, targets[own], count, dstate
        )
        correct += right
        for key, g in grads.items():
            if key in gradients:
                gradients[key] += g
            else:
                gradients[key] = g
    return LossAndGradients(float(np.sum(losses)), correct, gradients)


class _Chain:
    """The layers of a classifier, cut where the recurrent part and where the loss begin."""

    def __init__(
        self,
        layers: Sequence[Layer],
        parameters: Mapping[str, Parameters],
        backend: Backend,
        last_only: bool,
    ) -> None:
        self.backend, self.last_only = backend, last_only
        fused = len(layers) > 1 and isinstance(layers[-2], FullyConnected)
        self.classifier = layers[-2] if fused else None
        self.body = layers[: -2 if fused else -1]
        recurrent = [n for n, layer in enumerate(self.body) if layer.kept_per_row(1)]
        self.turn = recurrent[-1] + 1 if recurrent else 0  # layers from here on have no state
        self.parameters = {a.name: a.prepare(backend, parameters[a.name]) for a in layers}
        learns = [bool(parameters[a.name]) for a in self.body]
        self.need_dx = [any(learns[:n]) for n in range(len(learns))]

    def advance(self, span: Signal, state: State, keep: bool) -> tuple[State, list[Any] | None]:
        """The state after a span, and what its layers keep of it."""
        after, kept = dict(state), []
        signal: Signal | None = span
        for n, layer in enumerate(self.body[: self.turn]):
            assert signal is not None  # every layer but the last was asked for its output
            signal, layer_state, layer_kept = layer.advance(
                self.backend,
                self.parameters[layer.name],
                signal,
                state.get(layer.name),
                keep=keep,
                need_output=n + 1 < self.turn,
            )
            kept.append(layer_kept)
            if layer_state is not None:
                after[layer.name] = layer_state
        return after, kept if keep else None

    def loss_and_backward(
        self,
        span: Signal,
        state: State,
        kept: list[Any] | None,
        own: slice,
        targets: IntArray,
        count: int,
        dstate: State,
    ) -> tuple[float, int, dict[str, Array], State]:
        """A span's part of the loss, right answers, gradients, and the gradient of its start."""
        backend = self.backend
        caches, signal = [], span
        for n, layer in enumerate(self.body):
            if n == self.turn and self.last_only:
                signal = Signal(signal.rows[own], np.array([len(targets)], np.int64))
            p, before = self.parameters[layer.name], state.get(layer.name)
            if kept is not None and n < self.turn:
                signal, cache = layer.restore(backend, p, signal, before, kept[n])
            else:
                signal, _, cache = layer.forward(backend, p, signal, before)
            caches.append(cache)
        rows = signal.rows
        if self.last_only and self.turn == len(self.body):
            rows = rows[own]
        loss, correct, grads, dy = self._loss(rows, targets, count)
        dstate0: State = {}
        for n in range(len(self.body) - 1, -1, -1):
            layer = self.body[n]
            if n == self.turn - 1 and self.last_only:
                short, dy = (
                    dy,
                    np.zeros((int(span.active[0]), layer.output_shape((1,))[0]), rows.dtype),
                )
                if short is not None:
                    dy[own] = short
            if dy is None:
                continue
            arrived = _lengthened(dstate.get(layer.name), int(span.active[0]))
            dy, layer_grads, layer_dstate = layer.backward(
                backend, dy, arrived, caches[n], self.need_dx[n], spend_cache=True
            )
            grads.update({f"{layer.name}/{key}": g for key, g in layer_grads.items()})
            if layer_dstate is not None:
                dstate0[layer.name] = layer_dstate
        return loss, correct, grads, dstate0

    def _loss(
        self, rows: Array, targets: IntArray, count: int
    ) -> tuple[float, int, dict[str, Array], Array | None]:
        """Loss, right answers, gradients of the classifier, and the gradient of its rows."""
        if len(targets) == 0:  # no sequence ends in this span
            return 0.0, 0, {}, None
        if self.classifier is None:
            loss, cache = self.backend.softmax_cross_entropy_forward(rows, targets, count)
            correct = int((cache.scores.argmax(axis=1) == targets).sum())
            return loss, correct, {}, self.backend.softmax_cross_entropy_backward(cache)
        name = self.classifier.name
        p = self.parameters[name]
        part = self.backend.classifier_loss(rows, p["weights"], p["bias"], targets, count)
        grads = {f"{name}/weights": part.W, f"{name}/bias": part.b}
        return part.loss, part.correct, grads, part.dx


def _lengthened(state: LSTMState | None, B: int) -> LSTMState | None:
    """A gradient of states, with zeros for sequences that ended before it arose."""
    if state is None or len(state.hidden) == B:
        return state
    out = LSTMState(*(np.zeros((B, a.shape[1]), a.dtype) for a in state))
    for target, source in zip(out, state, strict=True):
        target[: len(source)] = source
    return out
