"""The binary cross-entropy, for targets of which each is true or false on its own.
It comes on probabilities, and fused with the sigmoid before it, where nothing can overflow.

Axes: N rows (real steps of all sequences, or one row a sequence), C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError
from minilstm.functional.activations import sigmoid
from minilstm.functional.gate import gated
from minilstm.functional.weighted_sum import (
    WeightedSumCache,
    weighted_sum_backward,
    weighted_sum_forward,
)

Array = NDArray[Any]


class BinaryCrossEntropyCache(NamedTuple):
    """What backward needs from forward."""

    p: Array  # (N, C) probabilities, kept off 0 and 1
    t: Array  # (N, C)
    total: WeightedSumCache


@gated(shapes="y (N, ...), t (N, ...), weights (N,) or (N, 1)", apart=("weights",))
def binary_cross_entropy_forward(
    y: Array, t: Array, divisor: float, weights: Array | None = None
) -> tuple[Any, BinaryCrossEntropyCache]:
    """Sum of the binary cross-entropies of all elements, divided by a number.

    ::

        p = y, but at least s and at most 1 - s            (1)
        e = -(t log p + (1 - t) log(1 - p))                (2)
        loss = sum_n weights_n sum_c e_nc / divisor        (3)

    s is the machine epsilon of the dtype, the step from 1 to the next larger number (1.2e-7 in
    float32): both s and 1 - s are then numbers of the dtype, no logarithm is infinite, and a
    probability that is quite wrong costs 16 nats in float32 and 36 in float64.

    Parameters
    ----------
    y : (N, C) probabilities, 0 to 1; real or complex
    t : (N, C) 0 or 1, or a probability between; of the dtype of y
    divisor, weights : as for every loss

    Returns
    -------
    loss : scalar, nats

    Examples
    --------
    >>> loss, _ = binary_cross_entropy_forward(np.array([[0.5, 1.0]]), np.array([[1.0, 1.0]]), 1)
    >>> round(float(loss), 4)
    0.6931
    """
    _check(t)
    step = np.finfo(y.dtype).eps
    p = np.where(y.real < step, step, np.where(y.real > 1 - step, 1 - step, y))  # (N, C) (1)
    p = p.astype(y.dtype, copy=False)
    e = -(t * np.log(p) + (1 - t) * np.log(1 - p))  # (N, C) (2)
    loss, total = weighted_sum_forward(e, divisor, weights)  # (3)
    return loss, BinaryCrossEntropyCache(p, t, total)


def binary_cross_entropy_backward(cache: BinaryCrossEntropyCache) -> Array:
    """Gradient with respect to the probabilities: (p - t) / (p (1 - p)), weighted and divided.

    A probability that (1) has moved gets the gradient of where it was moved to, and not 0, so a
    network that is quite sure and quite wrong still learns.

    Shapes: dy (N, C).

    Examples
    --------
    >>> _, cache = binary_cross_entropy_forward(np.array([[0.5]]), np.array([[1.0]]), 1)
    >>> binary_cross_entropy_backward(cache).tolist()
    [[-2.0]]
    """
    p, t, total = cache
    # (3), (2) e = -(t log p + (1 - t) log(1 - p))
    return weighted_sum_backward((p - t) / (p * (1 - p)), total)


@gated(shapes="z (N, ...), t (N, ...), weights (N,) or (N, 1)", apart=("weights",))
def sigmoid_binary_cross_entropy_forward(
    z: Array, t: Array, divisor: float, weights: Array | None = None
) -> tuple[Any, BinaryCrossEntropyCache]:
    """Sigmoid, then the binary cross-entropy, as one function that cannot overflow.

    ::

        p = sigmoid(z)                                     (1)
        e = -(t log p + (1 - t) log(1 - p))                (2)
          = max(z, 0) - t z + log(1 + exp(-|z|))
        loss = sum_n weights_n sum_c e_nc / divisor        (3)

    Parameters
    ----------
    z : (N, C) logits, real or complex
    t : (N, C) 0 or 1, or a probability between; of the dtype of z
    divisor, weights : as for every loss

    Returns
    -------
    loss : scalar, nats
    cache : BinaryCrossEntropyCache, whose `p` (N, C) are the probabilities

    Examples
    --------
    >>> loss, _ = sigmoid_binary_cross_entropy_forward(np.array([[-900.0]]), np.array([[1.0]]), 1)
    >>> float(loss)
    900.0
    """
    _check(t)
    p = sigmoid(z)  # (N, C) (1)
    positive = z.real > 0  # (N, C)
    small = np.exp(np.where(positive, -z, z))  # (N, C) exp(-|z|)
    e = np.where(positive, z, 0) - t * z + np.log1p(small)  # (N, C) (2)
    loss, total = weighted_sum_forward(e.astype(z.dtype, copy=False), divisor, weights)  # (3)
    return loss, BinaryCrossEntropyCache(p, t, total)


def sigmoid_binary_cross_entropy_backward(cache: BinaryCrossEntropyCache) -> Array:
    """Gradient of sigmoid and binary cross-entropy together: (p - t), weighted and divided.

    The p (1 - p) below the gradient of (2) cancels against the slope of the sigmoid.

    Shapes: dz (N, C).

    Examples
    --------
    >>> _, cache = sigmoid_binary_cross_entropy_forward(np.array([[0.0]]), np.array([[1.0]]), 1)
    >>> sigmoid_binary_cross_entropy_backward(cache).tolist()
    [[-0.5]]
    """
    p, t, total = cache
    # (3), (2), (1) e = -(t log sigmoid(z) + (1 - t) log(1 - sigmoid(z)))
    return weighted_sum_backward(p - t, total)


def _check(t: Array) -> None:
    """Targets are 0 to 1; those on a device, whose values a check would wait for, may be any."""
    if type(t) is np.ndarray and t.size:
        low, high = t.real.min(), t.real.max()
        if low < 0 or high > 1:
            raise DataError(f"t holds {low if low < 0 else high}; give targets from 0 to 1.")
