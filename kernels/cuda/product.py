"""Matrix products and sums over many rows, whose float32 digits survive however many there are.
Products are those of cuBLAS, in which float32 stays float32 (no TF32, unless CuPy is asked for it).

cuBLAS adds up the products of one output in the dtype, in an order of its own choice. That choice
follows the shapes, the version and the kind of GPU, so a run repeats its bits on the same machine,
but a row alone need not have the bits of the same row in a batch. A long sum in float32 would lose
digits, so sums over rows are cut into blocks of fixed size, whose sums are added up in float64.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from minilstm.kernels.cuda.compiling import kernel, launch_each
from minilstm.kernels.cuda.layout import row_major

Array = Any  # of CuPy

BLOCK_ROWS = 2048  # rows whose products are summed in the dtype
THREAD_NUMBERS = 128  # numbers that one thread adds up


def outer_sum(a: Array, b: Array) -> Array:
    """Sum over the rows of the products of each number of a with each of b, which is a^T b.

    Parameters
    ----------
    a : (N, J)
    b : (N, K) of the same dtype

    Returns
    -------
    (J, K)
    """
    (N, J), K = a.shape, b.shape[1]
    blocks = N // BLOCK_ROWS
    if N <= BLOCK_ROWS:
        return cupy.matmul(a.T, b)
    blocked = blocks * BLOCK_ROWS
    left = row_major(a[:blocked]).reshape(blocks, BLOCK_ROWS, J).transpose(0, 2, 1)
    right = row_major(b[:blocked]).reshape(blocks, BLOCK_ROWS, K)
    parts = cupy.matmul(left, right)  # (blocks, J, K)
    total = sum_rows(parts.reshape(blocks, J * K)).reshape(J, K)
    if blocked < N:
        total += cupy.matmul(a[blocked:].T, b[blocked:])
    return total.astype(a.dtype)


def sum_rows(x: Array) -> Array:
    """Sum over the rows of x (N, C), in float64 and in a fixed order: (C,) float64."""
    x = row_major(x)
    N, C = x.shape
    while True:
        parts = max(-(-N // THREAD_NUMBERS), 1)
        sums = cupy.empty((parts, C), np.float64)  # (parts, C)
        launch_each(kernel("sums.cu", "sum_rows", x.dtype), parts * C, x, sums, N * C, parts * C)
        if parts == 1:
            return sums[0]
        x, N = sums, parts
