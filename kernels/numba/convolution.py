"""Convolution, the twin of `minilstm.functional.convolution`: no window is ever laid out.
The tiles read images and volumes through two tables of places, the gradients as the output.

The output is (windows) x (weights); the gradient of the weights (windows)^T x (upstream
gradient); the gradient of the input a convolution of the upstream gradient. Twelve windows are
computed together. Threads split the windows; for the weights' gradient the batch is cut into
parts by its size alone, each part is one sum, and the parts are added in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.convolution import (
    ConvolutionCache,
    ConvolutionGradients,
    Pads,
    Sizes,
    convolution_size,
)
from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.gather import (
    GATHERED_ROWS,
    add_block,
    bias_block,
    pack_for_blocks,
    sum_block,
)
from minilstm.kernels.numba.machinery.hardware import lanes
from minilstm.kernels.numba.machinery.product import FLUSH_ROWS, contiguous
from minilstm.kernels.numba.machinery.threads import get_num_threads, run, split
from minilstm.kernels.windows import Windows, phases_of_gradient, windows_of_input

Array = NDArray[Any]

SUM_WINDOWS = 128  # windows whose gradients join a sum together
PART_WINDOWS = 1024  # windows of one part of the batch, at least
MOST_PARTS = 64  # of the batch, each with a gradient of the weights
MOST_NUMBERS = 1 << 22  # in the gradients of all parts


@inner
def _frame(x, image, images, size, lines, frames, frame):
    """Copy images into frames; what is zero around them stays zero."""
    for n in range(images):
        for line in range(len(lines)):
            source, target = (image + n) * size + lines[line, 0], n * frame + lines[line, 1]
            for i in range(lines[line, 2]):
                frames[target + i] = x[source + i]


@kernel(
    "void(F[::1], i8, i8, i8[:, ::1], i8, i8[::1], i8[::1], i8[::1], F[::1], i8, i8, F[::1], i8,"
    " i8, b1, i8, i8, i8)"
)
def _convolve(
    x, size, frame, lines, group, corners, steps, places, panels, Q, V, y, y_size, F, dense, N,
    first, last,
):  # fmt: skip
    """y = bias + windows x weights for windows `first` to `last` of all images.

    With `dense` y has its F numbers of one window after those of another, else at `places`.
    """
    per_image, M = len(corners), Q * V
    frames = np.zeros(group * frame, x.dtype)
    out = np.empty(GATHERED_ROWS * M, x.dtype)
    at, to = np.empty(GATHERED_ROWS, np.int64), np.empty(GATHERED_ROWS, np.int64)
    p = first
    while p < last:
        image = p // per_image
        images = N - image
        a, step = x, size
        base = image * size
        if frame > 0:
            images = min(group, images)
            _frame(x, image, images, size, lines, frames, frame)
            a, step, base = frames, frame, 0
        stop = min(last, (image + images) * per_image)
        o = p - image * per_image
        while p < stop:
            rows = min(GATHERED_ROWS, stop - p)
            for r in range(GATHERED_ROWS):
                # A last block that is not full computes its last window several times.
                at[r], to[r] = base + corners[o], image * y_size + places[o]
                if r + 1 < rows:
                    o += 1
                    if o == per_image:
                        o, image, base = 0, image + 1, base + step
            o += 1
            if o == per_image:
                o, image, base = 0, image + 1, base + step
            if dense and rows == GATHERED_ROWS and (p + GATHERED_ROWS - 1) * F + M <= last * F:
                bias_block(a, at, steps, panels, Q, V, y, p * F, F)
            else:
                bias_block(a, at, steps, panels, Q, V, out, 0, M)
                for r in range(rows):
                    for f in range(F):
                        y[to[r] + f] = out[r * M + f]
            p += rows


@kernel(
    "void(F[::1], i8, i8, i8[:, ::1], i8, i8[::1], i8[::1], F[::1], i8, i8, F[:, :, :, ::1], i8,"
    " i8, i8, i8, i8, i8)"
)
def _sum_windows(
    x, size, frame, lines, group, corners, steps, dy, F, N, out, K, per, row, row_end, first, last
):
    """out[part, row:row_end] = (windows)^T dy for parts `first` to `last`; the last row sums dy.

    A part is `per` images; the rows are a multiple of 12.
    """
    per_image, R, Q, V = len(corners), out.shape[1] - 1, out.shape[2], out.shape[3]
    M = Q * V
    frames = np.zeros(group * frame, x.dtype)
    at = np.empty(SUM_WINDOWS, np.int64)
    one, zeros = np.ones(1, x.dtype), np.zeros(SUM_WINDOWS, np.int64)
    end_of_dy = np.empty((SUM_WINDOWS + V) * M, x.dtype)  # vectors may reach over the end of dy
    recent = np.empty((row_end - row + 1) * M, x.dtype)
    for part in range(first, last):
        total = out[part].reshape(-1)
        total[row * M : row_end * M] = 0
        if row == 0:
            total[R * M :] = 0
        recent[:] = 0
        since = 0
        image, image_end = part * per, min(N, (part + 1) * per)
        while image < image_end:
            images = min(group, image_end - image)
            a, step, base = x, size, image * size
            if frame > 0:
                _frame(x, image, images, size, lines, frames, frame)
                a, step, base = frames, frame, 0
            windows = images * per_image
            blocks = (windows + SUM_WINDOWS - 1) // SUM_WINDOWS
            o = 0
            for block in range(blocks):
                p = windows * block // blocks
                depth = windows * (block + 1) // blocks - p
                for n in range(depth):
                    at[n] = base + corners[o]
                    o += 1
                    if o == per_image:
                        o, base = 0, base + step
                b, b_at = dy, (image * per_image + p) * F
                if b_at + (depth - 1) * F + M > len(dy):
                    end_of_dy[: depth * F] = dy[b_at : b_at + depth * F]
                    b, b_at = end_of_dy, 0
                for k in range(row, row_end, GATHERED_ROWS):
                    add_block(
                        min(GATHERED_ROWS, K - k), a, steps, k, at, depth,
                        b, b_at, F, Q, V, recent, (k - row) * M,
                    )  # fmt: skip
                if row == 0:
                    sum_block(one, zeros, depth, b, b_at, F, Q, V, recent, row_end * M)
                since += depth
                if since >= FLUSH_ROWS:
                    _flush(recent, total, row * M, (row_end - row) * M, R * M)
                    since = 0
            image += images
        _flush(recent, total, row * M, (row_end - row) * M, R * M)


@inner
def _flush(recent, total, at, count, sums_at):
    """total += recent, and recent = 0: `count` numbers, and the row of sums after them."""
    for i in range(count):
        total[at + i] += recent[i]
    if at == 0:
        for i in range(count, len(recent)):
            total[sums_at + i - count] += recent[i]
    recent[:] = 0


@gated(kernel=True)
def convolution_forward(
    x: Array, W: Array, b: Array, stride: Sizes, padding: Pads, dilation: Sizes
) -> tuple[Array, ConvolutionCache]:
    """Slide F filters over images; see `minilstm.functional.convolution.convolution_forward`."""
    (*filter_size, Cin, F), size = W.shape, x.shape[1:-1]
    out = convolution_size(size, tuple(filter_size), stride, padding, dilation)
    y = empty((len(x), *out, F), x.dtype)  # (N, oS, F)
    windows = windows_of_input(size, Cin, F, tuple(filter_size), stride, padding, dilation)
    _windows_times(contiguous(x), windows, W.reshape(-1, F), b, y, dense=True)  # (1), (2)
    return y, ConvolutionCache(x, W, stride, padding, dilation)


@gated(kernel=True)
def convolution_backward(
    dy: Array, cache: ConvolutionCache, need_dx: bool = True
) -> tuple[Array | None, ConvolutionGradients]:
    """Gradients; see `minilstm.functional.convolution.convolution_backward`."""
    x, W, stride, padding, dilation = cache
    (*filter_size, Cin, F), size = W.shape, x.shape[1:-1]
    shape = (size, Cin, F, tuple(filter_size), stride, padding, dilation)
    dy = contiguous(dy)
    dW, db = _windows_transposed_times(contiguous(x), windows_of_input(*shape), dy)
    dx = None
    if need_dx:
        dx = empty(x.shape, x.dtype)  # (N, S, Cin)
        phases = phases_of_gradient(*shape)
        for windows, taps in phases:
            part = W[np.ix_(*taps)].reshape(-1, Cin, F)  # (taps, Cin, F)
            turned = part.transpose(0, 2, 1).reshape(-1, Cin)  # (taps F, Cin)
            _windows_times(dy, windows, turned, np.zeros(Cin, W.dtype), dx, len(phases) == 1)
    return dx, ConvolutionGradients(dW.reshape(W.shape), db)


def _windows_times(
    x: Array, windows: Windows, matrix: Array, bias: Array, y: Array, dense: bool
) -> None:
    """y = bias + windows of x times a matrix; `dense` when the windows give all of y in order."""
    size, frame, lines, group, corners, steps, places = windows
    N, F = len(x), len(bias)
    V = lanes(x.dtype)
    weights = (pack_for_blocks(bias, matrix), -(-F // V), V)
    y_size = y.size // N if N else 0
    shared = (size, frame, lines, group, corners, steps, places, *weights, y.reshape(-1), y_size)
    spans = split(N * len(corners), GATHERED_ROWS)
    run(_convolve, [(x.reshape(-1), *shared, F, dense, N, *span) for span in spans])


def _windows_transposed_times(x: Array, windows: Windows, dy: Array) -> tuple[Array, Array]:
    """(windows)^T dy (K, F), and the sum of dy (F,)."""
    size, frame, lines, group, corners, steps, _ = windows
    N, K, F, V = len(x), len(steps), dy.shape[-1], lanes(dy.dtype)
    R, Q = -(-K // GATHERED_ROWS) * GATHERED_ROWS, -(-F // V)
    most = max(1, min(MOST_PARTS, N * len(corners) // PART_WINDOWS, MOST_NUMBERS // (R * Q * V)))
    per = max(1, -(-N // most))  # images
    parts = -(-N // per)
    out = empty((parts, R + 1, Q, V), dy.dtype)  # R > K and Q V > F fill the last tiles
    padded = np.concatenate([steps, np.full(R - K, steps[-1])])  # (R,)
    shared = (x.reshape(-1), size, frame, lines, group, corners, padded, dy.reshape(-1), F, N, out)
    if parts >= 2 * get_num_threads():
        calls = [(*shared, K, per, 0, R, *span) for span in split(parts, 1)]
    else:
        calls = [(*shared, K, per, *span, 0, parts) for span in split(R, GATHERED_ROWS)]
    run(_sum_windows, calls)
    total = out.sum(axis=0).reshape(R + 1, Q * V)
    return total[:K, :F], total[R, :F]
