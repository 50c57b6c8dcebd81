"""The rectifier, forward and backward.
It acts on each number by itself, so rows may be vectors, images or volumes.

Axes: N rows, ... any shape of one row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class ReLUCache(NamedTuple):
    """What backward needs from forward: one byte a number."""

    passes: NDArray[np.bool_]  # (N, ...)


@gated
def relu_forward(x: Array) -> tuple[Array, ReLUCache]:
    """Set what is not positive to zero: y = x where x > 0, else 0.   (1)

    NaN stays NaN, so that a diverged network is seen.

    Parameters
    ----------
    x : (N, ...) rows, real or complex (the real part decides, so it stays analytic)

    Returns
    -------
    y : (N, ...) in the dtype of x

    Examples
    --------
    >>> relu_forward(np.array([[-1.0, 0.0, 2.0]]))[0].tolist()
    [[0.0, 0.0, 2.0]]
    """
    passes = ~(x.real <= 0)  # (N, ...) true for NaN, unlike x > 0
    y = np.where(passes, x, x.dtype.type(0))  # (N, ...) (1)
    return y, ReLUCache(passes)


@gated
def relu_backward(dy: Array, cache: ReLUCache) -> Array:
    """Gradient of the rectifier; its derivative at 0 is taken as 0.

    Shapes: dy (N, ...); dx (N, ...).

    Examples
    --------
    >>> _, cache = relu_forward(np.array([[-1.0, 0.0, 2.0]]))
    >>> relu_backward(np.array([[5.0, 6.0, 7.0]]), cache).tolist()
    [[0.0, 0.0, 7.0]]
    """
    # (1) y = x where x > 0, else 0
    return np.where(cache.passes, dy, dy.dtype.type(0))  # (N, ...)
