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
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Signal
from minilstm.network.graph.parameters import parameter_slots
from minilstm.network.graph.wiring import Port, Wiring, ancestors
from minilstm.network.passes.heads import Head, HeadResult, MiniBatch, run_head
from minilstm.network.passes.memory import MemoryPlan
from minilstm.network.passes.walk import (
    Part,
    State,
    needed_gradients,
    run_advance,
    run_backward,
    run_forward,
)

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


class Route(NamedTuple):
    """What a training pass does in the same way at every step; found once for a network."""

    wiring: Wiring
    heads: tuple[Head, ...]
    nodes: tuple[int, ...]  # those that run; the others are within a head
    sources: tuple[int, ...]  # nodes that the heads start from
    recurrent: tuple[int, ...]  # nodes with state, and what feeds them
    need_dx: tuple[bool, ...]  # by node
    learnables: tuple[str, ...]  # "layer/parameter"


def find_route(wiring: Wiring, heads: Sequence[Head], inputs_too: bool = False) -> Route:
    """The route of a training pass.

    Parameters
    ----------
    wiring : of the network
    heads : from `find_heads`
    inputs_too : also give the gradients of the inputs
    """
    swallowed = {n for head in heads for n in head.swallowed}
    keys = tuple(slot.key for slot in parameter_slots(wiring))
    learning = {key.partition("/")[0] for key in keys}
    need = needed_gradients(wiring, learning.__contains__)
    return Route(
        wiring,
        tuple(heads),
        tuple(n for n in range(len(wiring.nodes)) if n not in swallowed),
        tuple(head.source.node for head in heads),
        tuple(ancestors(wiring, [n for n, a in enumerate(wiring.nodes) if a.state_size])),
        tuple([True] * len(need) if inputs_too else need),
        keys,
    )


class TrainingPass:
    """The layers and heads of a network, with the parameters of one step.

    All arrays that go in are where the backend computes, and so is what comes out.

    Parameters
    ----------
    route : from `find_route`
    parameters : arrays of each layer, by its name
    backend : computes
    key : random bits of this training step
    """

    def __init__(
        self, route: Route, parameters: Mapping[str, Any], backend: Backend, key: int = 0
    ) -> None:
        self.route, self.backend, self.key = route, backend, key
        self.wiring, self.heads = route.wiring, route.heads
        self.layers = route.wiring.layers
        self.parameters = {a.name: a.prepare(backend, parameters[a.name]) for a in self.layers}

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
        state : before the first step, (B, H) each, by layer name; {} is the initial one
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
        final: State = {}
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
                self.route.recurrent,
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
                nodes=self.route.nodes,
                part=part,
                kept=kept.pop(n, None),
                want=self.route.sources,
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
                need_dx=self.route.need_dx,
                batch=int(active[span.first]),
                rows=span.row_end - span.row,
                part=part,
                spend_caches=True,
            )
            _add(gradients, grads)
            for k, node in enumerate(self.wiring.inputs):
                if node in dx:
                    dinputs[k].append(dx[node])
        for key in self.route.learnables:
            if key not in gradients:  # the loss does not depend on it
                layer, _, name = key.partition("/")
                gradients[key] = np.zeros_like(self.parameters[layer][name])
        total = np.sum(loss)
        return (
            LossAndGradients(
                total if np.iscomplexobj(total) else float(total),
                tuple(correct),
                gradients,
                final,
                statistics,
                tuple(_joined(h, parts) for h, parts in zip(self.heads, outputs, strict=True))
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


def _joined(head: Head, parts: list[Array]) -> Array:
    """Rows of an output in packed order, from those of the spans, the last span first."""
    # The longest sequences end in the last span, so rows of sequences are in order already.
    return np.concatenate(parts[::-1] if head.steps else parts)


def _write(final: State, after: Mapping[str, LSTMState]) -> None:
    """Overwrite the state of the sequences that reached a span: the first ones, at first all."""
    for name, (hidden, cell) in after.items():
        if name not in final:
            final[name] = LSTMState(hidden.copy(), cell.copy())
        final[name].hidden[: len(hidden)], final[name].cell[: len(cell)] = hidden, cell


def _add(total: dict[str, Array], more: Mapping[str, Array]) -> None:
    for key, g in more.items():
        if key in total:
            total[key] += g
        else:
            total[key] = g
