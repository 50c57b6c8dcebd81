"""Convolution, the twin of `minilstm.functional.convolution`: no window is ever laid out.
Blocks gather images through tables of places into shared memory and multiply there.

The output is (windows) x (weights); the gradient of the weights (windows)^T x (upstream
gradient); the gradient of the input a convolution of the upstream gradient. A product of our own
instead of cuBLAS on laid-out windows: filters are few, so such a product would mostly write and
read the windows again, each number as often as the filter is large; each output is one sum in one
order, so an image gives the same bits in any batch; and beside the results, memory is needed only
for the frames of some images (FRAMED_NUMBERS) and for parts of a gradient (MOST_NUMBERS).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import cupy
import numpy as np

from minilstm.functional.convolution import (
    ConvolutionCache,
    ConvolutionGradients,
    Pads,
    Sizes,
    convolution_size,
)
from minilstm.functional.ragged import IntArray
from minilstm.kernels.cuda.compiling import kernel, launch, launch_each
from minilstm.kernels.cuda.layout import dense, element_strides, row_major
from minilstm.kernels.cuda.transfer import to_device
from minilstm.kernels.windows import Windows, phases_of_gradient, windows_of_input

Array = Any  # of CuPy

FILE = "convolution.cu"
THREADS = 128  # of a block, at most
HEIGHT = 8  # rows of the tile of a thread
MOST_ROWS = 32  # of threads in a block: shared memory holds 8 * 32 windows or weights at a time
DEPTH = 16  # terms of every sum that come into shared memory at a time, about
FRAMED_NUMBERS = 1 << 24  # numbers of the images that are framed together, about
BLOCKS = 512  # of the gradient of the weights, about
PART_WINDOWS = 256  # windows of one part of the batch, at least
MOST_NUMBERS = 1 << 22  # in the gradients of all parts


class Tables(NamedTuple):
    """`Windows` on the device, and where the weights lie that belong to its steps."""

    windows: Windows  # on the host
    lines: Array  # (2, L) from, to
    length: int  # elements of each line
    corners: Array  # (O,)
    steps: Array  # (K,)
    places: Array  # (O,)
    taps: Array  # (K,) of each step the element of W for the first output


def convolution_forward(
    x: Array, W: Array, b: Array, stride: Sizes, padding: Pads, dilation: Sizes
) -> tuple[Array, ConvolutionCache]:
    """Slide F filters over images; see `minilstm.functional.convolution.convolution_forward`."""
    (*filter_size, _, F), size = W.shape, x.shape[1:-1]
    out = convolution_size(size, tuple(filter_size), stride, padding, dilation)
    y = cupy.empty((len(x), *out, F), x.dtype)  # (N, oS, F)
    weights = dense(W)
    steps = element_strides(weights)
    tables = _tables_of_input(size, W.shape, steps, stride, padding, dilation)
    _windows_times(row_major(x), (tables,), weights, steps[-1], row_major(b), y)  # (1), (2)
    return y, ConvolutionCache(x, W, stride, padding, dilation)


def convolution_backward(
    dy: Array, cache: ConvolutionCache, need_dx: bool = True
) -> tuple[Array | None, ConvolutionGradients]:
    """Gradients; see `minilstm.functional.convolution.convolution_backward`."""
    x, W, stride, padding, dilation = cache
    dy, weights = row_major(dy), dense(W)
    steps = element_strides(weights)
    shape = (x.shape[1:-1], W.shape, steps, stride, padding, dilation)
    dW = cupy.empty_like(weights)  # (fS, Cin, F), in the layout of W
    db = cupy.empty(W.shape[-1:], dy.dtype)  # (F,)
    # (2) y_o = b + sum_k p_{s o + d k} W_k
    _windows_transposed_times(row_major(x), _tables_of_input(*shape), dy, steps[-1], dW, db)
    dx = None
    if need_dx:  # (2), (1) p = x with zeros around it
        dx = cupy.empty(x.shape, x.dtype)  # (N, S, Cin)
        _windows_times(dy, _tables_of_gradient(*shape), weights, steps[-2], None, dx)
    return dx, ConvolutionGradients(dW, db)


@lru_cache(maxsize=64)
def _tables_of_input(
    size: Sizes, shape: Sizes, steps: Sizes, stride: Sizes, padding: Pads, dilation: Sizes
) -> Tables:
    """For images of a spatial size, and weights of a shape with these steps in memory."""
    *filter_size, Cin, F = shape
    windows = windows_of_input(size, Cin, F, tuple(filter_size), stride, padding, dilation)
    axes = [np.arange(n) for n in shape[:-1]]
    return _tables(windows, _combined(axes, steps[:-1]))


@lru_cache(maxsize=64)
def _tables_of_gradient(
    size: Sizes, shape: Sizes, steps: Sizes, stride: Sizes, padding: Pads, dilation: Sizes
) -> tuple[Tables, ...]:
    """The same for the gradient of the input, whose filter is (taps, F) for each channel."""
    *filter_size, Cin, F = shape
    phases = phases_of_gradient(size, Cin, F, tuple(filter_size), stride, padding, dilation)
    along = (*steps[:-2], steps[-1])
    return tuple(
        _tables(phase.windows, _combined([*phase.taps, np.arange(F)], along)) for phase in phases
    )


def _tables(windows: Windows, taps: IntArray) -> Tables:
    lines = windows.lines  # (L, 3) from, to, elements, which are as many for each line
    return Tables(
        windows,
        to_device(lines[:, :2].T.copy()),
        int(lines[0, 2]) if len(lines) else 0,
        *map(to_device, (windows.corners, windows.steps, windows.places, taps)),
    )


def _combined(indices: list[IntArray], steps: Sizes) -> IntArray:
    """Elements of an array with these steps, for all combinations of indices of its axes."""
    total = np.zeros(1, np.int64)
    for index, step in zip(indices, steps, strict=True):
        total = (total[:, None] + index.astype(np.int64) * step).reshape(-1)
    return total


def _windows_times(
    x: Array, phases: tuple[Tables, ...], weights: Array, tap_step: int, bias: Array | None,
    y: Array,
) -> None:  # fmt: skip
    """y = bias + windows of x times weights; each phase gives some places of y."""
    F, y_size = y.shape[-1], math.prod(y.shape[1:])
    # Eight columns a thread read less of shared memory, but leave float64 too few registers.
    width = 8 if F % 8 == 0 and x.dtype.itemsize == 4 else 4
    column_threads = _evenly(-(-F // width), 16)
    row_threads = min(MOST_ROWS, THREADS // column_threads)
    for images, a, size in _framed(x, phases[0]):
        for tables in phases:
            K, per_image = len(tables.steps), len(tables.corners)
            windows = (images.stop - images.start) * per_image
            tile = _Tile(width, row_threads, column_threads, _evenly(K, DEPTH), 1)
            launch(
                kernel(FILE, "convolve", x.dtype, **tile.constants()),
                tile.covering(windows, F), tile.threads,
                a, size, tables.corners, per_image, tables.steps, K, weights, tables.taps,
                tap_step, bias, y[images], y_size, tables.places, F, windows,
                shared=tile.shared(x.dtype, 2 * tile.rows),
            )  # fmt: skip


def _windows_transposed_times(
    x: Array, tables: Tables, dy: Array, tap_step: int, dW: Array, db: Array
) -> None:
    """dW = (windows)^T dy, and db = the sum of dy."""
    K, F, per_image = len(tables.steps), dy.shape[-1], len(tables.corners)
    column_threads = _evenly(-(-F // 4), 16)
    row_threads = _evenly(-(-(K + 1) // HEIGHT), min(MOST_ROWS, THREADS // column_threads))
    groups = THREADS // (row_threads * column_threads)
    depth = groups * -(-DEPTH // groups)
    tile = _Tile(4, row_threads, column_threads, depth, groups)
    tiles = tile.covering(K + 1, F)
    most = min(
        -(-BLOCKS // tiles),
        len(x) * per_image // PART_WINDOWS,
        MOST_NUMBERS // (groups * (K + 1) * F),
    )
    parts = max(1, most)
    out = cupy.zeros((parts * groups, K + 1, F), np.float64)  # dW of each, and db in its last row
    for images, a, size in _framed(x, tables):
        windows = (images.stop - images.start) * per_image
        per_part = -(-windows // parts)
        launch(
            kernel(FILE, "sum_windows", x.dtype, **tile.constants()),
            tiles * -(-windows // per_part), tile.threads,
            a, size, tables.corners, per_image, tables.steps, K, dy[images], F, windows, per_part,
            out, shared=tile.shared(x.dtype, depth),
        )  # fmt: skip
    launch(
        kernel(FILE, "add_parts", x.dtype, **tile.constants()), -(-(K + 1) * F // 32), 256,
        out, len(out), K, F, tables.taps, tap_step, dW, db, shared=256 * 8,
    )  # fmt: skip


def _framed(x: Array, tables: Tables) -> Iterator[tuple[slice, Array, int]]:
    """Some images after others: which they are, they with zeros around them, elements of one."""
    windows, N = tables.windows, len(x)
    if not windows.frame:
        if N:
            yield slice(0, N), x, windows.size
        return
    group = max(1, FRAMED_NUMBERS // windows.frame)
    for first in range(0, N, group):
        images = slice(first, min(N, first + group))
        count, lines = images.stop - first, len(windows.lines)
        frames = cupy.zeros((count, windows.frame), x.dtype)  # (count, frame)
        launch_each(
            kernel("frame.cu", "frame", x.dtype), count * lines * tables.length,
            x[images], windows.size, tables.lines, lines, tables.length, frames, windows.frame,
            count,
        )  # fmt: skip
        yield images, frames, windows.frame


class _Tile(NamedTuple):
    """How a block and its threads divide a product; the names in capitals of convolution.cu."""

    width: int
    row_threads: int
    column_threads: int
    depth: int
    groups: int

    @property
    def threads(self) -> int:
        return self.row_threads * self.column_threads * self.groups

    @property
    def rows(self) -> int:
        return HEIGHT * self.row_threads

    @property
    def columns(self) -> int:
        return self.width * self.column_threads

    def constants(self) -> dict[str, int]:
        return {name.upper(): value for name, value in self._asdict().items()}

    def covering(self, rows: int, columns: int) -> int:
        """Tiles that cover a matrix."""
        return -(-rows // self.rows) * -(-columns // self.columns)

    def shared(self, dtype: Any, places: int) -> int:
        """Bytes of both matrices with `places` places of windows or outputs."""
        return self.depth * (self.rows + 4 + self.columns) * dtype.itemsize + 8 * places


def _evenly(n: int, most: int) -> int:
    """The size of equal pieces that cover n: as few as can be, none above `most`."""
    pieces = max(1, -(-n // most))
    return max(1, -(-n // pieces))
