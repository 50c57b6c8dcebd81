"""Decides by trial whether a plain function is one whose backward pass is known here.
Shapes say what it might be. The NumPy twin says whether it is: its outputs must be the user's.

An LSTM is found in any usual layout (`lstm_layouts`), and five simpler functions (`row_trials`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.recognition.arrangements import numbered
from minilstm.proof.causes.recognition.lstm_trial import FoundLSTM, find_lstm, replay_lstm
from minilstm.proof.causes.recognition.row_trials import find_row_function
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.derivatives.trees import leaves
from minilstm.proof.reports.places import GATES, Place, full_name


class Likeness(NamedTuple):
    """What a user's function was found to be."""

    title: str  # "an LSTM with gates in the order f, i, g, o; x (T, D), W (4H, D), R (4H, H)"
    function: str  # name of the backward pass in `minilstm.functional`
    replay: Callable[[Callable[..., Any]], dict[str, Array]]
    place: Callable[[str, tuple[int, ...]], Place | None]  # an entry of an array, in words

    def in_place_of(self, function: str, wrong: Callable[..., Any]) -> Mapping[str, Array]:
        """Gradients with one function replaced by a wrong one; {} if this is another function."""
        return self.replay(wrong) if function == self.function else {}


def recognise(inputs: Mapping[str, Any], outputs: Any, upstream: Any) -> Likeness | None:
    """Find the function of `minilstm.functional` that a user's function computes.

    All arrays must have a part in it, and the outputs must agree to 1e-9 (float32: 1e-4) of the
    largest entry. Nothing is ever raised: what is odd is not recognised.

    `inputs` are the user's arrays in their order; integers among them may be classes. `outputs` are
    an array, a number, or nested tuples or lists of them, and `upstream` has their structure, or is
    None where the output is a loss. The replay of a likeness gives the gradients of a backward pass
    with the contract of the one named in `function`, by the user's names and in the user's shapes.
    """
    try:
        with np.errstate(all="ignore"):
            return _recognise(inputs, outputs, upstream)
    except Exception:  # arrays of any kind may come; a likeness is a hint and must not stop a check
        return None


def _recognise(inputs: Mapping[str, Any], outputs: Any, upstream: Any) -> Likeness | None:
    given = {name: np.asarray(a) for name, a in inputs.items()}
    arrays = {n: a.astype(np.float64) for n, a in given.items() if a.dtype.kind == "f"}
    others = {n: a for n, a in given.items() if a.dtype.kind != "f"}
    out = [np.asarray(leaf) for leaf in leaves(outputs) if leaf is not None]
    coarse = any(a.dtype == np.float32 for a in [*out, *given.values()])
    values = [a.astype(np.float64) for a in out if a.dtype.kind == "f"]
    finite = all(np.isfinite(a).all() for a in [*arrays.values(), *values])
    if not arrays or len(values) != len(out) or not values or not finite:
        return None
    ups = [np.ones(a.shape) for a in out]
    if upstream is not None:
        ups = [np.asarray(up, np.float64) for up in leaves(upstream) if up is not None]
    tolerance = 1e-4 if coarse else 1e-9
    found = find_row_function(arrays, others, values, ups, tolerance)
    if found is not None:
        return Likeness(*found, lambda name, index: None)
    lstm = None if others else find_lstm(arrays, values, tolerance)
    if lstm is None:
        return None
    return Likeness(
        _title(lstm),
        "lstm_backward",
        lambda wrong: replay_lstm(lstm, arrays, ups, wrong),
        lambda name, index: _place_in_lstm(lstm, arrays, name, index),
    )


def _title(found: FoundLSTM) -> str:
    names = dict(zip(found.order, "ifgo", strict=True))
    gates = [names[k] for k in range(4)]
    if found.layout.gates:
        pairs = zip(gates, found.layout.gates, strict=True)
        listed = f"gates {', '.join(f'{gate} ({name})' for gate, name in pairs)}"
    else:
        listed = f"gates in the order {', '.join(gates)}"
    added = "; 1 is added to z_f" if found.forget else ""
    return f"an LSTM with {listed}; {found.layout.title}{added}"


def _place_in_lstm(
    found: FoundLSTM, arrays: Mapping[str, Array], name: str, index: tuple[int, ...]
) -> Place | None:
    """What an entry of a recognised LSTM is, in words; None where the layout leaves it out."""
    numbers = numbered(arrays)
    wanted, parts = numbers[name][index], found.layout.build(numbers)
    gate_of_block = dict(zip(found.order, "ifgo", strict=True))
    biases = [("", bias) for bias in parts.biases]
    for what, block in [("feature", parts.W), ("from unit", parts.R), *biases]:
        at = _find(block, wanted)
        if at is not None:
            gate = full_name(gate_of_block[at[0]], GATES)
            last = f", {what} {at[2]}" if what else ""
            return Place(f"{gate}, unit {at[1]}{last}", gate, at[1], None)
    at = _find(parts.x, wanted)  # (T, B, D)
    if at is not None:
        sequence = f"sequence {at[1]}, " if parts.x.shape[1] > 1 else ""
        return Place(f"{sequence}time step {at[0]}, feature {at[2]}", None, None, at[0])
    for state in (parts.h0, parts.c0):
        at = None if state is None else _find(state, wanted)  # (B, H)
        if at is not None:
            return Place(f"sequence {at[0]}, unit {at[1]}", None, at[1], None)
    return None


def _find(block: Array, wanted: Any) -> tuple[int, ...] | None:
    places = np.argwhere(block == wanted)
    return tuple(int(i) for i in places[0]) if len(places) else None
