"""Where an entry of somebody's LSTM is: which gate and unit, or which sequence and time step.
A layout only rearranges numbers, so numbered entries sent through it tell where each one goes.

Axes: B batch, T time, D features, H hidden, four gates.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minilstm.proof.causes.recognition.lstm_trial import FoundLSTM
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.reports.places import GATES, Place, full_name


def place_in_lstm(
    found: FoundLSTM, arrays: Mapping[str, Array], name: str, index: tuple[int, ...]
) -> Place | None:
    """Say in words what an entry of a recognised LSTM is.

    Parameters
    ----------
    found : the layout
    arrays : the user's arrays by name
    name, index : of the entry

    Returns
    -------
    Place, or None where the layout leaves the entry out
    """
    numbered, start, wanted = {}, 1, 0
    for key, array in arrays.items():
        numbered[key] = np.arange(start, start + array.size, dtype=np.float64).reshape(array.shape)
        if key == name:
            wanted = int(numbered[key][index])
        start += array.size
    parts = found.layout.build(numbered)
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


def _find(block: Array, wanted: int) -> tuple[int, ...] | None:
    places = np.argwhere(block == wanted)
    return tuple(int(i) for i in places[0]) if len(places) else None
