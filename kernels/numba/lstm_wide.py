"""The LSTM for inputs so wide that W does not fit a cache: the products with x, cut into blocks.
Every sum runs in the order of `lstm`, so one step, a sequence and a batch still give the same bits.

With thousands of features, a step that streams all of W for six sequences waits for memory. Here
the products of many steps with one block of W follow each other while it is in the cache. A sum
that goes on in the next block is stored and loaded in between, which changes none of its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.kernels.numba.lstm_cell import cell_forward
from minilstm.kernels.numba.machinery.barrier import meet
from minilstm.kernels.numba.machinery.buffers import empty, zeros
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, TILE_ROWS, lanes
from minilstm.kernels.numba.machinery.panels import gate_vectors
from minilstm.kernels.numba.machinery.product import BLOCK_ROWS, FLUSH_ROWS, GAP_NUMBERS, contiguous
from minilstm.kernels.numba.machinery.threads import run, split
from minilstm.kernels.numba.machinery.tiled_rows import add_rows, more_rows, set_rows

Array = NDArray[Any]

WIDE_FEATURES = 1024  # features from which on this pays
ROWS_TOGETHER = 768  # rows of the steps whose products with x are made together
CACHED_BYTES = 320_000  # bytes of a block of weights
BLOCK_FEATURES = 96  # features of a block of a weight gradient


# The types of the arguments of both time loops: this one and that of `lstm`.
FORWARD = (
    "void(i8, i8, i8[::1], i8, i8, i8, i8, F[:, ::1], i8[::1], i8[::1], i8[::1], i8[::1], "
    "b1, A, A, F[:, :, ::1], F[:, ::1], F[:, ::1], F[:, ::1])"
)


@kernel(FORWARD)
def forward_wide(
    me, size, counts, first, last, begin, end, x, active, starts, slots, c_slots, keep, gate,
    state, panels, gates, c, h
):  # fmt: skip
    """The time loop of `lstm._forward` for all sequences, from blocks of W x."""
    D, H, G = x.shape[1], h.shape[1], gates.shape[1]
    K, V = panels.shape[1], panels.shape[2]
    q, q_last = first // V * 4, gate_vectors(last, V)
    width = (q_last - q) * V
    most = min(len(x), max(ROWS_TOGETHER, active[0]))
    z = np.empty((most, width), h.dtype)  # (rows, Q V)
    depth = min(D, max(32, CACHED_BYTES // ((q_last - q) * V * h.itemsize)))
    # Where no gates are kept, they take the place of z.
    a, a_row, a_gate = (gates, G, H) if keep else (z, width, 0)
    done, base = 0, 0  # steps whose W x is in z, and the row of the first of them
    for t in range(len(active)):
        if t == done:
            base, rows = starts[t], 0
            while done < len(active) and rows + active[done] <= most:
                rows += active[done]
                done += 1
            for r in range(rows):
                for v in range(q, q_last):
                    for j in range(V):
                        z[r, (v - q) * V + j] = panels[v, 0, j]
            for k in range(0, D, depth):
                more_rows(
                    rows, x, base * D + k, D, 1, min(depth, D - k), panels, (1 + k) * V, K * V,
                    q, q_last, z, -q * V, width, V, 4 * V,
                )  # (1) the b + W x part  # fmt: skip
        n, prev, now, row = active[t], slots[t], slots[t + 1], starts[t]
        at = width * (row - base)
        more_rows(
            n, h, prev * H, H, 1, H, panels, (1 + D) * V, K * V, q, q_last,
            z, at - q * V, width, V, 4 * V,
        )  # (1) the R h part  # fmt: skip
        cell_forward(
            n, last - first, z, at, width,
            a, row * G + first if keep else at, a_row, a_gate,
            c, c_slots[t] * H + first, c, c_slots[t + 1] * H + first, h, now * H + first, H,
            gate, state,
        )  # fmt: skip
        if not meet(counts, me, size, t + 1):
            return


@kernel("void(F[:, ::1], F[:, :, ::1], i8, i8)")
def _pack_rows(dz, panels, first, last):
    """Blocks first to last of dz, each BLOCK_ROWS rows deep, in panels one vector wide."""
    V = REGISTER_BYTES // dz.itemsize
    N, G = dz.shape
    for block in range(first, last):
        for k in range(min(BLOCK_ROWS, N - block * BLOCK_ROWS)):
            line = dz[block * BLOCK_ROWS + k]
            for j in range(G):
                panels[block, j // V, k * V + j % V] = line[j]


@kernel("void(F[:, ::1], F[:, :, ::1], F[:, ::1], i8, i8)")
def _features(x, panels, out, first, last):
    """Rows first to last of out (D, G) += x^T dz, a block of rows after the other."""
    V = REGISTER_BYTES // x.itemsize
    N = len(x)
    Q, line = panels.shape[1], panels.shape[2]
    inputs = np.empty((BLOCK_ROWS, BLOCK_FEATURES), x.dtype)  # (rows, features)
    for d in range(first, last, BLOCK_FEATURES):
        M = min(BLOCK_FEATURES, last - d)
        for block in range(len(panels)):
            depth = min(BLOCK_ROWS, N - block * BLOCK_ROWS)
            for k in range(depth):
                for j in range(M):
                    inputs[k, j] = x[block * BLOCK_ROWS + k, d + j]
            add_rows(
                M, inputs, 0, 1, BLOCK_FEATURES, depth, panels, block * Q * line, line, 0, Q,
                out, d * Q * V, Q * V, V, 4 * V,
            )  # fmt: skip


@kernel("void(F[:, ::1], F[:, :], b1, F[:, ::1], i8, i8)")
def _columns(dz, W, tall, out, first, last):
    """Columns first to last of out (N, D) = dz W; `tall` says that W lies column after column."""
    V = REGISTER_BYTES // dz.itemsize
    N, G = dz.shape
    Q = max(4, CACHED_BYTES // (G * V * dz.itemsize) // 4 * 4)
    panels = np.zeros((Q, G * V), dz.dtype)  # a block of W, packed
    tile = np.empty((TILE_ROWS, Q * V), dz.dtype)
    for d in range(first, last, Q * V):
        M = min(Q * V, last - d)
        vectors = (M + V - 1) // V
        if tall:
            for j in range(M):
                for k in range(G):
                    panels[j // V, k * V + j % V] = W[k, d + j]
        else:
            for k in range(G):
                for j in range(M):
                    panels[j // V, k * V + j % V] = W[k, d + j]
        n = 0
        while n < N:
            rows = min(TILE_ROWS, N - n)
            set_rows(
                rows, dz, n * G, G, 1, G, panels, 0, G * V, 0, vectors, tile, 0, Q * V, V, 4 * V
            )
            for r in range(rows):
                for j in range(M):
                    out[n + r, d + j] = tile[r, j]
            n += rows


def input_weight_gradient(x: Array, dz: Array) -> Array:
    """dW = dz^T x, (G, D), in column-major order; threads split the features."""
    (N, D), G, V = x.shape, dz.shape[1], lanes(x.dtype)
    Q = -(-G // V)
    total = None
    for n in range(0, N, FLUSH_ROWS):
        part_x, part_dz = contiguous(x[n : n + FLUSH_ROWS]), dz[n : n + FLUSH_ROWS]
        blocks = -(-len(part_x) // BLOCK_ROWS)
        # What fills a last vector stays 0.
        panels = zeros((blocks, Q, BLOCK_ROWS * V + GAP_NUMBERS), x.dtype)
        run(_pack_rows, [(part_dz, panels, *span) for span in split(blocks, 1)])
        out = zeros((D, Q * V), x.dtype)  # (D, G and what fills the last vector)
        run(_features, [(part_x, panels, out, *span) for span in split(D, TILE_ROWS)])
        total = out if total is None else total + out
    assert total is not None  # a batch has rows
    dW: Array = total[:, :G].T
    return dW


def input_gradient(dz: Array, W: Array) -> Array:
    """dx = dz W, (N, D); threads split the columns."""
    out = empty((len(dz), W.shape[1]), dz.dtype)  # (N, D)
    W = W if W.flags.writeable else W.copy()
    tall = abs(W.strides[0]) < abs(W.strides[1])
    shared = (dz, W, tall, out)
    run(_columns, [(*shared, *span) for span in split(W.shape[1], lanes(dz.dtype))])
    return out
