"""The fully connected layer, forward and backward.
It acts on each row, that is on each time step, by itself.

Axes: N rows, D inputs, C outputs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class FullyConnectedCache(NamedTuple):
    """What backward needs from forward."""

    x: Array  # (N, D)
    W: Array  # (C, D)


class FullyConnectedGradients(NamedTuple):
    """Gradients of the loss with respect to the parameters."""

    W: Array  # (C, D)
    b: Array  # (C,)


@gated(shapes="x (N, D), W (C, D), b (C,)")
def fully_connected_forward(x: Array, W: Array, b: Array) -> tuple[Array, FullyConnectedCache]:
    """Multiply each row by a matrix and add a bias: y = W x + b.   (1)

    Parameters
    ----------
    x : (N, D) rows
    W : (C, D) weights
    b : (C,) bias

    Returns
    -------
    y : (N, C)

    Examples
    --------
    >>> import numpy as np
    >>> y, cache = fully_connected_forward(np.ones((4, 3)), np.ones((2, 3)), np.zeros(2))
    >>> y[0].tolist()
    [3.0, 3.0]
    """
    y = x @ W.T + b  # (N, C) (1)
    return y, FullyConnectedCache(x, W)


@gated(shapes="dy (N, C), cache.x (N, D), cache.W (C, D)")
def fully_connected_backward(
    dy: Array, cache: FullyConnectedCache, need_dx: bool = True
) -> tuple[Array | None, FullyConnectedGradients]:
    """Gradients of a fully connected layer.

    Shapes: dy (N, C); dx (N, D); W (C, D), b (C,).

    Examples
    --------
    >>> import numpy as np
    >>> _, cache = fully_connected_forward(np.ones((4, 3)), np.ones((2, 3)), np.zeros(2))
    >>> dx, grads = fully_connected_backward(np.ones((4, 2)), cache)
    >>> dx[0].tolist(), grads.b.tolist()
    ([2.0, 2.0, 2.0], [4.0, 4.0])
    """
    x, W = cache
    # (1) y = W x + b
    dx = dy @ W if need_dx else None  # (N, D)
    dW = dy.T @ x  # (C, D)
    db = dy.sum(axis=0)  # (C,)
    return dx, FullyConnectedGradients(dW, db)
