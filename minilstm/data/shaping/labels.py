"""The label of a window, from those of its steps.
Numbers to be predicted are chosen or averaged; they are never counted as classes are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_array
from minilstm.checks import check_choice
from minilstm.data.labels import label_array
from minilstm.errors import DataError

Array = NDArray[Any]
LABELS = ("majority", "last")
Label = str | Callable[[Array], Any]


def check_label(name: str, label: Any) -> None:
    """A function, or one of the words."""
    if not callable(label):
        check_choice(name, label, LABELS)


def step_targets(y: Any, name: str) -> Array:
    """Labels or numbers of steps or recordings as one array; "" stays, as a missing label."""
    array = as_array(y, name)
    return array if array.dtype.kind == "f" else label_array(y, name, allowed=[""])


def window_targets(y: Array, starts: Array, length: int, label: Label, name: str) -> Array:
    """One target for each window.

    Parameters
    ----------
    y : (T,) labels or numbers, or (T, R) numbers, of the steps of a recording
    starts : (N,) first steps
    length : steps of a window
    label : how; see `windows`
    name : of the argument, for the messages

    Returns
    -------
    (N,) or (N, R)
    """
    if callable(label):
        made = [label(y[t : t + length]) for t in starts.tolist()]
        targets = step_targets(made, f"what the function gave for {name}")
    elif label == "last":
        targets = y[starts + length - 1]
    elif y.dtype.kind == "f":
        raise DataError(
            f"{name} holds numbers of type {y.dtype}, but label='majority' counts classes; choose "
            "'last', give a function such as numpy.mean, or convert classes to integers."
        )
    else:
        targets = _majority(y, starts, length)
    return targets


def _majority(y: Array, starts: Array, length: int) -> Array:
    """The most frequent label of each window; of equally frequent ones that which is seen last."""
    stops = starts + length  # (N,)
    classes, codes = np.unique(y, return_inverse=True)  # (C,), (T,)
    best = np.zeros((2, len(starts)), np.int64)  # how often, and where last
    winner = np.full(len(starts), -1)  # (N,)
    for c, word in enumerate(classes.tolist()):
        if word == "":
            continue  # a missing label does not vote
        here = codes == c  # (T,)
        sums = np.concatenate([[0], np.cumsum(here)])  # (T + 1,)
        last = np.maximum.accumulate(np.where(here, np.arange(len(y)), -1))  # (T,)
        often, seen = sums[stops] - sums[starts], last[stops - 1]  # (N,), (N,)
        wins = (often > best[0]) | ((often == best[0]) & (often > 0) & (seen > best[1]))
        winner[wins] = c
        best[:, wins] = often[wins], seen[wins]
    return np.where(winner < 0, "", classes[winner]) if (winner < 0).any() else classes[winner]
