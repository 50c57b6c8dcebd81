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
_REFERENCES_ALONE = 3  # references to a stored array: of its list, a name, and the question

_local = threading.local()  # each Python thread reuses its own arrays


@contextmanager
def reuse_memory() -> Iterator[None]:
    """Keep freed arrays of this thread for the next call, until the block ends."""
    outer = getattr(_local, "stored", None)
    _local.stored = {} if outer is None else outer  # by size
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
    rows: Any = a.T
    try:  # a fifth of the time of the interface, for what is column-major and may be written
        return ctypes.addressof(ctypes.c_char.from_buffer(rows))
    except (TypeError, ValueError):
        address: int = a.__array_interface__["data"][0]
        return address


def _block(size: int) -> Array:
    """Bytes that nothing else uses."""
    stored = getattr(_local, "stored", None)
    if stored is None or size < SMALL_BYTES:
        return np.empty(size, np.uint8)
    block: Array
    for block in stored.get(size, ()):
        if sys.getrefcount(block) == _REFERENCES_ALONE:
            return block
    # Much too large a block would be kept busy by a small array.
    for other in sorted(n for n in stored if size < n <= 2 * size):
        for block in stored[other]:
            if sys.getrefcount(block) == _REFERENCES_ALONE:
                return block
    # Batches grow and shrink along a ragged end: what was large enough before goes.
    for other in [n for n in stored if size <= 16 * n < 16 * size]:
        blocks = stored[other]
        for n in range(len(blocks) - 1, -1, -1):
            if sys.getrefcount(blocks[n]) == _REFERENCES_ALONE - 1:
                del blocks[n]
        if not blocks:
            del stored[other]
    block = np.empty(size, np.uint8)
    stored.setdefault(size, []).append(block)
    return block
