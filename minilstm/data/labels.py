"""Labels as users have them, strings or integers, to class numbers; the way back is in `scores.py`.
The classes of a network are the sorted distinct labels of its training data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_array, as_code, is_missing
from minilstm.data.arrays import Array, one_for_each
from minilstm.data.padding import NO_CLASS
from minilstm.data.sequences import Batch
from minilstm.errors import DataError

# What readers, str() and pandas make of a missing label, in small letters.
MISSING_WORDS = frozenset({"", "nan", "<na>", "nat", "<undefined>"})


def as_labels(
    y: Any, batch: Batch, output_mode: str, name: str = "y", allowed: Iterable[str | int] = ()
) -> list[Array]:
    """Check that labels fit their sequences.

    Parameters
    ----------
    y : output mode "sequence": (T,) for one sequence, a list of B arrays (T_b,), or (B, T);
        output mode "last": (B,), or one label for one sequence. Strings or whole
        numbers, also in one column (T, 1) or (B, 1).
    batch : the sequences
    output_mode : "sequence" for a label a step, "last" for a label a sequence
    name : of the argument, for the messages
    allowed : labels that count as such though they read like a missing one, such as "nan"

    Returns
    -------
    list of B arrays: (T_b,) for "sequence", (1,) for "last"

    Raises
    ------
    DataError
        Another number of labels, another shape, missing or fractional labels.

    Examples
    --------
    >>> batch = Batch([np.zeros((2, 3)), np.zeros((1, 3))], "list")
    >>> [a.tolist() for a in as_labels([["a", "b"], ["a"]], batch, "sequence")]
    [['a', 'b'], ['a']]
    """
    sequences, form, _ = batch
    if output_mode == "last":
        labels = _column(np.atleast_1d(label_array(y, name, allowed)), len(sequences), name)  # (B,)
        if labels.ndim != 1:
            raise DataError(
                f"{name} has shape {labels.shape}, but for output_mode='last' labels are (B,); "
                "give one label for each sequence."
            )
        if len(labels) != len(sequences):
            raise DataError(
                f"{name} has {len(labels)} labels, but there are {len(sequences)} sequences; "
                "for output_mode='last' give one label for each sequence."
            )
        return [labels[b : b + 1] for b in range(len(labels))]
    if form == "single" and not _is_list_of_arrays(y):
        items = [(name, y)]
    else:
        items = one_for_each(y, len(sequences), name, "labels")
    given = zip(items, sequences, strict=True)
    return [labels_of_steps(part, len(sequence), n, allowed) for (n, part), sequence in given]


def labels_of_steps(y: Any, T: int, name: str, allowed: Iterable[str | int] = ()) -> Array:
    """Labels (T,) of one sequence of T steps; arguments as for `as_labels`."""
    array = _column(label_array(y, name, allowed), T, name)
    if array.shape != (T,):
        raise DataError(
            f"{name} has shape {array.shape}, but its sequence has {T} time steps; for "
            f"output_mode='sequence' give one label a step, shape ({T},)."
        )
    return array


def _column(array: Array, rows: int, name: str) -> Array:
    """Labels in one column as (rows,); DataError where each row has a 1 in the place of its class.

    Anything else as it is.
    """
    if array.shape == (rows, 1):
        return array[:, 0]
    if array.ndim != 2 or len(array) != rows or array.dtype.kind == "U":
        return array
    if ((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all():
        raise DataError(
            f"{name} has shape {array.shape} and one 1 in each row, but a label is one number or "
            f"word; pass np.argmax({as_code(name)}, axis=1)."
        )
    return array


def find_classes(
    labels: Sequence[Array], name: str = "y", ignored: Sequence[str | int] = ()
) -> Array:
    """Sorted distinct labels.

    Parameters
    ----------
    labels : list of arrays of strings or integers, from `as_labels`
    name : of the argument, for the messages
    ignored : labels that are no class, such as "" or -1 at steps that nobody has labelled

    Raises
    ------
    DataError
        There is only one, or strings and integers are mixed.
    """
    kinds = {"text" if a.dtype.kind == "U" else "whole numbers" for a in labels}
    if len(kinds) > 1:
        raise DataError(
            f"{name} mixes text and whole numbers as labels; use one kind for all sequences."
        )
    classes = np.unique(np.concatenate([np.unique(a) if len(a) > 1 else a for a in labels]))  # (C,)
    classes = classes[~_is_ignored(classes, ignored)]
    check_some_count(name, len(classes) > 0)
    if len(classes) < 2:
        raise DataError(
            f"{name} holds one class only, {classes[0].item()!r}, but a classifier needs at least "
            "two; check that the right labels were read."
        )
    return classes


def to_targets(
    labels: Sequence[Array], classes: Array, name: str = "y", ignored: Sequence[str | int] = ()
) -> list[NDArray[np.int64]]:
    """Class numbers, 0 to C - 1, in the order of `classes`; -1 for labels that are ignored.

    Parameters
    ----------
    labels : list of arrays of strings or integers, from `as_labels`
    classes : (C,) the classes of the network
    name : of the argument, for the messages
    ignored : labels that count nowhere, whether or not they are among the classes

    Raises
    ------
    DataError
        A label is not one of the classes, or all are ignored.
    """
    if len({a.dtype.kind for a in labels}) == 1 < len(labels):
        with suppress(DataError):  # which the loop raises for the sequence that it is of
            (whole,) = to_targets([np.concatenate(labels)], classes, name, ignored)
            return [whole[a:b] for a, b in pairwise(np.cumsum([0, *map(len, labels)]).tolist())]
    out = [numbers_of(array, b, classes, name, ignored) for b, array in enumerate(labels)]
    check_some_count(name, not ignored or any((a != NO_CLASS).any() for a in out))
    return out


def numbers_of(
    labels: Array, b: int, classes: Array, name: str, ignored: Sequence[str | int]
) -> NDArray[np.int64]:
    """Class numbers (T,) of the labels of sequence b; arguments as for `to_targets`."""
    known, place = np.zeros(len(labels), bool), np.zeros(len(labels), np.int64)  # (T,), (T,)
    if (labels.dtype.kind == "U") == (classes.dtype.kind == "U"):
        order = np.argsort(classes)  # (C,)
        found = np.searchsorted(classes, labels, sorter=order)  # (T,)
        place = order[np.minimum(found, len(classes) - 1)].astype(np.int64)
        known = classes[place] == labels
    left_out = _is_ignored(labels, ignored)  # (T,)
    place[left_out] = NO_CLASS
    if not (known | left_out).all():
        stranger = labels[~(known | left_out)][0].item()
        shown = ", ".join(map(repr, classes[:12].tolist())) + ", ..." * (len(classes) > 12)
        kinds = ["text" if a.dtype.kind == "U" else "whole numbers" for a in (labels, classes)]
        if kinds[0] != kinds[1]:
            raise DataError(
                f"{name} holds {kinds[0]} as labels, such as {stranger!r} (sequence {b}), but "
                f"the network's classes {shown} are {kinds[1]}; use one kind for both."
            )
        raise DataError(
            f"{name} holds the label {stranger!r} (sequence {b}), which is not among the "
            f"network's {len(classes)} classes {shown}; remove it, or train with it."
        )
    return place


def check_ignored(labels: Sequence[Array], ignored: Sequence[str | int]) -> None:
    """Raise ValueError where an ignored label can be none of the labels: text among numbers, say.

    Parameters
    ----------
    labels : list of arrays of strings or integers, from `as_labels`
    ignored : labels that are no class
    """
    kinds = {a.dtype.kind == "U" for a in labels}
    for label in ignored:
        if isinstance(label, str) not in kinds:
            came = "text" if True in kinds else "whole numbers"
            raise ValueError(
                f"ignored_labels holds {label!r}, but the labels are {came}; give labels of the "
                "same kind."
            )


def check_some_count(name: str, some: bool) -> None:
    """Raise DataError unless there is some label that counts."""
    if not some:
        raise DataError(
            f"{name} holds no label but the ignored ones, so nothing counts; check which labels "
            "are ignored."
        )


def _is_ignored(labels: Array, ignored: Sequence[str | int]) -> NDArray[np.bool_]:
    """Which labels are among the ignored ones, (T,); a number and its digits are not the same."""
    listed = [ignored] if isinstance(ignored, (str, int, np.integer)) else list(ignored)
    for label in listed:
        if isinstance(label, bool) or not isinstance(label, (str, int, np.integer)):
            raise TypeError(
                f"a label to ignore is {label!r}; give strings or whole numbers, like the labels."
            )
    out = np.zeros(len(labels), np.bool_)
    for label in listed:
        if isinstance(label, str) == (labels.dtype.kind == "U"):
            out |= labels == label
    return out


def label_array(y: Any, name: str, allowed: Iterable[str | int] = ()) -> Array:
    """Labels as one array of strings or int64; arguments as for `as_labels`.

    Raises DataError where one is missing or has another type, or two kinds are mixed.
    """
    wanted = (
        "one array was wanted; check output_mode: 'sequence' takes a label a step, 'last' a label "
        "a sequence."
    )
    array = as_array(y, name, wanted, of="label arrays")
    if array.dtype == object or isinstance(y, (list, tuple)):
        # NumPy would make text of a number or of a missing label in a list of strings.
        listed = np.array(y, dtype=object) if isinstance(y, (list, tuple)) else array
        array = _from_objects(listed, array, name)
    if array.dtype.kind == "f":
        array = _whole(array, name)
    if array.dtype.kind not in "iuU":
        code = as_code(name)
        ways = {"S": f"np.asarray({code}).astype(str)", "b": f"np.asarray({code}).astype(int)"}
        way = ways.get(array.dtype.kind)
        raise DataError(
            f"{name} has dtype {array.dtype}, but labels are strings or whole numbers; "
            f"{f'pass {way}' if way else 'convert them, and remove missing ones'}."
        )
    if array.dtype.kind == "U":
        _refuse_words(array, name, allowed)
        return array
    _refuse_large(array, name)
    return array.astype(np.int64)  # one integer type, so that no mixture becomes a float


def _from_objects(listed: Array, array: Array, name: str) -> Array:
    """Labels that came as objects, or in a list; `array` is what NumPy makes of them."""
    flat = listed.ravel()  # (N,)
    kinds = set(map(type, flat))
    if all(issubclass(k, str) for k in kinds):
        return text_array(array.tolist() if array.dtype == object else listed.tolist(), name)
    _refuse_missing(listed, name, any(issubclass(k, str) for k in kinds))
    if kinds <= {bool, np.bool_}:
        return array.astype(bool)
    real = all(issubclass(k, (int, float, np.integer, np.floating)) for k in kinds)
    if real and not {bool, np.bool_} & kinds:
        if all(issubclass(k, (int, np.integer)) for k in kinds):
            _refuse_large(flat, name)
            return np.array(listed.tolist()) if array.dtype == object else array
        return _whole(listed.astype(np.float64), name)
    raise DataError(
        f"{name} holds labels of type {' and '.join(sorted(k.__name__ for k in kinds))}, "
        "but labels are all strings or all whole numbers; convert them, and remove "
        "missing ones."
    )


def _refuse_missing(labels: Array, name: str, text: bool) -> None:
    """Raise DataError where a label is missing; `text` says what kind the others are."""
    missing = [n for n, value in enumerate(labels.flat) if is_missing(value)]
    if missing:
        at = [int(i) for i in np.unravel_index(missing[0], labels.shape)]
        raise DataError(
            f"{name} holds {labels.flat[missing[0]]!r} at {at} as a label ({len(missing)} in all), "
            f"a missing one; remove it, or put {repr('?') if text else '-1'} in its place and list "
            "that in minilstm.CrossEntropy(ignored_labels=...)."
        )


def _whole(array: Array, name: str) -> Array:
    """Whole numbers that came as floats, as pandas gives them, as int64."""
    array = array.astype(np.float64)  # float16 holds no bound of int64
    if (bad := ~np.isfinite(array) | (array != np.round(array))).any():
        _refuse_missing(array.astype(object), name, text=False)
        raise DataError(
            f"{name} holds the label {array[bad][0]}, but labels are strings or whole numbers; "
            "round it, or train on numbers with loss='mse'."
        )
    _refuse_large(array, name)
    return array.astype(np.int64)


def _refuse_large(labels: Array, name: str) -> None:
    """Raise DataError where a whole number is none of int64."""
    bounds = np.iinfo(np.int64)
    ends = [int(labels.max()), int(labels.min())] if labels.size else []
    if large := [label for label in ends if not bounds.min <= label <= bounds.max]:
        raise DataError(
            f"{name} holds the label {large[0]}, beyond 64-bit integers; use smaller numbers, or "
            "strings."
        )


def class_array(classes: Any) -> Array:
    """The classes of a network (C,), as a new array."""
    array = as_array(classes, "classes")
    listed = isinstance(classes, (list, tuple)) and array.dtype.kind == "U"
    whole = array.dtype.kind == "f" and (array == np.round(array)).all()
    if array.dtype.kind == "O" or listed or whole:
        array = label_array(classes, "classes", allowed=array.tolist())
    return np.array(array)


def text_array(labels: Any, name: str) -> Array:
    """An array of text from a list of it; NumPy drops NUL characters at an end, so none may be."""
    array = np.array(labels, dtype=np.str_)
    if array.size and (lost := [t for t in _flat(labels) if t.endswith("\0")]):
        raise DataError(
            f"{name} holds the label {lost[0]!r}, whose NUL character at the end would be lost; "
            "remove it, such as with label.rstrip('\\0')."
        )
    return array


def _flat(labels: Any) -> Iterator[str]:
    for label in [labels] if isinstance(labels, str) else labels:
        yield from [label] if isinstance(label, str) else _flat(label)


def _refuse_words(array: Array, name: str, allowed: Iterable[str | int]) -> None:
    """Raise DataError where text is what str() makes of a missing value."""
    for label in np.unique(array).tolist():
        if label.lower() in MISSING_WORDS and label not in allowed:
            raise DataError(
                f"{name} holds the label {label!r}, which marks a missing label; ignore it with "
                f"loss=minilstm.CrossEntropy(ignored_labels=[{label!r}]), or fill it in."
            )


def _is_list_of_arrays(y: Any) -> bool:
    if not isinstance(y, (list, tuple)) or len(y) != 1:
        return False
    return isinstance(y[0], (list, tuple)) or getattr(y[0], "ndim", 0) == 1
