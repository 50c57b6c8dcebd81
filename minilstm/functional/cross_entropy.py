"""The cross-entropy loss for classes, on scores or fused with the softmax before it.
The loss is the mean over all real steps of the batch; no padded step exists to be counted.

A row may weigh more than another, and a target of -1 says that a row has no class: such a row adds
nothing to the loss and its gradient is zero, whatever its scores are. The weighted sum is divided
by the number of rows and never by the sum of the weights, as the reference does.

Axes: N rows (real steps of all sequences, or one row a sequence), C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.ragged import IntArray
from minilstm.functional.softmax import softmax_forward

Array = NDArray[Any]


class CrossEntropyCache(NamedTuple):
    """What backward needs from forward."""

    scores: Array  # (N, C)
    targets: IntArray  # (N,)
    divisor: float  # by which the sum over the rows was divided
    weights: Array | None = None  # (N,), None means 1 each


@gated(shapes="scores (N, C), targets (N,) < C, weights (N,)", apart=("weights",))
def cross_entropy_forward(
    scores: Array, targets: IntArray, count: float | None = None, weights: Array | None = None
) -> tuple[Any, CrossEntropyCache]:
    """Weighted sum of -log(score of the true class) over the rows, divided by their number.

    ::

        loss = -sum_n weights_n log(scores_n,target) / count   (1)

    A score below the smallest normal number of its dtype counts as that number, so a score that
    underflowed to 0 gives a large loss and not an infinite one.

    Parameters
    ----------
    scores : (N, C) not negative, each row summing to 1; real or complex
    targets : (N,) int64 number of the true class, 0 to C - 1, or -1 for a row without a class
    count : rows with a class in the whole batch, of which these may be a part; None means those
        given here, so the mean
    weights : as for every loss

    Returns
    -------
    loss : scalar, nats a row

    Examples
    --------
    >>> loss, _ = cross_entropy_forward(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([1, -1]))
    >>> round(float(loss), 4)
    0.6931
    """
    true = _floored(scores[np.arange(len(targets)), targets])  # (N,)
    loss, count, weights = _divided_sum(-np.log(true), targets, count, weights)  # (1)
    return loss, CrossEntropyCache(scores, targets, count, weights)


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Gradient with respect to the scores: -weight / (count score) at the true class, else 0.

    Shapes: dscores (N, C).

    Examples
    --------
    >>> _, cache = cross_entropy_forward(np.array([[0.5, 0.5]]), np.array([1]))
    >>> cross_entropy_backward(cache).tolist()
    [[0.0, -2.0]]
    """
    scores, targets, divisor, weights = cache
    rows = np.flatnonzero(targets >= 0)  # (N',) those with a class
    true = _floored(scores[rows, targets[rows]])  # (N',)
    dscores = np.zeros_like(scores)  # (N, C)
    # (1) loss = -sum of weight log(true score) / count
    dscores[rows, targets[rows]] = -1 / (divisor * true)
    if weights is not None:
        dscores *= weights[:, None]
    return dscores


@gated(shapes="logits (N, C), targets (N,) < C, weights (N,)", apart=("weights",))
def softmax_cross_entropy_forward(
    logits: Array, targets: IntArray, count: float | None = None, weights: Array | None = None
) -> tuple[Any, CrossEntropyCache]:
    """Softmax, then the mean cross-entropy, as one function that cannot overflow.

    ::

        y = softmax(logits)                                   (1)
        loss = sum_n weights_n (-log y_n,target) / count      (2)

    With m the largest logit of a row, -log y_target = m + log sum_k exp(z_k - m) - z_target.

    Parameters
    ----------
    logits : (N, C) real or complex
    targets, count, weights : as for `cross_entropy_forward`

    Returns
    -------
    loss : scalar, nats a row
    cache : CrossEntropyCache, whose `scores` (N, C) are the softmax of the logits

    Examples
    --------
    >>> loss, cache = softmax_cross_entropy_forward(np.array([[2.0, 2.0]]), np.array([0]))
    >>> round(float(loss), 4), cache.scores.tolist()
    (0.6931, [[0.5, 0.5]])
    """
    scores, _ = softmax_forward(logits)  # (N, C) (1)
    top = logits.real.max(axis=1)  # (N,)
    log_sum = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top  # (N,)
    losses = log_sum - logits[np.arange(len(targets)), targets]  # (N,)
    loss, count, weights = _divided_sum(losses, targets, count, weights)  # (2)
    return loss, CrossEntropyCache(scores, targets, count, weights)


def softmax_cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Gradient of softmax and cross-entropy together: weight (y - onehot) / count.

    The gradient goes through the softmax as well: the factor 1 / y of the logarithm cancels the
    y of the softmax Jacobian, which is why nothing is divided by a score that may be tiny.

    Shapes: dlogits (N, C).

    Examples
    --------
    >>> _, cache = softmax_cross_entropy_forward(np.array([[2.0, 2.0]]), np.array([0]))
    >>> softmax_cross_entropy_backward(cache).tolist()
    [[-0.5, 0.5]]
    """
    scores, targets, divisor, weights = cache
    dlogits = scores.copy()  # (N, C)
    # (2), (1) loss = sum of weight (-log softmax(logits)_target) / count
    dlogits[np.arange(len(targets)), targets] -= 1
    if weights is not None:
        dlogits *= weights[:, None]
    dlogits /= divisor
    dlogits[targets < 0] = 0
    return dlogits


@gated
def rows_with_class(targets: IntArray) -> int:
    """Rows whose target is a class; at least 1, so that it can divide a sum of nothing.

    Examples
    --------
    >>> rows_with_class(np.array([2, -1, 0]))
    2
    """
    return max(int(np.count_nonzero(targets >= 0)), 1)


def _divided_sum(
    losses: Array, targets: IntArray, count: float | None, weights: Array | None
) -> tuple[Any, float, Array | None]:
    """The loss from the losses of the rows, and count and weights as backward wants them."""
    count = rows_with_class(targets) if count is None else count
    weights = None if weights is None else np.asarray(weights, losses.dtype)  # (N,)
    weighted = losses if weights is None else weights * losses  # (N,)
    wide = np.complex128 if np.iscomplexobj(losses) else np.float64
    return np.where(targets < 0, 0, weighted).sum(dtype=wide) / count, count, weights


def _floored(scores: Array) -> Array:
    """Scores with those below the smallest normal number raised to it."""
    tiny = scores.dtype.type(np.finfo(scores.dtype).tiny)
    return np.where(scores.real < tiny.real, tiny, scores)
