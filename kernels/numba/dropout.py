"""Inverted dropout, the twin of `minilstm.functional.dropout`: the same mask bit for bit.
The hash of a number's place is computed where the number is read, so the mask is never stored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.dropout import (
    BITS,
    MULTIPLIERS,
    STEP,
    DropoutCache,
    dropped_below,
    kept_scale,
)
from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.product import contiguous
from minilstm.kernels.numba.machinery.threads import run, split

Array = NDArray[Any]

SHARE_NUMBERS = 1 << 13  # numbers below which a second thread does not pay
_STEP, _UNUSED = np.uint64(STEP), np.uint64(64 - BITS)
_FIRST, _SECOND = map(np.uint64, MULTIPLIERS)
_30, _27, _31, _1 = map(np.uint64, (30, 27, 31, 1))


@inner
def _hash(z):
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@kernel("void(F[:, ::1], F[:, ::1], F, u8, u8, u8)")
def _rows(x, y, scale, key, row, below):
    N, K = x.shape
    for n in range(N):
        start = _hash(key + (row + np.uint64(n) + _1) * _STEP)  # (1)
        line, out = x[n], y[n]
        for k in range(K):
            u = _hash(start + (np.uint64(k) + _1) * _STEP)  # (2)
            # A product takes half the time of a choice between two values.
            out[k] = line[k] * (x.dtype.type((u >> _UNUSED) >= below) * scale)  # (3), (4)


@gated(kernel=True)
def dropout_forward(
    x: Array, probability: float, key: int, row: int = 0
) -> tuple[Array, DropoutCache]:
    """A random part set to zero, the rest scaled up; see `minilstm.functional.dropout`."""
    y = empty(x.shape, x.dtype)  # (N, ...)
    columns = math.prod(x.shape[1:])
    lines = contiguous(x).reshape(len(x), columns), y.reshape(len(x), columns)  # (N, K) each
    scale, below = x.dtype.type(kept_scale(probability, key)), np.uint64(dropped_below(probability))
    key_bits = np.uint64(int(key) & (2**64 - 1))
    spans = split(len(x), -(-SHARE_NUMBERS // columns))
    run(
        _rows,
        [
            (*(line[first:last] for line in lines), scale, key_bits, np.uint64(row + first), below)
            for first, last in spans
        ],
    )
    return y, DropoutCache(probability, key, row)


@gated(kernel=True)
def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """The same mask and scale applied to dy; see `minilstm.functional.dropout`."""
    return dropout_forward(dy, *cache)[0]  # (N, ...)
