"""The softmax over classes, forward and backward: the twin of `minilstm.functional.softmax`.
Each row is one sum in a fixed order, so a row alone equals the same row in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.softmax import SoftmaxCache
from minilstm.kernels.numba.activations import exp
from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.product import contiguous
from minilstm.kernels.numba.machinery.threads import run, split

Array = NDArray[Any]

BLOCK_NUMBERS = 1 << 11  # numbers that stay in the first-level cache
SHARE_NUMBERS = 1 << 15  # numbers below which a second thread does not pay


@inner
def softmax_row(z, y):
    """Lines (1) and (2) of the twin for one row; returns the shift and the sum of exponentials."""
    top = z[0]
    for k in range(1, len(z)):
        top = max(top, z[k])
    total = z.dtype.type(0)
    for k in range(len(z)):
        y[k] = exp(z[k] - top)  # (1)
        total += y[k]
    for k in range(len(z)):
        y[k] /= total  # (2)
    return top, total


@kernel("void(F[:, ::1], F[:, ::1], i8, i8)")
def _forward(z, y, first, last):
    """Rows first to last, some at a time: the exponentials of all of them are one loop."""
    C = z.shape[1]
    rows = max(1, BLOCK_NUMBERS // max(1, C))
    e = np.empty((rows, C), z.dtype)  # (rows, C)
    line = e.reshape(e.size)
    for start in range(first, last, rows):
        count = min(rows, last - start)
        for n in range(count):
            top = z[start + n, 0]
            for k in range(1, C):
                top = max(top, z[start + n, k])
            for k in range(C):
                e[n, k] = z[start + n, k] - top
        for j in range(count * C):
            line[j] = exp(line[j])  # (1)
        for n in range(count):
            total = z.dtype.type(0)
            for k in range(C):
                total += e[n, k]
            for k in range(C):
                y[start + n, k] = e[n, k] / total  # (2)


@kernel("void(F[:, ::1], F[:, ::1], F[:, ::1])")
def _backward(dy, y, dz):
    N, C = y.shape
    for n in range(N):
        inner = y.dtype.type(0)
        for k in range(C):
            inner += dy[n, k] * y[n, k]
        for k in range(C):
            dz[n, k] = y[n, k] * (dy[n, k] - inner)


@gated(kernel=True)
def softmax_forward(z: Array) -> tuple[Array, SoftmaxCache]:
    """Scores of each row of logits; see `minilstm.functional.softmax`."""
    y = empty(z.shape, z.dtype)  # (N, C)
    shared = contiguous(z), y
    spans = split(len(z), max(1, SHARE_NUMBERS // max(1, z.shape[1])))
    run(_forward, [(*shared, *span) for span in spans])
    return y, SoftmaxCache(y)


@gated(kernel=True)
def softmax_backward(dy: Array, cache: SoftmaxCache) -> Array:
    """The softmax Jacobian applied to dy; see `minilstm.functional.softmax`."""
    dz = np.empty(dy.shape, dy.dtype)  # (N, C)
    _backward(contiguous(dy), contiguous(cache.y), dz)
    return dz
