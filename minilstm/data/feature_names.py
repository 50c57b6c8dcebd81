"""Matches features by their names: data and network may hold the same columns in another order.
A column that is missing, unknown or doubled is an error, as its position says nothing.

Data with names are frames: tables of pandas, polars and others. Columns that are numbered 0 to
D - 1, in any order, have no names: their numbers are their positions. Any other label is a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from minilstm.arrays import as_array, column_labels, parts_of
from minilstm.errors import DataError


def column_order(
    have: Sequence[str], wanted: Sequence[str], name: str, source: str = "the network learned"
) -> list[int] | None:
    """Where the wanted columns stand in data that carry names.

    Parameters
    ----------
    have : names of the columns of the data, in their order
    wanted : names that the network has learned, in its order
    name : of the data, for the message
    source : who wants the names, for the message

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
    >>> column_order(["ax", "t"], ["ax", "ay"], "x")
    Traceback (most recent call last):
        ...
    minilstm.errors.DataError: x has the features ax, t, but the network learned ax, ay (missing: \
ay; unknown: t); rename, add or drop columns.
    """
    have, wanted = list(have), list(wanted)
    if have == wanted:
        return None
    missing = [w for w in wanted if w not in have]
    unknown = [h for h in have if h not in wanted]
    doubled = sorted({h for h in have if have.count(h) > 1})
    if missing or unknown or doubled:
        faults = (("missing", missing), ("unknown", unknown), ("twice", doubled))
        told = "; ".join(f"{what}: {', '.join(names)}" for what, names in faults if names)
        raise DataError(
            f"{name} has the features {', '.join(have)}, but {source} "
            f"{', '.join(wanted)} ({told}); rename, add or drop columns."
        )
    return [have.index(w) for w in wanted]


def frame_names(x: Any, name: str = "x") -> list[str] | None:
    """The names that one frame, or all frames of a list, have; in the order of the first.

    None where there is a sequence without names.

    Raises
    ------
    DataError
        A name stands twice, or two frames have different names.
    """
    parts = parts_of(x)
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


def in_order(x: Any, wanted: Sequence[str] | None, name: str = "x") -> Any:
    """The same sequences with the columns of frames in one order; anything else as it is.

    Parameters
    ----------
    x : one sequence or a list of them, frames or not
    wanted : names that the network has learned; None takes those of the first frame
    name : of the argument, for the messages

    Raises
    ------
    DataError
        A frame has other columns, or frames with names stand beside arrays.
    """
    parts = parts_of(x)
    if parts is None:
        return _one_in_order(x, column_labels(x), wanted, name)
    if set(map(type, parts)) == {np.ndarray}:
        return x
    labels = [column_labels(part) for part in parts]
    named = [n for n, found in enumerate(labels) if found and _numbers(found) is None]
    plain = [n for n, found in enumerate(labels) if found is None]
    if len(plain) == len(parts):
        return x
    source, strict = "the network learned", bool(named)
    if named and plain:
        raise DataError(
            f"{name}[{plain[0]}] has no names of its columns, but {name}[{named[0]}] has "
            f"{', '.join(_names(labels[named[0]]))}; give frames only, or arrays only."
        )
    if wanted is None and named:
        wanted, source = _names(labels[0]), f"{name}[0] has"
    return [
        _one_in_order(part, found, wanted, f"{name}[{n}]", source, strict)
        for n, (part, found) in enumerate(zip(parts, labels, strict=True))
    ]


def step_in_order(x: Any, wanted: Sequence[str] | None, name: str, single: bool = False) -> Any:
    """The same for time steps: a row of a frame has names as its index, a named tuple as fields.

    A frame of one row is that row where the stream is a `single` one.
    """
    fields = getattr(x, "_fields", None)
    if isinstance(x, tuple) and fields is not None:
        if list(fields) == [f"_{n}" for n in range(len(x))]:
            return tuple(x)  # what becomes of columns without names
        return _entries_in_order(tuple(x), list(fields), wanted, name)
    if isinstance(x, (list, tuple)):
        if x and (hasattr(x[0], "_fields") or len(getattr(x[0], "shape", ())) == 1):
            return [step_in_order(row, wanted, f"{name}[{n}]") for n, row in enumerate(x)]
        return x
    index: Any = getattr(x, "index", None)
    if len(getattr(x, "shape", ())) != 1 or not hasattr(index, "__iter__"):
        labels = column_labels(x)
        out = _one_in_order(x, labels, wanted, name)
        return as_array(out, name)[0] if single and labels and len(x) == 1 else out
    return _entries_in_order(x, list(index), wanted, name)


def _entries_in_order(x: Any, labels: list[Any], wanted: Sequence[str] | None, name: str) -> Any:
    order = _order(labels, wanted, name)
    return x if order is None else as_array(x, name)[order]


def _one_in_order(
    x: Any,
    labels: list[Any] | None,
    wanted: Sequence[str] | None,
    name: str,
    source: str = "the network learned",
    strict: bool = False,
) -> Any:
    order = None if labels is None else _order(labels, wanted, name, source, strict)
    return x if order is None else as_array(x, name)[:, order]


def _order(
    labels: list[Any],
    wanted: Sequence[str] | None,
    name: str,
    source: str = "the network learned",
    strict: bool = False,
) -> list[int] | None:
    """Where the wanted columns stand: by number, or by name; by name alone where `strict`."""
    numbers, names = _numbers(labels), _names(labels)
    if wanted is None or (numbers and not strict and set(names) != set(wanted)):
        return None if numbers in (None, list(range(len(labels)))) else numbers
    return column_order(names, wanted, name, source)


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
