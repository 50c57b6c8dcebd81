"""The cross-entropy on scores and fused with the softmax: twins of `functional.cross_entropy`.
The losses of the rows are summed in float64; sum and count come to the host as one array."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from minilstm.functional.cross_entropy import CrossEntropyCache
from minilstm.kernels.cuda.compiling import kernel, launch_each
from minilstm.kernels.cuda.layout import row_major
from minilstm.kernels.cuda.product import sum_rows
from minilstm.kernels.cuda.softmax import launch_rows
from minilstm.kernels.cuda.transfer import to_host

Array = Any  # of CuPy


def softmax_cross_entropy_forward(
    logits: Array, targets: Array, count: float | None = None, weights: Array | None = None
) -> tuple[float, CrossEntropyCache]:
    """Loss and scores; see `minilstm.functional.cross_entropy`."""
    N, dtype = len(logits), logits.dtype
    scores = cupy.empty(logits.shape, dtype)  # (N, C)
    losses = cupy.empty((N, 2), np.float64)  # (N, 2) loss, and 1 for a row with a class
    weights = in_dtype(weights, dtype)
    rows = row_major(logits), row_major(targets), weights, scores, losses
    launch_rows("cross_entropy.cu", "softmax_cross_entropy_forward", scores, *rows)  # (1)
    loss, count = _divided_sum(losses, count)  # (2)
    return loss, CrossEntropyCache(scores, targets, count, weights)


def softmax_cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """Weight (scores - onehot) / count; see `minilstm.functional.cross_entropy`."""
    scores, targets, divisor, weights = cache
    dlogits = cupy.empty(scores.shape, scores.dtype)  # (N, C)
    name = "softmax_cross_entropy_backward"
    function = kernel("cross_entropy.cu", name, scores.dtype, LANES=1)
    rows = row_major(scores), row_major(targets), in_dtype(weights, scores.dtype), dlogits
    numbers = scores.dtype.type(divisor), scores.size, scores.shape[1]
    launch_each(function, scores.size, *rows, *numbers)
    return dlogits


def cross_entropy_forward(
    scores: Array, targets: Array, count: float | None = None, weights: Array | None = None
) -> tuple[float, CrossEntropyCache]:
    """Loss of scores; see `minilstm.functional.cross_entropy`."""
    (N, C), dtype = scores.shape, scores.dtype
    losses = cupy.empty((N, 2), np.float64)  # (N, 2) loss, and 1 for a row with a class
    weights = in_dtype(weights, dtype)
    function = kernel("cross_entropy.cu", "cross_entropy_forward", dtype, LANES=1)
    rows = row_major(scores), row_major(targets), weights, losses
    launch_each(function, N, *rows, np.finfo(dtype).tiny, N, C)
    loss, count = _divided_sum(losses, count)  # (1)
    return loss, CrossEntropyCache(scores, targets, count, weights)


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """-weight / (count score) at the true class; see `minilstm.functional.cross_entropy`."""
    scores, targets, divisor, weights = cache
    (N, C), dtype = scores.shape, scores.dtype
    dscores = cupy.zeros((N, C), dtype)  # (N, C)
    function = kernel("cross_entropy.cu", "cross_entropy_backward", dtype, LANES=1)
    rows = row_major(scores), row_major(targets), in_dtype(weights, dtype), dscores
    launch_each(function, N, *rows, np.finfo(dtype).tiny, dtype.type(divisor), N, C)
    return dscores


def in_dtype(weights: Array | None, dtype: Any) -> Array | None:
    """Row weights as kernels take them, (N,) of a dtype; None says that every row weighs 1."""
    return None if weights is None else row_major(weights.astype(dtype, copy=False))


def _divided_sum(losses: Array, count: float | None) -> tuple[float, float]:
    """The loss from the losses of the rows, and the count as backward wants it."""
    total, counted = to_host(sum_rows(losses)).tolist()
    count = max(int(counted), 1) if count is None else count
    return total / count, count
