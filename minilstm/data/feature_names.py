"""Matches features by their names: data and network may hold the same columns in another order.
A column that is missing, unknown or doubled is an error, as its position says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from minilstm.errors import DataError


def column_order(have: Sequence[str], wanted: Sequence[str], name: str) -> list[int] | None:
    """Where the wanted columns stand in data that carry names.

    Parameters
    ----------
    have : names of the columns of the data, in their order
    wanted : names that the network has learned, in its order
    name : of the data, for the message

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
            f"{name} has the features {', '.join(have)}, but the network learned "
            f"{', '.join(wanted)} ({told}); rename, add or drop columns."
        )
    return [have.index(w) for w in wanted]
