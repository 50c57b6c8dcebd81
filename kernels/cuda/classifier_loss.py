"""Fully connected, softmax and cross-entropy, forward and backward: `functional.classifier_loss`.
cuBLAS multiplies, one kernel does all between; loss and correct rows come to the host together."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from minilstm.functional.classifier_loss import ClassifierLoss
from minilstm.functional.fully_connected import FullyConnectedCache
from minilstm.kernels.cuda.cross_entropy import in_dtype
from minilstm.kernels.cuda.fully_connected import fully_connected_backward
from minilstm.kernels.cuda.layout import row_major
from minilstm.kernels.cuda.product import sum_rows
from minilstm.kernels.cuda.softmax import launch_rows
from minilstm.kernels.cuda.transfer import to_host

Array = Any  # of CuPy


def classifier_loss(
    x: Array,
    W: Array,
    b: Array,
    targets: Array,
    count: float,
    weights: Array | None = None,
) -> ClassifierLoss:
    """Loss and gradients of the last layers; see `minilstm.functional.classifier_loss`."""
    dtype = x.dtype
    z = row_major(cupy.matmul(x, W.T))  # (N, C) logits without bias, then their gradient
    parts = cupy.empty((len(z), 2), np.float64)  # (N, 2) loss and correct of each row
    rows = row_major(b), row_major(targets), in_dtype(weights, dtype), parts
    launch_rows("classifier_loss.cu", "classifier_loss", z, z, *rows, dtype.type(count))  # (1), (2)
    # (1) logits = W x + b
    dx, grads = fully_connected_backward(z, FullyConnectedCache(x, W))
    loss, correct = to_host(sum_rows(parts)).tolist()
    return ClassifierLoss(loss / count, int(correct), dx, grads.W, grads.b)
