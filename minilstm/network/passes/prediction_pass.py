"""Running a network over sequences: in spans of time, and in the form in which they came.
Memory stays flat over any length; the results are those of one long run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_numbers
from minilstm.backend import Backend, reuse_memory
from minilstm.data.padding import Padding, padded, trimmed
from minilstm.data.sequences import Batch
from minilstm.data.stored import Stored, cuts
from minilstm.errors import DataError
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack, unpack
from minilstm.layers import Signal
from minilstm.layers.base import count
from minilstm.network.graph.wiring import Port, Wiring, ancestors
from minilstm.network.passes.memory import span_rows, used_bytes
from minilstm.network.passes.placement import Placement, moved_state
from minilstm.network.passes.walk import (
    Parameters,
    State,
    first_states,
    prepared,
    run_forward,
    write_states,
)

Array = NDArray[Any]

SPAN_BYTES = 2 * 2**20  # that the layers write for one span: they stay in a core's own caches


@dataclass(eq=False)
class PredictionPass:
    """The forward pass that keeps nothing for a backward pass, its weights arranged once."""

    wiring: Wiring
    parameters: Parameters  # arrays of each layer, by its name, where `backend` computes
    backend: Backend
    wanted: Sequence[Port]  # outputs that are asked for; layers that they do not need do not run
    dtype: Any  # of the network
    placement: Placement | None = None  # keeps the arranged weights for the next pass

    def __post_init__(self) -> None:
        how = () if self.placement is None else (self.placement.arranged,)
        self.parameters = prepared(self.wiring.layers, self.backend, self.parameters, *how)
        itemsize = np.dtype(self.dtype).itemsize
        way = _way(self.wiring, tuple(self.wanted), itemsize)
        self.sources, self.nodes, self.steps = way.sources, way.nodes, way.steps
        self.rows: int | None = None  # of a span at most; None where the batch must not be cut
        if not way.uncut:
            self.rows = span_rows(way.used, self.backend.gpu_bytes)
            if self.backend.name == "numba":  # the twins keep as much as in training
                self.rows = max(self.rows, SPAN_BYTES // max(1, itemsize * way.written))

    def forward(self, signals: Sequence[Signal], state: State) -> tuple[list[Signal], State]:
        """The wanted outputs of some steps, and the state after them."""
        done = run_forward(
            self.wiring,
            self.backend,
            self.parameters,
            signals,
            state,
            dtype=self.dtype,
            nodes=self.nodes,
            keep="nothing",
            want=self.sources,
        )
        return [done.values[port] for port in self.wanted], done.state

    def in_spans(self, signals: Sequence[Signal], state: State) -> tuple[list[Array], State]:
        """Outputs of all rows, span after span of time, with the state carried across.

        Outputs are (N, *shape) or (B, *shape), in packed order as the states are; a state {} is
        the initial one.
        """
        active, rows = signals[0].active, self.rows
        if rows is None or rows >= len(signals[0].rows):
            outs, final = self.forward(signals, state)
            return [out.rows for out in outs], final
        ends = np.cumsum(active)  # (T,) rows up to and including each step
        outputs: list[list[Array]] = [[] for _ in self.wanted]
        final = {}
        step = done = 0
        while step < len(active):
            stop = max(step + 1, int(np.searchsorted(ends, done + rows, side="right")))
            running = active[step:stop]
            n = int(running[0])  # the sequences that reach this span are the first n
            part = [Signal(a.rows[done : ends[stop - 1]], running) for a in signals]
            outs, after = self.forward(part, first_states(final or state, n))
            write_states(final, after)
            for all_parts, out, by_step in zip(outputs, outs, self.steps, strict=True):
                if by_step or not all_parts:
                    all_parts.append(out.rows)
                else:
                    all_parts[0][:n] = out.rows
            step, done = stop, int(ends[stop - 1])
        return [a[0] if len(a) == 1 else np.concatenate(a) for a in outputs], final

    def predict(
        self,
        batches: Sequence[Batch],
        state: State,
        mini_batch_size: int | None = None,
        padding: Padding | None = None,
        want_state: bool = False,
    ) -> tuple[list[Any], State]:
        """Outputs of checked sequences, mini-batch after mini-batch.

        Parameters
        ----------
        batches : one of B sequences for each input, of the same lengths
        state : (B, H) arrays in the order of the batch; {} is the initial one
        mini_batch_size : sequences that run together; None means all, but of those on disk as many
            as are a few million numbers
        padding : how each mini-batch is brought to one length; None leaves it ragged
        want_state : False leaves the state after the last step where it is

        Returns
        -------
        outputs : (T, *shape), a list of (T_b, *shape), or (B, T, *shape) each; an output of one row
            a sequence (*shape) or (B, *shape)
        state : after each sequence's last step, in the order of the batch; {} if it is not wanted

        Raises
        ------
        DataError
            mini_batch_size is no whole number of at least 1.
        """
        form, size = batches[0].form, mini_batch_size
        given = [b.sequences for b in batches]
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise DataError(
                f"mini_batch_size is {size!r}; give a whole number of at least 1, or None."
            )
        results: list[list[Any]] = [[] for _ in self.wanted]
        states: list[State] = []
        padding = padding or Padding()
        with reuse_memory(self.backend):
            for some in cuts(given, size):
                part = batches
                if some.stop - some.start < len(given[0]) or isinstance(given[0], Stored):
                    part = [Batch(sequences[some], form) for sequences in given]
                part, masks = padded(part, padding)
                start = {k: LSTMState(*(a[some] for a in s)) for k, s in state.items()}
                outs, after = self._mini_batch(part, start, want_state)
                states.append(after)
                for all_parts, out, by_step in zip(results, outs, self.steps, strict=True):
                    all_parts.append(trimmed(out, masks, form) if by_step else out)
        return [_joined(parts) for parts in results], {
            k: LSTMState(*(np.concatenate([s[k][i] for s in states]) for i in range(2)))
            for k in states[0]
        }

    def _mini_batch(
        self, batches: Sequence[Batch], state: State, want_state: bool
    ) -> tuple[list[Any], State]:
        """The same for sequences that run together, in the form in which they came.

        The rows go to where the backend computes once, and the outputs come back once.
        """
        backend = self.backend
        packed = [pack(batch.sequences, batch.together) for batch in batches]
        order, form = packed[0].order, batches[0].form  # (B,)
        start = moved_state(state, lambda a: backend.to_device(a[order]))
        signals = [Signal(backend.to_device(p.rows), p.active) for p in packed]
        outs, after = self.in_spans(signals, start)
        back = np.argsort(order)  # (B,)
        after = moved_state(after, lambda a: backend.to_host(a)[back]) if want_state else {}
        results: list[Any] = []
        for out, by_step in zip(map(backend.to_host, outs), self.steps, strict=True):
            if any(np.may_share_memory(out, p.rows) for p in packed):
                out = out.copy()  # no layer computed: what users get is theirs all the same
            if not by_step:
                result: Any = out[back]  # (B, *shape)
            elif form == "dense":
                steps = out.reshape(-1, len(order), *out.shape[1:])  # (T, B, *shape)
                result = np.ascontiguousarray(steps.swapaxes(0, 1))
            else:
                result = unpack(out, packed[0].active, order)
            results.append(result[0] if form == "single" else result)
        return results, after


class _Way(NamedTuple):
    """What is the same for every pass to some outputs of a network."""

    sources: tuple[int, ...]  # nodes of the outputs
    nodes: tuple[int, ...]  # those that run
    steps: tuple[bool, ...]  # for each output, whether it is one row a step, not one a sequence
    uncut: bool  # whether some layer needs all steps at once
    used: int  # bytes that training needs for a row
    written: int  # numbers that all layers put out for a row


@lru_cache(maxsize=64)
def _way(wiring: Wiring, wanted: tuple[Port, ...], itemsize: int) -> _Way:
    sources = tuple(port.node for port in wanted)
    steps = tuple(wiring.nodes[q.node].steps[q.output] for q in wanted)
    rows = wiring.cannot_be_cut(training=False), used_bytes(wiring, itemsize)[0], _written(wiring)
    return _Way(sources, tuple(ancestors(wiring, sources)), steps, *rows)


def _written(wiring: Wiring) -> int:
    """Numbers that all layers together put out for a row, but for those that keep the last step."""
    return sum(
        count(shape)
        for node in wiring.nodes
        for shape, steps in zip(node.shapes, node.steps, strict=True)
        if steps
    )


def _joined(parts: list[Any]) -> Any:
    """Outputs of several mini-batches as one: lists are joined, arrays stacked."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], list):
        return [out for part in parts for out in part]
    return np.concatenate(parts)


