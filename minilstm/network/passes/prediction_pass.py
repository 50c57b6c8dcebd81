"""Running a network over sequences: in spans of time, and in the form in which they came.
Memory stays flat over any length; the results are those of one long run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend, current_backend, reuse_memory
from minilstm.data.padding import Padding, padded, trimmed
from minilstm.data.sequences import Batch
from minilstm.errors import DataError
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack, unpack
from minilstm.layers import Signal
from minilstm.network.graph.wiring import Port, Wiring, ancestors
from minilstm.network.passes.memory import span_rows, used_bytes
from minilstm.network.passes.placement import moved_state
from minilstm.network.passes.walk import Parameters, State, run_forward

Array = NDArray[Any]
Forward = Callable[[Sequence[Signal], State], tuple[list[Signal], State]]


def without_caches(
    wiring: Wiring, parameters: Parameters, backend: Backend, wanted: Sequence[Port]
) -> Forward:
    """The forward pass that keeps nothing for a backward pass, its weights arranged once.

    Parameters
    ----------
    wiring : of the network
    parameters : arrays of each layer, by the names of layer and parameter, where `backend` computes
    backend : computes
    wanted : the outputs that are asked for; layers that they do not need do not run

    Returns
    -------
    function from (signals, state) to (wanted outputs, state after them)
    """
    prepared = {a.name: a.prepare(backend, parameters[a.name]) for a in wiring.layers}
    want = [port.node for port in wanted]
    nodes = ancestors(wiring, want)

    def forward(signals: Sequence[Signal], state: State) -> tuple[list[Signal], State]:
        done = run_forward(
            wiring,
            backend,
            prepared,
            signals,
            state,
            nodes=nodes,
            want=want,
            keep_caches=False,
        )
        return [done.values[port] for port in wanted], done.state

    return forward


def run_in_spans(
    forward: Forward, signals: Sequence[Signal], state: State, steps: Sequence[bool], rows: int
) -> tuple[list[Array], State]:
    """Outputs of all rows, span after span of time, with the state carried across.

    Parameters
    ----------
    forward : outputs and state of a span, from its rows and the state before it
    signals : rows (N, *shape) and active (T,) of each input
    state : before the first step, (B, H) arrays in packed order; {} is the initial one
    steps : for each output, whether it is one row a step, not one a sequence
    rows : of a span at most; 0 means one span

    Returns
    -------
    outputs : (N, *shape) or (B, *shape) each
    state : after each sequence's own last step
    """
    active = signals[0].active
    ends = np.cumsum(active)  # (T,) rows up to and including each step
    outputs: list[list[Array]] = [[] for _ in steps]
    final: State = {}
    step = done = 0
    while step < len(active):
        stop = max(step + 1, int(np.searchsorted(ends, done + rows, side="right")))
        stop = stop if rows else len(active)
        running = active[step:stop]
        n = int(running[0])  # the sequences that reach this span are the first n
        start = {k: LSTMState(s.hidden[:n], s.cell[:n]) for k, s in (final or state).items()}
        part = [Signal(a.rows[done : ends[stop - 1]], running) for a in signals]
        outs, after = forward(part, start)
        if not final:  # every sequence reaches the first span
            final = {k: LSTMState(s.hidden.copy(), s.cell.copy()) for k, s in after.items()}
        for k, s in after.items():
            final[k].hidden[:n], final[k].cell[:n] = s.hidden, s.cell
        for all_parts, out, by_step in zip(outputs, outs, steps, strict=True):
            if by_step or not all_parts:
                all_parts.append(out.rows)
            else:
                all_parts[0][:n] = out.rows
        step, done = stop, int(ends[stop - 1])
    return [a[0] if len(a) == 1 else np.concatenate(a) for a in outputs], final


def predict_batch(
    wiring: Wiring,
    forward: Forward,
    backend: Backend,
    batches: Sequence[Batch],
    state: State,
    wanted: Sequence[Port],
    dtype: Any,
    want_state: bool = True,
) -> tuple[list[Any], State]:
    """Outputs for checked sequences, in the form in which they came, as NumPy arrays.

    The rows go to where the backend computes once, and the outputs come back once.

    Parameters
    ----------
    wiring : of the network
    forward : from `without_caches`
    backend : for which `forward` was made
    batches : one of B sequences for each input, of the same lengths
    state : (B, H) arrays in the order of the batch; {} is the initial one
    wanted : outputs that `forward` gives
    dtype : of the network
    want_state : False leaves the state after the last step where it is

    Returns
    -------
    outputs : (T, *shape), a list of (T_b, *shape), or (B, T, *shape) each; an output of one row a
        sequence (*shape) or (B, *shape)
    state : after each sequence's own last step, in the order of the batch; {} if it is not wanted
    """
    packed = [pack(batch.sequences) for batch in batches]
    order, form = packed[0].order, batches[0].form  # (B,)
    start = moved_state(state, lambda a: backend.to_device(a[order]))
    steps = [wiring.nodes[port.node].steps[port.output] for port in wanted]
    rows = rows_of_span(wiring, dtype, backend.gpu_bytes)
    signals = [Signal(backend.to_device(p.rows), p.active) for p in packed]
    outs, after = run_in_spans(forward, signals, start, steps, rows)
    back = np.argsort(order)  # (B,)
    after = moved_state(after, lambda a: backend.to_host(a)[back]) if want_state else {}
    results: list[Any] = []
    for out, by_step in zip(map(backend.to_host, outs), steps, strict=True):
        if not by_step:
            result: Any = out[back]  # (B, *shape)
        else:
            result = unpack(out, packed[0].active, order)
            result = np.stack(result) if form == "dense" else result
        results.append(result[0] if form == "single" else result)
    return results, after


def predict_batches(
    wiring: Wiring,
    by_layer: Callable[[Backend], Parameters],
    batches: list[Batch],
    state: State,
    wanted: Sequence[Port],
    dtype: Any,
    *,
    mini_batch_size: int | None,
    padding: Padding,
    want_state: bool,
) -> tuple[list[Any], State]:
    """Outputs of checked sequences, mini-batch after mini-batch, on the backend in force.

    Parameters
    ----------
    wiring : of the network
    by_layer : gives the arrays of each layer where a backend computes
    batches, state, wanted, dtype, want_state : as for `predict_batch`
    mini_batch_size : sequences that run together; None means all
    padding : how each mini-batch is brought to one length

    Returns
    -------
    outputs, state : as from `predict_batch`

    Raises
    ------
    DataError
        mini_batch_size is no whole number of at least 1.
    """
    B, form, size = len(batches[0].sequences), batches[0].form, mini_batch_size
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise DataError(f"mini_batch_size is {size!r}; give a whole number of at least 1, or None.")
    backend = current_backend()
    forward = without_caches(wiring, by_layer(backend), backend, wanted)
    results: list[list[Any]] = [[] for _ in wanted]
    states: list[State] = []
    step = size or B
    with reuse_memory(backend):
        for n in range(0, B, step):
            part = [Batch(b.sequences[n : n + step], form) for b in batches]
            part, masks = padded(part, padding)
            start = {k: LSTMState(*(a[n : n + step] for a in s)) for k, s in state.items()}
            outs, after = predict_batch(
                wiring, forward, backend, part, start, wanted, dtype, want_state
            )
            states.append(after)
            for all_parts, out, port in zip(results, outs, wanted, strict=True):
                by_step = wiring.nodes[port.node].steps[port.output]
                all_parts.append(trimmed(out, masks, form) if by_step else out)
    joined = [parts[0] if len(parts) == 1 else _joined(parts) for parts in results]
    return joined, {
        k: LSTMState(*(np.concatenate([s[k][i] for s in states]) for i in range(2)))
        for k in states[0]
    }


def _joined(parts: list[Any]) -> Any:
    """Outputs of several mini-batches as one: lists are joined, arrays stacked."""
    if isinstance(parts[0], list):
        return [out for part in parts for out in part]
    return np.concatenate(parts)


def rows_of_span(wiring: Wiring, dtype: Any, gpu_bytes: int | None) -> int:
    """Rows of a span of prediction; 0 where sequences cannot be cut."""
    if wiring.cannot_be_cut(training=False):
        return 0
    per_row, _ = used_bytes(wiring, np.dtype(dtype).itemsize)
    return span_rows(per_row, gpu_bytes)


def check_state(state: Mapping[str, Any], zero: State, dtype: Any) -> State:
    """A copy of a user's state, checked against the initial state of the same batch.

    Raises
    ------
    DataError
        It is for other layers, or another batch size or number of hidden units.
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
        try:
            hidden, cell = pair
            with np.errstate(over="ignore"):
                values = [np.array(hidden, dtype), np.array(cell, dtype)]  # (B, H), (B, H)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"state[{name!r}] is {type(pair).__name__}, not a pair of arrays (hidden, cell); "
                "pass a state that this network returned."
            ) from error
        wanted = zero[name].hidden.shape
        for what, value in zip(LSTMState._fields, values, strict=True):
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
        out[name] = LSTMState(*values)
    return out
