"""Gaps in files of arrays: NaN is filled as the user says, or refused by its place.
Tables have a page of their own for that, as a gap may cut their recordings as well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minilstm.data.files.checks import Sequences
from minilstm.data.recordings.gaps import Filled
from minilstm.errors import DataError


def filled(
    data: Sequences, places: Sequence[str], fill: str | None, unit: str = "feature"
) -> Sequences:
    """Sequences without NaN, and their count as the facts; themselves without `fill`.

    Parameters
    ----------
    data : `x` may hold NaN where `fill` is given
    places : what an error calls each sequence
    fill : "linear", over time where it is known, or "previous"
    unit : what an error calls a column
    """
    if fill is None:
        return data
    x, cells = [], 0
    for b, (before, place) in enumerate(zip(data.x, places, strict=True)):
        gaps = np.isnan(before)  # (T, D)
        cells += int(gaps.sum())
        at = np.arange(len(before)) if data.times is None else data.times[b]  # (T,)
        values = before.copy() if gaps.any() else before
        for d in np.flatnonzero(gaps.any(axis=0)).tolist():
            gap = gaps[:, d]  # (T,)
            if gap.all() or (fill == "previous" and gap[0]):
                raise DataError(
                    f"{place} has no number in {unit} {d}"
                    + (", so its gaps cannot be filled: " if gap.all() else " before its first gap")
                    + ("remove it." if gap.all() else ": say fill='linear' (--fill linear).")
                )
            known = np.flatnonzero(~gap)
            if fill == "linear":
                values[gap, d] = np.interp(at[gap], at[known], values[known, d])
            else:
                last = np.searchsorted(known, np.flatnonzero(gap)) - 1
                values[gap, d] = values[known[last], d]
        x.append(values)
    return data._replace(x=x, facts=Filled(cells=cells))
