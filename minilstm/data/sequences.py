"""Checks what users hand in as sequences, and says what is wrong before any work starts.
One sequence is (T, *shape); a batch is a list of them, of any lengths, or a dense (B, T, *shape).

The shape of one step is (D,) for vectors, (h, w, c) for images, (h, w, d, c) for volumes.
"""

from __future__ import annotations

import math
from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from minilstm.arrays import REAL, Sequences, as_numbers, axes_of, parts_of, refuse_masked
from minilstm.data.arrays import ONE_SEQUENCE, Array, finite
from minilstm.errors import DataError

_BLOCK_NUMBERS = 1 << 18  # of short sequences that are looked at together


class Batch(NamedTuple):
    """Checked sequences, and the form they came in: "single", "list" or "dense"."""

    sequences: Sequences  # B arrays (T_b, *shape)
    form: str
    together: Array | None = None  # a short list as one array, one sequence after the other


def as_batch(
    x: Any,
    features: int | tuple[int, ...],
    dtype: Any,
    name: str = "x",
    min_length: int = 1,
    *,
    digits: bool = False,
) -> Batch:
    """Check sequences and bring them to the dtype of the network.

    Parameters
    ----------
    x : (T, *shape) for one sequence, a list of B such arrays, or (B, T, *shape); integers or
        floats; lists of lists of these shapes too
    features : what the network wants as one step: D, or a shape (D,), (h, w, c) or (h, w, d, c)
    dtype : of the network; numbers are converted to it as they come in
    name : of the argument, for the messages
    min_length : steps that every sequence must have
    digits : numbers keep all their digits, as float64, where `dtype` has less; they must still lie
        within its range. For a layer that subtracts before it rounds

    Returns
    -------
    Batch

    Raises
    ------
    DataError
        Anything is missing, empty, too short, of another shape, not a number, NaN or infinite.

    Examples
    --------
    >>> as_batch(np.zeros((3, 100)), 3, "float32", "x_test")
    Traceback (most recent call last):
        ...
    minilstm.errors.DataError: x_test has shape (3, 100), but the network wants (T, 3), T time \
steps of 3 features; it looks transposed: pass x_test.T.
    >>> [video] = as_batch(np.zeros((9, 28, 28, 1), np.uint8), (28, 28, 1), "float32").sequences
    >>> video.shape, video.dtype
    ((9, 28, 28, 1), dtype('float32'))
    """
    shape = _as_shape(features)
    parts = parts_of(x)
    if parts is not None and not _are_rows(parts, shape):
        if len(parts) == 0:
            raise DataError(
                f"{name} is an empty list, but at least one sequence is wanted; "
                f"pass one or more arrays {_axes(shape)}."
            )
        if (checked := _alike(parts, shape, dtype, min_length, digits)) is not None:
            return checked
        items, form = [(f"{name}[{b}]", s) for b, s in enumerate(parts)], "list"
        for n, s in items:
            refuse_masked(s, n)  # said first, whatever the shape of another one
    else:
        array = _as_array(x, name, shape)
        # What does not fit is told of as it came: a list or a series is not cut as an array is.
        items, form = [(name, array if array.shape[1:] == shape else x)], "single"
        if array.ndim == len(shape) + 2:
            if len(array) == 0:
                raise DataError(
                    f"{name} has shape {array.shape}, a batch of no sequences; pass at least one."
                )
            if array.shape[2:] == shape and array.shape[1] >= max(1, min_length):
                with suppress(DataError):  # which names the sequence below
                    return Batch(_converted(array, dtype, name, digits=digits), "dense")
            items, form = [(f"{name}[{b}]", s) for b, s in enumerate(array)], "dense"
    sequences = [_as_sequence(s, shape, dtype, n, digits) for n, s in items]
    for (n, _), sequence in zip(items, sequences, strict=True):
        _check_length(sequence, min_length, n)
    return Batch(sequences, form)


