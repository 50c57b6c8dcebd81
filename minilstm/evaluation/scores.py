"""How well classes and numbers are hit, in plain counts: precision, recall, F1, RMSE, MAE, R2.
What is not defined, such as the recall of a class that does not occur, is None and never NaN.

Axes: N rows, K classes, R responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


class ClassScore(NamedTuple):
    """How well one class is found."""

    label: Any
    trained: bool  # whether the network can say it at all
    support: int  # rows that are of it
    precision: float | None  # of the rows said to be of it, the share that is; None: never said
    recall: float | None  # of its rows, the share that is said to be; None: it does not occur
    f1: float | None  # 2 hits / (said + true); None where both are 0
    auc: float | None = None  # area under the receiver operating curve, against the other classes
    average_precision: float | None = None  # area under the precision-recall curve, by steps


class Part(NamedTuple):
    """Errors of a recording or a group."""

    name: str
    group: str | None  # of a recording
    rows: int
    errors: int
    accuracy: float | None  # None where no row has a label
    true: Any = None  # of a recording with one label, that label
    predicted: Any = None


class NumberScore(NamedTuple):
    """How far predicted numbers are off."""

    name: str
    rows: int
    rmse: float
    mae: float
    r2: float | None  # None where the true numbers do not vary
    mean_error: float  # predicted less true
    deviation: float  # of the true numbers: the RMSE of always saying their mean


def confusion(true: IntArray, said: IntArray, classes: int) -> IntArray:
    """Rows of each pair of classes, (K, K): true ones down, predicted ones across.

    Examples
    --------
    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(true * classes + said, minlength=classes**2).reshape(classes, classes)


def class_scores(counts: IntArray, labels: list[Any], trained: int) -> list[ClassScore]:
    """The scores of each class from a confusion matrix (K, K)."""
    hits, support, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)  # (K,)
    columns = (a.tolist() for a in (hits, support, said))
    return [
        ClassScore(
            label, k < trained, true, share(hit, of), share(hit, true), share(2 * hit, of + true)
        )
        for k, (label, hit, true, of) in enumerate(zip(labels, *columns, strict=True))
    ]


def mean_of(values: list[float | None]) -> float | None:
    """The mean of those that are defined."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def parts_of_classes(
    true: IntArray,
    said: IntArray,
    of: IntArray,
    names: list[str],
    groups: Mapping[str, str] | None = None,
    labels: list[Any] | None = None,
) -> list[Part]:
    """Errors of each part, the worst first; `of` (N,) is the number of the part of each row.

    Rows whose true class is negative count nowhere. `groups` are by the name of a recording. With
    `labels`, those of the classes, each part is one row, whose two labels are given.
    """
    counted = true >= 0  # (N,)
    rows = np.bincount(of[counted], minlength=len(names)).tolist()
    wrong = np.bincount(of[counted & (true != said)], minlength=len(names)).tolist()
    parts = [
        Part(name, (groups or {}).get(name), n, bad, share(n - bad, n))
        for name, n, bad in zip(names, rows, wrong, strict=True)
    ]
    if labels is not None:
        pairs = zip(parts, true.tolist(), said.tolist(), strict=True)
        parts = [
            part._replace(true=labels[t] if t >= 0 else None, predicted=labels[s])
            for part, t, s in pairs
        ]
    return sorted(parts, key=lambda p: (2.0 if p.accuracy is None else p.accuracy, -p.errors))


def number_score(name: str, true: Floats, predicted: Floats) -> NumberScore:
    """The scores of numbers (N,), or of (N, R), whose R2 is the mean over the responses.

    Examples
    --------
    >>> number_score("speed", np.array([1.0, 3.0]), np.array([1.0, 2.0])).mae
    0.5
    """
    errors = predicted - true
    spread = ((true - true.mean(axis=0)) ** 2).sum(axis=0).reshape(-1)  # (R,)
    squares = (errors * errors).sum(axis=0).reshape(-1)  # (R,)
    varied = spread > 0  # (R,)
    return NumberScore(
        name,
        len(true),
        float(np.sqrt(squares.sum() / errors.size)),
        float(np.abs(errors).mean()),
        float(np.mean(1.0 - squares[varied] / spread[varied])) if varied.any() else None,
        float(errors.mean()),
        float(np.sqrt(spread.sum() / errors.size)),
    )


def parts_of_numbers(
    true: Floats, predicted: Floats, of: IntArray, names: list[str]
) -> list[NumberScore]:
    """The scores of each part over all responses, the largest error first."""
    order = np.argsort(of, kind="stable")
    ends = np.cumsum(np.bincount(of, minlength=len(names)))
    pieces = np.split(order, ends[:-1])
    parts = [
        number_score(n, true[p], predicted[p]) for n, p in zip(names, pieces, strict=True) if len(p)
    ]
    return sorted(parts, key=lambda part: -part.rmse)


def share(part: int, whole: int) -> float | None:
    """A part of the whole; None where there is nothing of it."""
    return part / whole if whole else None
