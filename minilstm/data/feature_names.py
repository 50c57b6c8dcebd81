"""Matches features by their names: data and network may hold the same columns in another order.
A column that is missing, unknown or doubled is an error, as its position says nothing.

Data with names are frames: tables of pandas, polars and others. Columns that are numbered 0 to
D - 1, in any order, have no names: their numbers are their positions. Any other label is a name.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from minilstm.arrays import as_array, axes_of, column_labels, parts_of
from minilstm.data.files.checks import Sequences as ReadSequences
from minilstm.errors import DataError

_MOST = 12  # names that a message lists
_PLAIN = frozenset({list, tuple, int, float})  # kinds of rows and numbers without names


def column_order(
    have: Sequence[str],
    wanted: Sequence[str],
    name: str,
    source: str = "the network learned",
    others: Collection[str] = (),
    can_drop: bool = False,
) -> list[int] | None:
    """Where the wanted columns stand in data that carry names.

    Parameters
    ----------
    have : names of the columns of the data, in their order
    wanted : names that the network has learned, in its order
    name : of the data, for the message
    source : who wants the names, for the message
    others : names of columns that are no features, such as a label: they may be there, or not
    can_drop : whether the reader of the data has the option `drop`, for the message

    Returns
    -------
    positions in `have`, one for each wanted name; None where the order is the same already

    Raises
    ------
    DataError
        A wanted name is missing, or the data have a name that the network does not know, or one
        twice.

    Examples
    --------
    >>> column_order(["az", "ay", "ax"], ["ax", "ay", "az"], "x")
    [2, 1, 0]
    >>> column_order(["ax", "Ay", "t"], ["ax", "ay"], "x", others=["t"])
    Traceback (most recent call last):
        ...
    minilstm.errors.DataError: x has the features ax, Ay, but the network learned ax, ay (missing: \
ay; unknown: Ay; is 'Ay' meant for 'ay'?); rename, add or drop columns.
    """
    have, wanted = list(have), list(wanted)
    if have == wanted:
        return None
    known, places = set(wanted), {h: n for n, h in enumerate(have)}
    features = [h for h in have if h in known or h not in others]
    missing = [w for w in wanted if w not in places]
    unknown = [h for h in features if h not in known]
    doubled = [] if len(set(features)) == len(features) else _doubled(features)
    if missing or unknown or doubled:
        faults = (("missing", missing), ("unknown", unknown), ("twice", doubled))
        told = "; ".join(f"{what}: {_some(names)}" for what, names in faults if names)
        raise DataError(
            f"{name} has the features {_some(features)}, but {source} {_some(wanted)} "
            f"({told}{_meant(missing, unknown)}); "
            + (
                f"leave {'it' if len(unknown) == 1 else 'them'} out with drop={unknown}."
                if can_drop and 0 < len(unknown) <= _MOST and not missing and not doubled
                else "rename, add or drop columns."
            )
        )
    return [places[w] for w in wanted]


def _meant(missing: Sequence[str], unknown: Sequence[str]) -> str:
    """What a misspelt name may stand for."""
    small = {w.strip().casefold(): w for w in missing}
    for name in unknown[:_MOST]:
        plain = name.strip().casefold()
        near = [plain] if plain in small else difflib.get_close_matches(plain, small, 1, 0.75)
        if near:
            return f"; is {name!r} meant for {small[near[0]]!r}?"
    return ""


def _doubled(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def by_position(names: Sequence[str], whose: str = "network") -> str:
    """A clause on names that tell nothing, as the network has none."""
    return (
        f"the {whose} does not know the names of its features, so the columns are taken by "
        f"position: {_some(names)}"
    )


def warn_of_positions(labels: Sequence[Any] | None) -> None:
    """Warn where columns have names, for a network that has none; labels as of `column_labels`.

    The words are the same for all streams and rows, so that Python says them once.
    """
    if labels and _numbers(labels) is None:
        warnings.warn(
            f"{by_position(_names(labels))}; give them in the order of the training, or train with "
            f"SequenceInput({len(labels)}, feature_names=[...]).",
            UserWarning,
            stacklevel=4,
        )


def frame_names(x: Any, name: str = "x") -> list[str] | None:
    """The names that one frame, or all frames of a list, have; in the order of the first.

    None where there is a sequence without names.

    Raises
    ------
    DataError
        A name stands twice, or two frames have different names.
    """
    if isinstance(x, ReadSequences):
        return x.feature_names
    parts = parts_of(x)
    if parts and set(map(type, parts)) == {np.ndarray}:
        return None
    labels = [column_labels(part) for part in ([x] if parts is None else parts)]
    given = [found for found in labels if found is not None]
    if len(given) < len(labels) or all(_numbers(found) is not None for found in given):
        return None
    first = _names(given[0])
    for n, found in enumerate(map(_names, given)):
        place = name if parts is None else f"{name}[{n}]"
        if len(set(found)) < len(found):
            column_order(found, list(dict.fromkeys(found)), place, "each name counts once:")
        column_order(found, first, place, f"{name}[0] has")
    return first


def in_order(
    x: Any, wanted: Sequence[str] | None, name: str = "x", others: Collection[str] = ()
) -> Any:
    """The same sequences with the columns of frames in one order; anything else as it is.

    Parameters
    ----------
    x : one sequence or a list of them, frames or not; or what `read_sequences` gave
    wanted : names that the network has learned; None takes those of the first frame
    name : of the argument, for the messages
    others : columns of frames that are no features; they are left out

    Raises
    ------
    DataError
        A frame has other columns, or frames with names stand beside arrays.
    """
    if isinstance(x, ReadSequences):
        order = x.feature_names and wanted and column_order(x.feature_names, wanted, name)
        return [values[:, order] for values in x.x] if order else x.x
    parts = parts_of(x)
    if parts is None:
        return _one_in_order(x, column_labels(x), wanted, name, others=others)
    if set(map(type, parts)) == {np.ndarray}:
        return x
    labels = [column_labels(part) for part in parts]
    if all(found is None for found in labels):
        return x
    source, named = "the network learned", _have_names(labels, name)
    if wanted is None and named:
        wanted, source = _names(labels[0]), f"{name}[0] has"
    return [
        _one_in_order(part, found, wanted, f"{name}[{n}]", source, named, others)
        for n, (part, found) in enumerate(zip(parts, labels, strict=True))
    ]


def step_in_order(
    x: Any,
    wanted: Sequence[str] | None,
    name: str,
    single: bool = False,
    others: Collection[str] = (),
    source: str = "the network learned",
) -> Any:
    """The same for time steps: a named row, such as one of a frame, a dict or a record; or several.

    A dict, a named tuple or an array of records may hold columns, as a frame does. One row of these
    is that row where the stream is a `single` one.
    """
    if (found := _fields(x)) is not None:
        if wanted is None:
            warn_of_positions(found[1])
        rows = _rows_of(_entries_in_order(*found, wanted, name, others, source), name)
        return rows[0] if single and axes_of(rows) == 2 and len(rows) == 1 else rows
    if isinstance(x, (list, tuple)):
        if {*map(type, x)} <= _PLAIN:
            return x
        parts = [_fields(row) for row in x]
        of_rows = [part and part[1] for part in parts]
        if all(found is None for found in of_rows):
            return x
        if _have_names(of_rows, name) and wanted is None:
            warn_of_positions(of_rows[0])
            wanted, source = _names(of_rows[0]), f"{name}[0] has"
        named = [(row, f"{name}[{n}]") for n, row in enumerate(x)]
        rows = [step_in_order(row, wanted, at, False, others, source) for row, at in named]
        return as_array(rows, name)
    labels = column_labels(x)
    if wanted is None:
        warn_of_positions(labels)
    out = _one_in_order(x, labels, wanted, name, others=others)
    return as_array(out, name)[0] if single and labels and len(x) == 1 else out


def _fields(x: Any) -> tuple[Any, list[Any]] | None:
    """Entries and labels of a named row, or of named columns; None for anything else."""
    if isinstance(x, Mapping):
        return tuple(x.values()), list(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        unnamed = list(x._fields) == [f"_{n}" for n in range(len(x))]  # as columns without names
        return tuple(x), list(range(len(x)) if unnamed else x._fields)
    if isinstance(x, (np.ndarray, np.void)) and x.dtype.names:
        return tuple(x[label] for label in x.dtype.names), list(x.dtype.names)
    index: Any = getattr(x, "index", None)
    series = len(getattr(x, "shape", ())) == 1 and hasattr(index, "__iter__")
    return (x, list(index)) if series else None


def _have_names(labels: Sequence[Any], name: str) -> bool:
    """Whether the parts of a list have names; a DataError where some have none."""
    named = [n for n, found in enumerate(labels) if found and _numbers(found) is None]
    plain = [n for n, found in enumerate(labels) if found is None]
    if named and plain:
        raise DataError(
            f"{name}[{plain[0]}] has no names of its columns, but {name}[{named[0]}] has "
            f"{', '.join(_names(labels[named[0]]))}; give frames only, or arrays only."
        )
    return bool(named)


def _entries_in_order(
    x: Any,
    labels: list[Any],
    wanted: Sequence[str] | None,
    name: str,
    others: Collection[str],
    source: str,
) -> Any:
    order = _order(labels, wanted, name, source, others=others)
    if order is None:
        return x
    if len(order) == len(labels):
        return as_array(x, name)[order]
    entries = list(x)  # as what is no feature may be no number
    return [entries[n] for n in order]


def _rows_of(entries: Any, name: str) -> Any:
    """Entries of one row as they are; columns (D, n) as rows (n, D)."""
    return as_array(entries, name).T if axes_of(entries) == 2 else entries


def _one_in_order(
    x: Any,
    labels: list[Any] | None,
    wanted: Sequence[str] | None,
    name: str,
    source: str = "the network learned",
    strict: bool = False,
    others: Collection[str] = (),
) -> Any:
    order = None if labels is None else _order(labels, wanted, name, source, strict, others)
    if order is None or labels is None:
        return x
    if len(order) == len(labels):
        return as_array(x, name)[:, order]
    kept = x[[labels[n] for n in order]]  # as what is no feature may be no number
    return as_array(kept, name)


def _order(
    labels: list[Any],
    wanted: Sequence[str] | None,
    name: str,
    source: str = "the network learned",
    strict: bool = False,
    others: Collection[str] = (),
) -> list[int] | None:
    """Where the wanted columns stand: by number, or by name; by name alone where `strict`."""
    numbers, names = _numbers(labels), _names(labels)
    if wanted is None or (numbers and not strict and set(names) != set(wanted)):
        return None if numbers in (None, list(range(len(labels)))) else numbers
    return column_order(names, wanted, name, source, others)


def _numbers(labels: Sequence[Any]) -> list[int] | None:
    """Where the columns 0 to D - 1 stand; None where the labels are not these numbers."""
    if any(isinstance(a, (bool, np.bool_)) or not isinstance(a, Integral) for a in labels):
        return None
    numbers = [int(a) for a in labels]
    if sorted(numbers) != list(range(len(numbers))):
        return None
    return sorted(range(len(numbers)), key=numbers.__getitem__)


def _names(labels: Sequence[Any] | None) -> list[str]:
    """Labels as text; those of several levels are joined."""
    return ["_".join(map(str, a)) if isinstance(a, tuple) else str(a) for a in labels or ()]
