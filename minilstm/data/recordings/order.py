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
from minilstm.data.recordings.names import GROUP_NAMES
from minilstm.data.recordings.questions import Need, Roles
from minilstm.data.recordings.times import Times, is_iso, spread, times_of
from minilstm.errors import DataError

_LEAST_ROWS = 5  # of a recording, on the average, where a column is to tell recordings apart
_FEW = 0.1, 10  # share of the rows, or a count, that may be left out as doubled


class Ordered(NamedTuple):
    """Rows in the order of their recordings, and where each recording starts."""

    rows: Rows
    starts: Array  # (B,) the first row of each recording
    ids: list[str]  # B names
    times: Times | None
    spread: int  # recordings whose stamps repeated, and were spread evenly
    doubled: int  # rows at the time of the row before, which were left out
    needs: list[Need]
    paired: bool = False  # whether an id and a group together name a recording


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
    codes, ids, paired = _codes(rows, roles, times, names)
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
    found = Ordered(rows, starts, [ids[k] for k in codes[starts]], times, 0, 0, needs, paired)
    if times is None or roles.channel is not None:
        return found
    return _checked(found, roles, skip, sort_by is not None)


def _codes(
    rows: Rows, roles: Roles, times: Times | None, names: list[str]
) -> tuple[Array, list[str], bool]:
    """A number for the recording of each row, the names, and whether ids were paired with groups.

    A doubled id has the name of its group, or of its file, before it.
    """
    column = roles.id
    if column is None:
        return rows.file, names, False
    words = as_words(rows.columns[column])
    found, codes, _ = factorized(words)
    values = found.tolist()
    empty = np.flatnonzero(words == "")
    if empty.size:
        raise DataError(
            f"{rows.place(int(empty[0]))} has nothing in column {column!r}, but a name was wanted: "
            "fill it in or remove the line."
        )
    paired = False
    if roles.group is not None:
        groups, of, _ = factorized(as_words(rows.columns[roles.group]))
        paired = _repeat(rows.file, codes, of, None if times is None else times.seconds)
        if paired:
            codes, values = _joined(codes, values, of, groups.tolist())
    if len(rows.sources) > 1:
        codes, values = _joined(codes, values, rows.file, names)
    return codes, values, paired


def _joined(
    codes: Array, values: list[str], of: Array, names: list[str]
) -> tuple[Array, list[str]]:
    """Numbers and names of pairs: "name/value" where a value is in several pairs."""
    pairs, codes, _ = factorized(of * len(values) + codes)
    value = pairs % len(values)
    doubled = np.bincount(value)[value] > 1
    ids = [
        f"{names[n]}/{values[v]}" if twice else values[v]
        for n, v, twice in zip(
            (pairs // len(values)).tolist(), value.tolist(), doubled.tolist(), strict=True
        )
    ]
    return codes, ids


def _repeat(file: Array, ids: Array, groups: Array, seconds: Array | None) -> bool:
    """Whether ids are those within a group, so that each group begins with them anew.

    It shows where several ids do so, or one whose rows are apart or whose time goes back.
    """
    starts = run_starts(file, ids, groups)
    file, ids, groups = file[starts], ids[starts], groups[starts]  # (R,) runs
    pairs = np.unique(np.stack([file, ids, groups]), axis=1)  # (3, P)
    each = np.unique(pairs[:2], axis=1, return_counts=True)[1]
    if (each < 2).all():
        return False
    same = (ids[1:] == ids[:-1]) & (file[1:] == file[:-1])  # (R - 1,) but for the group
    apart = len(starts) - int(same.sum()) > len(each)
    if seconds is not None:
        back = seconds[starts[1:]] <= seconds[starts[1:] - 1]
        if (back & same).any():
            return True
    return apart or int((each > 1).sum()) > 1


def _other_name(found: Ordered, roles: Roles) -> str | None:
    """A column that tells apart the recordings of one id whose times are doubled; None for none."""
    if roles.id is None or roles.group is not None or found.times is None:
        return None
    rows, seconds = found.rows, found.times.seconds
    codes, _, _ = _codes(rows, roles._replace(group=None), None, [""] * len(rows.sources))
    used = {roles.id, roles.time, roles.label, roles.channel, roles.value, *roles.targets}
    for name, cells in rows.columns.items():
        numbers = None if name in used else as_numbers(cells)
        if name in used or (
            numbers is not None and bool((np.isnan(numbers) | (numbers != np.round(numbers))).any())
        ):
            continue
        of = factorized(as_words(cells))[1]
        order = np.lexsort((seconds, of, codes))
        new = run_starts(of[order], codes[order])
        steps = np.diff(seconds[order]) > 0
        steps[new[1:] - 1] = True
        if steps.all() and len(new) * _LEAST_ROWS <= len(cells):
            return name
    return None


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


def _checked(found: Ordered, roles: Roles, skip: bool, moved: bool) -> Ordered:
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
                f"or say id_column='' and sort_by={roles.time!r} where the lines of one recording "
                "are out of order."
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
    if (moved or back.size) and _other_name(found, roles) is not None:  # else it is spread
        found.needs.append(_doubled(found, roles, steps == 0, bool(back.size)))
        return found
    parts = np.split(times.seconds, starts[1:])
    spreads = [spread(p) if (np.diff(p) == 0).any() else p for p in parts]
    even = [p if s is None else s for p, s in zip(parts, spreads, strict=True)]
    count = sum(s is not None and s is not p for s, p in zip(spreads, parts, strict=True))
    left = [(np.diff(p, prepend=-np.inf) == 0) for p in even]
    doubled = np.concatenate(left)  # (N,)
    if not doubled.any():
        return found._replace(times=times._replace(seconds=np.concatenate(even)), spread=count)
    if not skip:
        found.needs.append(_doubled(found, roles, doubled, bool(back.size)))
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


def _doubled(found: Ordered, roles: Roles, doubled: Array, moved: bool) -> Need:
    """What to do about rows (N,) that have the time of the row before."""
    rows, times = found.rows, found.times
    assert times is not None
    k, share = int(np.flatnonzero(doubled)[0]), float(doubled.mean())
    reason = f"{rows.place(k).split(' of ')[0]} has the time of another line"
    other = _other_name(found, roles)
    if other is not None:
        option = f"group_column={other!r}"
        if GROUP_NAMES.fullmatch(roles.id or ""):
            option = f"group_column={roles.id!r} and id_column={other!r}"
        same = f"as each name in column {roles.id!r} stands for several {other!r}"
        return Need(
            option,
            f"{reason}, {same}",
            f"{rows.place(k)} has the time of another line, {same}, but each time was wanted once "
            f"in a recording: say {option}, so that both together name a recording.",
        )
    cells = rows.columns[roles.time] if roles.time is not None else times.seconds
    shown = "" if moved else f" ({cells[k]!s})"
    option, ways = "on_bad_line='skip'", "on_bad_line='skip' to leave such lines out"
    if share > _FEW[0] and doubled.sum() > _FEW[1]:
        column = "group_column" if roles.id and roles.group is None else "id_column"
        option = ways = f"{column}= with the column that tells recordings apart"
        reason += f", as {share:.0%} of all lines have"
    return Need(
        option,
        reason,
        f"{rows.place(k)} has the time of the line before it{shown}, but each time was wanted "
        f"once: remove the line, or say {ways}, or time_column='' where it is no time.",
    )
