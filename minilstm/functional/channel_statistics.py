"""Mean and variance of each channel over many batches: moving averages, or one population.
Batch normalisation takes them in prediction, where those of the batch at hand do not count.

Axes: C channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class PooledStatistics(NamedTuple):
    """Mean and variance of each channel over several batches, as if they were one."""

    size: int  # numbers of one channel so far
    mean: Array  # (C,) float64
    squares: Array  # (C,) float64, sum of (x - mean)^2

    @property
    def variance(self) -> Array:
        """(C,) divided by the size."""
        return self.squares / self.size


@gated
def pool_statistics(
    pooled: PooledStatistics | None, count: int, mean: Array, variance: Array
) -> PooledStatistics:
    """Add one batch to pooled statistics (Chan, Golub and LeVeque, 1983).

    ::

        d = mean_b - mean
        mean + d count_b / total                                   (1)
        squares + squares_b + d^2 count count_b / total            (2)

    Parameters
    ----------
    pooled : the batches before, or None for the first
    count : numbers of one channel in the batch
    mean, variance : (C,) of the batch, variance divided by the count

    Returns
    -------
    PooledStatistics

    Examples
    --------
    >>> first = pool_statistics(None, 1, np.array([1.0]), np.array([0.0]))
    >>> both = pool_statistics(first, 2, np.array([4.0]), np.array([1.0]))
    >>> both.mean.tolist(), both.variance.tolist(), float(np.var([1, 3, 5]))
    ([3.0], [2.6666666666666665], 2.6666666666666665)
    """
    mean = mean.astype(np.float64)  # (C,)
    squares = count * variance.astype(np.float64)  # (C,)
    if pooled is None:
        return PooledStatistics(count, mean, squares)
    total = pooled.size + count
    d = mean - pooled.mean  # (C,)
    return PooledStatistics(
        total,
        pooled.mean + d * (count / total),  # (1)
        pooled.squares + squares + d * d * (pooled.size * count / total),  # (2)
    )


@gated(apart=("batch",))
def moving_statistic(old: Array, batch: Array, decay: float) -> Array:
    """A running mean or variance after one more batch: decay batch + (1 - decay) old.   (3)

    Parameters
    ----------
    old : (C,) before
    batch : (C,) of the batch
    decay : weight of the batch, 0 to 1

    Returns
    -------
    (C,) in the dtype of old

    Examples
    --------
    >>> moving_statistic(np.array([1.0]), np.array([2.0]), 0.1).tolist()
    [1.1]
    """
    return (decay * batch + (1 - decay) * old).astype(old.dtype)  # (3)
