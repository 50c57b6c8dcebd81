"""Arrays that a kernel finds by their address instead of taking them as arguments.
To take one array apart costs as long as a tenth of a small network's step; a number costs nothing.

Whoever hands on an address keeps the array alive for as long as it may be read.
"""

from __future__ import annotations

from typing import Any

from numba import carray, types
from numba.extending import intrinsic

from minilstm.kernels.numba.machinery.compiling import inner


@intrinsic
def _pointer(typing: Any, address: Any, like: Any) -> Any:
    dtype = like.dtype if isinstance(like, types.Array) else like

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return types.CPointer(dtype)(address, like), generate


@inner
def array_at(address, size, like):
    """The array (size,) at an address, of the dtype of `like`: an array or a number."""
    return carray(_pointer(address, like), (size,))
