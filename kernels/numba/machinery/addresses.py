"""Arrays handed to a kernel by their addresses: any number of them in one table, in one call.
Whoever makes the table holds the arrays until the kernel is done, and vouches for their sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numba import carray, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from minilstm.kernels.numba.machinery.buffers import LINE_BYTES, address_of, empty
from minilstm.kernels.numba.machinery.compiling import inner

Array = NDArray[Any]


class Table(NamedTuple):
    """Some blocks, each a few arrays of one size, as kernels take them."""

    lines: Sequence[Sequence[Array]]  # held until the kernels have read them
    addresses: NDArray[np.int64]  # (blocks, arrays)
    sizes: NDArray[np.int64]  # (blocks,)


def table_of(blocks: Sequence[Sequence[Array]]) -> Table:
    """The table of blocks whose arrays have one dtype; what is not column-major is copied."""
    lines = [[a if a.flags.f_contiguous else a.copy(order="F") for a in b] for b in blocks]
    addresses = np.array([[address_of(a) for a in b] for b in lines])
    return Table(lines, addresses, np.array([b[0].size for b in lines]))


def new_blocks(table: Table, count: int) -> tuple[list[list[Array]], NDArray[np.int64]]:
    """For each block `count` arrays like its first, with unset numbers, and their addresses."""
    dtype = table.lines[0][0].dtype
    places, starts, total = _layout(tuple([b[0].shape for b in table.lines]), dtype.itemsize)
    # One memory holds the n-th array of every block: few large ones are soon found again.
    memories = [empty((total,), dtype) for _ in range(count)]
    blocks = [
        [np.ndarray(shape, dtype, m, start, order="F") for m in memories] for shape, start in places
    ]
    return blocks, starts + np.array([address_of(m) for m in memories])


@lru_cache(maxsize=64)
def _layout(
    shapes: tuple[tuple[int, ...], ...], itemsize: int
) -> tuple[list[tuple[tuple[int, ...], int]], NDArray[np.int64], int]:
    """Where arrays begin that lie one behind another, in bytes, and numbers in all of them."""
    step = LINE_BYTES // itemsize
    sizes = [-(-math.prod(shape) // step) * LINE_BYTES for shape in shapes]
    starts = [0, *accumulate(sizes)]
    return (
        list(zip(shapes, starts, strict=False)),
        np.array(starts[:-1], np.int64)[:, None],
        starts[-1] // itemsize,
    )


@intrinsic
def _pointer(typing, address, like):
    """An address as a pointer to numbers of the dtype of an array, or like another number."""
    dtype = like.dtype if isinstance(like, types.Array) else like

    def generate(context, builder, sig, args):
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return types.CPointer(dtype)(address, like), generate


@inner
def numbers_at(address, size, like):
    """The numbers at an address as an array (size,), of the dtype of an array or a number."""
    return carray(_pointer(address, like), (size,))