def as_sequence(
    x: Any, features: Any, dtype: Any, name: str, min_length: int = 1, *, digits: bool = False
) -> Array:
    """One sequence, as `as_batch` checks and converts each; arguments as there."""
    sequence = _as_sequence(x, _as_shape(features), dtype, name, digits)
    _check_length(sequence, min_length, name)
    return sequence


def as_step(
    x: Any,
    features: int | tuple[int, ...],
    dtype: Any,
    name: str = "x_t",
    streams: int | None = None,
    *,
    digits: bool = False,
) -> Array:
    """Check one time step and bring it to the dtype of the network, as `as_batch` does sequences.

    Parameters
    ----------
    x : (*shape) one time step, or (n, *shape) that of n streams
    features, dtype, name, digits : as for `as_batch`
    streams : n, or None for a single stream

    Returns
    -------
    (1, *shape), or (n, *shape)

    Raises
    ------
    DataError
        Another shape, not a number, NaN or infinite.
    """
    shape = _as_shape(features)
    array = _as_array(x, name, shape)
    image = f"pass one {_noun(shape)}, channels last"
    if streams is None:
        wanted, of, row = shape, "this network", "time step"
        hint = "pass one number for each feature" if len(shape) == 1 else image
    else:
        wanted, of, row = (streams, *shape), f"these {streams} streams", "stream"
        hint = f"{'pass one row' if len(shape) == 1 else image} for each stream"
    if array.shape != wanted:
        raise DataError(
            f"{name} has shape {array.shape}, but one time step of {of} is {wanted}; "
            f"{_no_channels(array, shape, _sliceable(x, name)) or hint}."
        )
    return _converted(array.reshape(-1, *shape), dtype, name, row, digits)


def _are_rows(parts: list[Any], shape: tuple[int, ...]) -> bool:
    """Whether a list holds the rows of one sequence, as `tolist` gives them.

    One row may be no sequence itself, so rows of one number stay sequences, which tell of it.
    """
    if len(shape) != 1 or shape[0] == 1 or not parts:
        return False
    return all(
        type(row) in (list, tuple) and len(row) == shape[0] and not any(map(axes_of, row))
        for row in parts
    )


