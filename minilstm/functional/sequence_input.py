"""The sequence input's normalisation, forward and backward.
Statistics are taken over real steps only, one number a channel.

Axes: N rows, D features (channels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def channel_mean(sequences: Sequence[Array]) -> NDArray[np.float64]:
    """Mean of each channel over all steps of all sequences.

    Parameters
    ----------
    sequences : list of arrays (T_b, D)

    Returns
    -------
    (D,) float64, whatever the dtype of the data

    Examples
    --------
    >>> channel_mean([np.array([[1.0, 10.0]]), np.array([[3.0, 20.0], [5.0, 30.0]])]).tolist()
    [3.0, 20.0]
    """
    total = np.sum([s.sum(axis=0, dtype=np.float64) for s in sequences], axis=0)  # (D,)
    mean: NDArray[np.float64] = total / sum(len(s) for s in sequences)
    return mean


def zerocenter_forward(x: Array, mean: Array) -> Array:
    """Subtract the mean of each channel: y = x - mean.   (1)

    Parameters
    ----------
    x : (N, D) rows
    mean : (D,) in the dtype of x

    Returns
    -------
    y : (N, D)

    Examples
    --------
    >>> zerocenter_forward(np.array([[1.0, 2.0]]), np.array([1.0, 1.0])).tolist()
    [[0.0, 1.0]]
    """
    return x - mean  # (N, D) (1)


def zerocenter_backward(dy: Array) -> Array:
    """Gradient with respect to the input; the mean is a constant of the data.

    Parameters
    ----------
    dy : (N, D) gradient of the loss with respect to the output

    Returns
    -------
    dx : (N, D)

    Examples
    --------
    >>> zerocenter_backward(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """
    return dy  # (1) y = x - mean
