"""The end of a classifier in one function: fully connected, softmax, cross-entropy, and back.
The scores of all rows never exist at once; what comes out is a loss and gradients.

Axes: N rows, D inputs, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from minilstm.functional.cross_entropy import (
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from minilstm.functional.fully_connected import (
    fully_connected_backward,
    fully_connected_forward,
)
from minilstm.functional.gate import gated
from minilstm.functional.ragged import IntArray

Array = NDArray[Any]


class ClassifierLoss(NamedTuple):
    """What the rows add to the loss, and its gradients."""

    loss: Any  # scalar, nats: the sum over the rows divided by `count`
    correct: int  # rows whose largest score is the true class
    dx: Array  # (N, D)
    W: Array  # (C, D)
    b: Array  # (C,)


@gated(shapes="x (N, D), W (C, D), b (C,), targets (N,) < C, weights (N,)", apart=("weights",))
def classifier_loss(
    x: Array,
    W: Array,
    b: Array,
    targets: IntArray,
    count: float,
    weights: Array | None = None,
) -> ClassifierLoss:
    """Loss and gradients of the last layers, forward and backward at once.

    ::

        logits = W x + b                                                 (1)
        loss = sum_n weights_n (-log softmax(logits_n)_target) / count   (2)

    Parameters
    ----------
    x : (N, D) rows
    W : (C, D) weights
    b : (C,) bias
    targets, count, weights : as for `cross_entropy_forward`

    Returns
    -------
    ClassifierLoss

    Examples
    --------
    >>> import numpy as np
    >>> part = classifier_loss(np.ones((2, 3)), np.zeros((4, 3)), np.zeros(4), np.zeros(2, int), 2)
    >>> round(float(part.loss), 4), part.correct, part.b.tolist()
    (1.3863, 2, [-0.75, 0.25, 0.25, 0.25])
    """
    logits, dense = fully_connected_forward(x, W, b)  # (N, C) (1)
    loss, entropy = softmax_cross_entropy_forward(logits, targets, count, weights)  # (2)
    correct = int((logits.real.argmax(axis=1) == targets).sum())
    # (2), (1) in reverse
    dlogits = softmax_cross_entropy_backward(entropy)  # (N, C)
    dx, grads = fully_connected_backward(dlogits, dense)
    assert dx is not None  # it was asked for
    return ClassifierLoss(loss, correct, dx, grads.W, grads.b)
