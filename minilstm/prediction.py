"""Running a network over sequences: in spans of time, and in the form in which they came.
Memory stays flat over any length; the results are those of one long run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.data.batch import Batch
from minilstm.errors import DataError
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray, pack, unpack
from minilstm.layers import Layer, Signal

Array = NDArray[Any]
State = dict[str, LSTMState]
Forward = Callable[[Signal, State], tuple[Signal, State]]

SPAN_ROWS = 4096  # rows of one span: enough to keep kernels busy, few enough for the cache


def without_caches(
    layers: Sequence[Layer], parameters: Mapping[str, Mapping[str, Array]], backend: Backend
) -> Forward:
    """The forward pass that keeps nothing for a backward pass, its weights arranged once.

    Parameters
    ----------
    layers : of a network
    parameters : arrays of each layer, by the names of layer and parameter
    backend : computes

    Returns
    -------
    function from (signal, state) to (output, state after it)
    """
    prepared = [(layer, layer.prepare(backend, parameters[layer.name])) for layer in layers]

    def forward(signal: Signal, state: State) -> tuple[Signal, State]:
        new_state = {}
        for layer, p in prepared:
            output, layer_state, _ = layer.advance(
                backend, p, signal, state.get(layer.name), keep=False, need_output=True
            )
            assert output is not None  # it was asked for
            signal = output
            if layer_state is not None:
                new_state[layer.name] = layer_state
        return signal, new_state

    return forward


def run_in_spans(
    forward: Forward, signal: Signal, state: State, last_only: bool
) -> tuple[Array, State]:
    """Outputs of all rows, span after span of time, with the state carried across.

    Parameters
    ----------
    forward : output and state of a span, from its rows and the state before it
    signal : rows (N, D) and active (T,)
    state : before the first step, (B, H) arrays in packed order
    last_only : the output is one row a sequence, not one a step

    Returns
    -------
    rows : (N, C), or (B, C) with `last_only`
    state : after each sequence's own last step
    """
    ends = np.cumsum(signal.active)  # (T,) rows up to and including each step
    outputs: list[Array] = []
    final = {k: LSTMState(s.hidden.copy(), s.cell.copy()) for k, s in state.items()}
    step = done = 0
    while step < len(signal.active):
        stop = max(step + 1, int(np.searchsorted(ends, done + SPAN_ROWS, side="right")))
        active = signal.active[step:stop]
        n = int(active[0])  # the sequences that reach this span are the first n
        start = {k: LSTMState(s.hidden[:n], s.cell[:n]) for k, s in final.items()}
        out, after = forward(Signal(signal.rows[done : ends[stop - 1]], active), start)
        for k, s in after.items():
            final[k].hidden[:n], final[k].cell[:n] = s.hidden, s.cell
        if last_only and outputs:
            outputs[0][:n] = out.rows
        else:
            outputs.append(out.rows)
        step, done = stop, int(ends[stop - 1])
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs), final


def predict_batch(
    forward: Forward, batch: Batch, state: State, last_only: bool
) -> tuple[Any, State]:
    """Scores of checked sequences, in the form in which they came.

    Parameters
    ----------
    forward : output and state of a span, from its rows and the state before it
    batch : Batch of B sequences
    state : (B, H) arrays in the order of the batch
    last_only : one row of scores a sequence, not one a step

    Returns
    -------
    scores : (T, C), a list of (T_b, C), or (B, T, C); with `last_only` (C,) or (B, C)
    state : after each sequence's own last step, in the order of the batch
    """
    packed = pack(batch.sequences)
    order = packed.order  # (B,)
    start = {k: LSTMState(s.hidden[order], s.cell[order]) for k, s in state.items()}
    rows, after = run_in_spans(forward, Signal(packed.rows, packed.active), start, last_only)
    back = np.argsort(order)  # (B,)
    after = {k: LSTMState(s.hidden[back], s.cell[back]) for k, s in after.items()}
    if last_only:
        scores: Any = rows[back]  # (B, C)
    else:
        scores = unpack(rows, packed.active, order)
        scores = np.stack(scores) if batch.form == "dense" else scores
    return (scores[0] if batch.form == "single" else scores), after


def measure(scores: Array, targets: IntArray) -> dict[str, float]:
    """Mean cross-entropy (nats) and accuracy (0 to 1) of scores (N, C) against classes (N,).

    Examples
    --------
    >>> measure(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]))
    {'loss': 0.0, 'accuracy': 1.0}
    """
    true = scores[np.arange(len(targets)), targets]  # (N,)
    # A score that underflowed to 0 counts as the smallest number there is, not as infinite loss.
    true = np.maximum(true, np.finfo(true.dtype).tiny).astype(np.float64)
    loss = float(-np.log(true).mean())
    return {"loss": loss + 0.0, "accuracy": float((scores.argmax(axis=1) == targets).mean())}


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
