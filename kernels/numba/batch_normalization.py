"""Batch normalisation, the twin of `minilstm.functional.batch_normalization`.
Sums are kept for fixed blocks of memory and added up in order, so no thread count changes a bit.

A channel axis is often short (20 channels), and short loops are slow. So memory is read in *lines*
of several positions, (L, W) with W a multiple of C; what belongs to a channel is repeated W / C
times, and only the sums of whole lines are folded into channels at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.batch_normalization import (
    BatchNormalizationApplyCache,
    BatchNormalizationCache,
    BatchNormalizationGradients,
)
from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.product import contiguous
from minilstm.kernels.numba.machinery.threads import run, split

Array = NDArray[Any]

LINE_NUMBERS = 512  # numbers of a line, at least about so many
BLOCK_NUMBERS = 1 << 14  # numbers of a block, which has sums of its own


@kernel("void(i8, i8, i8, F[::1], f8[::1], f8[:, ::1])")
def _sums(first, last, size, x, shift, out):
    """Of blocks first to last of `size` numbers: sums over lines of x - shift."""
    W = len(shift)
    for block in range(first, last):
        total = out[block]
        total[:] = 0
        for at in range(block * size, min(len(x), (block + 1) * size), W):
            line = x[at : at + W]
            for j in range(len(line)):
                total[j] += np.float64(line[j]) - shift[j]


@kernel("void(i8, i8, i8, F[::1], f8[::1], f8[:, ::1])")
def _squares(first, last, size, x, mean, out):
    """Of blocks first to last of `size` numbers: sums over lines of (x - mean)^2."""
    W = len(mean)
    for block in range(first, last):
        total = out[block]
        total[:] = 0
        for at in range(block * size, min(len(x), (block + 1) * size), W):
            line = x[at : at + W]
            for j in range(len(line)):
                d = np.float64(line[j]) - mean[j]
                total[j] += d * d


@kernel("void(i8, i8, i8, F[::1], F[::1], f8[::1], f8[:, ::1], f8[:, ::1])")
def _products(first, last, size, x, dy, mean, out, out_dy):
    """Of blocks first to last of `size` numbers: sums over lines of dy (x - mean), and of dy."""
    W = len(mean)
    for block in range(first, last):
        total, total_dy = out[block], out_dy[block]
        total[:] = 0
        total_dy[:] = 0
        for at in range(block * size, min(len(x), (block + 1) * size), W):
            line, line_dy = x[at : at + W], dy[at : at + W]
            for j in range(len(line)):
                d = np.float64(line_dy[j])
                total[j] += d * (np.float64(line[j]) - mean[j])
                total_dy[j] += d


@kernel("void(i8, i8, i8, F[::1], F[::1], F[::1], F[::1], F[::1])")
def _affine(first, last, size, x, centre, factor, shift, y):
    """y = (x - centre) factor + shift."""
    W = len(centre)
    for at in range(first * size, min(len(x), last * size), W):
        line, out = x[at : at + W], y[at : at + W]
        for j in range(len(line)):
            out[j] = (line[j] - centre[j]) * factor[j] + shift[j]


@kernel("void(i8, i8, i8, F[::1], F[::1], F[::1], F[::1], F[::1], F[::1], F[::1])")
def _combine(first, last, size, x, dy, centre, factor, slope, shift, dx):
    """dx = dy factor + (x - centre) slope + shift."""
    W = len(centre)
    for at in range(first * size, min(len(x), last * size), W):
        line, line_dy, out = x[at : at + W], dy[at : at + W], dx[at : at + W]
        for j in range(len(line)):
            out[j] = line_dy[j] * factor[j] + (line[j] - centre[j]) * slope[j] + shift[j]


@gated(kernel=True)
def batch_normalization_forward(
    x: Array, scale: Array, offset: Array, epsilon: float
) -> tuple[Array, BatchNormalizationCache]:
    """Normalise by the batch's own statistics; see `minilstm.functional.batch_normalization`."""
    lines = _Lines(x)
    mean = lines.channel_sums(_sums, [x], np.zeros(len(scale)))[0] / lines.count  # (C,) (1)
    variance = lines.channel_sums(_squares, [x], mean)[0] / lines.count  # (C,) (2)
    y = _normalise(lines, x, scale, offset, mean, variance, epsilon)  # (N, ..., C) (3), (4)
    return y, BatchNormalizationCache(x, scale, mean, variance, epsilon)


