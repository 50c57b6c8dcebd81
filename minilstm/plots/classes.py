"""Class names and the numbers that stand for them in the figures.
Labels may be strings or integers; classes keep the order they are given in, or are sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.errors import DataError


def as_labels(name: str, labels: ArrayLike) -> NDArray[Any]:
    """Give labels as an array of shape (N,), or raise naming the argument.

    Examples
    --------
    >>> as_labels("true", ["Sitting", "Walking"]).shape
    (2,)
    """
    array: NDArray[Any] = np.asarray(labels)
    if array.ndim != 1:
        raise DataError(
            f"{name} has shape {array.shape} and should be one-dimensional, one label a step: "
            f"pass one sequence's labels, as {name}[0]."
        )
    if array.size and array.dtype.kind not in "OSUTiub":
        raise DataError(
            f"{name} holds {array.dtype} values and should hold strings or integers: "
            "convert the labels first."
        )
    return array


def class_list(classes: Sequence[Any] | NDArray[Any] | None, *labels: NDArray[Any]) -> list[Any]:
    """Give the classes in the order asked for, or those found in the labels, sorted."""
    if classes is not None:
        wanted = np.asarray(classes).tolist()
        if not wanted or np.asarray(classes).ndim != 1 or len(set(wanted)) != len(wanted):
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
    """Replace each label by its place in `classes`.

    Parameters
    ----------
    name : str
        The argument's name, for the error message.
    labels : array, shape (N,)
        Strings or integers.
    classes : sequence of C labels
        All different.

    Returns
    -------
    int64 array, shape (N,)
        Numbers from 0 to C - 1.

    Raises
    ------
    DataError
        If a label is not among the classes.

    Examples
    --------
    >>> import numpy as np
    >>> class_codes("true", np.array(["b", "a", "b"]), ["a", "b"]).tolist()
    [1, 0, 1]
    """
    place = {label: code for code, label in enumerate(classes)}
    try:
        codes = [place[label] for label in labels.tolist()]
    except (KeyError, TypeError):
        step, label = next(
            (n, v) for n, v in enumerate(labels.tolist()) if not _known(v, place)
        )  # fmt: skip
        shown = ", ".join(repr(c) for c in list(classes)[:6]) + (", ..." if len(place) > 6 else "")
        raise DataError(
            f"{name}[{step}] is {label!r}, which is not among classes [{shown}]: "
            "add it to classes or correct the label."
        ) from None
    return np.array(codes, dtype=np.int64)  # (N,)


def _known(label: Any, place: dict[Any, int]) -> bool:
    try:
        return label in place
    except TypeError:
        return False


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