def _alike(
    parts: list[Any], shape: tuple[int, ...], dtype: Any, min_length: int, digits: bool
) -> Batch | None:
    """Plain arrays of one dtype, checked many at a time; None where one is not as it should be."""
    if set(map(type, parts)) != {np.ndarray} or len({s.dtype for s in parts}) > 1:
        return None
    came = parts[0].dtype
    if came not in REAL or came.kind == "b" or not all(s.ndim for s in parts):
        return None
    lengths = [*map(len, parts)]
    if min(lengths) < max(1, min_length):
        return None
    numbers = sum(lengths) * math.prod(shape)
    size = max(1, _BLOCK_NUMBERS * len(parts) // max(1, numbers))
    out: list[Array] = []
    for n in range(0, len(parts), size):
        some = parts[n : n + size]
        try:
            rows = np.concatenate(some) if size > 1 else some[0]
            if rows.shape[1:] != shape:
                return None
            rows = _converted(rows, dtype, "", digits=digits)
        except (DataError, ValueError):  # the latter for several shapes
            return None
        if rows.dtype == came:
            out += map(np.ascontiguousarray, some)
            continue
        ends = [*accumulate(lengths[n : n + size])]
        out += [rows[end - len(s) : end] for s, end in zip(some, ends, strict=True)]
    return Batch(out, "list", rows if size >= len(parts) > 1 else None)


def _check_length(sequence: Array, least: int, name: str) -> None:
    if len(sequence) < least:
        raise DataError(
            f"{name} has {len(sequence)} time steps, but the network wants at least {least}; "
            "remove it, or lower min_length in SequenceInput."
        )


def _as_sequence(x: Any, shape: tuple[int, ...], dtype: Any, name: str, digits: bool) -> Array:
    array = _as_array(x, name, shape)
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape and len(array):
        return _converted(array, dtype, name, digits=digits)
    wanted = f"the network wants {_axes(shape)}, T time steps of {_named(shape)}"
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        find = _vector_hint if len(shape) == 1 else _image_hint
        hint = find(array, shape, _sliceable(x, name))
        raise DataError(f"{name} has shape {array.shape}, but {wanted}; {hint}.")
    raise DataError(
        f"{name} has shape {array.shape}, no time step at all, but {wanted}, T at least 1; "
        "remove it or give it a step."
    )


def _sliceable(x: Any, name: str) -> str:
    """How a user writes an argument where it is cut and turned as an array."""
    return name if isinstance(x, np.ndarray) else f"np.asarray({name})"


def _vector_hint(array: Array, shape: tuple[int, ...], name: str) -> str:
    """What to do about an array that is not (T, D)."""
    (features,) = shape
    if array.ndim != 2:
        if array.ndim == 1 and features == 1:
            return f"pass {name}[:, None] if it is one feature over time"
        return "give each sequence two axes, time then features"
    if array.shape[0] == features:
        return f"it looks transposed: pass {name}.T"
    hint = "check the number of features"
    if array.shape[1] > 0:
        hint += f", or build the network with SequenceInput({array.shape[1]})"
    return hint


def _image_hint(array: Array, shape: tuple[int, ...], name: str) -> str:
    """What to do about an array that is not (T, h, w, c) or (T, h, w, d, c)."""
    axes = "(T, h, w, c)" if len(shape) == 3 else "(T, h, w, d, c)"
    if array.ndim == len(shape) + 1 and array.shape[1:] == (shape[-1], *shape[:-1]):
        return f"its channels come first: pass np.moveaxis({name}, 1, -1)"
    if hint := _no_channels(array, shape, name):
        return hint
    if array.shape == shape:
        return f"it is a single {_noun(shape)}: pass {name}[None] as a sequence of one step"
    if array.ndim == len(shape) + 1:
        if array.shape[:-1] == shape:
            return f"time is its last axis: pass np.moveaxis({name}, -1, 0)"
        if all(array.shape):
            size = ", ".join(map(str, array.shape[1:]))
            return f"resize the {_noun(shape)}s, or build the network with SequenceInput([{size}])"
    return f"give each sequence the axes {axes}, channels last"


def _no_channels(array: Array, shape: tuple[int, ...], name: str) -> str:
    """The way out for images without a channel axis; "" for anything else."""
    space = shape[:-1]
    if space and shape[-1] == 1 and array.shape[-len(space) :] == space and array.shape != shape:
        return f"add the channel axis: pass {name}[..., None]"
    return ""


def _as_array(x: Any, name: str, shape: tuple[int, ...]) -> Array:
    axes = " (T, D)" if len(shape) == 1 else f" {_axes(shape)}"
    return as_numbers(x, name, "sequences", "iuf", ONE_SEQUENCE, axes)


def _converted(
    array: Array, dtype: Any, name: str, row: str = "time step", digits: bool = False
) -> Array:
    """The numbers in the dtype of the network, all of them finite."""

    def place(at: tuple[int, ...]) -> str:
        if len(at) == 2:
            return f"{row} {at[0]}, feature {at[1]}"
        kind = "pixel" if len(at) == 4 else "voxel"
        return f"{row} {at[0]}, {kind} {at[1:-1]}, channel {at[-1]}"

    return finite(array, dtype, name, place, "value", digits)


def _as_shape(features: int | tuple[int, ...]) -> tuple[int, ...]:
    return features if isinstance(features, tuple) else (int(features),)


def _axes(shape: tuple[int, ...]) -> str:
    return f"(T, {', '.join(map(str, shape))})"


def _named(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]} features"
    size = "x".join(map(str, shape[:-1]))
    return f"{size} {_noun(shape)}s with {shape[-1]} channel{'s' if shape[-1] > 1 else ''}"


def _noun(shape: tuple[int, ...]) -> str:
    return "image" if len(shape) == 3 else "volume"
