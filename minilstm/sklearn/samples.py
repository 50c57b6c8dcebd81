"""Samples and their weights: what weighs nothing leaves, and equal samples count as one.
So a fit depends on how much each sample weighs, not on how that was said.

Axes: n samples, T time, D features, R responses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from minilstm.arrays import as_numbers, axes_of, parts_of
from minilstm.errors import DataError

Array = NDArray[Any]


class Samples(NamedTuple):
    """Checked sequences with an answer for each, or for each of their steps."""

    sequences: list[Array]  # n arrays (T, D)
    answers: list[Array]  # n arrays, a row for each answer: (1, ...) or (T, ...)
    weights: list[Array] | None  # n arrays (1,) or (T,) float64; None where all weigh the same

    def of(self, chosen: Sequence[int] | Array) -> Samples:
        """Some of the samples."""
        weights = self.weights
        return Samples(
            [self.sequences[b] for b in chosen],
            [self.answers[b] for b in chosen],
            None if weights is None else [weights[b] for b in chosen],
        )


def weighted(samples: Samples, sample_weight: Any) -> Samples:
    """Samples with a user's weights; those of weight 0 are left out.

    Parameters
    ----------
    samples : without weights
    sample_weight : (n,), or where every step has an answer a list of n arrays (T,) as well

    Raises
    ------
    ValueError
        A weight is negative or not a number, there are too few or too many, or all are 0.
    """
    if sample_weight is None:
        return samples
    counts = [len(a) for a in samples.answers]
    parts = parts_of(sample_weight)
    if parts and axes_of(parts[0]) == 1 and max(counts) > 1:
        weights = [as_numbers(w, f"sample_weight[{b}]") for b, w in enumerate(parts)]
        if [w.shape for w in weights] != [(count,) for count in counts]:
            raise DataError(
                "sample_weight is a list of arrays, but not one of (T,) for each sequence; give a "
                "weight for every step of every sequence, or one number for each sequence."
            )
        given = np.concatenate(weights).astype(np.float64)  # (N,)
        _refuse_zero(given)
        given = _check_sample_weight(given, given, ensure_non_negative=True)
        weights = np.split(given, np.cumsum(counts)[:-1])
    else:
        _refuse_zero(as_numbers(sample_weight, "sample_weight"))
        given = _check_sample_weight(
            sample_weight, samples.sequences, dtype=np.float64, ensure_non_negative=True
        )
        weights = [np.full(count, w) for count, w in zip(counts, given, strict=True)]
    chosen = [b for b, w in enumerate(weights) if w.any()]
    kept = samples._replace(weights=weights).of(chosen)
    return kept if relative(kept.weights) else kept._replace(weights=None)


def _refuse_zero(weights: Array) -> None:
    if not weights.any():
        raise ValueError("every sample_weight is zero; give a weight above 0 to one sample.")


def merged(samples: Samples, most: int) -> Samples:
    """Equal samples as one that weighs as much as all, in an order that hangs on them alone.

    This is done where there are at most so many samples, which are one mini-batch, and where it
    matters: there are equal samples or several weights. Else the samples are as they were.
    """
    many, weights = len(samples.sequences), samples.weights
    if many > most:
        return samples
    found: dict[tuple[Any, ...], list[int]] = {}
    for b, (x, answer) in enumerate(zip(samples.sequences, samples.answers, strict=True)):
        found.setdefault((x.shape, x.tobytes(), answer.tobytes()), []).append(b)
    if len(found) == many and weights is None:
        return samples
    if weights is None:
        weights = [np.ones(len(a)) for a in samples.answers]
    equal = [found[key] for key in sorted(found)]
    sums = [np.sum([weights[b] for b in same], axis=0) for same in equal]
    return samples.of([same[0] for same in equal])._replace(weights=sums)


def relative(weights: list[Array] | None) -> list[Array] | None:
    """Weights in units of their mean over all answers; None where all are the same.

    Examples
    --------
    >>> relative([np.ones(1), np.full(1, 3.0)])
    [array([0.5]), array([1.5])]
    >>> relative([np.full(1, 3.0), np.full(1, 3.0)]) is None
    True
    """
    if weights is None:
        return None
    every = np.concatenate(weights)  # (N,)
    return None if np.ptp(every) == 0 else [w / every.mean() for w in weights]


def moments(arrays: list[Array], weights: list[Array] | None) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of the rows, float64; exactly 0 for a constant.

    Examples
    --------
    >>> moments([np.array([[1.0], [4.0]])], [np.array([2.0, 1.0])])
    (array([2.]), array([1.41421356]))
    """
    rows = np.concatenate(arrays).astype(np.float64)  # (N, D)
    of_rows = None
    if weights is not None:
        each = [np.broadcast_to(w, len(a)) for w, a in zip(weights, arrays, strict=True)]
        of_rows = np.concatenate(each)  # (N,)
    away = rows - rows[0]  # (N, D)
    mean = np.average(away, axis=0, weights=of_rows)  # (D,)
    deviation = np.sqrt(np.average((away - mean) ** 2, axis=0, weights=of_rows))  # (D,)
    return rows[0] + mean, deviation


def spread(function: Callable[[Array], Array], outputs: Any) -> Any:
    """A function of one array, or of each array of a list."""
    return [function(a) for a in outputs] if isinstance(outputs, list) else function(outputs)
