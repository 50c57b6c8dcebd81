"""Softmax and cross-entropy in one pass: the twin of `minilstm.functional.cross_entropy`.
The loss is summed in float64, row after row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.cross_entropy import CrossEntropyCache
from minilstm.functional.ragged import IntArray
from minilstm.kernels.numba.compiling import kernel
from minilstm.kernels.numba.product import contiguous
from minilstm.kernels.numba.softmax import softmax_row

Array = NDArray[Any]


@kernel("f8(F[:, ::1], i8[::1], F[:, ::1], i8)")
def _forward(logits, targets, scores, count):
    loss = 0.0
    for n in range(len(logits)):
        top, total = softmax_row(logits[n], scores[n])  # (1)
        loss += np.log(np.float64(total)) + np.float64(top) - np.float64(logits[n, targets[n]])
    return loss / count  # (2)


@kernel("void(F[:, ::1], i8[::1], F[:, ::1], i8)")
def _backward(scores, targets, dlogits, count):
    N, C = scores.shape
    rows = scores.dtype.type(count)
    one = scores.dtype.type(1)
    for n in range(N):
        # (2), (1) loss = sum of -log softmax(logits)_target / count
        for k in range(C):
            onehot = one if k == targets[n] else scores.dtype.type(0)
            dlogits[n, k] = (scores[n, k] - onehot) / rows


def softmax_cross_entropy_forward(
    logits: Array, targets: IntArray, count: int | None = None
) -> tuple[float, CrossEntropyCache]:
    """Loss and scores; see `minilstm.functional.cross_entropy`."""
    scores = np.empty(logits.shape, logits.dtype)  # (N, C)
    count = len(targets) if count is None else count
    loss = _forward(contiguous(logits), contiguous(targets), scores, count)
    return float(loss), CrossEntropyCache(scores, targets, count)


def softmax_cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """(scores - onehot) / count; see `minilstm.functional.cross_entropy`."""
    dlogits = np.empty(cache.scores.shape, cache.scores.dtype)  # (N, C)
    _backward(contiguous(cache.scores), contiguous(cache.targets), dlogits, cache.divisor)
    return dlogits
