"""Large arrays used again instead of asked from the system again: fresh memory costs page faults.
Only inside `reuse_memory`; an array counts as free once nothing else refers to it.
"""

from __future__ import annotations

import ctypes
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LINE_BYTES = 64  # bytes; vectors that straddle two cache lines are read twice
SMALL_BYTES = 1 << 16  # bytes below which the allocator is quick by itself
_REFERENCES_ALONE = 2  # references to a stored array: the list's, and getrefcount's argument

_local = threading.local()  # each Python thread reuses its own arrays


@contextmanager
def reuse_memory() -> Iterator[None]:
    """Keep freed arrays of this thread for the next call, until the block ends."""
    outer = getattr(_local, "stored", None)
    _local.stored = [] if outer is None else outer
    try:
        yield
    finally:
        _local.stored = outer


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Like `numpy.empty`, but begins at a cache line, and reuses memory where that is allowed."""
    dtype = np.dtype(dtype)
    block = _block(math.prod(shape) * dtype.itemsize + LINE_BYTES)
    return np.ndarray(shape, dtype, block, -address_of(block) % LINE_BYTES)


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """`empty`, filled with zeros."""
    array = empty(shape, dtype)
    array[...] = 0
    return array


def address_of(a: Array) -> int:
    """Where the memory of an array begins."""
    try:  # a fifth of the time of the interface, for what is column-major and may be written
        return ctypes.addressof(ctypes.c_char.from_buffer(a.T))
    except (TypeError, ValueError):
        address: int = a.__array_interface__["data"][0]
        return address


def _block(size: int) -> Array:
    """Bytes that nothing else uses."""
    stored = getattr(_local, "stored", None)
    if stored is None or size < SMALL_BYTES:
        return np.empty(size, np.uint8)
    best = None
    for n in range(len(stored)):
        # Much too large a block would be kept busy by a small array.
        fits = size <= stored[n].size <= 2 * size
        if fits and sys.getrefcount(stored[n]) == _REFERENCES_ALONE:
            best = n if best is None or stored[n].size < stored[best].size else best
    if best is None:
        # Batches grow and shrink along a ragged end: what was large enough before goes.
        for n in range(len(stored) - 1, -1, -1):
            near = size <= 16 * stored[n].size < 16 * size
            if near and sys.getrefcount(stored[n]) == _REFERENCES_ALONE:
                del stored[n]
        best = len(stored)
        stored.append(np.empty(size, np.uint8))
    block: Array = stored[best]
    return block
