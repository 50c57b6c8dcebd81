"""Bounds of rounding errors for what acts on rows: products, convolution, the softmax loss.
See `minilstm.rounding` for the model, its source and what a bound leaves out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.convolution import convolution_backward, convolution_forward
from minilstm.functional.cross_entropy import softmax_cross_entropy_forward
from minilstm.functional.fully_connected import fully_connected_backward, fully_connected_forward
from minilstm.functional.ragged import IntArray
from minilstm.rounding import EXP, FLOAT32, LOG, SPARE, gamma

Array = NDArray[Any]


class ProductErrors(NamedTuple):
    """Bounds of |computed - exact| for a layer y = W x + b, each of the shape of its result."""

    y: Array
    dx: Array
    dW: Array
    db: Array


class LossErrors(NamedTuple):
    """Bounds of |computed - exact| for a softmax with its cross-entropy."""

    loss: float
    dz: Array  # (N, C)


def fully_connected_error_bound(
    x: Array, W: Array, b: Array, dy: Array, u: float = FLOAT32
) -> ProductErrors:
    """Bound the rounding errors of a fully connected layer: n u |a||b| for a sum of n products.

    Parameters
    ----------
    x : (N, D) rows
    W : (C, D) weights
    b : (C,) bias
    dy : (N, C) gradient of the loss with respect to the output
    u : unit roundoff of the precision that is bounded, 2^-24 for float32

    Returns
    -------
    ProductErrors, of y (N, C), dx (N, D), dW (C, D) and db (C,)

    Examples
    --------
    >>> bound = fully_connected_error_bound(np.ones((4, 3)), np.ones((2, 3)), np.zeros(2),
    ...                                     np.ones((4, 2)))
    >>> bound.y.shape, bool((bound.y < 8e-7).all())
    ((4, 2), True)
    """
    x, W, b, dy = _magnitudes(x, W, b, dy)
    (N, C), D = dy.shape, x.shape[1]
    y, cache = fully_connected_forward(x, W, b)
    dx, grads = fully_connected_backward(dy, cache)
    assert dx is not None
    return _scaled((y, dx, *grads), (D + 1, C, N, N), u)


def convolution_error_bound(
    x: Array, W: Array, b: Array, dy: Array, stride: Any, padding: Any, dilation: Any,
    u: float = FLOAT32,
) -> ProductErrors:  # fmt: skip
    """Bound the rounding errors of a convolution: the same with the windows as rows.

    Parameters
    ----------
    x, W, b, stride, padding, dilation : as for `functional.convolution.convolution_forward`
    dy : gradient of the loss with respect to the output, of its shape
    u : unit roundoff of the precision that is bounded, 2^-24 for float32

    Returns
    -------
    ProductErrors, each of the shape of its result

    Examples
    --------
    >>> x, W = np.ones((1, 4, 4, 2)), np.ones((3, 3, 2, 5))
    >>> options = (1, 1), ((0, 0), (0, 0)), (1, 1)
    >>> convolution_error_bound(x, W, np.zeros(5), np.ones((1, 2, 2, 5)), *options).dW.shape
    (3, 3, 2, 5)
    """
    x, W, b, dy = _magnitudes(x, W, b, dy)
    window, F = W[..., 0].size, W.shape[-1]
    y, cache = convolution_forward(x, W, b, stride, padding, dilation)
    dx, grads = convolution_backward(dy, cache)
    assert dx is not None
    places = dy[..., 0].size
    return _scaled((y, dx, *grads), (window + 1, window // W.shape[-2] * F, places, places), u)


def softmax_cross_entropy_error_bound(
    z: Array, targets: IntArray, count: float | None = None, weights: Array | None = None,
    u: float = FLOAT32,
) -> LossErrors:  # fmt: skip
    """Bound the rounding errors of a softmax with its cross-entropy, in one or in two steps.

    Parameters
    ----------
    z, targets, count, weights : as for `functional.cross_entropy.softmax_cross_entropy_forward`
    u : unit roundoff of the precision that is bounded, 2^-24 for float32

    Returns
    -------
    LossErrors, of the loss and of dz (N, C)

    Examples
    --------
    >>> bound = softmax_cross_entropy_error_bound(np.zeros((2, 3)), np.array([0, 2]))
    >>> bound.dz.shape, bound.loss < 2e-6
    ((2, 3), True)
    """
    z = np.asarray(z, np.float64)  # (N, C)
    N, C = z.shape
    _, cache = softmax_cross_entropy_forward(z, targets, count, weights)
    counts = (targets >= 0).astype(np.float64)  # (N,)
    if weights is not None:
        counts *= np.asarray(weights, np.float64)
    scale = counts / cache.divisor  # (N,)
    top = z.max(axis=1, keepdims=True)  # (N, 1)
    # exp of a rounded argument, by a function with an error of its own.
    of_exp = (1 + EXP.relative * u) * np.exp(u * (top - z)) - 1  # (N, C)
    of_sum = (1 + of_exp.max(axis=1, keepdims=True)) * (1 + gamma(C, u)) - 1  # (N, 1)
    of_score = (1 + of_exp) * (1 + u) / (1 - of_sum) - 1  # (N, C)
    onehot = np.arange(C) == targets[:, None]  # (N, C)
    score_error = cache.scores * of_score
    size = abs(cache.scores - onehot) + score_error
    dz = abs(scale)[:, None] * (score_error + gamma(4, u) * size)
    log_sum = np.log(np.exp(z - top).sum(axis=1))  # (N,)
    sizes = log_sum + abs(top[:, 0]) + abs(z[np.arange(N), targets])  # (N,)
    rows = of_sum[:, 0] / (1 - of_sum[:, 0]) + LOG.relative * u * log_sum + gamma(3, u) * sizes
    loss = (abs(scale) * (rows + gamma(N + 3, u) * sizes)).sum()
    return LossErrors(float(SPARE * loss), SPARE * dz)


def _magnitudes(*arrays: Array) -> list[Array]:
    """Absolute values in float64: a sum of them is what rounding multiplies."""
    return [abs(np.asarray(a, np.float64)) for a in arrays]


def _scaled(sizes: tuple[Array, ...], roundings: tuple[int, ...], u: float) -> ProductErrors:
    scaled = (SPARE * gamma(n, u) * size for n, size in zip(roundings, sizes, strict=True))
    return ProductErrors(*scaled)
