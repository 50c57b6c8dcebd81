"""The fully connected layer, the twin of `minilstm.functional.fully_connected`.
The products are those of cuBLAS; gradients of W and b are long sums, and `product` says how."""

from __future__ import annotations

from typing import Any

import cupy

from minilstm.functional.fully_connected import FullyConnectedCache, FullyConnectedGradients
from minilstm.kernels.cuda.product import outer_sum, sum_rows

Array = Any  # of CuPy


def fully_connected_forward(x: Array, W: Array, b: Array) -> tuple[Array, FullyConnectedCache]:
    """y = W x + b for each row; see `minilstm.functional.fully_connected`."""
    y = cupy.matmul(x, W.T)  # (N, C) (1)
    y += b
    return y, FullyConnectedCache(x, W)


def fully_connected_backward(
    dy: Array, cache: FullyConnectedCache, need_dx: bool = True
) -> tuple[Array | None, FullyConnectedGradients]:
    """Gradients of x, W and b; see `minilstm.functional.fully_connected`."""
    x, W = cache
    # (1) y = W x + b
    dx = cupy.matmul(dy, W) if need_dx else None  # (N, D)
    dW = outer_sum(x, dy).T  # (C, D), column-major as parameters are
    db = sum_rows(dy).astype(dy.dtype)  # (C,)
    return dx, FullyConnectedGradients(dW, db)
