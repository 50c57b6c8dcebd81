"""The elements of a MAT-file of version 5 to 7, each checked against the bytes that are there.
Nothing is allocated on the word of a number in the file, so a damaged file is an error, no crash.

A file is a header of 128 bytes and then elements: a type, a count of bytes, the bytes. A variable
is a matrix element, often deflated; a matrix holds elements in turn (its flags, sizes, name, and
numbers or further matrices). The format is public: "MAT-File Format", MathWorks.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.mat.values import Broken, Cell, Foreign, Text, as_class, check_growth

HEADER = 128  # bytes before the first element
_MATRIX, _DEFLATED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_NUMBERS |= {12: "i8", 13: "u8"}
_CODECS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}
_CLASSES |= {14: "i8", 15: "u8"}
_DEEPEST = 64  # cells in cells
_LONGEST_HEAD = 8192  # bytes of a variable before its numbers: flags, sizes and names


class Entry(NamedTuple):
    """Where a variable stands in the file."""

    name: str
    at: int  # of its first byte after the type and the count
    size: int  # bytes
    deflated: bool


class Element(NamedTuple):
    """One element: the code of its type, its bytes, and where the next one starts."""

    kind: int
    data: memoryview
    after: int


class MatFile:
    """A MAT-file of version 5 to 7 that is open for reading."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size
        head = file.read(HEADER)
        if len(head) < HEADER:
            raise Broken("it ends in its header")
        self.order = {b"IM": "<", b"MI": ">"}[head[126:]]
        at = head[116:124]
        # Where the parts of objects stand: categorical arrays, strings, tables.
        self.objects_at = 0 if at == b" " * 8 else struct.unpack(self.order + "Q", at)[0]

    def entries(self) -> dict[str, Entry]:
        """All variables by name."""
        found: dict[str, Entry] = {}
        at = HEADER
        while at < self.size:
            entry = self._entry(at)
            if entry.name:  # without a name: the parts of objects
                if entry.name in found:
                    raise Broken(f"it holds the variable {entry.name} twice")
                found[entry.name] = entry
            at = entry.at + entry.size
        return found

    def value(self, entry: Entry) -> Any:
        """An array, `Text`, `Cell`, or `Foreign` for what is no data."""
        return self.matrix(memoryview(self._bytes(entry)))[1]

    def check(self, entry: Entry) -> None:
        """Hold a deflated variable against its checksum."""
        if entry.deflated:
            self._bytes(entry)

    def check_objects(self) -> None:
        """Look at the parts of all objects, which another library reads."""
        if not HEADER <= self.objects_at < self.size:
            raise Broken("the parts of its objects are missing")
        parts = self.value(self._entry(self.objects_at))
        if not isinstance(parts, np.ndarray) or parts.dtype != np.uint8:
            raise Broken("the parts of its objects are no bytes")
        self._matrix_at(memoryview(parts.tobytes(order="F")), 8)

    def matrix(self, data: memoryview, depth: int = 0) -> tuple[str, Any]:
        """The name and the value of one matrix element, given the bytes of the whole element."""
        return self._matrix_at(data, 0, depth)[:2]

    def _entry(self, at: int) -> Entry:
        """The variable whose element starts here; only its head is inflated."""
        self.file.seek(at)
        tag = self.file.read(8)
        if len(tag) < 8:
            raise Broken("it ends within a variable")
        kind, size = struct.unpack(self.order + "II", tag)
        if kind not in (_MATRIX, _DEFLATED) or not 0 < size <= self.size - at - 8:
            raise Broken(f"the variable at byte {at} is no matrix of {size} bytes")
        head = self.file.read(min(size, _LONGEST_HEAD))
        if kind == _DEFLATED:
            head = zlib.decompressobj().decompress(head, _LONGEST_HEAD)
        else:
            head = tag + head
        name = self._head(memoryview(head), 8, len(head)).name
        return Entry(name, at + 8, size, kind == _DEFLATED)

    def _bytes(self, entry: Entry) -> bytes:
        """The whole matrix element of a variable."""
        self.file.seek(entry.at - 8)
        if not entry.deflated:
            return self.file.read(entry.size + 8)
        packed = self.file.read(entry.size + 8)[8:]
        inflate = zlib.decompressobj()
        tag = inflate.decompress(packed, 8)
        size = struct.unpack(self.order + "II", tag)[1] if len(tag) == 8 else 0
        check_growth(entry.name, size, entry.size)
        # One byte more than is wanted, so that zlib comes to its checksum.
        data = tag + inflate.decompress(inflate.unconsumed_tail, size + 1)
        if len(data) != size + 8:
            raise Broken(f"the variable {entry.name} inflates to {len(data)} bytes of {size + 8}")
        return data

    def _element(self, data: memoryview, at: int, end: int) -> Element:
        if at + 8 > end:
            raise Broken("an element ends early")
        kind, size = struct.unpack(self.order + "II", data[at : at + 8])
        if kind >> 16:  # a small element: its count of bytes and its bytes share the tag
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise Broken("a small element has more than 4 bytes")
            return Element(kind, data[at + 4 : at + 4 + size], at + 8)
        if size > end - at - 8:
            raise Broken("an element is longer than what holds it")
        padding = 0 if kind == _MATRIX else -size % 8
        return Element(kind, data[at + 8 : at + 8 + size], min(at + 8 + size + padding, end))

    def _numbers(self, element: Element) -> NDArray[Any]:
        """The numbers of an element, in the byte order of the file."""
        code = _NUMBERS.get(element.kind)
        if code is None or len(element.data) % int(code[1]):
            raise Broken(f"an element of type {element.kind} holds no whole numbers")
        return np.frombuffer(element.data, np.dtype(self.order + code))

    def _text(self, element: Element) -> str:
        if element.kind not in (1, 16):
            raise Broken("a name is no text")
        return bytes(element.data).decode("ascii")

    def _head(self, data: memoryview, at: int, end: int) -> _Head:
        """What stands before the numbers of a matrix."""
        flags = self._element(data, at, end)
        if flags.kind != 6 or len(flags.data) != 8 or flags.after != at + 16:
            raise Broken("a matrix has no flags")
        word = struct.unpack(self.order + "II", flags.data)[0]
        at, kind, shape, names = flags.after, word & 0xFF, (), []
        if kind != _OPAQUE:
            sizes = self._element(data, at, end)
            shape = tuple(self._numbers(sizes).tolist())
            if sizes.kind not in (5, 6) or not 2 <= len(shape) <= 32 or min(shape) < 0:
                raise Broken(f"a matrix has the sizes {shape}")
            at = sizes.after
        for _ in range({_OPAQUE: 3, _OBJECT: 2}.get(kind, 1)):
            name = self._element(data, at, end)
            names.append(self._text(name))
            at = name.after
        return _Head(kind, shape, bool(word & 512), bool(word & 2048), names[0], names[-1], at)

    def _matrix_at(self, data: memoryview, at: int, depth: int = 0) -> tuple[str, Any, int]:
        """Name and value of the matrix element that starts here, and where the next one starts."""
        if depth > _DEEPEST:
            raise Broken(f"matrices hold each other more than {_DEEPEST} deep")
        element = self._element(data, at, len(data))
        if element.kind != _MATRIX:
            raise Broken(f"an element of type {element.kind} stands in place of a matrix")
        at, end = at + 8, element.after
        if at == end:  # how MATLAB writes some empty arrays
            return "", np.empty((0, 0)), end
        head = self._head(data, at, end)
        whole = data[:end]
        value: Any
        if head.kind in _CLASSES:
            value, at = self._array(whole, head)
        elif head.kind == _CHAR:
            value, at = self._char(whole, head)
        elif head.kind == _SPARSE:
            at = head.at
            while at < end:
                part = self._element(data, at, end)
                if part.kind not in _NUMBERS:
                    raise Broken(f"a sparse matrix holds an element of type {part.kind}")
                at = part.after
            value = Foreign("sparse")
        else:
            value, at = self._nested(whole, head, depth)
        if at != end:
            raise Broken("a matrix is longer than its sizes say")
        return head.name, value, end

    def _array(self, data: memoryview, head: _Head) -> tuple[NDArray[Any], int]:
        at, parts = head.at, []
        for _ in range(1 + head.is_complex):
            element = self._element(data, at, len(data))
            stored = self._numbers(element)
            if stored.size != math.prod(head.shape):
                raise Broken(f"a matrix of sizes {head.shape} has {stored.size} numbers")
            parts.append(as_class(stored, "?" if head.is_logical else _CLASSES[head.kind]))
            at = element.after
        value = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
        return value.reshape(head.shape, order="F"), at

    def _char(self, data: memoryview, head: _Head) -> tuple[Any, int]:
        """The rows of a char matrix."""
        element = self._element(data, head.at, len(data))
        count, rows = math.prod(head.shape), head.shape[0]
        if element.kind in _CODECS:
            codec = _CODECS[element.kind]
            codec += {"<": "-le", ">": "-be"}[self.order] if element.kind > 16 else ""
            letters = bytes(element.data).decode(codec)
        else:
            codes = self._numbers(element)
            # What lies beyond ASCII depends on the machine that wrote it.
            if codes.size and not 0 <= codes.min() <= codes.max() < 128:
                raise Broken("it holds text of an unknown character set")
            letters = codes.astype(np.uint8).tobytes().decode("ascii")
        if letters and len(letters) != count and rows != 1:
            raise Broken(f"text of sizes {head.shape} has {len(letters)} letters")
        if math.prod(head.shape[2:]) != 1:
            return Foreign("char array of several pages"), element.after
        # Some writers give empty text sizes and no letters.
        rows = min(rows, len(data)) if letters or not count else 1
        width = rows if letters else 1
        return Text([letters[k::width] for k in range(rows)], "char"), element.after

    def _nested(self, data: memoryview, head: _Head, depth: int) -> tuple[Any, int]:
        """Matrices within a matrix: a cell array, or the insides of what is no data."""
        at, fields, count = head.at, [""], 1
        value = Foreign(head.class_name, is_object=head.kind == _OPAQUE)
        if head.kind in (_STRUCT, _OBJECT):
            fields, at = self._fields(data, head)
            value = Foreign("struct", tuple(fields)) if head.kind == _STRUCT else value
        elif head.kind == _FUNCTION:
            count, value = int(at < len(data)), Foreign("function_handle")
        elif head.kind not in (_CELL, _OPAQUE):
            raise Broken(f"a matrix has the unknown class {head.kind}")
        if head.kind in (_CELL, _STRUCT, _OBJECT):
            count = math.prod(head.shape)
            if count * max(len(fields), 1) * 8 > len(data) - at and (fields or count > 1 << 20):
                raise Broken(f"cells of sizes {head.shape} do not fit into {len(data) - at} bytes")
        items = []
        for _ in range(count * len(fields)):
            _, item, at = self._matrix_at(data, at, depth + 1)
            items.append(item)
        return (Cell(items) if head.kind == _CELL else value), at

    def _fields(self, data: memoryview, head: _Head) -> tuple[list[str], int]:
        """The names of the fields of a struct."""
        width = self._element(data, head.at, len(data))
        names = self._element(data, width.after, len(data))
        size = self._numbers(width).tolist()
        if names.kind != 1 or len(size) != 1 or size[0] < 1 or len(names.data) % size[0]:
            raise Broken("a struct has no names of fields")
        slots = [bytes(names.data[k : k + size[0]]) for k in range(0, len(names.data), size[0])]
        if not all(0 in slot for slot in slots):
            raise Broken("the name of a field has no end")
        return [slot.split(b"\0")[0].decode("ascii") for slot in slots], names.after


class _Head(NamedTuple):
    kind: int  # code of the class
    shape: tuple[int, ...]
    is_logical: bool
    is_complex: bool
    name: str
    class_name: str  # of an object
    at: int  # where the numbers start
