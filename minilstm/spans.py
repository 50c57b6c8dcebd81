"""Loss and gradients of a batch of any length in a stated memory: span after span of time.
Forward keeps the gates of as many spans as the budget holds and computes the others a second time.

The spans are the same for every budget, and each is restored to the very bits it had, so the
budget changes time and memory and not one bit of a gradient. A network with a layer that needs
the whole batch (batch normalisation, a BiLSTM) goes through as one span.

Axes: B batch, T time, N rows of a packed ragged batch, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.execution import (
    Part,
    State,
    needed_gradients,
    run_advance,
    run_backward,
    run_forward,
)
from minilstm.functional.lstm import LSTMState
from minilstm.heads import Head, HeadResult, MiniBatch, run_head
from minilstm.layers import Signal
from minilstm.memory import MemoryPlan
from minilstm.structure import Port, Wiring, ancestors

Array = NDArray[Any]


class LossAndGradients(NamedTuple):
    """What one pass over a batch gives."""

    loss: float  # summed over the outputs of the network
    correct: tuple[int, ...]  # for each output, rows whose largest score is the true class
    gradients: dict[str, Array]  # of every learnable, by "layer/parameter"
    state: State  # after each sequence's last step, (B, H) each
    statistics: dict[str, Array]  # new values of what is carried but not learned
    outputs: tuple[Array, ...] | None  # rows of each output, in packed order, if asked for


class Gradients(NamedTuple):
    """Gradients that only a gradient check asks for."""

    state: State  # of the state before the first step
    inputs: tuple[Array, ...]  # of the rows of each input


class TrainingPass:
    """The layers and heads of a network, cut where its recurrent part ends.

    Parameters
    ----------
    wiring : of the network
    heads : from `find_heads`
    parameters : arrays of each layer, by its name
    backend : computes
    key : random bits of this training step
    inputs_too : also give the gradients of the inputs
    """

    def __init__(
        self,
        wiring: Wiring,
        heads: Sequence[Head],
        parameters: Mapping[str, Any],
        backend: Backend,
        key: int = 0,
        inputs_too: bool = False,
    ) -> None:
        self.wiring, self.heads, self.backend, self.key = wiring, heads, backend, key
        self.layers = wiring.layers
        self.parameters = {a.name: a.prepare(backend, parameters[a.name]) for a in self.layers}
        swallowed = {n for head in heads for n in head.swallowed}
        self.nodes = [n for n in range(len(wiring.nodes)) if n not in swallowed]
        self.recurrent = ancestors(wiring, [n for n, a in enumerate(wiring.nodes) if a.state_size])
        learning = {a.name for a in self.layers if parameters[a.name]}
        if inputs_too:
            self.need_dx = [True] * len(wiring.nodes)
        else:
            self.need_dx = needed_gradients(wiring, learning.__contains__)

    def run(
        self,
        batch: MiniBatch,
        state: State,
        plan: MemoryPlan,
        truncation: int | None = None,
        want_outputs: bool = False,
        loss_only: bool = False,
    ) -> tuple[LossAndGradients, Gradients]:
        """Loss and gradients of a batch.

        Parameters
        ----------
        batch : packed
        state : before the first step, (B, H) each, by layer name
        plan : from `plan_memory`, for this batch
        truncation : as for `plan_memory`
        want_outputs : also return the rows of each output
        loss_only : leave the gradients out
        """
        spans, active = plan.spans, batch.signals[0].active
        B = int(active[0])

        def signals(n: int) -> tuple[Signal, ...]:
            s = spans[n]
            rows = slice(s.row, s.row_end)
            return tuple(Signal(a.rows[rows], active[s.first : s.last]) for a in batch.signals)

        def own(n: int) -> slice | None:  # sequences whose last step lies in the span
            if len(spans) == 1:
                return None
            after = int(active[spans[n].last]) if n + 1 < len(spans) else 0
            return slice(after, int(active[spans[n].first]))

        states: list[State] = [state]
        final = {k: LSTMState(s.hidden.copy(), s.cell.copy()) for k, s in state.items()}
        kept: dict[int, dict[int, Any]] = {}
        for n in range(len(spans) - 1):
            part = Part(spans[n].row, own(n), self.key)
            keep = n >= plan.first_kept
            after, kept[n] = run_advance(
                self.wiring,
                self.backend,
                self.parameters,
                signals(n),
                states[n],
                self.recurrent,
                part,
                keep,
            )
            _write(final, after)
            following = int(active[spans[n].last])  # sequences that reach the next span
            states.append({k: LSTMState(*(a[:following] for a in s)) for k, s in after.items()})

        loss, correct = [0.0] * len(spans), [0] * len(self.heads)
        gradients: dict[str, Array] = {}
        statistics: dict[str, Array] = {}
        outputs: list[list[Array]] = [[] for _ in self.heads]
        dinputs: list[list[Array]] = [[] for _ in batch.signals]
        dstate: State = {}
        for n in range(len(spans) - 1, -1, -1):
            span = spans[n]
            part = Part(span.row, own(n), self.key)
            if truncation is not None and span.last % truncation == 0:
                dstate = {}
            forward = run_forward(
                self.wiring,
                self.backend,
                self.parameters,
                signals(n),
                states[n],
                nodes=self.nodes,
                part=part,
                kept=kept.pop(n, None),
                want=[head.source.node for head in self.heads],
            )
            if n == len(spans) - 1:
                _write(final, forward.state)
            statistics.update(self._statistics(forward.caches))
            rows, ends = slice(span.row, span.row_end), part.own or slice(0, B)
            dys: dict[Port, Array] = {}
            for k, head in enumerate(self.heads):
                result = self._head(head, forward.values, batch, k, rows, ends, want_outputs)
                loss[n] += result.loss
                correct[k] += result.correct
                _add(gradients, result.grads)
                if result.outputs is not None:
                    outputs[k].append(result.outputs)
                if result.dy is not None:
                    before = dys.get(head.source)
                    dys[head.source] = result.dy if before is None else before + result.dy
            caches = forward.caches
            del forward
            if loss_only:
                continue
            grads, dstate, dx = run_backward(
                self.wiring,
                self.backend,
                dys,
                dstate,
                caches,
                need_dx=self.need_dx,
                batch=int(active[span.first]),
                rows=span.row_end - span.row,
                part=part,
                spend_caches=True,
            )
            _add(gradients, grads)
            for k, node in enumerate(self.wiring.inputs):
                if node in dx:
                    dinputs[k].append(dx[node])
        for name, arrays in self.parameters.items():
            for key in self._learnables(name):
                if f"{name}/{key}" not in gradients:  # the loss does not depend on it
                    gradients[f"{name}/{key}"] = np.zeros_like(arrays[key])
        total: Any = sum(loss[1:], loss[0])
        return (
            LossAndGradients(
                float(np.sum(loss)) if not np.iscomplexobj(loss) else total,
                tuple(correct),
                gradients,
                final,
                statistics,
                tuple(self._joined(h, o, active) for h, o in zip(self.heads, outputs, strict=True))
                if want_outputs
                else None,
            ),
            Gradients(dstate, tuple(np.concatenate(d[::-1]) for d in dinputs if d)),
        )

    def _head(
        self,
        head: Head,
        values: Any,
        batch: MiniBatch,
        k: int,
        rows: slice,
        ends: slice,
        want_outputs: bool,
    ) -> HeadResult:
        """A head on the rows of a span, or on the sequences that end in it."""
        chosen = rows if head.steps else ends
        targets, weights = batch.targets[k][chosen], batch.weights[k]
        if len(targets) == 0:
            return HeadResult(0.0, 0, {}, None, None)
        return run_head(
            head,
            self.layers,
            self.parameters,
            self.backend,
            values[head.source].rows,
            targets,
            None if weights is None else weights[chosen],
            batch.divisors[k],
            want_outputs,
        )

    def _statistics(self, caches: Mapping[int, Any]) -> dict[str, Array]:
        """New running statistics of the layers that have some."""
        out = {}
        for n, cache in caches.items():
            layer = self.layers[n]
            if hasattr(layer, "updated_statistics"):
                new = layer.updated_statistics(self.parameters[layer.name], cache)
                out.update({f"{layer.name}/{key}": value for key, value in new.items()})
        return out

    def _learnables(self, name: str) -> list[str]:
        node = next(a for a in self.wiring.nodes if a.layer.name == name)
        if not node.in_shapes:
            return []
        return [p.name for p in node.layer.parameters(node.in_shapes[0])]

    def _joined(self, head: Head, parts: list[Array], active: Array) -> Array:
        """Rows of an output in packed order, from those of the spans, the last span first."""
        if head.steps:
            return np.concatenate(parts[::-1])
        return np.concatenate(parts)  # the longest sequences end in the last span


def _write(final: State, after: Mapping[str, LSTMState]) -> None:
    """Overwrite the state of the sequences that reached a span, which are the first ones."""
    for name, (hidden, cell) in after.items():
        final[name].hidden[: len(hidden)], final[name].cell[: len(cell)] = hidden, cell


def _add(total: dict[str, Array], more: Mapping[str, Array]) -> None:
    for key, g in more.items():
        if key in total:
            total[key] += g
        else:
            total[key] = g
