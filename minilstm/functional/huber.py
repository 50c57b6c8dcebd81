"""The Huber loss: the squared error near the target, the absolute error far from it.
The two pieces meet with the same value and the same slope (P. J. Huber, 1964).

Axes: N rows (real steps of all sequences, or one row a sequence), R responses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError
from minilstm.functional.absolute_error import sign_of
from minilstm.functional.gate import gated
from minilstm.functional.weighted_sum import (
    WeightedSumCache,
    weighted_sum_backward,
    weighted_sum_forward,
)

Array = NDArray[Any]


class HuberCache(NamedTuple):
    """What backward needs from forward."""

    d: Array  # (N, R) prediction minus target
    transition: float
    total: WeightedSumCache


@gated(shapes="y (N, ...), t (N, ...), weights (N,) or (N, 1)", apart=("weights",))
def huber_forward(
    y: Array, t: Array, divisor: float, weights: Array | None = None, transition: float = 1.0
) -> tuple[Any, HuberCache]:
    """Sum of Huber's function of the errors, divided by a number; the mean has divisor N R.

    ::

        d = y - t                                                      (1)
        e = d^2 / 2                                 if |d| <= delta    (2a)
        e = delta (|d| - delta / 2)                 elsewhere          (2b)
        loss = sum_n weights_n sum_r e_nr / divisor                    (3)

    The sizes of complex errors are compared by their real parts, so each piece is analytic.

    Parameters
    ----------
    y : (N, R) predictions, real or complex
    t : (N, R) targets, of the same dtype
    divisor, weights : as for every loss
    transition : delta, above 0; the error at which the squared piece ends

    Returns
    -------
    loss : scalar

    Examples
    --------
    >>> loss, _ = huber_forward(np.array([[1.0, 4.5]]), np.array([[3.0, 4.0]]), 2)
    >>> float(loss)  # 1.5 for the error of 2, and 0.125 for the error of 0.5
    0.8125
    """
    if not transition > 0:
        raise DataError(f"transition is {transition!r}; give a number above 0.")
    d = y - t  # (N, R) (1)
    size = sign_of(d.real) * d  # (N, R) |d|
    outside = transition * (size - 0.5 * transition)  # (N, R)
    e = np.where(size.real <= transition, 0.5 * (d * d), outside)  # (N, R) (2a), (2b)
    loss, total = weighted_sum_forward(e, divisor, weights)  # (3)
    return loss, HuberCache(d, transition, total)


def huber_backward(cache: HuberCache) -> Array:
    """Gradient with respect to the predictions: the error, no larger than the transition.

    Shapes: dy (N, R).

    Examples
    --------
    >>> _, cache = huber_forward(np.array([[1.0, 4.5]]), np.array([[3.0, 4.0]]), 2)
    >>> huber_backward(cache).tolist()
    [[-0.5, 0.25]]
    """
    d, transition, total = cache
    # (3), (2b), (2a), (1) e = delta |y - t| - ... outside, (y - t)^2 / 2 inside
    sign = sign_of(d.real)  # (N, R)
    slopes = np.where(sign * d.real <= transition, d, transition * sign)  # (N, R)
    return weighted_sum_backward(slopes, total)
