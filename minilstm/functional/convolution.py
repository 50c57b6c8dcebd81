"""Convolution of images and volumes, forward and backward, for any number of spatial dimensions.
It is a sum over the places of the filter: each place multiplies a shifted view of the image.

Axes: N images, S stands for all spatial axes (height, width, and depth where there is one),
Cin channels of the input, F filters. Channels are last, in the weights as in the images::

    x (N, h, w, Cin)      W (fh, fw, Cin, F)      y (N, oh, ow, F)

Like most of the field this computes a cross-correlation: the filter is not turned over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]
Sizes = tuple[int, ...]  # a number for each spatial axis
Pads = tuple[tuple[int, int], ...]  # zeros before and after, for each spatial axis


class ConvolutionCache(NamedTuple):
    """What backward needs from forward."""

    x: Array  # (N, S, Cin)
    W: Array  # (fS, Cin, F)
    stride: Sizes
    padding: Pads
    dilation: Sizes


class ConvolutionGradients(NamedTuple):
    """Gradients of the loss with respect to the parameters."""

    W: Array  # (fS, Cin, F)
    b: Array  # (F,)


def convolution_size(
    size: Sizes, filter_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes
) -> Sizes:
    """Spatial size of the output: floor((in + pads - ((f - 1) d + 1)) / s) + 1 for each axis.

    Parameters
    ----------
    size : spatial size of the input
    filter_size, stride, dilation : a whole number of at least 1 for each spatial axis
    padding : zeros (before, after) for each spatial axis

    Returns
    -------
    A whole number for each axis; below 1 where the filter is larger than the padded input.

    Examples
    --------
    >>> convolution_size((28, 28), (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1))
    (24, 24)
    >>> convolution_size((28, 9), (5, 3), (2, 1), ((1, 2), (0, 0)), (1, 2))
    (14, 5)
    """
    parts = zip(size, filter_size, stride, padding, dilation, strict=True)
    return tuple((n + sum(pads) - (f - 1) * d - 1) // s + 1 for n, f, s, pads, d in parts)


def same_padding(size: Sizes, filter_size: Sizes, stride: Sizes, dilation: Sizes) -> Pads:
    """Zeros that make the output ceil(in / stride) long; an odd one more goes after.

    Parameters
    ----------
    size : spatial size of the input
    filter_size, stride, dilation : a whole number of at least 1 for each spatial axis

    Returns
    -------
    (before, after) for each spatial axis

    Examples
    --------
    >>> same_padding((28, 28), (5, 4), (1, 1), (1, 1))
    ((2, 2), (1, 2))
    """
    pads = []
    for n, f, s, d in zip(size, filter_size, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + (f - 1) * d + 1 - n)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


@gated
def convolution_forward(
    x: Array, W: Array, b: Array, stride: Sizes, padding: Pads, dilation: Sizes
) -> tuple[Array, ConvolutionCache]:
    """Slide F filters over images or volumes.

    With k over the places of the filter and o over the places of the output, both of them
    vectors with an entry for each spatial axis::

        p = x with zeros around it               (1)
        y_o = b + sum_k p_{s o + d k} W_k        (2)

    Parameters
    ----------
    x : (N, h, w, Cin) or (N, h, w, d, Cin) images or volumes, float32, float64 or complex128
    W : (fh, fw, Cin, F) or (fh, fw, fd, Cin, F) filters
    b : (F,) bias
    stride : s, steps between two places of the filter, for each spatial axis
    padding : zeros (before, after) for each spatial axis
    dilation : d, steps between two entries of the filter, for each spatial axis

    Returns
    -------
    y : (N, oh, ow, F) or (N, oh, ow, od, F), sizes as `convolution_size` gives them

    Notes
    -----
    Source: LeCun et al. (1998); dilation: Yu and Koltun (2016).

    Examples
    --------
    >>> x, W = np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2))
    >>> y, cache = convolution_forward(x, W, np.zeros(2), (1, 1), ((1, 1), (0, 0)), (1, 1))
    >>> y[0, :, :, 0].tolist()
    [[6.0, 6.0], [9.0, 9.0], [9.0, 9.0], [6.0, 6.0]]
    """
    size = convolution_size(x.shape[1:-1], W.shape[:-2], stride, padding, dilation)
    p = np.pad(x, ((0, 0), *padding, (0, 0)))  # (N, S + pads, Cin) (1)
    y = np.empty((len(x), *size, W.shape[-1]), x.dtype)  # (N, oS, F)
    y[...] = b
    for k, seen in _views(W.shape[:-2], size, stride, dilation):
        y += p[seen] @ W[k]  # (2)
    return y, ConvolutionCache(x, W, stride, padding, dilation)


@gated
def convolution_backward(
    dy: Array, cache: ConvolutionCache, need_dx: bool = True
) -> tuple[Array | None, ConvolutionGradients]:
    """Gradients of a convolution.

    Shapes: dy (N, oh, ow, F) or (N, oh, ow, od, F); dx as x; W and b as in forward.

    Examples
    --------
    >>> x, W = np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 2))
    >>> y, cache = convolution_forward(x, W, np.zeros(2), (1, 1), ((0, 0), (0, 0)), (1, 1))
    >>> dx, grads = convolution_backward(np.ones_like(y), cache)
    >>> dx[0, 0, :, 0].tolist(), grads.W.shape, grads.b.tolist()
    ([2.0, 4.0, 4.0, 2.0], (3, 3, 1, 2), [4.0, 4.0])
    """
    x, W, stride, padding, dilation = cache
    size, axes = dy.shape[1:-1], tuple(range(dy.ndim - 1))
    p = np.pad(x, ((0, 0), *padding, (0, 0)))  # (N, S + pads, Cin)
    dp = np.zeros_like(p) if need_dx else None  # (N, S + pads, Cin)
    dW = np.empty(W.shape, dy.dtype)  # (fS, Cin, F)
    # (2) y_o = b + sum_k p_{s o + d k} W_k
    db = dy.sum(axis=axes)  # (F,)
    for k, seen in _views(W.shape[:-2], size, stride, dilation):
        dW[k] = np.tensordot(p[seen], dy, (axes, axes))
        if dp is not None:
            dp[seen] += dy @ W[k].T
    # (1) p = x with zeros around it
    inside = tuple(
        slice(before, before + n) for n, (before, _) in zip(x.shape[1:-1], padding, strict=True)
    )
    dx = None if dp is None else dp[(slice(None), *inside)]  # (N, S, Cin)
    return dx, ConvolutionGradients(dW, db)


def _views(
    filter_size: Sizes, size: Sizes, stride: Sizes, dilation: Sizes
) -> Iterator[tuple[Sizes, tuple[slice, ...]]]:
    """Each place k of the filter, and the slices that give p_{s o + d k} for all o at once."""
    for k in np.ndindex(filter_size):
        parts = zip(k, size, stride, dilation, strict=True)
        seen = (slice(n * d, n * d + (o - 1) * s + 1, s) for n, o, s, d in parts)
        yield k, (slice(None), *seen)
