"""The cross-entropy loss for classes, on scores or fused with the softmax before it.
The loss is the mean over all real steps of the batch; no padded step exists to be counted.

Axes: N rows (real steps of all sequences, or one row a sequence), C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.ragged import IntArray
from minilstm.functional.softmax import softmax_forward

Array = NDArray[Any]


class CrossEntropyCache(NamedTuple):
    """What backward needs from forward."""

    scores: Array  # (N, C)
    targets: IntArray  # (N,)
    divisor: int  # by which the sum over the rows was divided


def cross_entropy_forward(scores: Array, targets: IntArray) -> tuple[Any, CrossEntropyCache]:
    """Mean of -log(score of the true class) over the rows.   (1)

    Parameters
    ----------
    scores : (N, C) positive, each row summing to 1
    targets : (N,) int64 index of the true class, 0 to C - 1

    Returns
    -------
    loss : scalar, nats a row
    cache : CrossEntropyCache, for `cross_entropy_backward`

    Examples
    --------
    >>> loss, _ = cross_entropy_forward(np.array([[0.5, 0.5]]), np.array([1]))
    >>> round(float(loss), 4)
    0.6931
    """
    true_scores = scores[np.arange(len(targets)), targets]  # (N,)
    loss = -np.log(true_scores).mean()  # (1)
    return loss, CrossEntropyCache(scores, targets, len(targets))


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Gradient of the loss with respect to the scores: -1 / (N score) at the true class, else 0.

    Parameters
    ----------
    cache : CrossEntropyCache, from `cross_entropy_forward`

    Returns
    -------
    dscores : (N, C)

    Examples
    --------
    >>> _, cache = cross_entropy_forward(np.array([[0.5, 0.5]]), np.array([1]))
    >>> cross_entropy_backward(cache).tolist()
    [[0.0, -2.0]]
    """
    scores, targets, _ = cache
    rows = np.arange(len(targets))  # (N,)
    dscores = np.zeros_like(scores)  # (N, C)
    # (1) loss = -mean log(true score)
    dscores[rows, targets] = -1 / (len(targets) * scores[rows, targets])
    return dscores


def softmax_cross_entropy_forward(
    logits: Array, targets: IntArray, count: int | None = None
) -> tuple[Any, CrossEntropyCache]:
    """Softmax, then the mean cross-entropy, as one function that cannot overflow.

    ::

        y = softmax(logits)                                   (1)
        loss = sum over rows of -log y_target / count         (2)

    With m the largest logit of a row, -log y_target = m + log sum_k exp(z_k - m) - z_target.

    Parameters
    ----------
    logits : (N, C) real or complex
    targets : (N,) int64 index of the true class, 0 to C - 1
    count : rows of the whole batch, of which these may be a part; None means N, so the mean

    Returns
    -------
    loss : scalar, nats a row; summed in float64 (or complex128)
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
    losses = log_sum - logits[np.arange(len(targets)), targets]  # (N,) (2)
    wide = np.complex128 if np.iscomplexobj(logits) else np.float64
    count = len(targets) if count is None else count
    return losses.sum(dtype=wide) / count, CrossEntropyCache(scores, targets, count)


def softmax_cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Gradient of softmax and cross-entropy together: (y - onehot) / count.

    The gradient goes through the softmax as well: the factor 1 / y of the logarithm cancels the
    y of the softmax Jacobian, which is why nothing is divided by a score that may be tiny.

    Parameters
    ----------
    cache : CrossEntropyCache, from `softmax_cross_entropy_forward`

    Returns
    -------
    dlogits : (N, C)

    Examples
    --------
    >>> _, cache = softmax_cross_entropy_forward(np.array([[2.0, 2.0]]), np.array([0]))
    >>> softmax_cross_entropy_backward(cache).tolist()
    [[-0.5, 0.5]]
    """
    scores, targets, divisor = cache
    dlogits = scores.copy()  # (N, C)
    # (2), (1) loss = sum of -log softmax(logits)_target / count
    dlogits[np.arange(len(targets)), targets] -= 1
    dlogits /= divisor
    return dlogits
