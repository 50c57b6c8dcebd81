"""How good predictions are: accuracy, precision, recall, F-score, AUC and RMSE, each by name.
A metric sees the predictions of all rows and their targets, and gives one number.

Rows are the real steps of all sequences, or one row a sequence. Targets are class numbers (N,),
where -1 means that the row has no class and does not count; or (N, C) of 0 and 1, where each class
is true or false by itself and a score of at least 1/2 says true; or numbers (N, R).

Axes: N rows, C classes, R responses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import read_only
from minilstm.checks import did_you_mean
from minilstm.errors import DataError

Array = NDArray[Any]
BoolArray = NDArray[np.bool_]

#: columns that a history has anyway
_TAKEN = ("iteration", "epoch", "learning_rate", "loss", "time")


class Metric(NamedTuple):
    """A metric by name."""

    name: str  # also that of its column in the history
    kind: str  # targets it is for: "classes" (class numbers, or 0 and 1), "numbers", or "any"
    function: Callable[[Array, Array], Any]  # f(y, t) -> number, without rows that have no class

    def compute(self, y: Array, t: Array) -> float:
        """The metric of predictions y (N, C) and targets t; NaN where no row counts.

        Raises
        ------
        DataError
            The targets are not of the metric's kind, or not as many as the predictions.
        """
        _check(self, y, t)
        if t.ndim == 1 and t.dtype.kind in "iu":
            counted = t >= 0  # (N,)
            if not counted.all():
                y, t = y[counted], t[counted]
        if len(y) == 0:
            return math.nan
        # A function that wrote into them would change the training.
        value = self.function(read_only(y), read_only(t))
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the metric {self.name!r} returned {type(value).__name__}, but one number is "
                "wanted; return a mean over the rows."
            ) from error


def find_metric(metric: Any) -> Metric:
    """The metric that a user means.

    Parameters
    ----------
    metric : one of these, or a function of predictions (N, C) and targets:

        - "accuracy": share of rows whose largest score is the true class
        - "precision", "recall", "fscore": mean over the classes that occur among the targets
        - "auc": area under the curve of each class against the others, mean over the classes
        - "rmse": root of the mean squared error over all rows and responses

    Raises
    ------
    ValueError, TypeError
        It is none of these, or a function without a usable name.

    Examples
    --------
    >>> y = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> round(find_metric("accuracy").compute(y, np.array([0, 1, 1])), 3)
    0.667
    """
    choices = ", ".join(map(repr, NAMES))
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str) and metric in NAMES:
        return _NAMED[metric]
    if isinstance(metric, str) or not callable(metric):
        of_text, near = isinstance(metric, str), did_you_mean(metric, NAMES)
        raise (ValueError if of_text else TypeError)(
            f"a metric is {repr(metric) if of_text else type(metric).__name__}; choose one of "
            f"{choices}, or give a function of predictions and targets{near}."
        )
    name = getattr(metric, "__name__", "")
    if not name or name == "<lambda>" or name in _TAKEN or name in NAMES:
        why = "has no name" if name in ("", "<lambda>") else f"is named {name!r}, which is taken"
        raise ValueError(
            f"a metric is a function that {why}; its name heads a column, so write it with def "
            "and a name of its own."
        )
    return Metric(name, "any", metric)


def accuracy(y: Array, t: Array) -> float:
    """Share of rows whose largest score is the true class; of elements for targets of 0 and 1.

    Examples
    --------
    >>> accuracy(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]))
    0.5
    """
    if t.ndim > 1:
        return float((_said(y, t) == _true(y, t)).mean())
    return float((y.argmax(axis=1) == t).mean())


def precision(y: Array, t: Array) -> float:
    """Of the rows said to be of a class, the share that is; 0 for a class never said.

    Examples
    --------
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> precision(y, np.array([0, 1, 1]))  # 1/2 for class 0, 1 for class 1
    0.75
    """
    hits, said, true = _counts(y, t)
    return _mean_of_occurring(hits / np.maximum(said, 1), true)


def recall(y: Array, t: Array) -> float:
    """Of the rows of a class, the share said to be of it.

    Examples
    --------
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> recall(y, np.array([0, 1, 1]))  # 1 for class 0, 1/2 for class 1
    0.75
    """
    hits, _, true = _counts(y, t)
    return _mean_of_occurring(hits / np.maximum(true, 1), true)


def fscore(y: Array, t: Array) -> float:
    """The harmonic mean of a class's precision and recall: 2 hits / (said + true).

    Examples
    --------
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> round(fscore(y, np.array([0, 1, 1])), 4)
    0.6667
    """
    hits, said, true = _counts(y, t)
    return _mean_of_occurring(2 * hits / np.maximum(said + true, 1), true)


def auc(y: Array, t: Array) -> float:
    """Area under the receiver operating curve of each class against the others, averaged.

    The area is the chance that a row of the class has a larger score for it than a row of the
    others, where equal scores count half. With ranks r from 1, shared by equal scores (Mann and
    Whitney, 1947), it is (sum of r over the class - p (p + 1) / 2) / (p q) for p rows of the class
    and q others. Classes that all rows or no row has are left out; without any it is NaN.

    Examples
    --------
    >>> auc(np.array([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]]), np.array([1, 0, 1]))
    1.0
    """
    true = _true(y, t)  # (N, C)
    areas = []
    for k in range(y.shape[1]):
        p = int(true[:, k].sum())
        q = len(y) - p
        if p and q:
            ranks = _ranks(y[:, k])  # (N,)
            areas.append((ranks[true[:, k]].sum() - p * (p + 1) / 2) / (p * q))
    return float(np.mean(areas)) if areas else math.nan


def rmse(y: Array, t: Array) -> float:
    """Root of the mean of the squared errors over all rows and responses.

    Examples
    --------
    >>> rmse(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])) ** 2
    2.0000000000000004
    """
    d = y.astype(np.float64) - t  # (N, R)
    return float(np.sqrt((d * d).mean()))


_NAMED: Mapping[str, Metric] = MappingProxyType(
    {
        "accuracy": Metric("accuracy", "classes", accuracy),
        "precision": Metric("precision", "classes", precision),
        "recall": Metric("recall", "classes", recall),
        "fscore": Metric("fscore", "classes", fscore),
        "auc": Metric("auc", "classes", auc),
        "rmse": Metric("rmse", "numbers", rmse),
    }
)
NAMES = tuple(_NAMED)


def _check(metric: Metric, y: Array, t: Array) -> None:
    """Raise unless the targets are as many as the predictions, and of the metric's kind."""
    numbers = t.ndim > 1  # also 0 and 1 for each class
    if len(t) != len(y) or (numbers and t.shape != y.shape):
        raise DataError(
            f"the metric {metric.name!r} got predictions {y.shape} and targets {t.shape}; give "
            "one target for each row, or one for each number."
        )
    if metric.kind == "numbers" and not numbers:
        raise DataError(
            f"the metric {metric.name!r} is for numbers, but the targets are classes; choose "
            "'accuracy' or another metric for classes."
        )
    if metric.kind == "classes" and numbers and not np.isin(t, (0, 1)).all():
        raise DataError(
            f"the metric {metric.name!r} is for classes, but the targets are numbers; choose "
            "'rmse'."
        )


def _true(y: Array, t: Array) -> BoolArray:
    """Whether each class is true, (N, C)."""
    return t > 0.5 if t.ndim > 1 else t[:, None] == np.arange(y.shape[1])


def _said(y: Array, t: Array) -> BoolArray:
    """Whether each class is predicted, (N, C)."""
    return y >= 0.5 if t.ndim > 1 else y.argmax(axis=1)[:, None] == np.arange(y.shape[1])


def _counts(y: Array, t: Array) -> tuple[Array, Array, Array]:
    """Rows of each class that are rightly predicted, predicted, and true; (C,) each."""
    said, true = _said(y, t), _true(y, t)  # (N, C)
    return (said & true).sum(axis=0), said.sum(axis=0), true.sum(axis=0)


def _mean_of_occurring(values: Array, true: Array) -> float:
    occurs = true > 0  # (C,)
    return float(values[occurs].mean()) if occurs.any() else math.nan


def _ranks(scores: Array) -> NDArray[np.float64]:
    """Ranks from 1, (N,); equal scores share the mean of theirs; all NaN if a score is."""
    if np.isnan(scores).any():
        return np.full(len(scores), math.nan)
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)  # rank of the last of each group of equal scores
    return (last - (counts - 1) / 2)[place.ravel()]
