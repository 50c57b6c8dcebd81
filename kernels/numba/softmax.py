"""The softmax over classes, forward and backward: the twin of `minilstm.functional.softmax`.
One row at a time in a fixed order, so a row alone equals the same row in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.softmax import SoftmaxCache
from minilstm.kernels.numba.activations import exp
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.product import contiguous

Array = NDArray[Any]


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


@kernel("void(F[:, ::1], F[:, ::1])")
def _forward(z, y):
    for n in range(len(z)):
        softmax_row(z[n], y[n])


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
    y = np.empty(z.shape, z.dtype)  # (N, C)
    _forward(contiguous(z), y)
    return y, SoftmaxCache(y)


@gated(kernel=True)
def softmax_backward(dy: Array, cache: SoftmaxCache) -> Array:
    """The softmax Jacobian applied to dy; see `minilstm.functional.softmax`."""
    dz = np.empty(dy.shape, dy.dtype)  # (N, C)
    _backward(contiguous(dy), contiguous(cache.y), dz)
    return dz
