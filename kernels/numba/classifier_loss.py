"""Fully connected, softmax and cross-entropy in one pass over the rows, forward and backward.
The twin of `minilstm.functional.classifier_loss`; scores live in registers and cache only.

Rows go through in fixed chunks, and each chunk has sums of its own that are added up in order:
so neither the number of threads nor the split among them changes a bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.classifier_loss import ClassifierLoss
from minilstm.functional.gate import gated
from minilstm.functional.ragged import IntArray
from minilstm.kernels.numba.cross_entropy import or_empty
from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.hardware import TILE_ROWS
from minilstm.kernels.numba.machinery.panels import pack_columns, unpack_columns
from minilstm.kernels.numba.machinery.product import BLOCK_ROWS, GAP_NUMBERS, add_outer, contiguous
from minilstm.kernels.numba.machinery.threads import run, split
from minilstm.kernels.numba.machinery.tiled_rows import set_rows
from minilstm.kernels.numba.softmax import softmax_row

Array = NDArray[Any]


@kernel(
    "void(i8, i8, F[:, ::1], i8[::1], F[:, :, ::1], F[:, :, ::1], F[::1], f8, F[::1], "
    "F[:, ::1], f8[::1], i8[::1], F[:, :, :, ::1], F[:, ::1])"
)
def _chunks(
    first, last, x, targets, forward, backward, b, count, weights, dx, losses, correct, dW, db
):
    """Chunks first to last of BLOCK_ROWS rows; each writes rows of dx and sums of its own."""
    N, D = x.shape
    C, V = len(b), forward.shape[2]
    Q, QD = len(forward), len(backward)
    zero, one = x.dtype.type(0), x.dtype.type(1)
    rows_of_batch = x.dtype.type(count)
    z = np.zeros((TILE_ROWS, Q * V), x.dtype)  # (rows, C) logits, scores, then their gradient
    out = np.empty((TILE_ROWS, QD * V), x.dtype)  # (rows, D) of dx
    # The chunk's dlogits, a vector of classes each.
    panels = np.zeros((Q, BLOCK_ROWS * V + GAP_NUMBERS), x.dtype)
    for chunk in range(first, last):
        start, stop = chunk * BLOCK_ROWS, min(N, (chunk + 1) * BLOCK_ROWS)
        dW[chunk] = 0
        db[chunk] = 0
        loss, right = 0.0, 0
        n = start
        while n < stop:
            rows = min(TILE_ROWS, stop - n)
            set_rows(rows, x, n * D, D, 1, D, forward, 0, D * V, 0, Q, z, 0, Q * V, V, 4 * V)  # (1)
            for r in range(rows):
                line, target = z[r, :C], targets[n + r]
                if target < 0:
                    for k in range(C):
                        line[k] = zero
                        panels[k // V, (n + r - start) * V + k % V] = zero
                    continue
                w = weights[n + r] if len(weights) else one
                best = 0
                for k in range(C):
                    line[k] += b[k]
                    if line[k] > line[best]:
                        best = k
                true = np.float64(line[target])
                top, total = softmax_row(line, line)
                loss += np.float64(w) * (np.log(np.float64(total)) + np.float64(top) - true)  # (2)
                right += best == target
                # (2) loss = sum of weight (-log softmax(logits)_target) / count
                line[target] -= one
                for k in range(C):
                    line[k] = w * line[k] / rows_of_batch
                    db[chunk, k] += line[k]
                    panels[k // V, (n + r - start) * V + k % V] = line[k]
            # (1) logits = W x + b
            set_rows(rows, z, 0, Q * V, 1, C, backward, 0, C * V, 0, QD, out, 0, QD * V, V, 4 * V)
            for r in range(rows):
                for j in range(D):
                    dx[n + r, j] = out[r, j]
            n += rows
        add_outer(x, start * D, D, D, stop - start, panels, dW[chunk], 0)
        losses[chunk], correct[chunk] = loss, right


@gated(kernel=True, apart=("weights",))
def classifier_loss(
    x: Array,
    W: Array,
    b: Array,
    targets: IntArray,
    count: float,
    weights: Array | None = None,
) -> ClassifierLoss:
    """Loss and gradients of the last layers; see `minilstm.functional.classifier_loss`."""
    (N, D), C, dtype = x.shape, len(b), x.dtype
    forward, backward = pack_columns(W.T), pack_columns(W)  # (Q, D, V), (D / V, C, V)
    chunks = -(-N // BLOCK_ROWS)
    dx = empty((N, D), dtype)  # (N, D)
    losses, correct = np.empty(chunks), np.empty(chunks, np.int64)  # (chunks,)
    dW = empty((chunks, *forward.shape), dtype)  # (chunks, Q, D, V)
    db = np.empty((chunks, C), dtype)  # (chunks, C)
    rows = contiguous(x), contiguous(targets), forward, backward, contiguous(b)
    scale = float(count), or_empty(weights, dtype)
    sums = dx, losses, correct, dW, db
    run(_chunks, [(*span, *rows, *scale, *sums) for span in split(chunks, 1)])
    # One chunk, as of a small batch, is its own sum.
    all_W, all_b = (dW[0], db[0]) if chunks == 1 else (dW.sum(axis=0), db.sum(axis=0))
    dW_total = unpack_columns(all_W, C).T  # (C, D)
    return ClassifierLoss(float(losses.sum()) / count, int(correct.sum()), dx, dW_total, all_b)
