"""What users hand to the figures, checked: labels, numbers, names, a sample rate.
And what the figures say of it in words: shares, errors, a few digits of a number.

Labels may be strings or integers; classes keep the order they are given in, or are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import as_array, axes_of, parts_of
from minilstm.arrays import as_numbers as gate
from minilstm.errors import DataError

Floats = NDArray[np.float64]


def as_labels(name: str, labels: ArrayLike) -> NDArray[Any]:
    """Give labels as an array of shape (N,), or raise naming the argument."""
    wanted = f"one label a step was wanted: pass one sequence's labels, as {name}[0]."
    array: NDArray[Any] = as_array(labels, name, wanted, of="sequences")
    if array.dtype.kind == "U" and isinstance(labels, (list, tuple)):
        array = np.array(labels, dtype=object)  # NumPy would make text of a missing label
    if array.ndim != 1:
        raise DataError(
            f"{name} has shape {array.shape} and should be one-dimensional, one label a step: "
            f"pass one sequence's labels, as {name}[0]."
        )
    if array.dtype.kind == "f" and (np.isfinite(array) & (array == np.round(array))).all():
        array = array.astype(np.int64)  # whole numbers, as pandas gives them
    if array.size and array.dtype.kind not in "OSUTiub":
        raise DataError(
            f"{name} holds {array.dtype} values and should hold strings or integers: "
            "convert the labels first."
        )
    return array


def class_list(classes: Sequence[Any] | NDArray[Any] | None, *labels: NDArray[Any]) -> list[Any]:
    """Give the classes in the order asked for, or those found in the labels, sorted."""
    if classes is not None:
        array = as_array(classes, "classes")
        wanted = array.tolist()
        if array.ndim != 1 or not wanted or len(set(wanted)) != len(wanted):
            raise DataError(
                f"classes is {wanted!r} and should be a list of different names: "
                "pass each class once, for example net.classes."
            )
        return list(wanted)
    found = {label for array in labels for label in array.tolist()}
    try:
        return sorted(found)
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in found}))
        raise DataError(
            f"labels mix the types {kinds} and should all be strings or all integers: "
            "convert them, or leave out the steps without a label."
        ) from None


def class_codes(name: str, labels: NDArray[Any], classes: Sequence[Any]) -> NDArray[np.int64]:
    """Replace each label (N,) by its place in `classes`, 0 to C - 1, or raise naming the argument.

    Examples
    --------
    >>> class_codes("true", np.array(["b", "a", "b"]), ["a", "b"]).tolist()
    [1, 0, 1]
    """
    place = {label: code for code, label in enumerate(classes)}
    try:
        codes = [place[label] for label in labels.tolist()]
    except (KeyError, TypeError):
        step, label = next((n, v) for n, v in enumerate(labels.tolist()) if v not in classes)
        shown = ", ".join(repr(c) for c in list(classes)[:6]) + (", ..." if len(place) > 6 else "")
        raise DataError(
            f"{name}[{step}] is {label!r}, which is not among classes [{shown}]: "
            "add it to classes or correct the label."
        ) from None
    return np.array(codes, dtype=np.int64)  # (N,)


def check_pair(
    predicted: ArrayLike, true: ArrayLike, classes: Sequence[Any] | NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Any]]:
    """Give predicted codes, true codes (N,) and the classes, after checking that they match."""
    guess, truth = as_labels("predicted", predicted), as_labels("true", true)  # (N,), (N,)
    if guess.shape != truth.shape:
        raise DataError(
            f"predicted has {guess.size} labels and true has {truth.size}: "
            "pass both for the same steps."
        )
    names = class_list(classes, truth, guess)
    return class_codes("predicted", guess, names), class_codes("true", truth, names), names


def check_feature(name: str, sequence: NDArray[Any], feature: int) -> None:
    """Raise if a sequence (T, D) has no such feature."""
    if not -1 < feature < sequence.shape[1]:
        raise DataError(
            f"feature is {feature} and {name} has {sequence.shape[1]} features (shape "
            f"{sequence.shape}): pass a number from 0 to {sequence.shape[1] - 1}."
        )


def check_names(
    names: Sequence[str] | None, kind: str, owner: str, values: NDArray[Any]
) -> list[str]:
    """Give a name for each column of values (N, D): those given, or "Feature 1" and so on."""
    count = values.shape[1]
    found = [f"{kind.capitalize()} {d + 1}" for d in range(count)] if names is None else list(names)
    if len(found) != count:
        raise DataError(
            f"names has {len(found)} entries and {owner} has {count} {kind}s (shape "
            f"{values.shape}): pass one name a {kind}."
        )
    return found


def check_sample_rate(sample_rate: float | None) -> float:
    """Give the sample rate in hertz, or 1.0 where none is set."""
    if sample_rate is None:
        return 1.0
    if not (np.isfinite(sample_rate) and sample_rate > 0):
        raise DataError(
            f"sample_rate is {sample_rate!r} and should be a positive number of hertz: "
            "pass None to count time steps."
        )
    return float(sample_rate)


def as_numbers(name: str, values: ArrayLike | list[Any]) -> Floats:
    """Numbers as (N, R), of which there is at least one; a list of arrays is put end to end.

    Examples
    --------
    >>> as_numbers("true", [1.0, 2.0]).shape
    (2, 1)
    >>> as_numbers("true", [np.zeros((4, 3)), np.zeros((2, 3))]).shape
    (6, 3)
    """
    parts = parts_of(values)
    try:
        if parts is not None and any(axes_of(v) > 0 for v in parts):
            values = np.concatenate([gate(v, f"{name}[{k}]") for k, v in enumerate(parts)])
        numbers: NDArray[Any] = gate(values, name)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(
            f"{name} holds arrays of different kinds ({error}): pass arrays (T,), or all (T, R)."
        ) from error
    if numbers.ndim not in (1, 2) or 0 in numbers.shape or numbers.dtype.kind not in "fiub":
        raise DataError(
            f"{name} has shape {numbers.shape} and dtype {numbers.dtype} and should be real "
            "numbers, (N,) or (N, R), at least one: pass an array, or a list of arrays."
        )
    return numbers.astype(np.float64).reshape(len(numbers), -1)


def rmse(true: Floats, predicted: Floats) -> float:
    """Root of the mean squared error over what is finite in both; NaN if nothing is.

    Examples
    --------
    >>> rmse(np.array([1.0, 2.0, np.nan]), np.array([1.0, 4.0, 0.0])) ** 2
    2.0000000000000004
    """
    error = predicted - true
    error = error[np.isfinite(error)]
    return float(np.sqrt(np.mean(error * error))) if error.size else float("nan")


def rounded(value: float) -> str:
    """Three digits that matter.

    Examples
    --------
    >>> rounded(0.123456), rounded(1234.5), rounded(2e-7)
    ('0.123', '1,230', '2e-07')
    """
    if abs(value) >= 1000 and np.isfinite(value):
        return f"{float(f'{value:.3g}'):,.0f}" if abs(value) < 1e7 else f"{value:.3g}"
    return f"{value:.3g}"


def percent(part: int, whole: int, digits: int = 2) -> str:
    """Write a share in percent, of which only nothing is 0 and only everything 100.

    Examples
    --------
    >>> percent(2, 3), percent(99_999, 100_000), percent(5, 5), percent(0, 0)
    ('66.67%', '99.99%', '100.00%', 'n/a')
    >>> percent(1, 8, digits=1), percent(1, 10**6, digits=1)
    ('12.5%', '<0.1%')
    """
    if whole == 0:
        return "n/a"
    full = 100 * 10**digits
    share = round(full * part / whole)
    if share == 0 and part > 0:
        return f"<{10**-digits}%"
    return f"{(share - (share == full and part < whole)) / 10**digits:.{digits}f}%"
