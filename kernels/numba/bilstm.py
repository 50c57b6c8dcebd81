"""The bidirectional LSTM: the twin of `minilstm.functional.bilstm`, same contract.
Each direction is the LSTM kernel with all threads; what is here moves rows between the two."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.bilstm import FORWARD, Parts, backward_with, forward_with
from minilstm.functional.gate import gated
from minilstm.functional.ragged import IntArray
from minilstm.kernels.numba.lstm import lstm_advance, lstm_backward, lstm_forward
from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.product import contiguous
from minilstm.kernels.numba.machinery.steps import reversed_rows
from minilstm.kernels.numba.machinery.threads import run, split

Array = NDArray[Any]

SHARE_NUMBERS = 100_000  # numbers that a thread more must find to move


@kernel("void(F[:, ::1], F[:, ::1], i8[::1], F[:, ::1], i8, i8)")
def _join(a, b, order, out, first, last):
    """Rows first to last of out: those of a, and beside them rows order[n] of b."""
    A, M = a.shape[1], b.shape[1]
    for n in range(first, last):
        line, source = out[n], b[order[n]]
        for j in range(A):
            line[j] = a[n, j]
        for j in range(M):
            line[A + j] = source[j]


@kernel("void(F[:, ::1], i8[::1], F[:, ::1], F[:, ::1], i8, i8)")
def _part(rows, order, left, right, first, last):
    """Rows first to last of left and right: the two halves of rows n and order[n]."""
    H = left.shape[1]
    for n in range(first, last):
        near, far = rows[n], rows[order[n]]
        for j in range(H):
            left[n, j] = near[j]
        for j in range(H):
            right[n, j] = far[H + j]


@kernel("void(F[:, ::1], F[:, ::1], i8[::1], i8, i8)")
def _add(a, b, order, first, last):
    """Rows first to last of a += rows order[n] of b."""
    D = a.shape[1]
    for n in range(first, last):
        line, source = a[n], b[order[n]]
        for j in range(D):
            line[j] += source[j]


def _spans(N: int, width: int) -> list[tuple[int, int]]:
    return split(N, 1, None if N * width >= 2 * SHARE_NUMBERS else 1)


def take_rows(rows: Array, order: IntArray) -> Array:
    """rows[order], (N, D)."""
    return join_rows(np.empty((len(rows), 0), rows.dtype), rows, order)


def join_rows(a: Array, b: Array, order: IntArray) -> Array:
    """a (N, A) and b[order] (N, M) side by side, (N, A + M)."""
    out = empty((len(a), a.shape[1] + b.shape[1]), b.dtype)  # (N, A + M)
    shared = (contiguous(a), contiguous(b), order, out)
    run(_join, [(*shared, *span) for span in _spans(*out.shape)])
    return out


def part_rows(rows: Array, order: IntArray) -> tuple[Array, Array]:
    """The left half of rows (N, 2H) and the right half of rows[order], (N, H) each."""
    N, width = rows.shape
    left, right = (empty((N, width // 2), rows.dtype) for _ in range(2))  # (N, H) each
    shared = (contiguous(rows), order, left, right)
    run(_part, [(*shared, *span) for span in _spans(N, width)])
    return left, right


def add_rows(a: Array, b: Array, order: IntArray) -> Array:
    """a (N, D), with b[order] added to it in place."""
    run(_add, [(a, b, order, *span) for span in _spans(*a.shape)])
    return a


ROWS = reversed_rows, take_rows, join_rows, part_rows, add_rows
PARTS = Parts(lstm_forward, lstm_advance, lstm_backward, *ROWS)
bilstm_forward = gated(partial(forward_with, PARTS), shapes=FORWARD, kernel=True)
bilstm_backward = gated(partial(backward_with, PARTS), kernel=True)
