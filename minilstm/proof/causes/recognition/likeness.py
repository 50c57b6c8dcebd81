"""Decides by trial whether a plain function is an LSTM, in any usual layout (`lstm_layouts`).
Shapes say how it might be read. The NumPy twin says whether it is: its outputs must be the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.recognition.arrangements import numbered
from minilstm.proof.causes.recognition.lstm_equations import lstm_equations
from minilstm.proof.causes.recognition.lstm_trial import FoundLSTM, canonical, find_lstm
from minilstm.proof.derivatives.problem import Array, Axes
from minilstm.proof.derivatives.trees import leaves
from minilstm.proof.reports.places import GATES, Place, full_name


class Likeness(NamedTuple):
    """A user's function that was found to be an LSTM."""

    title: str  # "an LSTM with gates in the order f, i, g, o; x (T, D), W (4H, D), R (4H, H)"
    found: FoundLSTM
    arrays: Mapping[str, Array]

    def place(self, name: str, index: tuple[int, ...]) -> Place | None:
        """An entry of an array in words; None where the layout leaves it out."""
        return _place_in_lstm(self.found, self.arrays, name, index)

    def axes(self, name: str) -> Axes:
        """Labels for an axis along which the four gates are stacked; () where none is."""
        names = dict(zip(self.found.order, "ifgo", strict=True))
        gates, long = tuple(names[k] for k in range(4)), 4 * self.found.layout.sizes.H
        shape = self.arrays[name].shape
        if self.found.layout.gates or shape.count(long) != 1:
            return ()
        return tuple(gates if size == long else "" for size in shape)

    def equations(self, values: Mapping[str, Any]) -> list[Any]:
        """Its outputs by lines that have a name for each gate, (T, B, H) or (B, H) each."""
        layout, order, forget, outputs = self.found
        T, B, _, H, _, _ = layout.sizes
        six = canonical(layout.build(values), order, forget)
        h, state, c = lstm_equations(*six, np.full(T, B))
        shape = T, B, H
        made = {"h": h.reshape(shape), "c": c.reshape(shape), "last h": state.hidden,
                "last c": state.cell}  # fmt: skip
        return [made[kind] for kind, _ in outputs]

    def upstream(self, ups: Any) -> list[Array]:
        """The gradients that arrive at these outputs."""
        given = [up for up in leaves(ups) if up is not None]
        return [
            how.apply(np.asarray(up))
            for (_, how), up in zip(self.found.outputs, given, strict=True)
        ]


def recognise(inputs: Mapping[str, Any], outputs: Any) -> Likeness | None:
    """Find the layout in which a user's function is an LSTM; None where it is none.

    All arrays must have a part in it, and the outputs must agree to 1e-9 (float32: 1e-4) of the
    largest entry. Nothing is ever raised: what is odd is not recognised. `outputs` are an array, a
    number, or nested tuples or lists of them.
    """
    try:
        with np.errstate(all="ignore"):
            return _recognise(inputs, outputs)
    except Exception:  # arrays of any kind may come; a likeness is a hint and must not stop a check
        return None


def _recognise(inputs: Mapping[str, Any], outputs: Any) -> Likeness | None:
    given = {name: np.asarray(a) for name, a in inputs.items()}
    out = [np.asarray(leaf) for leaf in leaves(outputs) if leaf is not None]
    known = [*given.values(), *out]
    if not given or not out or not all(a.dtype.kind == "f" and np.isfinite(a).all() for a in known):
        return None
    coarse = any(a.dtype == np.float32 for a in known)
    arrays = {n: a.astype(np.float64) for n, a in given.items()}
    lstm = find_lstm(arrays, [a.astype(np.float64) for a in out], 1e-4 if coarse else 1e-9)
    return None if lstm is None else Likeness(_title(lstm), lstm, arrays)


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
