"""Batch normalisation, the twin of `minilstm.functional.batch_normalization`.
Every sum is one of parts of the rows, cut by the shape alone and added in a fixed order."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from minilstm.functional.batch_normalization import (
    BatchNormalizationApplyCache,
    BatchNormalizationCache,
    BatchNormalizationGradients,
)
from minilstm.kernels.cuda.compiling import THREADS, kernel, launch, launch_each
from minilstm.kernels.cuda.layout import row_major

Array = Any  # of CuPy

FILE = "batch_normalization.cu"
BLOCKS = 1024  # that share the rows, about
THREAD_ROWS = 8  # of a thread, at least about so many


def batch_normalization_forward(
    x: Array, scale: Array, offset: Array, epsilon: float
) -> tuple[Array, BatchNormalizationCache]:
    """Normalise by the batch's own statistics; see `minilstm.functional.batch_normalization`."""
    rows, grid = row_major(x), _Grid(x)
    mean = grid.folded("sum_rows", grid.channels, grid.count, rows, None)  # (C,) (1)
    variance = grid.folded("sum_rows", grid.channels, grid.count, rows, mean)  # (C,) (2)
    y = _normalise(grid, rows, scale, offset, mean, variance, epsilon)  # (N, ..., C) (3), (4)
    return y, BatchNormalizationCache(x, scale, mean, variance, epsilon)


def batch_normalization_backward(
    dy: Array, cache: BatchNormalizationCache, need_dx: bool = True
) -> tuple[Array | None, BatchNormalizationGradients]:
    """Gradients of x, scale, offset; see `minilstm.functional.batch_normalization`."""
    x, scale, mean, variance, epsilon = cache
    grid, x, dy = _Grid(x), row_major(x), row_major(dy)
    wide, small = np.float64(epsilon), row_major(scale)
    totals = grid.folded("sum_gradients", 2 * grid.channels, 1, x, dy, mean)  # (2 C,) (4)
    grads = _gradients(grid, totals, variance, epsilon)
    if not need_dx:
        return None, grads
    dx = cupy.empty(x.shape, x.dtype)  # (N, ..., C) (3), (2), (1)
    grid.each("gradient", x, dy, small, mean, variance, wide, totals, out=dx)
    return dx, grads


def batch_normalization_apply(
    x: Array, scale: Array, offset: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, BatchNormalizationApplyCache]:
    """Normalise by given statistics; see `minilstm.functional.batch_normalization`."""
    rows, statistics = row_major(x), (_wide(mean), _wide(variance))
    y = _normalise(_Grid(x), rows, scale, offset, *statistics, epsilon)  # (N, ..., C) (3), (4)
    return y, BatchNormalizationApplyCache(x, scale, mean, variance, epsilon)


def batch_normalization_apply_backward(
    dy: Array, cache: BatchNormalizationApplyCache, need_dx: bool = True
) -> tuple[Array | None, BatchNormalizationGradients]:
    """Gradients with constant statistics; see `minilstm.functional.batch_normalization`."""
    x, scale, mean, variance, epsilon = cache
    grid, x, dy = _Grid(x), row_major(x), row_major(dy)
    variance, small = _wide(variance), row_major(scale)
    totals = grid.folded("sum_gradients", 2 * grid.channels, 1, x, dy, _wide(mean))  # (2 C,) (4)
    grads = _gradients(grid, totals, variance, epsilon)
    if not need_dx:
        return None, grads
    dx = cupy.empty(x.shape, x.dtype)  # (N, ..., C) (3)
    grid.each("gradient_of_apply", dy, small, variance, np.float64(epsilon), out=dx)
    return dx, grads


class _Grid:
    """How the threads share an array (N, ..., C): by its shape alone."""

    def __init__(self, x: Array) -> None:
        self.channels, self.dtype = x.shape[-1], x.dtype
        self.count = x.size // self.channels  # M
        self.width, self.threads = _block(self.channels)
        across = -(-self.channels // self.width)
        lanes = self.threads // self.width
        parts = max(1, min(-(-BLOCKS // across), -(-self.count // (THREAD_ROWS * lanes))))
        self.per_part = max(1, -(-self.count // parts))  # rows
        self.parts = -(-self.count // self.per_part)
        self.blocks = self.parts * across

    def folded(self, name: str, width: int, divisor: int, *arrays: Array | None) -> Array:
        """(width,) float64: what a kernel sums, divided."""
        sums = cupy.empty((self.parts, width), np.float64)  # (parts, width)
        total = cupy.empty(width, np.float64)  # (width,)
        self.each(name, *arrays, out=sums)
        channels, threads = _block(width)
        launch(
            kernel(FILE, "fold", self.dtype), -(-width // channels), threads,
            sums, self.parts, width, channels, np.float64(divisor), total, shared=8 * threads,
        )  # fmt: skip
        return total

    def each(self, name: str, *arguments: Any, out: Array) -> None:
        """Call a kernel that acts on all rows."""
        if self.count:
            sizes = (self.count, self.channels, self.width, self.per_part)
            function = kernel(FILE, name, self.dtype)
            shared = 8 * self.threads
            launch(function, self.blocks, self.threads, *arguments, *sizes, out, shared=shared)


def _block(channels: int) -> tuple[int, int]:
    """Channels that a block has side by side, and its threads, a multiple of them."""
    tiles = -(-channels // THREADS)
    width = -(-channels // tiles)
    return width, THREADS // width * width


def _normalise(
    grid: _Grid, x: Array, scale: Array, offset: Array, mean: Array, variance: Array,
    epsilon: float,
) -> Array:  # fmt: skip
    y = cupy.empty(x.shape, x.dtype)  # (N, ..., C)
    learned = row_major(scale), row_major(offset)
    grid.each("normalise", x, *learned, mean, variance, np.float64(epsilon), out=y)
    return y


def _gradients(
    grid: _Grid, totals: Array, variance: Array, epsilon: float
) -> BatchNormalizationGradients:
    dscale, doffset = cupy.empty((2, grid.channels), grid.dtype)  # (C,) each
    launch_each(
        kernel(FILE, "gradients_of_parameters", grid.dtype), grid.channels,
        totals, variance, np.float64(epsilon), grid.channels, dscale, doffset,
    )  # fmt: skip
    return BatchNormalizationGradients(dscale, doffset)


def _wide(statistic: Array) -> Array:
    """A statistic (C,) in float64."""
    return cupy.ascontiguousarray(statistic, np.float64)
