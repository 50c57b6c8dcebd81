"""Matches features by their names: data and network may hold the same columns in another order.
A column that is missing, unknown or doubled is an error, as its position says nothing.

Data with names are frames: tables of pandas, polars and others, whose columns have text as names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minilstm.arrays import as_array, column_names, parts_of
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
    first: list[str] | None = None
    for n, part in enumerate([x] if parts is None else parts):
        found = column_names(part)
        if found is None:
            return None
        first = found if first is None else first
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
        A frame has other columns.
    """
    parts = parts_of(x)
    if parts is None:
        return x if wanted is None else _one_in_order(x, wanted, name)
    if all(column_names(part) is None for part in parts):
        return x
    source = "the network learned"
    if wanted is None:
        n, wanted = next((n, f) for n, f in enumerate(map(column_names, parts)) if f is not None)
        source = f"{name}[{n}] has"
    return [_one_in_order(p, wanted, f"{name}[{n}]", source) for n, p in enumerate(parts)]


def step_in_order(x: Any, wanted: Sequence[str] | None, name: str) -> Any:
    """The same for one time step: a row of a frame has its names as an index."""
    if wanted is None or isinstance(x, (list, tuple)):
        return x
    index: Any = getattr(x, "index", None)
    if len(getattr(x, "shape", ())) != 1 or not hasattr(index, "__iter__"):
        return _one_in_order(x, wanted, name)
    entries = list(index)
    if not all(isinstance(entry, str) for entry in entries):
        return x
    order = column_order(entries, wanted, name)
    return x if order is None else as_array(x, name)[order]


def _one_in_order(
    x: Any, wanted: Sequence[str], name: str, source: str = "the network learned"
) -> Any:
    found = column_names(x)
    order = None if found is None else column_order(found, wanted, name, source)
    return x if order is None else as_array(x, name)[:, order]
