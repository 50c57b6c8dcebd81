"""The fully connected layer, the twin of `minilstm.functional.fully_connected`.
Each output is one sum in a fixed order, so a row alone equals the same row in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.fully_connected import FullyConnectedCache, FullyConnectedGradients
from minilstm.kernels.numba.product import (
    REGISTER_BYTES,
    TILE_ROWS,
    add_product,
    add_transposed_product,
    contiguous,
)
from minilstm.kernels.numba.threads import run, split

Array = NDArray[Any]


def fully_connected_forward(x: Array, W: Array, b: Array) -> tuple[Array, FullyConnectedCache]:
    """y = W x + b for each row; see `minilstm.functional.fully_connected`."""
    y = np.empty((len(x), len(b)), x.dtype)  # (N, C)
    y[:] = b
    rows, Wt = contiguous(x), contiguous(W.T)  # (N, D), (D, C)
    run(add_product, [(rows, Wt, y, *span) for span in split(len(x), TILE_ROWS)])
    return y, FullyConnectedCache(x, W)


def fully_connected_backward(
    dy: Array, cache: FullyConnectedCache, need_dx: bool = True
) -> tuple[Array | None, FullyConnectedGradients]:
    """Gradients of x, W and b; see `minilstm.functional.fully_connected`."""
    x, W = contiguous(cache.x), contiguous(cache.W)
    dy = contiguous(dy)
    N, D = x.shape
    dx = None
    if need_dx:
        dx = np.zeros((N, D), x.dtype)  # (N, D)
        run(add_product, [(dy, W, dx, *span) for span in split(N, TILE_ROWS)])
    dW = _sum_of_products(dy, x)  # (C, D)
    db = _sum_of_products(dy, np.ones((N, 1), x.dtype))[:, 0]  # (C,)
    return dx, FullyConnectedGradients(dW, db)


def _sum_of_products(dy: Array, x: Array) -> Array:
    """dy^T x, (C, D); threads split the columns."""
    total = np.zeros((dy.shape[1], x.shape[1]), x.dtype)  # (C, D)
    part = np.empty_like(total)  # (C, D)
    start, count = np.array([0]), np.array([len(x)])
    arguments = (dy, start, x, start, count, total, part)
    spans = split(x.shape[1], REGISTER_BYTES // x.itemsize)
    run(add_transposed_product, [(*arguments, *span) for span in spans])
    return total
