"""Arrays of an .npz file that stay on disk: numpy.savez writes them as they are.
The checksum is compared all the same, a piece at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minilstm.data.arrays import Array

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_PIECE = 1 << 20  # bytes
_HEADERS: dict[Any, Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def mapped_member(whole: Array, archive: ZipFile, member: ZipInfo) -> Array | None:
    """Floats of one member, named x or x_0000, as part of the map of the file; None for others.

    Raises ValueError, or an error of zipfile, where the member is broken.
    """
    if member.compress_type or not member.filename.startswith("x"):
        return None
    with archive.open(member) as file:
        read_header = _HEADERS.get(np.lib.format.read_magic(file))
        if read_header is None:
            return None
        shape, column_major, dtype = read_header(file)
        if dtype.kind != "f" or not dtype.isnative:
            return None
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if member.file_size != file.tell() + size:
            raise ValueError("another number of bytes than of numbers")
        header = file.tell()
        while file.read(_PIECE):  # to the checksum
            pass
    # 30 bytes, of which the last are two lengths; what has these lengths; the header; then numbers.
    at = member.header_offset + 30
    at += header + int(whole[at - 4 : at].view("<u2").sum(dtype=np.int64))
    return whole[at : at + size].view(dtype).reshape(shape, order="F" if column_major else "C")
