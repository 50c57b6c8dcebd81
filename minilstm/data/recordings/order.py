"""The rows of each recording, together and in the order of time.
Rows that stand otherwise are never moved unasked: the message names the option that sorts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minilstm.data.recordings.columns import (
    Array,
    Rows,
    as_numbers,
    as_words,
    factorized,
    run_starts,
)
from minilstm.data.recordings.questions import Need, Roles
from minilstm.data.recordings.times import Times, is_iso, spread, times_of
from minilstm.errors import DataError


class Ordered(NamedTuple):
    """Rows in the order of their recordings, and where each recording starts."""

    rows: Rows
    starts: Array  # (B,) the first row of each recording
    ids: list[str]  # B names
    times: Times | None
    spread: int  # recordings whose stamps repeated, and were spread evenly
    doubled: int  # rows at the time of the row before, which were left out
    needs: list[Need]


def in_order(
    rows: Rows, roles: Roles, sort_by: str | None, unit: str | None, names: list[str], skip: bool
) -> Ordered:
    """Rows together by recording, and their times checked.

    Parameters
    ----------
    rows, roles : of all files
    sort_by : a column, or None for rows that stand in order
    unit : of the times, where it was said
    names : of the files, for recordings without an id
    skip : whether rows at the time of the row before are left out
    """
    times = None if roles.time is None else times_of(rows, roles.time, unit)
    needs: list[Need] = []
    codes, ids = _codes(rows, roles.id, names)
    starts = run_starts(codes)
    back = len(starts) > len(ids)
    if sort_by is None and (back or roles.channel is not None):
        if back and roles.channel is None:
            needs.append(_not_together(rows, codes, starts, ids, roles.time))
        sort_by = roles.time or ""
    if sort_by is not None:
        keys = [codes]
        if sort_by == roles.time and times is not None:
            keys = [times.seconds, codes]
        elif sort_by != "":
            keys = [_sortable(rows, sort_by), codes]
        order = np.lexsort(keys)
        rows, codes = rows.taken(order), codes[order]
        times = None if times is None else times._replace(seconds=times.seconds[order])
        starts = run_starts(codes)
    found = Ordered(rows, starts, [ids[k] for k in codes[starts]], times, 0, 0, needs)
    if times is None or roles.channel is not None:
        return found
    return _checked(found, roles, skip)


def _codes(rows: Rows, column: str | None, names: list[str]) -> tuple[Array, list[str]]:
    """A number for the recording of each row, and the names; a file's name before doubled ids."""
    if column is None:
        return rows.file, names
    words = as_words(rows.columns[column])
    values, codes, _ = factorized(words)
    empty = np.flatnonzero(words == "")
    if empty.size:
        raise DataError(
            f"{rows.place(int(empty[0]))} has nothing in column {column!r}, but a name was wanted: "
            "fill it in or remove the line."
        )
    if len(rows.sources) == 1:
        return codes, values.tolist()
    pairs, codes, _ = factorized(rows.file * len(values) + codes)
    value, file = pairs % len(values), pairs // len(values)
    doubled = np.bincount(value)[value] > 1
    ids = [
        f"{names[f]}/{values[v]}" if twice else str(values[v])
        for f, v, twice in zip(file.tolist(), value.tolist(), doubled.tolist(), strict=True)
    ]
    return codes, ids


def _sortable(rows: Rows, column: str) -> Array:
    """What the rows are sorted by: numbers, times, or words."""
    cells = rows.columns[column]
    numbers = as_numbers(cells)
    if numbers is not None:
        return numbers
    return times_of(rows, column, None).seconds if is_iso(cells) else cells


def _not_together(
    rows: Rows, codes: Array, starts: Array, ids: list[str], time: str | None
) -> Need:
    """An id that comes back later."""
    first = np.unique(codes[starts], return_index=True)[1]
    k = int(starts[np.setdiff1d(np.arange(len(starts)), first)[0]])
    name = ids[codes[k]]
    say = f"say sort_by={time!r}" if time is not None else "name a column to sort by with sort_by="
    return Need(
        f"sort_by={time!r}" if time is not None else "sort_by= with a column to sort by",
        f"{rows.place(k).split(' of ')[0]} goes back to sequence {name!r}",
        f"{rows.place(k)} goes back to sequence {name!r}, but the lines of a sequence have to "
        f"stand together: sort the file by sequence, then by time, or {say}.",
    )


def _checked(found: Ordered, roles: Roles, skip: bool) -> Ordered:
    """Times that rise in every recording; coarse stamps are spread, doubled rows left out."""
    rows, starts, times = found.rows, found.starts, found.times
    assert times is not None
    steps = np.diff(times.seconds, prepend=-np.inf)  # (N,)
    steps[starts] = np.inf
    back = np.flatnonzero(steps < 0)
    if back.size:
        again = times.seconds[back] == times.seconds[starts[np.searchsorted(starts, back) - 1]]
        if roles.id is None and again.all():
            raise DataError(
                f"{rows.place(int(back[0]))} starts the time again (column {roles.time!r}), as "
                "another recording does: add a column that names the recordings, called recording, "
                f"or say sort_by={roles.time!r} where the lines of one recording are out of order."
            )
        need = Need(
            f"sort_by={roles.time!r}",
            f"{rows.place(int(back[0])).split(' of ')[0]} goes back in time",
            f"{rows.place(int(back[0]))} goes back in time (column {roles.time!r}), but the lines "
            f"of a sequence have to stand in the order of time: say sort_by={roles.time!r}, or "
            "time_column='' where it is no time.",
        )
        seconds = np.concatenate([np.sort(p) for p in np.split(times.seconds, starts[1:])])
        steps = np.diff(seconds, prepend=-np.inf)
        steps[starts] = np.inf
        found.needs.append(need)
        times = times._replace(seconds=seconds)
    if not (steps == 0).any():
        return found
    parts = np.split(times.seconds, starts[1:])
    spreads = [spread(p) if (np.diff(p) == 0).any() else p for p in parts]
    even = [p if s is None else s for p, s in zip(parts, spreads, strict=True)]
    count = sum(s is not None and s is not p for s, p in zip(spreads, parts, strict=True))
    left = [(np.diff(p, prepend=-np.inf) == 0) for p in even]
    doubled = np.concatenate(left)  # (N,)
    if not doubled.any():
        return found._replace(times=times._replace(seconds=np.concatenate(even)), spread=count)
    k = int(np.flatnonzero(doubled)[0])
    if not skip:
        cells = found.rows.columns[roles.time] if roles.time is not None else times.seconds
        shown = "" if back.size else f" ({cells[k]!s})"
        found.needs.append(
            Need(
                "on_bad_line='skip'",
                f"{rows.place(k).split(' of ')[0]} has the time of another line",
                f"{rows.place(k)} has the time of the line before it{shown}, but each time was "
                "wanted once: remove the line, or say on_bad_line='skip' to leave such lines out, "
                "or time_column='' where it is no time.",
            )
        )
        return found
    kept = np.flatnonzero(~doubled)
    seconds = np.concatenate(even)[kept]
    begins = np.searchsorted(kept, starts)
    return found._replace(
        rows=rows.taken(kept),
        starts=begins,
        times=times._replace(seconds=seconds),
        spread=count,
        doubled=int(doubled.sum()),
    )
