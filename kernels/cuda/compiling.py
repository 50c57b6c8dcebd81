"""CUDA sources, compiled by CuPy for the sizes of a network when a kernel is first launched.
Headers are written into the text, since CuPy keeps binaries by the text alone."""

from __future__ import annotations

import re
import threading
from functools import cache, partial
from importlib.resources import files
from typing import Any

import cupy
import numpy as np

_SHARED_BYTES = 48 * 1024  # bytes of shared memory that a block has without asking
_asking = threading.Lock()  # what was asked for belongs to a kernel, which threads may share

WARP_LANES = 32  # threads that go through a kernel side by side
THREADS = 256  # of a block, where nothing speaks for another number
BLOCKS = 4096  # at most, of a launch whose threads stride over its work


@cache
def source(name: str) -> str:
    """The text of a file of this folder, with its headers in the place of their names."""
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return re.sub(r'(?m)^#include "(.+)"$', lambda match: source(match[1]), text)


def options(dtype: Any, constants: dict[str, int]) -> tuple[str, ...]:
    """What the compiler gets: the number type and the sizes."""
    dtype = np.dtype(dtype)
    real = {"float32": "float", "float64": "double"}[dtype.name]
    defined = {"REAL": real, "REAL_BITS": 8 * dtype.itemsize, **constants}
    return ("-std=c++17", *(f"-D{key}={value}" for key, value in defined.items()))


@cache
def _module(file: str, dtype: str, constants: tuple[tuple[str, int], ...]) -> Any:
    return cupy.RawModule(code=source(file), options=options(dtype, dict(constants)))


@cache
def _function(file: str, name: str, dtype: str, constants: tuple[tuple[str, int], ...]) -> Any:
    return _module(file, dtype, constants).get_function(name)


def kernel(file: str, name: str, dtype: Any, **constants: int) -> Any:
    """A kernel of a file, for a dtype and for constants that the file knows by these names.

    Parameters
    ----------
    file : such as "softmax.cu"
    name : of the function
    dtype : float32 or float64, which the file calls REAL
    constants : whole numbers, defined before the text

    Returns
    -------
    for `launch`
    """
    sizes = tuple(sorted(constants.items()))
    return _function(file, name, np.dtype(dtype).name, sizes)


def launch(
    function: Any,
    blocks: int,
    threads: int,
    *arguments: Any,
    shared: int = 0,
    cooperative: bool = False,
) -> None:
    """Run a kernel.

    Parameters
    ----------
    function : from `kernel`
    blocks, threads : of the grid, and of each block
    arguments : CuPy arrays, which are contiguous; whole numbers, which arrive as int64; NumPy
        numbers, which arrive as they are; None, which arrives as a null pointer
    shared : bytes of shared memory of each block
    cooperative : all blocks run at the same time, so they may wait for one another
    """
    # The launch alone is cooperative: versions of CuPy link a module that is said to be so with a
    # library that only the CUDA toolkit has, and that these kernels do not call.
    run = partial(function.kernel, enable_cooperative_groups=True) if cooperative else function
    run = partial(run, (blocks,), (threads,), tuple(map(_argument, arguments)), shared_mem=shared)
    if shared <= _SHARED_BYTES:
        run()
        return
    with _asking:
        function.max_dynamic_shared_size_bytes = shared
        run()


def launch_each(function: Any, n: int, *arguments: Any) -> None:
    """Run a kernel whose threads stride over n pieces of work (`FOR_EACH`); n = 0 runs nothing."""
    if n:
        launch(function, min(-(-n // THREADS), BLOCKS), THREADS, *arguments)


def _argument(value: Any) -> Any:
    if value is None:
        return np.uint64(0)
    if isinstance(value, int):
        return np.int64(value)
    if isinstance(value, float) and not isinstance(value, np.float64):  # which is a float, too
        raise TypeError("a kernel wants numbers of a stated width; pass dtype.type(number).")
    if isinstance(value, cupy.ndarray) and not (
        value.flags.c_contiguous or value.flags.f_contiguous
    ):
        raise ValueError("a kernel wants contiguous arrays.")
    return value
