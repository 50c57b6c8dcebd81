"""Arrays handed to a kernel by their addresses: any number of them in one table, in one call.
Whoever makes the table holds the arrays until the kernel is done, and vouches for their sizes."""

from __future__ import annotations

from typing import Any

from numba import carray, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from minilstm.kernels.numba.machinery.compiling import inner

Array = NDArray[Any]


def line(a: Array) -> Array:
    """All entries in column-major order, in which parameters are stored: no copy for them."""
    return a if a.flags.f_contiguous else a.copy(order="F")


def address_of(a: Array) -> int:
    """Where the memory of an array begins."""
    address: int = a.__array_interface__["data"][0]
    return address


@intrinsic
def _pointer(typing, address, like):
    """An address as a pointer to numbers of the dtype of an array."""

    def generate(context, builder, sig, args):
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return types.CPointer(like.dtype)(address, like), generate


@inner
def numbers_at(address, size, like):
    """The numbers at an address as an array (size,), of the dtype of another array."""
    return carray(_pointer(address, like), (size,))
