"""Loss and gradients of a batch of any length in a stated memory: span after span of time.
Forward keeps the gates of as many spans as the budget holds and computes the others a second time.

The spans are the same for every budget, and each is restored to the very bits it had, so the
budget changes time and memory and not one bit of a gradient. A network with a layer that needs
the whole batch (batch normalisation, a BiLSTM) goes through as one span.

Axes: B batch, T time, N rows of a packed ragged batch, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.layers import BatchNormalization, Signal
from minilstm.network.graph.parameters import parameter_slots
from minilstm.network.graph.wiring import Port, Wiring, ancestors
from minilstm.network.passes.heads import Head, run_head
from minilstm.network.passes.memory import MemoryPlan, Span
from minilstm.network.passes.mini_batch import MiniBatch
from minilstm.network.passes.walk import (
    Parameters,
    Part,
    State,
    first_states,
    needed_gradients,
    prepared,
    run_backward,
    run_forward,
    write_states,
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


class TrainingPass:
    """The layers and heads of a network, and what a pass does in the same way at every step.

    All arrays that go in are where the backend computes, and so is what comes out. With
    `inputs_too` it gives the gradients of the inputs as well.
    """

    def __init__(self, wiring: Wiring, heads: Sequence[Head], inputs_too: bool = False) -> None:
        self.wiring, self.heads = wiring, heads
        swallowed = {n for head in heads for n in head.swallowed}
        self.nodes = [n for n in range(len(wiring.nodes)) if n not in swallowed]  # those that run
        self.sources = [head.source.node for head in heads]
        with_state = [n for n, node in enumerate(wiring.nodes) if node.state_size]
        self.recurrent = ancestors(wiring, with_state)  # nodes with state, and what feeds them
        self.learnables = list(parameter_slots(wiring))  # "layer/parameter"
        need = needed_gradients(wiring, {key.partition("/")[0] for key in self.learnables})
        self.need_dx = [True] * len(need) if inputs_too else need  # by node
        self.normalizes = any(isinstance(layer, BatchNormalization) for layer in wiring.layers)

    def run(
        self,
        parameters: Parameters,
        backend: Backend,
        batch: MiniBatch,
        state: State,
        plan: MemoryPlan,
        *,
        dtype: Any = None,
        key: int = 0,
        truncation: int | None = None,
        want_outputs: bool = False,
        loss_only: bool = False,
        across: Any = None,
    ) -> tuple[LossAndGradients, State, tuple[Array, ...]]:
        """Loss and gradients of a batch.

        Behind them stand the gradients that only a gradient check asks for: of the state before the
        first step, and of the rows of each input.

        Parameters
        ----------
        parameters : arrays of each layer, by its name
        state : before the first step, (B, H) each, by layer name; {} is the initial one
        plan : from `plan_memory`, for this batch
        dtype : of the network; None means that of the rows
        key : random bits of this training step
        truncation : as for `plan_memory`
        want_outputs : also return the rows of each output
        loss_only : leave the gradients out
        across : where the batch is a shard of one, see `minilstm.layers.Run`
        """
        parameters = prepared(self.wiring.layers, backend, parameters)
        walk = partial(run_forward, self.wiring, backend, parameters, dtype=dtype)
        through_all = partial(walk, nodes=self.nodes, want=self.sources)
        spans, active = plan.spans, batch.signals[0].active
        pieces = [_piece(batch, spans, n, key, across) for n in range(len(spans))]
        states: list[State] = [state]
        final: State = {}
        kept: dict[int, dict[int, Any]] = {}
        for n, (signals, part) in enumerate(pieces[:-1]):
            keep = "gates" if n >= plan.first_kept else "nothing"
            ahead = walk(signals, states[n], nodes=self.recurrent, part=part, keep=keep)
            kept[n] = ahead.caches
            write_states(final, ahead.state)
            states.append(first_states(ahead.state, int(active[spans[n].last])))

        loss, correct = [0.0] * len(spans), [0] * len(self.heads)
        gradients: dict[str, Array] = {}
        statistics: dict[str, Array] = {}
        outputs: list[list[Array]] = [[] for _ in self.heads]
        dinputs: list[list[Array]] = [[] for _ in batch.signals]
        dstate: State = {}
        for n in range(len(spans) - 1, -1, -1):
            span, (signals, part) = spans[n], pieces[n]
            if truncation is not None and span.last % truncation == 0:
                dstate = {}
            forward = through_all(signals, states[n], part=part, kept=kept.pop(n, None))
            if n == len(spans) - 1:
                write_states(final, forward.state)
            if self.normalizes:
                statistics.update(self._statistics(parameters, forward.caches))
            rows, ends = slice(span.row, span.row_end), part.ending or slice(0, int(active[0]))
            dys: dict[Port, Array] = {}
            for k, head in enumerate(self.heads):
                chosen = rows if head.steps else ends
                targets, weights = batch.targets[k][chosen], batch.weights[k]
                if len(targets) == 0:
                    continue  # no sequence ends in the span
                result = run_head(
                    head,
                    self.wiring.layers,
                    parameters,
                    backend,
                    forward.values[head.source].rows,
                    targets,
                    None if weights is None else weights[chosen],
                    batch.divisors[k],
                    want_outputs,
                )
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
                backend,
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
        for learnable in self.learnables:
            if learnable not in gradients:  # the loss does not depend on it
                layer, _, name = learnable.partition("/")
                gradients[learnable] = np.zeros_like(parameters[layer][name])
        total = loss[0] if len(loss) == 1 else np.sum(loss)
        found = LossAndGradients(
            total if np.iscomplexobj(total) else float(total),
            tuple(correct),
            gradients,
            final,
            statistics,
            tuple(_joined(h, parts) for h, parts in zip(self.heads, outputs, strict=True))
            if want_outputs
            else None,
        )
        return found, dstate, tuple(np.concatenate(d[::-1]) for d in dinputs if d)

    def _statistics(self, parameters: Parameters, caches: Mapping[int, Any]) -> dict[str, Array]:
        """New running statistics of the layers that have some."""
        out = {}
        for n, cache in caches.items():
            layer = self.wiring.nodes[n].layer
            if isinstance(layer, BatchNormalization):
                new = layer.updated_statistics(parameters[layer.name], cache)
                out.update({f"{layer.name}/{key}": value for key, value in new.items()})
        return out


def _piece(
    batch: MiniBatch, spans: Sequence[Span], n: int, key: int, across: Any
) -> tuple[list[Signal], Part]:
    """The signals of a span, and which part of the batch it is."""
    first, last, row, row_end = spans[n]
    active, ending = batch.signals[0].active, None
    if len(spans) > 1:  # the sequences whose last step lies in the span
        after = int(active[last]) if n + 1 < len(spans) else 0
        ending = slice(after, int(active[first]))
    signals = [Signal(a.rows[row:row_end], active[first:last]) for a in batch.signals]
    return signals, Part(row, ending, key, across)


def _joined(head: Head, parts: list[Array]) -> Array:
    """Rows of an output in packed order, from those of the spans, the last span first."""
    # The longest sequences end in the last span, so rows of sequences are in order already.
    return np.concatenate(parts[::-1] if head.steps else parts)


def _add(total: dict[str, Array], more: Mapping[str, Array]) -> None:
    for key, g in more.items():
        if key in total:
            total[key] += g
        else:
            total[key] = g
