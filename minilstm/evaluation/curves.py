"""What scores are worth beyond the largest of them: curves of each class, and calibration.
scikit-learn computes the curves; calibration is counted here.

Axes: N rows, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.evaluation.splits import require_sklearn

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
BINS = 10
_MOST_POINTS = 400  # of a curve that is kept: more than a picture shows


class Curve(NamedTuple):
    """The curves of a class against all others, thinned; the areas are of the whole curves."""

    label: Any
    auc: float
    average_precision: float
    false_positive_rate: Floats  # (P,), of the receiver operating curve
    true_positive_rate: Floats  # (P,)
    recall: Floats  # (Q,), of the precision-recall curve
    precision: Floats  # (Q,)


class Calibration(NamedTuple):
    """Whether a class said with the score p is right in a share p of the rows."""

    rows: IntArray  # (BINS,) rows whose largest score is in the bin
    confidence: Floats  # (BINS,) mean of their largest scores; 0 where there are none
    accuracy: Floats  # (BINS,) share of them that is right; 0 where there are none
    expected_error: float  # mean of |accuracy - confidence| over the rows
    brier: float  # mean over the rows of the squared distance of all scores from 0 and 1; 0 to 2


def class_curves(true: IntArray, scores: NDArray[Any], labels: list[Any]) -> list[Curve]:
    """The curves of each class that some rows have and others have not.

    `true` (N,) are class numbers, `scores` (N, C). Raises ImportError without scikit-learn.
    """
    metrics = require_sklearn("metrics")
    out = []
    for c, label in enumerate(labels[: scores.shape[1]]):
        own = np.ascontiguousarray(scores[:, c])  # (N,)
        order = np.argsort(own)[::-1]  # once here: both curves sort what is sorted at little cost
        of, own = (true == c)[order], own[order]
        if of.all() or not of.any():
            continue
        false, right, _ = metrics.roc_curve(of, own)
        precision, recall, _ = metrics.precision_recall_curve(of, own)
        average = max(0.0, -float(np.sum(np.diff(recall) * precision[:-1])))
        pairs = _thinned(false, right), _thinned(recall, precision)
        out.append(Curve(label, float(metrics.auc(false, right)), average, *pairs[0], *pairs[1]))
    return out


def calibration(true: IntArray, scores: NDArray[Any]) -> Calibration | None:
    """Calibration of scores (N, C); None where they are no probabilities, each row summing to 1.

    A class number that no score belongs to is one whose score is 0.
    """
    p = scores.astype(np.float64)  # (N, C)
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        return None
    largest, right = p.max(axis=1), p.argmax(axis=1) == true  # (N,)
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], largest)  # (N,)
    rows = np.bincount(bins, minlength=BINS)
    divisor = np.maximum(rows, 1)
    confidence = np.bincount(bins, largest, BINS) / divisor
    accuracy = np.bincount(bins, right, BINS) / divisor
    error = float((np.abs(accuracy - confidence) * rows).sum() / len(p))
    # (p - t)^2 summed over classes is sum p^2 - 2 p_true + 1, with p_true 0 for a class unknown.
    known = true < p.shape[1]  # (N,)
    own = np.where(known, p[np.arange(len(p)), np.where(known, true, 0)], 0.0)  # (N,)
    brier = float(((p * p).sum(axis=1) - 2 * own + 1).mean())
    return Calibration(rows, confidence, accuracy, error, brier)


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Points of a curve, the first and the last among them, evenly along its length."""
    if len(x) <= _MOST_POINTS:
        return x, y
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])  # (P,)
    wanted = np.linspace(0, way[-1], _MOST_POINTS)
    kept = np.unique(np.minimum(np.searchsorted(way, wanted), len(x) - 1))
    return x[kept], y[kept]
