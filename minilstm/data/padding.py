"""The reference's padding, for who wants its figures: sequences of a mini-batch at one length.
Nothing here is on by default, as our batches are ragged and compute no padded step.

Padded steps are real steps to a network: it runs through them, and normalisations count them.
Padded class numbers are -1, which is no class; padded responses have the value of the padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import Sequences, as_numbers, parts_of
from minilstm.data.arrays import ONE_SEQUENCE, Array
from minilstm.data.sequences import Batch
from minilstm.errors import DataError

Mask = NDArray[np.bool_]

NO_CLASS = -1  # the class number of a step that counts nowhere: ignored, or padded


class Padded(NamedTuple):
    """Sequences of one length as one array, and which of their steps are real."""

    data: Array  # (B, L, *shape)
    mask: Mask  # (B, L), True at real steps


class PaddedBatch(NamedTuple):
    """A mini-batch at one length: what `minilstm.functional.ragged.pack` then takes."""

    sequences: list[Array]  # B arrays (L, *shape)
    targets: list[Array]  # B arrays (L,) or (L, R); untouched where they are one a sequence
    masks: list[Mask]  # B arrays (L,), True at real steps


def pad_sequences(
    sequences: Sequence[Any] | Array,
    length: int | str = "longest",
    direction: str = "right",
    value: float = 0.0,
) -> Padded:
    """Pad or truncate sequences to one length.

    Parameters
    ----------
    sequences : list of B arrays (T_b, *shape), all of one shape of step
    length : "longest" pads to the longest sequence, "shortest" truncates to the shortest, a whole
        number L does both
    direction : "right" pads and truncates at the end, "left" at the start
    value : of padded steps

    Returns
    -------
    data : (B, L, *shape), of the dtype that holds all sequences
    mask : (B, L) bool, True at real steps

    Raises
    ------
    DataError
        The sequences do not fit together, or their dtype cannot hold the value.
    ValueError
        An option is not one of the above.

    Examples
    --------
    >>> data, mask = pad_sequences([[1.0, 2.0, 3.0], [4.0]], direction="left")
    >>> data.tolist(), mask.tolist()
    ([[1.0, 2.0, 3.0], [0.0, 0.0, 4.0]], [[True, True, True], [False, False, True]])
    >>> pad_sequences([[1.0, 2.0, 3.0], [4.0]], "shortest").data.tolist()
    [[1.0], [4.0]]
    """
    check_padding(length, direction, value)
    parts: Any = parts_of(sequences)
    if parts is None and sequences is not None:
        parts = as_numbers(sequences, "sequences", "sequences", "iuf")
    if parts is None or not (parts.shape[:1] if isinstance(parts, np.ndarray) else len(parts)):
        raise DataError(
            f"sequences is {sequences!r}, but a list of at least one array is wanted; "
            "pass [array] for a single sequence."
        )
    arrays = [_as_array(s, f"sequences[{b}]") for b, s in enumerate(parts)]
    for b, array in enumerate(arrays):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise DataError(
                f"sequences[{b}] has shape {array.shape}, but sequences[0] has "
                f"{arrays[0].shape}; they may differ in their first axis only, which is time."
            )
    dtype = np.result_type(*(a.dtype for a in arrays))
    lengths = [len(a) for a in arrays]
    ends = {"longest": max(lengths), "shortest": min(lengths)}
    L = int(length) if not isinstance(length, str) else ends[length]
    if min(lengths) < L and not _holds(dtype, value):
        raise DataError(
            f"value is {value!r}, but the sequences are {dtype}, which cannot hold it; "
            "convert them to float64 first."
        )
    data = np.zeros((len(arrays), L, *arrays[0].shape[1:]), dtype)  # (B, L, *shape)
    mask = np.zeros((len(arrays), L), np.bool_)  # (B, L)
    for b, array in enumerate(arrays):
        kept = min(len(array), L)
        part, first = array[:kept], 0
        if direction == "left":
            part, first = array[len(array) - kept :], L - kept
        if kept < L:
            data[b] = value
        data[b, first : first + kept] = part
        mask[b, first : first + kept] = True
    return Padded(data, mask)


def pad_batch(
    sequences: Sequences,
    targets: Sequence[Array],
    length: int | str = "longest",
    direction: str = "right",
    value: float = 0.0,
    *,
    last: bool = False,
) -> PaddedBatch:
    """A mini-batch as the reference trains on it.

    Parameters
    ----------
    sequences : list of B arrays (T_b, *shape)
    targets : list of B arrays: (T_b,) integers are class numbers and are padded with -1, (T_b, R)
        floats are responses and are padded with `value`
    length : "longest", "shortest" (truncates), or a whole number, which pads to the longest
        sequence rounded up to a multiple of it; `split_sequences` then cuts the pieces
    direction : "right" pads and truncates at the end, "left" at the start
    value : of padded steps
    last : the targets are one a sequence and stay as they are

    Returns
    -------
    PaddedBatch

    Examples
    --------
    >>> x, y = [np.ones((3, 1)), np.ones((1, 1))], [np.array([0, 1, 1]), np.array([1])]
    >>> batch = pad_batch(x, y, 2)
    >>> [a.shape for a in batch.sequences], batch.targets[1].tolist()
    ([(4, 1), (4, 1)], [1, -1, -1, -1])
    """
    check_padding(length, direction, value)
    if not isinstance(length, str):
        longest = max(len(s) for s in sequences)
        length = -(-longest // int(length)) * int(length)
    data, mask = pad_sequences(sequences, length, direction, value)
    if last:
        return PaddedBatch(list(data), list(targets), list(mask))
    classes = all(t.dtype.kind in "iu" for t in targets)
    padding = NO_CLASS if classes else value
    padded = pad_sequences(targets, len(data[0]), direction, padding).data  # (B, L) or (B, L, R)
    return PaddedBatch(list(data), list(padded), list(mask))


def split_sequences(arrays: Sequence[Array], size: int) -> list[list[Array]]:
    """Cut sequences of one length into consecutive pieces, each a mini-batch by itself.

    Parameters
    ----------
    arrays : list of B arrays (L, ...), such as sequences, targets or masks
    size : steps of a piece; the last may be shorter

    Returns
    -------
    list of pieces, each a list of B arrays (size, ...), views

    Examples
    --------
    >>> [[a.tolist() for a in piece] for piece in split_sequences([np.arange(4)], 2)]
    [[[0, 1]], [[2, 3]]]
    """
    return [[a[n : n + size] for a in arrays] for n in range(0, len(arrays[0]), size)]


def trim(outputs: Sequence[Array], masks: Sequence[Mask]) -> list[Array]:
    """What a network put out at the real steps of padded sequences.

    Parameters
    ----------
    outputs : B arrays (L, ...), or (B, L, ...)
    masks : B arrays (L,), or (B, L), from `pad_sequences` or `pad_batch`

    Returns
    -------
    list of B arrays (T_b, ...); shorter where a sequence was truncated

    Examples
    --------
    >>> data, mask = pad_sequences([[1.0, 2.0], [4.0]], direction="left")
    >>> [a.tolist() for a in trim(data, mask)]
    [[1.0, 2.0], [4.0]]
    """
    return [output[mask] for output, mask in zip(outputs, masks, strict=True)]


def check_padding(
    length: Any,
    direction: Any,
    value: Any,
    names: Sequence[str] = ("length", "direction", "value"),
    words: Sequence[str] = ("longest", "shortest"),
) -> None:
    """Raise ValueError, which calls the options by `names`, unless all are known ones."""
    number = isinstance(length, (int, np.integer)) and not isinstance(length, (bool, np.bool_))
    named = isinstance(length, str) and length in words
    if not (named or (number and length >= 1)):
        raise ValueError(
            f"{names[0]} is {length!r}; choose {', '.join(map(repr, words))}, or a whole number of "
            "at least 1."
        )
    if direction not in ("right", "left"):
        raise ValueError(f"{names[1]} is {direction!r}; choose one of 'right', 'left'.")
    number = isinstance(value, (int, float, np.integer, np.floating))
    if not number or isinstance(value, bool) or not np.isfinite(value):
        raise ValueError(f"{names[2]} is {value!r}; give one finite number.")


class Padding(NamedTuple):
    """How a mini-batch is brought to one length; by default it is not."""

    length: str | int = "ragged"  # or "longest", "shortest", or steps of a piece
    direction: str = "right"
    value: float = 0.0

    def checked(self) -> Padding:
        """The same, or a ValueError that names the option."""
        names = ("sequence_length", "sequence_padding_direction", "sequence_padding_value")
        check_padding(*self, names, ("ragged", "longest", "shortest"))
        return self


def padded(batches: Sequence[Batch], padding: Padding) -> tuple[list[Batch], Any]:
    """Sequences of one mini-batch at one length, and masks of their real steps; None if ragged."""
    if padding.length == "ragged":
        return list(batches), None
    out, masks = [], None
    for batch in batches:  # a number of steps pads to whole pieces, run one by one
        data, _, masks = pad_batch(batch.sequences, [], *padding, last=True)
        out.append(Batch(data, batch.form))
    return out, masks


def trimmed(output: Any, masks: Any, form: str) -> Any:
    """An output of padded sequences without the padded steps, in the form in which they came."""
    if masks is None:
        return output
    if form == "single":
        return trim([output], masks)[0]
    parts = trim(output, masks)
    return np.stack(parts) if form == "dense" else parts


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    if dtype.kind == "f":
        return abs(value) <= float(np.finfo(dtype).max)
    bounds = np.iinfo(dtype)
    return bounds.min <= value <= bounds.max and value == int(value)


def _as_array(x: Any, name: str) -> Array:
    array = as_numbers(x, name, "sequences", "iuf", ONE_SEQUENCE)
    if array.ndim == 0:
        raise DataError(
            f"{name} has shape (), but a sequence is an array of real numbers (T, ...); pass one "
            "array for each sequence."
        )
    return array
