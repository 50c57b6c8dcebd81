"""From the scores of a classifier to labels: the class of the largest.
Scores come in every form that `predict` gives; a score that is no number chooses nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minilstm.arrays import as_array, as_numbers, axes_of, parts_of
from minilstm.data.arrays import Array
from minilstm.errors import DataError


def scores_to_labels(scores: Any, classes: ArrayLike | None) -> Any:
    """The class of the largest score.

    Parameters
    ----------
    scores : what `predict` gave: (T, C), (B, C), (C,), (B, T, C), or a list of (T_b, C)
    classes : (C,) class names in the order of the scores, such as ``net.classes``

    Returns
    -------
    Labels of the same form without the last axis: an array, one label, or a list of arrays.
    The first of equal scores wins.

    Raises
    ------
    DataError
        The number of scores is not the number of classes, or a score is NaN.

    Examples
    --------
    >>> scores_to_labels(np.array([[0.1, 0.9], [0.8, 0.2]]), ["walk", "run"]).tolist()
    ['run', 'walk']
    """
    names = np.empty(()) if classes is None else as_array(classes, "classes")  # (C,)
    if names.ndim != 1:
        raise DataError(
            f"classes is {classes!r}, but one name for each score is wanted; "
            "pass the classes of a trained network."
        )
    parts = parts_of(scores)
    if parts is not None and (not parts or axes_of(parts[0]) > 0):
        return [_to_labels(s, names, f"scores[{b}]") for b, s in enumerate(parts)]
    return _to_labels(scores, names, "scores")


def _to_labels(scores: Any, names: Array, name: str) -> Any:
    """The class of the largest of scores (..., C)."""
    array = as_numbers(scores, name, "scores")
    if array.ndim == 0 or array.shape[-1] != len(names):
        raise DataError(
            f"{name} has shape {array.shape}, but there are {len(names)} classes; "
            f"pass scores whose last axis is {len(names)}, and the classes of the same network."
        )
    if np.isnan(array).any():
        raise DataError(f"{name} holds NaN, so no class is the largest; check the network's input.")
    return names[array.argmax(axis=-1)]
