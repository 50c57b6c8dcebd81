"""The rectifier, the twin of `minilstm.functional.relu`.
One pass over memory, which is all that it costs."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from minilstm.functional.relu import ReLUCache
from minilstm.kernels.cuda.compiling import kernel, launch_each
from minilstm.kernels.cuda.layout import row_major

Array = Any  # of CuPy


def relu_forward(x: Array) -> tuple[Array, ReLUCache]:
    """y = x where x > 0, else 0; see `minilstm.functional.relu`."""
    y, passes = cupy.empty(x.shape, x.dtype), cupy.empty(x.shape, np.bool_)  # (N, ...) each
    function = kernel("relu.cu", "relu_forward", x.dtype)
    launch_each(function, x.size, row_major(x), y, passes, x.size)
    return y, ReLUCache(passes)


def relu_backward(dy: Array, cache: ReLUCache) -> Array:
    """dy where x was positive; see `minilstm.functional.relu`."""
    dx = cupy.empty(dy.shape, dy.dtype)  # (N, ...)
    function = kernel("relu.cu", "relu_backward", dy.dtype)
    launch_each(function, dy.size, row_major(dy), cache.passes, dx, dy.size)
    return dx
