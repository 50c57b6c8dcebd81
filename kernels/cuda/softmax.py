"""The softmax over classes, forward and backward: the twin of `minilstm.functional.softmax`.
A row belongs to one thread, or to a warp where it has many classes."""

from __future__ import annotations

from typing import Any

import cupy

from minilstm.functional.softmax import SoftmaxCache
from minilstm.kernels.cuda.compiling import WARP_LANES, kernel, launch_each
from minilstm.kernels.cuda.layout import row_major

Array = Any  # of CuPy

THREAD_CLASSES = 16  # classes, up to which one thread takes a whole row


def softmax_forward(z: Array) -> tuple[Array, SoftmaxCache]:
    """Scores of each row of logits; see `minilstm.functional.softmax`."""
    y = cupy.empty(z.shape, z.dtype)  # (N, C)
    launch_rows("softmax.cu", "softmax_forward", y, row_major(z), y)
    return y, SoftmaxCache(y)


def softmax_backward(dy: Array, cache: SoftmaxCache) -> Array:
    """The softmax Jacobian applied to dy; see `minilstm.functional.softmax`."""
    dz = cupy.empty(dy.shape, dy.dtype)  # (N, C)
    launch_rows("softmax.cu", "softmax_backward", dz, row_major(dy), row_major(cache.y), dz)
    return dz


def launch_rows(file: str, name: str, like: Array, *arguments: Any) -> None:
    """Run a kernel that has a thread or a warp for each row of an array (N, C).

    Parameters
    ----------
    file, name : of the kernel
    like : (N, C), in whose dtype it computes
    arguments : of the kernel, which ends with N and C
    """
    N, C = like.shape
    lanes = 1 if C <= THREAD_CLASSES else WARP_LANES
    function = kernel(file, name, like.dtype, LANES=lanes)
    launch_each(function, N * lanes, *arguments, N, C)