@gated(kernel=True)
def batch_normalization_backward(
    dy: Array, cache: BatchNormalizationCache, need_dx: bool = True
) -> tuple[Array | None, BatchNormalizationGradients]:
    """Gradients of x, scale, offset; see `minilstm.functional.batch_normalization`."""
    x, scale, mean, variance, epsilon = cache
    lines = _Lines(x)
    inverse, dscale, doffset, grads = _gradients(lines, x, dy, mean, variance, epsilon)
    if not need_dx:
        return None, grads
    # (4), (3) dx = scale inverse (dy - doffset / M - (x - mean) inverse dscale / M)
    centre = mean.astype(x.dtype)  # (C,)
    factor = scale * inverse  # (C,)
    slope = -factor * inverse * dscale / lines.count  # (C,)
    shift = -factor * doffset / lines.count + (centre - mean) * slope  # (C,)
    dx = empty(x.shape, x.dtype)  # (N, ..., C)
    lines.each(_combine, [x, dy], [centre, factor, slope, shift], dx)
    return dx, grads


@gated(apart=("mean", "variance"), kernel=True)
def batch_normalization_apply(
    x: Array, scale: Array, offset: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, BatchNormalizationApplyCache]:
    """Normalise by given statistics; see `minilstm.functional.batch_normalization`."""
    y = _normalise(_Lines(x), x, scale, offset, mean, variance, epsilon)  # (N, ..., C)
    return y, BatchNormalizationApplyCache(x, scale, mean, variance, epsilon)


@gated(kernel=True)
def batch_normalization_apply_backward(
    dy: Array, cache: BatchNormalizationApplyCache, need_dx: bool = True
) -> tuple[Array | None, BatchNormalizationGradients]:
    """Gradients with constant statistics; see `minilstm.functional.batch_normalization`."""
    x, scale, mean, variance, epsilon = cache
    lines = _Lines(x)
    inverse, *_, grads = _gradients(lines, x, dy, mean, variance, epsilon)
    if not need_dx:
        return None, grads
    zero = np.zeros_like(inverse)  # (C,)
    dx = empty(x.shape, x.dtype)  # (N, ..., C)
    lines.each(_affine, [dy], [zero, scale * inverse, zero], dx)
    return dx, grads


class _Lines:
    """How an array (N, ..., C) is cut into lines and blocks: by its shape alone."""

    def __init__(self, x: Array) -> None:
        self.channels = x.shape[-1]
        self.count = x.size // self.channels  # M
        self.repeat = min(-(-LINE_NUMBERS // self.channels), self.count)
        width = self.repeat * self.channels  # W
        self.size = -(-BLOCK_NUMBERS // width) * width  # numbers of a block
        self.blocks = -(-x.size // self.size)
        self.dtype = x.dtype

    def channel_sums(self, function: Any, arrays: list[Array], mean: Array) -> list[Array]:
        """(C,) float64, one for each array, of a kernel that sums blocks."""
        wide = np.tile(mean.astype(np.float64), self.repeat)  # (W,)
        out = [np.empty((self.blocks, len(wide))) for _ in arrays]  # (blocks, W) each
        self._run(function, [*map(_flat, arrays), wide, *out])
        return [_folded(sums, self.channels) for sums in out]

    def each(self, function: Any, arrays: list[Array], channels: list[Array], y: Array) -> None:
        """Call a kernel that writes y from arrays and from numbers a channel."""
        wide = [np.tile(c.astype(self.dtype), self.repeat) for c in channels]  # (W,) each
        self._run(function, [*map(_flat, arrays), *wide, y.reshape(-1)])

    def _run(self, function: Any, arguments: list[Array]) -> None:
        spans = split(self.blocks, 1)
        run(function, [(*span, self.size, *arguments) for span in spans])


def _normalise(
    lines: _Lines,
    x: Array,
    scale: Array,
    offset: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
) -> Array:
    """Lines (3) and (4) as y = (x - centre) factor + shift, the centre in the dtype of x."""
    centre = mean.astype(x.dtype)  # (C,) x - centre is exact near the mean
    factor = scale / np.sqrt(variance + epsilon)  # (C,)
    shift = offset + (centre - mean) * factor  # (C,) what the rounding of the centre leaves
    y = empty(x.shape, x.dtype)  # (N, ..., C)
    lines.each(_affine, [x], [centre, factor, shift], y)
    return y


def _gradients(
    lines: _Lines, x: Array, dy: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array, BatchNormalizationGradients]:
    """1 / sqrt(variance + epsilon), dscale and doffset, (C,) float64 each; the last two as x."""
    inverse = 1 / np.sqrt(variance.astype(np.float64) + epsilon)  # (C,)
    products, doffset = lines.channel_sums(_products, [x, dy], mean)  # (C,) each
    dscale = products * inverse  # (C,)
    grads = BatchNormalizationGradients(dscale.astype(x.dtype), doffset.astype(x.dtype))
    return inverse, dscale, doffset, grads


def _folded(sums: Array, channels: int) -> Array:
    """(C,) from sums over lines of every block (blocks, W)."""
    return sums.sum(axis=0).reshape(-1, channels).sum(axis=0)


def _flat(x: Array) -> Array:
    return contiguous(x).reshape(-1)
