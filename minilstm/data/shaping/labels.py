"""The label of a window, from those of its steps.
Numbers to be predicted are chosen or averaged; they are never counted as classes are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from minilstm.arrays import as_array
from minilstm.checks import check_choice
from minilstm.data.labels import label_array
from minilstm.errors import DataError

Array = NDArray[Any]
_BLOCK = 1 << 20  # numbers of the windows that are counted together
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
            "'last' (window_label='last'), give a function such as numpy.mean, or convert classes "
            "to integers."
        )
    else:
        targets = _majority(y, starts, length)
    return targets


def _majority(y: Array, starts: Array, length: int) -> Array:
    """The most frequent label of each window; of equally frequent ones that which is seen last."""
    classes, codes = np.unique(y, return_inverse=True)  # (C,), (T,)
    C, steps = len(classes), np.arange(length)
    views = sliding_window_view(codes, length)  # (T - length + 1, length)
    size = max(1, _BLOCK // max(C, length))
    winners = np.empty(len(starts), np.int64)  # (N,)
    for n in range(0, len(starts), size):
        seen = views[starts[n : n + size]]  # (n, length)
        cells = (seen + C * np.arange(len(seen))[:, None]).ravel()  # (n length,) window and class
        score = length * np.bincount(cells, minlength=len(seen) * C)  # (n C,)
        last = np.full(len(score), -1)  # (n C,)
        last[cells] = np.tile(steps, len(seen))  # of a cell that comes again the last one stays
        score = (score + last).reshape(len(seen), C)  # -1 for a class that the window has not
        if y.dtype.kind == "U":
            score[:, classes == ""] = 0  # it does not vote, and wins where nothing else is
        winners[n : n + size] = score.argmax(axis=1)
    return classes[winners]
