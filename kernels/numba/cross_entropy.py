"""Softmax and cross-entropy in one pass: the twin of `minilstm.functional.cross_entropy`.
The loss is summed in float64, row after row; rows without a class (target -1) are skipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.cross_entropy import CrossEntropyCache, rows_with_class
from minilstm.functional.gate import gated
from minilstm.functional.ragged import IntArray
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.product import contiguous
from minilstm.kernels.numba.softmax import softmax_row

Array = NDArray[Any]

_NO_WEIGHTS = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}


@kernel("f8(F[:, ::1], i8[::1], F[:, ::1], f8, F[::1])")
def _forward(logits, targets, scores, count, weights):
    loss = 0.0
    for n in range(len(logits)):
        top, total = softmax_row(logits[n], scores[n])  # (1)
        if targets[n] < 0:
            continue
        w = np.float64(weights[n]) if len(weights) else 1.0
        row = np.log(np.float64(total)) + np.float64(top) - np.float64(logits[n, targets[n]])
        loss += w * row
    return loss / count  # (2)


@kernel("void(F[:, ::1], i8[::1], F[:, ::1], f8, F[::1])")
def _backward(scores, targets, dlogits, count, weights):
    N, C = scores.shape
    rows = scores.dtype.type(count)
    zero, one = scores.dtype.type(0), scores.dtype.type(1)
    for n in range(N):
        # (2), (1) loss = sum of weight (-log softmax(logits)_target) / count
        for k in range(C):
            onehot = one if k == targets[n] else zero
            dlogits[n, k] = (scores[n, k] - onehot) / rows
    for n in range(len(weights)):
        for k in range(C):
            dlogits[n, k] *= weights[n]
    for n in range(N):
        if targets[n] < 0:
            dlogits[n] = zero


@gated(kernel=True, apart=("weights",))
def softmax_cross_entropy_forward(
    logits: Array, targets: IntArray, count: float | None = None, weights: Array | None = None
) -> tuple[float, CrossEntropyCache]:
    """Loss and scores; see `minilstm.functional.cross_entropy`."""
    scores = np.empty(logits.shape, logits.dtype)  # (N, C)
    count = rows_with_class(targets) if count is None else count
    weights = None if weights is None else np.asarray(weights, logits.dtype)  # (N,)
    rows = contiguous(logits), contiguous(targets), scores, float(count)
    loss = _forward(*rows, or_empty(weights, logits.dtype))
    return float(loss), CrossEntropyCache(scores, targets, count, weights)


def softmax_cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Weight (scores - onehot) / count; see `minilstm.functional.cross_entropy`."""
    scores, targets, divisor, weights = cache
    dlogits = np.empty(scores.shape, scores.dtype)  # (N, C)
    rows = contiguous(scores), contiguous(targets), dlogits, float(divisor)
    _backward(*rows, or_empty(weights, scores.dtype))
    return dlogits


def or_empty(weights: Array | None, dtype: Any) -> Array:
    """Row weights as kernels take them, (N,) of a dtype; (0,) says that every row weighs 1."""
    if weights is None:
        return _NO_WEIGHTS[dtype]
    return contiguous(np.asarray(weights, dtype))
