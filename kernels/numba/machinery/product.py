"""Matrix products over many rows: a packed matrix times rows, and the sum of outer products.
The first is the forward pass of a fully connected layer, the second every weight gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.kernels.numba.machinery.buffers import LINE_BYTES, empty
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, TILE_ROWS
from minilstm.kernels.numba.machinery.panels import unpack_columns
from minilstm.kernels.numba.machinery.simd import copy_part, copy_vector
from minilstm.kernels.numba.machinery.threads import run, split
from minilstm.kernels.numba.machinery.tiled_rows import add_rows, set_rows

Array = NDArray[Any]

BLOCK_ROWS = 128  # rows of a weight gradient that stay in the second-level cache together
FLUSH_ROWS = 4096  # rows after which a partial sum joins the total: keeps float32 rounding small
SHARE_MULTIPLY_ADDS = 1 << 19  # multiply-adds below which a second thread does not pay
GAP_NUMBERS = 16  # between the panels of such a block, so that they do not all share a cache set


@inner
def lines(size, like):
    """(memory, at): zeros for `size` numbers from element `at` on, where a cache line begins."""
    line = LINE_BYTES // like.itemsize
    memory = np.zeros(size + line, like.dtype)
    return memory, -(memory.ctypes.data // like.itemsize) % line


@kernel("void(F[:, ::1], F[:, :, ::1], F[::1], F[:, ::1], i8, i8)")
def multiply_rows(a, panels, bias, c, first, last):
    """C[first:last] = A[first:last] B + bias for A (N, K), panels of B (K, M), bias (M,)."""
    K, M = a.shape[1], c.shape[1]
    Q, V = panels.shape[0], panels.shape[2]
    out = np.empty((TILE_ROWS, Q * V), c.dtype)  # (rows, M and what fills the last vector)
    n = first
    while n < last:
        rows = min(TILE_ROWS, last - n)
        set_rows(rows, a, n * K, K, 1, K, panels, 0, K * V, 0, Q, out, 0, Q * V, V, 4 * V)
        for r in range(rows):
            line, total = c[n + r], out[r]
            for j in range(M):
                line[j] = total[j] + bias[j]
        n += rows


@inner
def copy_numbers(source, at, count, target, to, step):
    """`count` numbers from element `at` on: a vector to every `step`-th element from `to` on."""
    V, j = REGISTER_BYTES // source.itemsize, 0
    while j + V <= count:
        copy_vector(source, at + j, target, to, V)
        j += V
        to += step
    if j < count:
        copy_part(source, at + j, target, to, count - j)


@inner
def add_outer(a, a_at, M, a_k, depth, panels, out, m):
    """out[:, m : m + M] += A^T B for `depth` rows of A, and of B in `panels`.

    A[k, i] is element ``a_at + k a_k + i`` of `a`; line q of `panels` holds vector q of B; `out`
    (Q, K, V) is packed as the weights are.
    """
    Q, K, V = out.shape
    line = panels.shape[1]
    add_rows(M, a, a_at, 1, a_k, depth, panels, 0, line, 0, Q, out, m * V, V, K * V, 4 * K * V)


@inner
def flush(part, total):
    """total += part, and part = 0."""
    for q in range(len(part)):
        for k in range(part.shape[1]):
            for j in range(part.shape[2]):
                total[q, k, j] += part[q, k, j]
                part[q, k, j] = 0


@kernel("void(F[:, ::1], F[:, ::1], F[:, :, ::1], i8, i8)")
def sum_of_outer(a, b, out, q_first, q_last):
    """out[q_first:q_last] = packed A^T B for A (N, M), B (N, J), summed row after row."""
    N, M = a.shape
    V = out.shape[2]
    column = q_first * V
    count = min(b.shape[1], q_last * V) - column
    total = out[q_first:q_last]  # (vectors, M, V)
    total[:] = 0
    memory, at = lines(total.size, b)
    part = memory[at : at + total.size].reshape(total.shape)  # of the rows since the last flush
    line = BLOCK_ROWS * V + GAP_NUMBERS
    memory, at = lines(len(total) * line, b)
    panels = memory[at : at + len(total) * line].reshape(len(total), line)  # columns of b
    since = 0
    for n in range(0, N, BLOCK_ROWS):
        depth = min(BLOCK_ROWS, N - n)
        for k in range(depth):
            copy_numbers(b, (n + k) * b.shape[1] + column, count, panels, k * V, line)
        add_outer(a, n * M, M, M, depth, panels, part, 0)
        since += depth
        if since >= FLUSH_ROWS or n + depth == N:
            flush(part, total)
            since = 0


def product(a: Array, panels: Array, bias: Array) -> Array:
    """A B + bias, (N, M), for rows A (N, K) and a matrix packed by `pack_columns`."""
    c = empty((len(a), len(bias)), a.dtype)  # (N, M)
    shared = (contiguous(a), panels, bias, c)
    tiles = -(-SHARE_MULTIPLY_ADDS // max(1, TILE_ROWS * a.shape[1] * len(bias)))
    run(multiply_rows, [(*shared, *span) for span in split(len(a), TILE_ROWS * tiles)])
    return c


def outer_sum(a: Array, b: Array) -> Array:
    """A^T B, (M, J), over rows A (N, M) and B (N, J); threads split the columns."""
    V = REGISTER_BYTES // b.itemsize
    out = empty((-(-b.shape[1] // V), a.shape[1], V), b.dtype)  # (Q, M, V)
    shared = (contiguous(a), contiguous(b), out)
    run(sum_of_outer, [(*shared, *span) for span in split(len(out), 1)])
    return unpack_columns(out, b.shape[1])


def contiguous(x: Any) -> Any:
    """The array itself where it is C-contiguous, else a copy; kernels address memory directly.

    Numba would compile every kernel again for read-only arrays, so these are copied as well.
    """
    x = np.ascontiguousarray(x)
    return x if x.flags.writeable else x.copy()
