"""Inverted dropout, the twin of `minilstm.functional.dropout`: the same mask bit for bit.
The hash of a number's place is computed where the number is read, so the mask is never stored."""

from __future__ import annotations

import math
from typing import Any

import cupy
import numpy as np

from minilstm.functional.dropout import DropoutCache, dropped_below, kept_scale
from minilstm.kernels.cuda.compiling import kernel, launch_each
from minilstm.kernels.cuda.layout import row_major

Array = Any  # of CuPy


def dropout_forward(
    x: Array, probability: float, key: int, row: int = 0
) -> tuple[Array, DropoutCache]:
    """A random part set to zero, the rest scaled up; see `minilstm.functional.dropout`."""
    y = cupy.empty(x.shape, x.dtype)  # (N, ...)
    scale, below = x.dtype.type(kept_scale(probability, key)), np.uint64(dropped_below(probability))
    place = np.uint64(int(key) & (2**64 - 1)), np.uint64(row)
    sizes = x.size, math.prod(x.shape[1:])
    function = kernel("dropout.cu", "dropout_forward", x.dtype)
    launch_each(function, x.size, row_major(x), y, scale, *place, below, *sizes)
    return y, DropoutCache(probability, key, row)


def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
    """The same mask and scale applied to dy; see `minilstm.functional.dropout`."""
    return dropout_forward(dy, *cache)[0]  # (N, ...)
