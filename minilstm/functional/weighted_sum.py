"""The last line of every loss on numbers: a sum of elements in which each row has a weight.
The sum is divided by a number that belongs to the whole batch, so parts of a batch add up.

Axes: N rows (real steps of all sequences, or one row a sequence), R responses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class WeightedSumCache(NamedTuple):
    """What backward needs from forward."""

    divisor: float
    weights: Array | None  # (N, 1), None means 1 each


@gated
def weighted_sum_forward(
    elements: Array, divisor: float, weights: Array | None = None
) -> tuple[Any, WeightedSumCache]:
    """Weighted sum over rows and responses, divided by a number.

    ::

        loss = sum_n weights_n sum_r elements_nr / divisor   (1)

    Parameters
    ----------
    elements : (N, R) real or complex
    divisor, weights : as for every loss

    Returns
    -------
    loss : scalar

    Examples
    --------
    >>> loss, _ = weighted_sum_forward(np.array([[1.0, 2.0], [4.0, 4.0]]), 4, np.array([1, 0.5]))
    >>> float(loss)
    1.75
    """
    if weights is not None:
        if not np.iscomplexobj(weights):  # complex like the elements, where a gate made them alike
            weights = weights.astype(elements.real.dtype)
        weights = weights.reshape(-1, *[1] * (elements.ndim - 1))  # (N, 1)
    wide = np.complex128 if np.iscomplexobj(elements) else np.float64
    weighted = elements if weights is None else weights * elements  # (N, R)
    loss = weighted.sum(dtype=wide) / divisor  # (1)
    return loss, WeightedSumCache(float(divisor), weights)


@gated
def weighted_sum_backward(slopes: Array, cache: WeightedSumCache) -> Array:
    """Gradient of the loss with respect to what the elements are made of.

    Shapes: slopes (N, R), the derivative of each element by its argument; (N, R).

    Examples
    --------
    >>> _, cache = weighted_sum_forward(np.array([[1.0, 2.0]]), 4)
    >>> weighted_sum_backward(np.array([[1.0, 3.0]]), cache).tolist()
    [[0.25, 0.75]]
    """
    divisor, weights = cache
    # (1) loss = sum of weight element / divisor
    weighted = slopes if weights is None else weights * slopes  # (N, R)
    return weighted / divisor
