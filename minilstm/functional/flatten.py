"""Images and volumes as vectors, forward and backward.
The order is column-major within a row: height runs fastest, then width, depth and channel.

Axes: N rows, h height, w width, d depth, c channels.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class FlattenCache(NamedTuple):
    """What backward needs from forward."""

    shape: tuple[int, ...]  # of one row of x


@gated
def flatten_forward(x: Array) -> tuple[Array, FlattenCache]:
    """Lay each row out as a vector: y[n, i + h (j + w k)] = x[n, i, j, k].   (1)

    Parameters
    ----------
    x : (N, h, w, c) images, (N, h, w, d, c) volumes, or (N, c) vectors, which stay as they are

    Returns
    -------
    y : (N, h w c) or (N, h w d c)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[[[1.0], [3.0], [5.0]], [[2.0], [4.0], [6.0]]]])  # (1, 2, 3, 1)
    >>> flatten_forward(x)[0].tolist()
    [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
    """
    shape = x.shape[1:]
    y = _axes_reversed(x).reshape(len(x), math.prod(shape))  # (N, h w c) (1)
    return y, FlattenCache(shape)


@gated
def flatten_backward(dy: Array, cache: FlattenCache) -> Array:
    """Put each number of a gradient back where it came from.

    Shapes: dy (N, h w c); dx (N, h, w, c).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(12.0).reshape(1, 2, 3, 2)
    >>> y, cache = flatten_forward(x)
    >>> bool((flatten_backward(y, cache) == x).all())
    True
    """
    # (1) y[n, i + h (j + w k)] = x[n, i, j, k]
    reverse = dy.reshape(len(dy), *cache.shape[::-1])  # (N, c, w, h)
    dx = _axes_reversed(reverse)  # (N, h, w, c)
    return dx if dx.flags.c_contiguous else dx.copy()


def _axes_reversed(x: Array) -> Array:
    """A view with all axes but the first in reverse order."""
    return x.transpose(0, *range(x.ndim - 1, 0, -1))
