"""Several arrays into one, forward and backward: their sum, or their channels side by side.
Rows of all arrays belong to the same steps.

Axes: N rows, ... positions in an image or volume, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class ConcatenationCache(NamedTuple):
    """What backward needs from forward."""

    channels: tuple[int, ...]  # of each input


@gated(shapes="xs (...)")
def addition_forward(xs: Sequence[Array]) -> Array:
    """Add arrays of one shape, the first two first: y = x_1 + x_2 + ...   (1)

    Parameters
    ----------
    xs : at least one array (N, ..., C)

    Returns
    -------
    y : (N, ..., C)

    Examples
    --------
    >>> addition_forward([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])]).tolist()
    [[11.0, 22.0]]
    """
    y = xs[0]  # (N, ..., C)
    for x in xs[1:]:
        y = y + x  # (1)
    return y


@gated
def addition_backward(dy: Array, inputs: int) -> tuple[Array, ...]:
    """Gradient of each input: that of the sum, the very same array every time.

    Shapes: dy (N, ..., C); one dx (N, ..., C) for each of the inputs.

    Examples
    --------
    >>> [dx.tolist() for dx in addition_backward(np.array([[3.0]]), 2)]
    [[[3.0]], [[3.0]]]
    """
    return (dy,) * inputs  # (1) y = x_1 + x_2 + ...


@gated
def concatenation_forward(xs: Sequence[Array]) -> tuple[Array, ConcatenationCache]:
    """Lay the channels of all arrays side by side.   (2)

    Parameters
    ----------
    xs : arrays (N, ..., C_i), equal in all axes but the last

    Returns
    -------
    y : (N, ..., sum of C_i)

    Examples
    --------
    >>> concatenation_forward([np.array([[1.0, 2.0]]), np.array([[3.0]])])[0].tolist()
    [[1.0, 2.0, 3.0]]
    """
    y = np.concatenate(xs, axis=-1)  # (N, ..., sum of C_i) (2)
    return y, ConcatenationCache(tuple(x.shape[-1] for x in xs))


@gated
def concatenation_backward(dy: Array, cache: ConcatenationCache) -> tuple[Array, ...]:
    """Give each input the gradient of its own channels.

    Shapes: dy (N, ..., sum of C_i); one dx (N, ..., C_i) for each input.

    Examples
    --------
    >>> _, cache = concatenation_forward([np.ones((1, 2)), np.ones((1, 1))])
    >>> [dx.tolist() for dx in concatenation_backward(np.array([[5.0, 6.0, 7.0]]), cache)]
    [[[5.0, 6.0]], [[7.0]]]
    """
    # (2) channels side by side
    cuts = [0, *accumulate(cache.channels)]
    return tuple(dy[..., begin:end].copy() for begin, end in pairwise(cuts))
