"""Gaps in features: refused by default, or filled or cut out as the description says.
Labels are never filled, and what was filled is counted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minilstm.data.recordings.columns import Array
from minilstm.data.recordings.order import Ordered
from minilstm.data.recordings.roles import Need
from minilstm.errors import DataError


class Filled(NamedTuple):
    """What became of gaps: cells that were filled, and rows that were cut out."""

    cells: int = 0
    rows: int = 0


def need_of_gaps(found: Ordered, features: tuple[str, ...], x: Array) -> list[Need]:
    """What has to be said where features (N, D) have gaps; infinity is refused."""
    finite = np.isfinite(x)  # (N, D)
    if finite.all():
        return []
    rows = found.rows
    if np.isinf(x).any():
        k, d = (int(n) for n in np.argwhere(np.isinf(x))[0])
        raise DataError(
            f"{rows.place(k)} has {x[k, d]} in column {features[d]!r}, but a finite number was "
            "wanted: correct or remove the line."
        )
    k, d = (int(n) for n in np.argwhere(~finite)[0])
    count = int((~finite).sum())
    many = f" ({count:,} such cells in all)" if count > 1 else ""
    return [
        Need(
            "fill='linear'",
            f"{count:,} cell{'s are' if count > 1 else ' is'} empty (the first on line "
            f"{rows.lines[k]}, column {features[d]!r})",
            f"{rows.place(k)} has no number in column {features[d]!r}{many}, but one was wanted: "
            "fill it in, or say fill='linear', fill='previous' or fill='split'.",
        )
    ]


def filled(
    found: Ordered, features: tuple[str, ...], x: Array, fill: str
) -> tuple[Ordered, Array, Filled]:
    """Rows without gaps.

    Parameters
    ----------
    found : rows in the order of recording and time
    features : D names
    x : (N, D) their values, NaN for a gap; it is changed in place
    fill : "previous", "linear" (over time where it is known) or "split", which cuts a recording
        where it has a gap

    Raises
    ------
    DataError
        There is nothing to fill a gap with.
    """
    gaps = np.isnan(x)  # (N, D)
    if not gaps.any():
        return found, x, Filled()
    if fill == "split":
        return _split(found, x, gaps.any(axis=1))
    ends = np.append(found.starts[1:], len(x))
    at = np.arange(len(x), dtype=np.float64) if found.times is None else found.times.seconds
    for b, (start, end) in enumerate(zip(found.starts.tolist(), ends.tolist(), strict=True)):
        for d in np.flatnonzero(gaps[start:end].any(axis=0)).tolist():
            column, empty = x[start:end, d], gaps[start:end, d]  # (T,), a view
            known = np.flatnonzero(~empty)
            if known.size == 0:
                raise DataError(
                    f"column {features[d]!r} of {found.rows.sources[found.rows.file[start]]} has "
                    f"no number in the recording {found.ids[b]!r}, so fill={fill!r} has nothing to "
                    f"fill it with: remove that recording, or say drop=[{features[d]!r}]."
                )
            if fill == "linear":
                here = at[start:end]
                column[empty] = np.interp(here[empty], here[known], column[known])
                continue
            if empty[0]:
                raise DataError(
                    f"{found.rows.place(start)} has no number in column {features[d]!r}, and "
                    f"fill='previous' finds none before it in the recording {found.ids[b]!r}: say "
                    "fill='linear' or fill='split', or fill it in."
                )
            last = np.maximum.accumulate(np.where(empty, 0, np.arange(len(column))))
            column[empty] = column[last[empty]]
    return found, x, Filled(cells=int(gaps.sum()))


def _split(found: Ordered, x: Array, empty: Any) -> tuple[Ordered, Array, Filled]:
    """Recordings cut at rows with a gap; the pieces of "a" are "a", "a#2", "a#3"."""
    kept = np.flatnonzero(~empty)
    if kept.size == 0:
        raise DataError(
            f"every line of {found.rows.name} has a gap, so fill='split' leaves nothing: say "
            "fill='linear', or leave a column out with drop=."
        )
    recording = np.repeat(np.arange(len(found.starts)), np.diff(np.append(found.starts, len(x))))[
        kept
    ]
    new = (np.diff(kept, prepend=-2) > 1) | (np.diff(recording, prepend=-1) > 0)
    starts = np.flatnonzero(new)
    count: dict[int, int] = {}
    ids = []
    for b in recording[starts].tolist():
        count[b] = count.get(b, 0) + 1
        ids.append(found.ids[b] + (f"#{count[b]}" if count[b] > 1 else ""))
    times = found.times
    return (
        found._replace(
            rows=found.rows.taken(kept),
            starts=starts,
            ids=ids,
            times=None if times is None else times._replace(seconds=times.seconds[kept]),
        ),
        x[kept],
        Filled(rows=int(empty.sum())),
    )
