"""The rectifier, the twin of `minilstm.functional.relu`.
One pass over memory, which is all that it costs; threads share the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.relu import ReLUCache
from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.product import contiguous
from minilstm.kernels.numba.machinery.threads import run, split

Array = NDArray[Any]

SHARE_NUMBERS = 1 << 15  # numbers below which a second thread does not pay


@kernel("void(F[::1], F[::1], b1[::1])")
def _forward(x, y, passes):
    zero = x.dtype.type(0)
    for j in range(len(x)):
        passes[j] = not (x[j] <= zero)  # true for NaN
        y[j] = zero if x[j] <= zero else x[j]  # (1)


@kernel("void(F[::1], b1[::1], F[::1])")
def _backward(dy, passes, dx):
    zero = dy.dtype.type(0)
    for j in range(len(dy)):
        # (1) y = x where x > 0, else 0
        dx[j] = dy[j] if passes[j] else zero


@gated(kernel=True)
def relu_forward(x: Array) -> tuple[Array, ReLUCache]:
    """y = x where x > 0, else 0; see `minilstm.functional.relu`."""
    y, passes = empty(x.shape, x.dtype), empty(x.shape, np.bool_)  # (N, ...) each
    _in_shares(_forward, contiguous(x), y, passes)
    return y, ReLUCache(passes)


@gated(kernel=True)
def relu_backward(dy: Array, cache: ReLUCache) -> Array:
    """dy where x was positive; see `minilstm.functional.relu`."""
    dx = empty(dy.shape, dy.dtype)  # (N, ...)
    _in_shares(_backward, contiguous(dy), cache.passes, dx)
    return dx


def _in_shares(function: Any, *arrays: Array) -> None:
    """Call a kernel on flat parts of all arrays, a part for each thread."""
    lines = [a.reshape(-1) for a in arrays]
    spans = split(lines[0].size, SHARE_NUMBERS)
    run(function, [tuple(line[first:last] for line in lines) for first, last in spans])
