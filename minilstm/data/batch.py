"""Checks what users hand in as sequences, and says what is wrong before any work starts.
One sequence is (T, D); a batch is a list of such arrays of any lengths, or a dense (B, T, D)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError

Array = NDArray[Any]


class Batch(NamedTuple):
    """Checked sequences, and the form they came in: "single", "list" or "dense"."""

    sequences: list[Array]  # B arrays (T_b, D)
    form: str


def as_batch(x: Any, features: int, dtype: Any, name: str = "x") -> Batch:
    """Check sequences and bring them to the dtype of the network.

    Parameters
    ----------
    x : (T, D) for one sequence, a list of B such arrays, or (B, T, D); integers or floats
    features : D that the network wants
    dtype : of the network; numbers are converted to it as they come in
    name : of the argument, for the messages

    Returns
    -------
    Batch

    Raises
    ------
    DataError
        Anything is missing, empty, of another shape, not a number, NaN or infinite.

    Examples
    --------
    >>> as_batch(np.zeros((3, 100)), 3, "float32", "x_test")
    Traceback (most recent call last):
        ...
    minilstm.errors.DataError: x_test has shape (3, 100), but the network wants (T, 3), T time \
steps of 3 features; it looks transposed: pass x_test.T.
    """
    if isinstance(x, (list, tuple)) or (isinstance(x, np.ndarray) and x.dtype == object):
        if len(x) == 0:
            raise DataError(
                f"{name} is an empty list, but at least one sequence is wanted; "
                f"pass one or more arrays (T, {features})."
            )
        items = [(f"{name}[{b}]", s) for b, s in enumerate(x)]
        return Batch([_as_sequence(s, features, dtype, n) for n, s in items], "list")
    array = _as_array(x, name)
    if array.ndim == 3:
        if len(array) == 0:
            raise DataError(
                f"{name} has shape {array.shape}, a batch of no sequences; pass at least one."
            )
        items = [(f"{name}[{b}]", s) for b, s in enumerate(array)]
        return Batch([_as_sequence(s, features, dtype, n) for n, s in items], "dense")
    return Batch([_as_sequence(array, features, dtype, name)], "single")


def as_step(
    x: Any, features: int, dtype: Any, name: str = "x_t", streams: int | None = None
) -> Array:
    """Check one time step and bring it to the dtype of the network.

    Parameters
    ----------
    x : (D,) one time step, or (n, D) that of n streams
    features : D that the network wants
    dtype : of the network
    name : of the argument, for the messages
    streams : n, or None for a single stream

    Returns
    -------
    (1, D), or (n, D)

    Raises
    ------
    DataError
        Another shape, not a number, NaN or infinite.
    """
    array = _as_array(x, name)
    if streams is None:
        if array.shape != (features,):
            raise DataError(
                f"{name} has shape {array.shape}, but one time step of this network is "
                f"({features},); pass one number for each feature."
            )
        return _converted(array[None], dtype, name)
    if array.shape != (streams, features):
        raise DataError(
            f"{name} has shape {array.shape}, but one time step of these {streams} streams is "
            f"({streams}, {features}); pass one row for each stream."
        )
    return _converted(array, dtype, name, "stream")


def _as_sequence(x: Any, features: int, dtype: Any, name: str) -> Array:
    array = _as_array(x, name)
    wanted = f"the network wants (T, {features}), T time steps of {features} features"
    if array.ndim != 2:
        hint = (
            f"pass {name}[:, None] if it is one feature over time"
            if array.ndim == 1 and features == 1
            else "give each sequence two axes, time then features"
        )
        raise DataError(f"{name} has shape {array.shape}, but {wanted}; {hint}.")
    if array.shape[1] != features:
        hint = "check the number of features"
        if array.shape[0] == features:
            hint = f"it looks transposed: pass {name}.T"
        elif array.shape[1] > 0:
            hint += f", or build the network with SequenceInput({array.shape[1]})"
        raise DataError(f"{name} has shape {array.shape}, but {wanted}; {hint}.")
    if len(array) == 0:
        raise DataError(
            f"{name} has shape {array.shape}, no time step at all, but {wanted}, T at least 1; "
            "remove it or give it a step."
        )
    return _converted(array, dtype, name)


def _as_array(x: Any, name: str) -> Array:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise DataError(
            f"{name} holds rows of different lengths, but one sequence is a full array (T, D); "
            "pass a list of arrays for sequences of different lengths."
        ) from error
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"{name} has dtype {array.dtype}, but sequences are real numbers; "
            "convert it to a float or integer array."
        )
    return array


def _converted(array: Array, dtype: Any, name: str, row: str = "time step") -> Array:
    finite = np.isfinite(array)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise DataError(
            f"{name} holds {array[at]} at {_place(at, row)} ({int((~finite).sum())} such values), "
            "but every value must be finite; remove or fill them first."
        )
    with np.errstate(over="ignore"):
        out = np.ascontiguousarray(array, dtype=dtype)
    if out.dtype.itemsize < array.dtype.itemsize and not np.isfinite(out).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        raise DataError(
            f"{name} holds {array[at]} at {_place(at, row)}, beyond the range of {out.dtype}; "
            "scale the data or train with dtype='float64'."
        )
    return out


def _place(at: tuple[int, ...], row: str) -> str:
    return f"{row} {at[0]}, feature {at[1]}"
