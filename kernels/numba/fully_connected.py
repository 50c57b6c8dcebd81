"""The fully connected layer, the twin of `minilstm.functional.fully_connected`.
Each output is one sum in a fixed order, so a row alone equals the same row in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.fully_connected import FullyConnectedCache, FullyConnectedGradients
from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.panels import pack_columns
from minilstm.kernels.numba.machinery.product import contiguous, outer_sum, product

Array = NDArray[Any]


@gated(kernel=True)
def fully_connected_forward(x: Array, W: Array, b: Array) -> tuple[Array, FullyConnectedCache]:
    """y = W x + b for each row; see `minilstm.functional.fully_connected`."""
    return product(x, pack_columns(W.T), contiguous(b)), FullyConnectedCache(x, W)  # (N, C)


@gated(kernel=True)
def fully_connected_backward(
    dy: Array, cache: FullyConnectedCache, need_dx: bool = True
) -> tuple[Array | None, FullyConnectedGradients]:
    """Gradients of x, W and b; see `minilstm.functional.fully_connected`."""
    x, W = cache
    D, dtype = W.shape[1], W.dtype
    dx = product(dy, pack_columns(W), np.zeros(D, dtype)) if need_dx else None  # (N, D)
    dW = outer_sum(x, dy).T  # (C, D)
    db = outer_sum(np.ones((len(dy), 1), dtype), dy)[0]  # (C,)
    return dx, FullyConnectedGradients(dW, db)
