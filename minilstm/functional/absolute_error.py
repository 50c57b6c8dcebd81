"""The absolute error, a loss on numbers that a few wild targets move less than the squared one.
It has a kink where prediction and target meet; the derivative there is taken as 0.

Axes: N rows (real steps of all sequences, or one row a sequence), R responses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.weighted_sum import (
    WeightedSumCache,
    weighted_sum_backward,
    weighted_sum_forward,
)

Array = NDArray[Any]


class AbsoluteErrorCache(NamedTuple):
    """What backward needs from forward."""

    sign: Array  # (N, R) of prediction minus target: -1, 0 or 1
    total: WeightedSumCache


@gated(shapes="y (N, ...), t (N, ...), weights (N,) or (N, 1)", apart=("weights",))
def absolute_error_forward(
    y: Array, t: Array, divisor: float, weights: Array | None = None
) -> tuple[Any, AbsoluteErrorCache]:
    """Sum of absolute errors, divided by a number; the mean one has divisor N R.

    ::

        d = y - t                                          (1)
        e = sign(d) d                                      (2)
        loss = sum_n weights_n sum_r e_nr / divisor        (3)

    The sign is that of the real part, so away from the kink the loss of complex predictions is
    analytic, which the modulus would not be.

    Parameters
    ----------
    y : (N, R) predictions, real or complex
    t : (N, R) targets, of the same dtype
    divisor, weights : as for every loss

    Returns
    -------
    loss : scalar

    Examples
    --------
    >>> loss, _ = absolute_error_forward(np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]]), 2)
    >>> float(loss)
    1.5
    """
    d = y - t  # (N, R) (1)
    sign = sign_of(d.real)  # (N, R)
    loss, total = weighted_sum_forward(sign * d, divisor, weights)  # (2), (3)
    return loss, AbsoluteErrorCache(sign, total)


def absolute_error_backward(cache: AbsoluteErrorCache) -> Array:
    """Gradient with respect to the predictions: sign(y - t) weight / divisor, 0 where they meet.

    Shapes: dy (N, R).

    Examples
    --------
    >>> _, cache = absolute_error_forward(np.array([[1.0, 5.0]]), np.array([[1.0, 4.0]]), 2)
    >>> absolute_error_backward(cache).tolist()
    [[0.0, 0.5]]
    """
    sign, total = cache
    # (3), (2), (1) e = sign(d) (y - t)
    return weighted_sum_backward(sign, total)


@gated
def sign_of(d: Array) -> Array:
    """-1, 0 or 1 by the sign; NaN stays NaN, of which `numpy.sign` on CuPy before 14 makes 0.

    Parameters
    ----------
    d : array, any shape, real

    Returns
    -------
    array of the same shape and dtype

    Examples
    --------
    >>> sign_of(np.array([-3.0, 0.0, 2.0, np.nan])).tolist()
    [-1.0, 0.0, 1.0, nan]
    """
    one = d.dtype.type(1)
    out: Array = np.where(d > 0, one, np.where(d < 0, -one, d))
    return out
