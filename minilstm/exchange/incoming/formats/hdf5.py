"""The part of HDF5 that Keras writes: superblock 0, old groups, plain arrays, attributes.
Chunked and compressed arrays, links and the newer layout are refused; NumPy alone reads the rest.

A file is a tree of objects. Each has a header, a row of messages: what its data are, where they
lie, its attributes; a group's names stand in a B-tree whose leaves are tables of symbols.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minilstm.checks import shown
from minilstm.exchange.incoming.formats.bounds import Array, Refused, array_of, check_growth, part

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SPACE, _TYPE, _EXTERNAL, _LAYOUT, _FILTERS = 0x01, 0x03, 0x07, 0x08, 0x0B
_ATTRIBUTE, _MORE, _GROUP = 0x0C, 0x10, 0x11
_NEWER = (0x02, 0x06, 0x15)  # links and attributes as the newer layout keeps them
_NOWHERE = 2**64 - 1
_DEEPEST = 30  # groups within groups
_AGAIN = "save it anew with h5py's usual settings, without chunks, compression or libver"


class Group(NamedTuple):
    """A group or an array in the tree."""

    name: str
    at: int  # of its header
    is_group: bool


class Hdf5:
    """An HDF5 file in memory.

    Attributes
    ----------
    root : where the header of the outermost group is
    """

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        if not data.startswith(SIGNATURE):
            raise Refused("is no HDF5 file; check its name.")
        if data[8:9] != b"\0" or data[13:15] != b"\x08\x08" or self._number(24, 8) != 0:
            raise Refused(f"is of the newer layout of HDF5; {_AGAIN}.")
        self.root = self._number(64, 8)
        self._headers: dict[int, list[tuple[int, int, int]]] = {}
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self._left = len(data)  # steps: a file cannot have more parts than bytes

    def arrays(self, at: int | None = None) -> dict[str, Array]:
        """Every array below a group, by its path; no part is met twice."""
        out: dict[str, Array] = {}
        met: set[int] = set()
        grown = 0
        waiting = [Group("", self.root if at is None else at, True)]
        while waiting:
            here = waiting.pop()
            if here.at in met or here.name.count("/") > _DEEPEST:
                raise Refused(f"leads to {shown(here.name)} twice; {_AGAIN}, and without links.")
            met.add(here.at)
            if here.is_group:
                before = f"{here.name}/" if here.name else ""
                below = [b._replace(name=before + b.name) for b in self.members(here.at)]
                waiting += reversed(below)
                continue
            out[here.name] = self._array(here)
            grown += out[here.name].nbytes
            check_growth(grown, len(self._data), "arrays")
        return out

    def members(self, at: int) -> Iterator[Group]:
        """What a group holds, in the order of the names."""
        for _, start, _ in self._messages(at, _GROUP):
            names = self._number(self._number(start + 8, 8) + 24, 8)
            waiting = [self._number(start, 8)]
            while waiting:
                node = waiting.pop()
                self._step()
                kind = bytes(part(self._data, node, 4, "a group"))
                count = self._number(node + 6, 2)
                if kind == b"TREE":
                    waiting += [self._number(node + 32 + 16 * k, 8) for k in reversed(range(count))]
                elif kind == b"SNOD":
                    for k in range(count):
                        yield self._member(node + 8 + 40 * k, names)
                else:
                    raise Refused("is broken within a group; copy it again.")

    def _member(self, entry: int, names: int) -> Group:
        self._step()
        name = self._text(names + self._number(entry, 8))
        if self._number(entry + 16, 4) == 2:
            raise Refused(f"has a link in the place of {shown(name)}; {_AGAIN}, and without links.")
        at = self._number(entry + 8, 8)
        return Group(name, at, bool(self._messages(at, _GROUP)))

    def attributes(self, at: int) -> dict[str, Any]:
        """Texts, numbers and arrays of them by name; of other kinds None.

        Texts are str, and lists of str; numbers are arrays.
        """
        out: dict[str, Any] = {}
        for _, start, _ in self._messages(at, _ATTRIBUTE):
            version = self._number(start, 1)
            sizes = [self._number(start + k, 2) for k in (2, 4, 6)]
            at = start + 8 + (version == 3)
            places = []
            for size in sizes:
                places.append(at)
                at += -(-size // 8) * 8 if version == 1 else size
            shape = self._shape(places[2])
            out[self._text(places[0])] = self._value(self._type(places[1]), shape, at)
        return out

    def _array(self, here: Group) -> Array:
        """The numbers of an array."""
        found = {kind: start for kind, start, _ in self._messages(here.at)}
        if _FILTERS in found or _EXTERNAL in found or not {_SPACE, _TYPE, _LAYOUT} <= set(found):
            raise Refused(f"has {shown(here.name)} compressed or outside the file; {_AGAIN}.")
        dtype, shape = self._type(found[_TYPE]), self._shape(found[_SPACE])
        half = getattr(dtype, "str", "") == "|V2" and self.attributes(here.at).get("dtype")
        if half == "bfloat16":  # bytes without a meaning, but for this attribute
            dtype = np.dtype("<u2")
        if dtype is None or dtype.kind not in "iuf":
            raise Refused(f"has {shown(here.name)}, which is no array of numbers; remove it.")
        start = found[_LAYOUT]
        version, kind = part(self._data, start, 2, "a layout")
        if version != 3 or kind not in (0, 1):
            raise Refused(f"has {shown(here.name)} in chunks; {_AGAIN}.")
        if not all(shape):
            return np.zeros(shape, dtype)
        at = self._number(start + 2, 8) if kind == 1 else start + 4
        if at == _NOWHERE:
            raise Refused(f"has {shown(here.name)} without numbers; write it again.")
        return self._numbers("bfloat16" if half else dtype.str, dtype.itemsize, shape, at)

    def _numbers(self, dtype: str, itemsize: int, shape: tuple[int, ...], at: int) -> Array:
        size = math.prod(shape) * itemsize
        return array_of(part(self._data, at, size, "an array"), dtype, shape)

    def _value(self, dtype: np.dtype[Any] | None, shape: tuple[int, ...], at: int) -> Any:
        """The value of an attribute."""
        if dtype is None or dtype.kind == "V":
            return None
        if dtype.kind in "iuf":
            return self._numbers(dtype.str, dtype.itemsize, shape, at)
        size = 16 if dtype.kind == "O" else dtype.itemsize
        count = math.prod(shape)
        part(self._data, at, count * size, "an attribute")
        places = range(at, at + count * size, size) if size else []
        if dtype.kind == "O":
            texts = [self._long_text(place) for place in places]
        else:
            texts = [bytes(self._data[p : p + size]).rstrip(b"\0").decode() for p in places]
        check_growth(sum(map(len, texts)), len(self._data), "texts")
        return texts if shape else "".join(texts)

    def _type(self, at: int) -> np.dtype[Any] | None:
        """A dtype, that of objects for texts of any length, or None for what is not read."""
        first, low, *_ = part(self._data, at, 8, "a type")
        size = self._number(at + 4, 4)
        order = ">" if low & 1 else "<"
        kind = first & 15
        if kind == 0 and size in (1, 2, 4, 8):
            return np.dtype(f"{order}{'i' if low & 8 else 'u'}{size}")
        if kind == 1 and size in (2, 4, 8):
            return np.dtype(f"{order}f{size}")
        if kind in (3, 5) and size < 2**16:
            return np.dtype(f"{'S' if kind == 3 else 'V'}{size}")
        if kind == 8:  # an enumeration, such as false and true: its numbers
            self._step()
            return self._type(at + 8) if self._number(at + 8, 1) & 15 == 0 else None
        return np.dtype(object) if kind == 9 and low & 15 == 1 else None

    def _shape(self, at: int) -> tuple[int, ...]:
        version, rank = part(self._data, at, 2, "a shape")
        if rank > 32 or version not in (1, 2):
            raise Refused("has an array without a sensible shape; write it again.")
        start = at + (8 if version == 1 else 4)
        return tuple(self._number(start + 8 * k, 8) for k in range(rank))

    def _messages(self, at: int, kind: int | None = None) -> list[tuple[int, int, int]]:
        """Kind, start and size of the messages of a header; those of one kind, or all."""
        if at not in self._headers:
            self._headers[at] = list(self._read_header(at))
        return [m for m in self._headers[at] if kind in (None, m[0])]

    def _read_header(self, at: int) -> Iterator[tuple[int, int, int]]:
        if self._number(at, 1) != 1:
            raise Refused(f"is of the newer layout of HDF5, or broken; {_AGAIN}.")
        left = self._number(at + 2, 2)
        blocks = [(at + 16, self._number(at + 8, 4))]
        while blocks:
            start, size = blocks.pop(0)
            part(self._data, start, size, "a header")
            end = start + size
            while start + 8 <= end and left > 0:
                self._step()
                kind, size, flags = (self._number(start + k, 2) for k in (0, 2, 4))
                start, left = start + 8, left - 1
                if kind in _NEWER or flags & 2:
                    raise Refused(f"is of the newer layout of HDF5; {_AGAIN}.")
                part(self._data, start, size, "a message")
                if kind == _MORE:
                    blocks.append((self._number(start, 8), self._number(start + 8, 8)))
                else:
                    yield kind, start, size
                start += size

    def _long_text(self, at: int) -> str:
        """A text that lies in a heap of the file."""
        size, heap, index = (self._number(at + k, n) for k, n in ((0, 4), (4, 8), (12, 4)))
        if not size:
            return ""
        if heap not in self._heaps:
            self._heaps[heap] = dict(self._read_heap(heap))
        start, most = self._heaps[heap].get(index, (0, 0))
        return bytes(part(self._data, start, min(size, most), "a text")).decode()

    def _read_heap(self, at: int) -> Iterator[tuple[int, tuple[int, int]]]:
        if bytes(part(self._data, at, 4, "a heap")) != b"GCOL":
            raise Refused("is broken within a heap of texts; copy it again.")
        end = at + self._number(at + 8, 8)
        at += 16
        while at + 16 <= end and (index := self._number(at, 2)):
            self._step()
            size = self._number(at + 8, 8)
            yield index, (at + 16, size)
            at += 16 + -(-size // 8) * 8

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(part(self._data, at, size, "its structure"), "little")

    def _text(self, at: int) -> str:
        """A text that ends with a zero."""
        raw = bytes(self._data[at : at + 1024])
        if b"\0" not in raw:
            raise Refused("has a name without an end; copy it again.")
        return raw.partition(b"\0")[0].decode()

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Refused("leads in circles; get it from a source that you trust.")
