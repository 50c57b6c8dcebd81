"""How arrays lie in memory: kernels read numbers that lie side by side, in an order they know.
An array that lies as wanted is used as it is; any other is copied."""

from __future__ import annotations

from typing import Any

import cupy

Array = Any  # of CuPy


def row_major(a: Array) -> Array:
    """The same array if its rows follow one another in memory, else such a copy."""
    return cupy.ascontiguousarray(a)


def column_major(a: Array) -> Array:
    """The same array if it lies in memory as parameters do, else such a copy."""
    return cupy.asfortranarray(a)


def dense(a: Array) -> Array:
    """The same array if its numbers lie side by side in either order, else a row-major copy."""
    return a if a.flags.c_contiguous or a.flags.f_contiguous else cupy.ascontiguousarray(a)


def element_strides(a: Array) -> tuple[int, ...]:
    """Distances from one index to the next in memory, in numbers, for each axis."""
    return tuple(stride // a.itemsize for stride in a.strides)
