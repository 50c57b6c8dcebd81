"""Batch normalisation, forward and backward, with the statistics of the batch or with given ones.
Each channel is one population: all rows and all positions of an image count alike.

Axes: N rows, ... positions in an image or volume, C channels, M = N times the positions.

Statistics are summed in float64 in two passes, so float32 data far from zero keeps its variance
(Ioffe and Szegedy, Batch normalization, 2015).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class BatchNormalizationCache(NamedTuple):
    """What backward needs from forward; mean and variance are also the statistics of the batch."""

    x: Array  # (N, ..., C)
    scale: Array  # (C,)
    mean: Array  # (C,) float64 even for float32 data
    variance: Array  # (C,) float64, divided by M
    epsilon: float

    @property
    def size(self) -> int:
        """M, the numbers of one channel."""
        return self.x.size // self.x.shape[-1]


class BatchNormalizationApplyCache(NamedTuple):
    """What backward needs from a forward pass with given statistics."""

    x: Array  # (N, ..., C)
    scale: Array  # (C,)
    mean: Array  # (C,)
    variance: Array  # (C,)
    epsilon: float


class BatchNormalizationGradients(NamedTuple):
    """Gradients of the loss with respect to the parameters."""

    scale: Array  # (C,)
    offset: Array  # (C,)


@gated(shapes="x (N, ..., C), scale (C,), offset (C,)")
def batch_normalization_forward(
    x: Array, scale: Array, offset: Array, epsilon: float
) -> tuple[Array, BatchNormalizationCache]:
    """Normalise each channel by its own mean and variance over the batch.

    ::

        mean = sum of x / M                              (1)
        variance = sum of (x - mean)^2 / M               (2)
        n = (x - mean) / sqrt(variance + epsilon)        (3)
        y = scale n + offset                             (4)

    Parameters
    ----------
    x : (N, ..., C) rows, real or complex
    scale, offset : (C,) in the dtype of x
    epsilon : keeps a channel of no variance finite; such a channel gives its offset

    Returns
    -------
    y : (N, ..., C) in the dtype of x
    cache : BatchNormalizationCache, for `batch_normalization_backward` and the running statistics

    Examples
    --------
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> y, cache = batch_normalization_forward(x, np.ones(2), np.array([0.0, 7.0]), 0.0001)
    >>> y.round(3).tolist(), cache.mean.tolist(), cache.variance.tolist()
    ([[-1.0, 7.0], [1.0, 7.0]], [2.0, 5.0], [1.0, 0.0])
    """
    wide = np.result_type(x, np.float64)
    over = tuple(range(x.ndim - 1))  # all axes but the channels
    mean = x.mean(axis=over, dtype=wide)  # (C,) (1)
    centred = x - mean  # (N, ..., C)
    variance = (centred * centred).mean(axis=over)  # (C,) (2)
    n = _normalised(x, mean, variance, epsilon)  # (N, ..., C) (3)
    y = scale * n + offset  # (N, ..., C) (4)
    return y, BatchNormalizationCache(x, scale, mean, variance, epsilon)


@gated(shapes="dy (N, ..., C), cache.x (N, ..., C)")
def batch_normalization_backward(
    dy: Array, cache: BatchNormalizationCache, need_dx: bool = True
) -> tuple[Array | None, BatchNormalizationGradients]:
    """Gradients of batch normalisation, through the statistics too.

    n does not change when x is shifted or stretched, so dx is the part of the gradient of n that
    neither a shift nor a stretch of the channel explains.

    Shapes: dy (N, ..., C); dx (N, ..., C); scale (C,), offset (C,).

    Examples
    --------
    >>> x = np.array([[1.0], [3.0], [8.0]])
    >>> _, cache = batch_normalization_forward(x, np.ones(1), np.zeros(1), 1e-5)
    >>> dx, grads = batch_normalization_backward(np.ones((3, 1)), cache)
    >>> bool(abs(dx).max() < 1e-15), grads.offset.tolist()
    (True, [3.0])
    """
    x, scale, mean, variance, epsilon = cache
    n = _normalised(x, mean, variance, epsilon)  # (N, ..., C)
    # (4) y = scale n + offset
    dscale, doffset = _sums(dy, n)  # (C,) each, float64
    grads = BatchNormalizationGradients(dscale.astype(x.dtype), doffset.astype(x.dtype))
    if not need_dx:
        return None, grads
    # (3) n = (x - mean) / sqrt(variance + epsilon)
    factor = scale / np.sqrt(variance + epsilon)  # (C,)
    # (2), (1) the same shift or stretch of the whole channel leaves n as it is
    shift, stretch = doffset / cache.size, dscale / cache.size  # (C,) each
    dx = factor * (dy - shift - n * stretch)  # (N, ..., C)
    return dx.astype(x.dtype), grads


@gated(shapes="dx (N, ..., C), cache.x (N, ..., C), scale (C,), offset (C,)")
def batch_normalization_through_statistics(
    dx: Array, cache: BatchNormalizationCache, size: int, scale: Array, offset: Array
) -> Array:
    """The whole dx of a part of a batch, from that with the statistics held constant.

    `cache` holds the statistics of the whole batch, whose channels have `size` numbers, and `scale`
    and `offset` (C,) are its gradients, summed over all parts.

    Examples
    --------
    >>> x, dy = np.array([[1.0], [3.0], [8.0]]), np.array([[1.0], [0.0], [2.0]])
    >>> _, cache = batch_normalization_forward(x, np.ones(1), np.zeros(1), 1e-5)
    >>> whole, sums = batch_normalization_backward(dy, cache)
    >>> held, _ = batch_normalization_apply_backward(dy, BatchNormalizationApplyCache(*cache))
    >>> dx = batch_normalization_through_statistics(held[1:], cache._replace(x=x[1:]), 3, *sums)
    >>> np.allclose(dx, whole[1:])
    True
    """
    x, gain, mean, variance, epsilon = cache
    n = _normalised(x, mean, variance, epsilon)  # (N, ..., C)
    factor = gain / np.sqrt(variance + epsilon)  # (C,)
    # (2), (1) as in `batch_normalization_backward`
    return (dx - factor * (offset / size + n * (scale / size))).astype(x.dtype)


@gated(
    shapes="x (N, ..., C), scale (C,), offset (C,), mean (C,), variance (C,)",
    apart=("mean", "variance"),
)
def batch_normalization_apply(
    x: Array, scale: Array, offset: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, BatchNormalizationApplyCache]:
    """Normalise with given statistics: lines (3) and (4) of `batch_normalization_forward`.

    Parameters
    ----------
    x : (N, ..., C) rows, real or complex
    scale, offset : (C,) in the dtype of x
    mean, variance : (C,) statistics of the training data
    epsilon : added to the variance

    Returns
    -------
    y : (N, ..., C) in the dtype of x

    Examples
    --------
    >>> statistics = np.array([3.0]), np.array([4.0])
    >>> batch_normalization_apply(np.array([[7.0]]), np.ones(1), np.zeros(1), *statistics, 0.0)[0]
    array([[2.]])
    """
    n = _normalised(x, mean, variance, epsilon)  # (N, ..., C) (3)
    y = scale * n + offset  # (N, ..., C) (4)
    return y, BatchNormalizationApplyCache(x, scale, mean, variance, epsilon)


@gated(shapes="dy (N, ..., C), cache.x (N, ..., C)")
def batch_normalization_apply_backward(
    dy: Array, cache: BatchNormalizationApplyCache, need_dx: bool = True
) -> tuple[Array | None, BatchNormalizationGradients]:
    """Gradients with the statistics held constant.

    Shapes: dy (N, ..., C); dx (N, ..., C); scale (C,), offset (C,).

    Examples
    --------
    >>> statistics = np.array([3.0]), np.array([4.0])
    >>> x = np.array([[7.0]])
    >>> _, cache = batch_normalization_apply(x, np.ones(1), np.zeros(1), *statistics, 0.0)
    >>> dx, grads = batch_normalization_apply_backward(np.ones((1, 1)), cache)
    >>> dx.tolist(), grads.scale.tolist()
    ([[0.5]], [2.0])
    """
    x, scale, mean, variance, epsilon = cache
    # (4) y = scale n + offset
    dscale, doffset = _sums(dy, _normalised(x, mean, variance, epsilon))  # (C,) each
    grads = BatchNormalizationGradients(dscale.astype(x.dtype), doffset.astype(x.dtype))
    # (3) n = (x - mean) / sqrt(variance + epsilon)
    factor = (scale / np.sqrt(variance + epsilon)).astype(x.dtype)  # (C,)
    return (dy * factor if need_dx else None), grads


def _normalised(x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """Line (3) in the dtype of x, with the difference taken in that of the statistics."""
    n = (x - mean) / np.sqrt(variance + epsilon)  # (N, ..., C)
    return n.astype(x.dtype)


def _sums(dy: Array, n: Array) -> tuple[Array, Array]:
    """Sums over all but the channels of dy n and of dy, in float64."""
    over = tuple(range(dy.ndim - 1))
    wide = np.result_type(dy, np.float64)
    return (dy * n).sum(axis=over, dtype=wide), dy.sum(axis=over, dtype=wide)
