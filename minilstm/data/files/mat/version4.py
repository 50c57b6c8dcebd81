"""Reading MAT-files of version 4: 20 bytes of sizes, a name and the numbers, for each variable.
MATLAB wrote it before 1996 and still does with the option '-v4'; so do other programs."""

from __future__ import annotations

import struct
from typing import IO, Any, NamedTuple

import numpy as np

from minilstm.data.files.mat.values import Broken, Foreign, Text

_NUMBERS = ("f8", "f4", "i4", "i2", "u2", "u1")
_FULL, _CHAR, _SPARSE = 0, 1, 2


class Entry4(NamedTuple):
    """Where the numbers of a variable stand, and what they are."""

    at: int
    shape: tuple[int, int]
    code: str  # of the numbers, with their byte order
    kind: int
    is_complex: bool


class MatFile4:
    """A MAT-file of version 4 that is open for reading."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def entries(self) -> dict[str, Entry4]:
        """All variables by name."""
        found: dict[str, Entry4] = {}
        at = 0
        while at < self.size:
            self.file.seek(at)
            head = self.file.read(20)
            if len(head) < 20:
                raise Broken("it ends within a variable")
            order = "<" if 0 <= struct.unpack("<i", head[:4])[0] < 5000 else ">"
            word, rows, columns, is_complex, letters = struct.unpack(f"{order}5i", head)
            machine, zero, numbers, kind = (
                word // 1000,
                word // 100 % 10,
                word // 10 % 10,
                word % 10,
            )
            # Other machines than 0 and 1 wrote other floats.
            if machine != (order == ">") or zero or numbers > 5 or kind > 2:
                raise Broken(f"the variable at byte {at} has the unknown type {word}")
            if min(rows, columns) < 0 or is_complex not in (0, 1) or not 1 < letters <= 256:
                raise Broken(f"the variable at byte {at} has the sizes {(rows, columns)}")
            name = self.file.read(letters).rstrip(b"\0").decode("ascii")
            at += 20 + letters
            code = order + _NUMBERS[numbers]
            size = rows * columns * int(code[2]) * (1 + is_complex)
            if not name or name in found or at + size > self.size:
                raise Broken(f"the variable {name!r} stands there twice, or is cut short")
            found[name] = Entry4(at, (rows, columns), code, kind, bool(is_complex))
            at += size
        return found

    def check(self, entry: Entry4) -> None:
        """Nothing: this version has no checksums."""

    def value(self, entry: Entry4) -> Any:
        """An array, `Text`, or `Foreign` for what is no data."""
        if entry.kind == _SPARSE:
            return Foreign("sparse")
        self.file.seek(entry.at)
        count = entry.shape[0] * entry.shape[1]
        parts = [
            np.frombuffer(self.file.read(count * int(entry.code[2])), entry.code)
            .astype(np.float64)
            .reshape(entry.shape, order="F")
            for _ in range(1 + entry.is_complex)
        ]
        if entry.kind == _FULL:
            return parts[0] + 1j * parts[1] if entry.is_complex else parts[0]
        if count and not 0 <= parts[0].min() <= parts[0].max() < 256:
            raise Broken("it holds text of an unknown character set")
        rows = parts[0].astype(np.uint8)
        return Text([row.tobytes().decode("latin-1") for row in rows], "char")
