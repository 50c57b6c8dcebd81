"""Zip archives as PyTorch, Keras and NumPy write them, and the arrays of NumPy's .npz.
Sizes of all members are looked at before the first one is unpacked."""

from __future__ import annotations

import io
import re
import zipfile
import zlib

import numpy as np

from minilstm.exchange.incoming.formats.bounds import Array, Refused, array_of, check_growth

_PER_MEMBER = 1_000  # bytes that the index takes in memory for each member


class Archive:
    """The members of a zip file in memory.

    Raises Refused where the archive is damaged, packed in an unusual way, or unpacks to far more
    than its own size.
    """

    def __init__(self, data: bytes) -> None:
        check_growth(_PER_MEMBER * data.count(b"PK\1\2") // 4, len(data), "an index")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            raise Refused("is a broken zip archive; copy it again.") from None
        members = self._zip.infolist()
        self.names = [m.filename for m in members]
        if len(set(self.names)) < len(members):
            raise Refused("holds a member twice; write it again.")
        full = "may fill the memory; write it without compression"
        check_growth(sum(m.file_size for m in members), len(data), "members", full)
        if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
            raise Refused("is packed in an unusual way; write it again, stored or deflated.")

    def read(self, name: str) -> bytes:
        """One member, its checksum compared."""
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError):
            raise Refused(f"is broken at {name}; copy it again.") from None
        except KeyError:
            raise Refused(f"has no member {name}; check its name, or write it again.") from None


def read_npz(data: bytes) -> dict[str, Array]:
    """Arrays of numbers by their names; none of them is ever unpickled."""
    archive = Archive(data)
    out = {}
    for name in archive.names:
        raw = archive.read(name)
        file = io.BytesIO(raw)
        try:
            version = np.lib.format.read_magic(file)
            header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, columns_first, dtype = header(file)
        except Exception:  # NumPy's parser raises what it likes
            raise Refused(
                f"has {name}, which is no array of NumPy; check the name of the file, or write it "
                "again with numpy.savez."
            ) from None
        if dtype.kind not in "biuf":  # of objects, text, dates, complex numbers, several fields
            raise Refused(f"holds {dtype} in {name}; write arrays of real numbers only.")
        turned = shape[::-1] if columns_first else shape
        array = array_of(memoryview(raw)[file.tell() :], dtype.str, turned)
        out[re.sub(r"\.npy$", "", name)] = array.T if columns_first else array
    return out
