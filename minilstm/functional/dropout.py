"""Inverted dropout, forward and backward, with a mask that is computed and never stored.
Whether a number is kept is a hash of its place, so no generator has to be at the right position.

Axes: N rows, ... any shape of one row, K numbers in one row.

The hash is splitmix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators,
2014; its mixing constants are variant 13 of Stafford), used as a counter: the row number picks the
start of a sequence, the column number the place in it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError
from minilstm.functional.gate import gated

Array = NDArray[Any]

STEP = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, odd
MULTIPLIERS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
BITS = 53  # of the hash that are compared with the probability
_WRAP = 2**64 - 1


class DropoutCache(NamedTuple):
    """What backward needs from forward: all that the mask depends on."""

    probability: float
    key: int
    row: int


def dropout_mask(
    shape: tuple[int, ...], probability: float, key: int, row: int = 0
) -> NDArray[np.bool_]:
    """Which numbers dropout keeps: each with 1 - probability, independently.

    ::

        s_n = hash(key + (row + n + 1) STEP)    (1)   n-th row of x, modulo 2^64
        u_nk = hash(s_n + (k + 1) STEP)         (2)   k-th number of the row
        keep where u_nk / 2^64 >= probability   (3)   compared as whole numbers of 53 bits

    Parameters
    ----------
    shape : (N, ...) of the rows
    probability : of dropping a number, at least 0 and below 1
    key : 64-bit whole number; another key gives an independent mask
    row : number of the first row in the whole batch, so that parts of a batch get parts of its mask

    Returns
    -------
    (N, ...) bool

    Examples
    --------
    >>> whole = dropout_mask((5, 3), 0.5, key=7)
    >>> bool((dropout_mask((2, 3), 0.5, key=7, row=3) == whole[3:]).all())
    True
    """
    kept_scale(probability, key)
    n_rows, n_columns = shape[0], math.prod(shape[1:])
    step = np.uint64(STEP)
    rows = np.arange(row + 1, row + n_rows + 1, dtype=np.uint64)  # (N,)
    columns = np.arange(1, n_columns + 1, dtype=np.uint64)  # (K,)
    starts = _hash(np.uint64(int(key) & _WRAP) + step * rows)  # (N,) (1)
    u = _hash(starts[:, None] + step * columns)  # (N, K) (2)
    kept = (u >> np.uint64(64 - BITS)) >= np.uint64(dropped_below(probability))  # (N, K) (3)
    return kept.reshape(shape)


def dropped_below(probability: float) -> int:
    """The whole number of 53 bits that line (3) compares the leading bits of the hash with.

    Examples
    --------
    >>> dropped_below(0.5) == 2**52, dropped_below(0.0)
    (True, 0)
    """
    return math.ceil(math.ldexp(probability, BITS))


def kept_scale(probability: float, key: int) -> float:
    """1 / (1 - probability), or a DataError if no mask can be made of the two.

    Examples
    --------
    >>> kept_scale(0.5, 7)
    2.0
    """
    if not 0 <= probability < 1:
        raise DataError(f"probability is {probability!r}; give a number of at least 0 and below 1.")
    if not hasattr(key, "__index__"):
        raise DataError(f"key is {key!r}; give a whole number.")
    return 1 / (1 - probability)


@gated
def dropout_forward(
    x: Array, probability: float, key: int, row: int = 0
) -> tuple[Array, DropoutCache]:
    """Set a random part of the numbers to zero and scale the others up.

    ::

        y = x m, with m = 1 / (1 - probability) where the mask keeps, else 0    (4)

    The scale keeps the expected value, so that prediction needs no scale of its own.

    Parameters
    ----------
    x : (N, ...) rows, real or complex
    probability, key, row : as for `dropout_mask`

    Returns
    -------
    y : (N, ...) in the dtype of x

    Examples
    --------
    >>> y, cache = dropout_forward(np.ones((2, 4)), 0.5, key=3)
    >>> sorted(set(y.ravel().tolist()))
    [0.0, 2.0]
    """
    scale = x.dtype.type(kept_scale(probability, key))
    m = dropout_mask(x.shape, probability, key, row) * scale  # (N, ...)
    y = x * m  # (N, ...) (4)
    return y, DropoutCache(probability, key, row)


@gated
def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """Gradient of dropout: the same mask and scale once more, for the map is linear.

    Shapes: dy (N, ...); dx (N, ...).

    Examples
    --------
    >>> y, cache = dropout_forward(np.ones((2, 4)), 0.5, key=3)
    >>> bool((dropout_backward(np.ones((2, 4)), cache) == y).all())
    True
    """
    # (4) y = x m
    return dropout_forward(dy, *cache)[0]  # (N, ...)


def _hash(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of each number; a product keeps its low 64 bits."""
    first, second = map(np.uint64, MULTIPLIERS)
    z = (z ^ (z >> np.uint64(30))) * first
    z = (z ^ (z >> np.uint64(27))) * second
    return z ^ (z >> np.uint64(31))
