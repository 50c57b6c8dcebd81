"""Arrays from what a user hands in: one for each sequence, all numbers finite and of one dtype.
Sequences, labels and targets all come in through here, so each refusal has its words once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_array, parts_of
from minilstm.errors import DataError

Array = NDArray[Any]
Place = Callable[[tuple[int, ...]], str]  # says where a number stands, from its indices

_FLOAT64 = np.dtype(np.float64)
_FEW = 256  # numbers that are looked at one by one
_WHOLE = 2**53  # every whole number up to here is a float64

ONE_SEQUENCE = (
    "one sequence is a full array{axes}; pass a list of arrays for sequences of different lengths."
)


def one_for_each(y: Any, count: int, name: str, what: str) -> list[tuple[str, Any]]:
    """The parts of a list or array with their names, or a DataError unless there are `count`."""
    parts: Any = parts_of(y)
    if parts is None and y is not None and not isinstance(y, Mapping):
        parts = as_array(y, name)
    if parts is None or (isinstance(parts, np.ndarray) and parts.ndim == 0):
        raise DataError(
            f"{name} is {type(y).__name__}, but there are {count} sequences; "
            f"give a list with one array of {what} for each."
        )
    if len(parts) != count:
        raise DataError(
            f"{name} has {what} for {len(parts)} sequences, but there are {count}; "
            f"give one array of {what} for each sequence."
        )
    return [(f"{name}[{b}]", part) for b, part in enumerate(parts)]


def finite(
    array: Array, dtype: Any, name: str, place: Place, what: str, digits: bool = False
) -> Array:
    """The numbers in a dtype, row-major, or a DataError where one is not finite or too large.

    An array that is so already is not copied. `what` is "value" or "target". With `digits` numbers
    that would lose some of theirs become float64 instead; the bounds are those of the dtype.
    """
    ends = array
    if array.size > _FEW:
        with np.errstate(invalid="ignore"):
            # The smallest and the largest tell of all: NaN is both, and rounding keeps the order.
            ends = np.array([array.min(), array.max()], array.dtype)
    if array.dtype.kind == "f" and not np.isfinite(ends).all():
        bad = ~np.isfinite(array)
        raise DataError(
            f"{name} holds {first_of(array, bad, place)} ({int(bad.sum())} such values), but "
            f"every {what} must be finite; remove or fill them first."
        )
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        _refuse_rounded(array, name, place)
    narrow = np.dtype(dtype)
    kept = narrow if not digits or _holds_all(narrow, array.dtype) else _FLOAT64
    if narrow.itemsize >= array.dtype.itemsize:
        out = np.ascontiguousarray(array, dtype=kept)
        return out if out.flags.aligned else out.copy()  # as in the middle of a file
    with np.errstate(over="ignore"):
        if not np.isfinite(ends.astype(narrow)).all():
            bad = ~np.isfinite(array.astype(narrow))
            helps = narrow != _FLOAT64 and np.isfinite(array[bad].astype(_FLOAT64)).all()
            advice = " or train with dtype='float64'" if helps else ""
            raise DataError(
                f"{name} holds {first_of(array, bad, place)}, beyond the range of {narrow}; "
                f"scale the {'data' if what == 'value' else 'targets'}{advice}."
            )
        return np.ascontiguousarray(array, dtype=kept)


def _refuse_rounded(array: Array, name: str, place: Place) -> None:
    """Raise where a whole number, such as a time in nanoseconds, is no number of float64."""
    if array.max() <= _WHOLE and array.min() >= -_WHOLE:
        return
    rounded = np.array([int(float(v)) != v for v in array.ravel().tolist()]).reshape(array.shape)
    if rounded.any():
        raise DataError(
            f"{name} holds {first_of(array, rounded, place)}, a whole number that float64 rounds "
            "(above 2**53); subtract the first value as integers, x - x[0], before it is given."
        )


@cache
def _holds_all(narrow: np.dtype[Any], wide: np.dtype[Any]) -> bool:
    """Whether a dtype, or else float64, has all digits that numbers of another may have."""
    return narrow.itemsize >= _FLOAT64.itemsize or np.can_cast(wide, narrow)


def first_of(array: Array, bad: NDArray[np.bool_], place: Place) -> str:
    """The first number that is bad, and where it stands."""
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{array[at]!s} at {place(at)}"  # a long double is "inf" where it is formatted
