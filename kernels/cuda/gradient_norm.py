"""The norm of a gradient with its L2 term, and its bound: the twins of `functional.gradient_norm`.
Norms and scales are arrays () that stay on the device, so a step of a solver waits for nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import cupy
import numpy as np

from minilstm.kernels.cuda.compiling import THREADS, kernel, launch
from minilstm.kernels.cuda.layout import column_major

Array = Any  # of CuPy

THREAD_NUMBERS = 4  # numbers of one thread, before there are more blocks
BLOCKS = 512  # at most
_SHARED_BYTES = 3 * 8 * THREADS  # bytes: three sums of each thread


def gradient_norm(p: Array, g: Array, l2: float) -> Array:
    """Norm of g + l2 p as an array () float64; its NumPy twin is in `functional.gradient_norm`."""
    blocks = max(1, min(-(-g.size // (THREAD_NUMBERS * THREADS)), BLOCKS))
    of_blocks = cupy.empty((blocks, 3), np.float64)  # (blocks, 3) sums of squares
    norm = cupy.empty((), np.float64)  # ()
    entries = column_major(p) if l2 else None, column_major(g)
    weight = np.float64(g.dtype.type(l2))
    sums = kernel("gradient_norm.cu", "sums_of_squares", g.dtype)
    launch(sums, blocks, THREADS, *entries, weight, of_blocks, g.size, shared=_SHARED_BYTES)
    total = kernel("gradient_norm.cu", "norm_of_sums", g.dtype)
    launch(total, 1, THREADS, of_blocks, norm, blocks, shared=_SHARED_BYTES)
    return norm


def gradient_scale(norms: Sequence[Array], threshold: float) -> tuple[Array, Any]:
    """Norm of a whole and its scale; see `minilstm.functional.gradient_norm.gradient_scale`."""
    norm = reduce(cupy.hypot, norms or [cupy.zeros(())])
    if threshold == math.inf:
        return norm, 1.0
    # fmin passes over NaN, as the twin's comparison does: a norm that is NaN bounds nothing.
    return norm, cupy.fmin(float(threshold) / norm, 1.0)
