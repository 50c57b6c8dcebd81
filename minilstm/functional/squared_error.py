"""The squared error, the loss of a network that predicts numbers.
Its divisor and factor make the mean squared error of it, or the half one of an output layer.

Axes: N rows (real steps of all sequences, or one row a sequence), R responses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.weighted_sum import (
    WeightedSumCache,
    weighted_sum_backward,
    weighted_sum_forward,
)

Array = NDArray[Any]


class SquaredErrorCache(NamedTuple):
    """What backward needs from forward."""

    d: Array  # (N, R) prediction minus target
    factor: float
    total: WeightedSumCache


@gated(shapes="y (N, ...), t (N, ...), weights (N,) or (N, 1)", apart=("weights",))
def squared_error_forward(
    y: Array, t: Array, divisor: float, weights: Array | None = None, factor: float = 1.0
) -> tuple[Any, SquaredErrorCache]:
    """Sum of squared errors, times a factor, divided by a number.

    ::

        d = y - t                                          (1)
        e = factor d^2                                     (2)
        loss = sum_n weights_n sum_r e_nr / divisor        (3)

    The mean squared error has factor 1 and divisor N R; the half one has 1/2 and N.

    Parameters
    ----------
    y : (N, R) predictions, real or complex
    t : (N, R) targets, of the same dtype
    divisor, weights : as for every loss
    factor : of each square

    Returns
    -------
    loss : scalar

    Examples
    --------
    >>> import numpy as np
    >>> y, t = np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]])
    >>> float(squared_error_forward(y, t, 2)[0])
    2.5
    >>> float(squared_error_forward(y, t, 1, factor=0.5)[0])
    2.5
    """
    d = y - t  # (N, R) (1)
    loss, total = weighted_sum_forward(factor * (d * d), divisor, weights)  # (2), (3)
    return loss, SquaredErrorCache(d, factor, total)


def squared_error_backward(cache: SquaredErrorCache) -> Array:
    """Gradient with respect to the predictions: 2 factor weight (y - t) / divisor.

    Shapes: dy (N, R).

    Examples
    --------
    >>> import numpy as np
    >>> _, cache = squared_error_forward(np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]]), 2)
    >>> squared_error_backward(cache).tolist()
    [[-2.0, 1.0]]
    """
    d, factor, total = cache
    # (3), (2), (1) e = factor (y - t)^2
    return weighted_sum_backward(2 * factor * d, total)