def check_state(state: Mapping[str, Any], zero: State, dtype: Any) -> State:
    """A copy of a user's state, checked against the initial state of the same batch.

    Raises DataError where it is for other layers, or another batch size or number of hidden units.
    """
    if not isinstance(state, Mapping):
        raise DataError(
            f"state is {type(state).__name__}, but a dict of (hidden, cell) by layer name is "
            "wanted; pass a state that this network returned."
        )
    if set(state) != set(zero):
        raise DataError(
            f"state is for the layers {list(state)}, but this network has {list(zero)}; "
            "pass a state that this network returned."
        )
    out = {}
    for name, pair in state.items():
        if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
            raise DataError(
                f"state[{name!r}] is {type(pair).__name__}, not a pair of arrays (hidden, cell); "
                "pass a state that this network returned."
            )
        kinds, values = "biufc" if np.dtype(dtype).kind == "c" else "biuf", []
        wanted = zero[name].hidden.shape
        for what, part in zip(LSTMState._fields, pair, strict=True):
            array = as_numbers(part, f"state[{name!r}].{what}", "states", kinds)
            with np.errstate(over="ignore"):
                value = np.array(array, dtype)  # (B, H), a copy
            if value.shape != wanted:
                raise DataError(
                    f"state[{name!r}].{what} has shape {value.shape}, but this batch wants "
                    f"{wanted}; pass the state of the same sequences."
                )
            if not np.isfinite(value).all():
                raise DataError(
                    f"state[{name!r}].{what} holds NaN or infinity; pass a state that this "
                    "network returned."
                )
            values.append(value)
        out[name] = LSTMState(*values)
    return out
