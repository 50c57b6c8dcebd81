"""ONNX files: nodes, arrays, inputs and outputs of a graph, from protobuf without a package.
Arrays may lie in a second file beside the model, and nowhere else.

A protobuf message is a row of fields, each a number, a kind of content, and the content.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilstm.checks import shown
from minilstm.exchange.incoming.formats.bounds import (
    Array,
    Bytes,
    Refused,
    array_of,
    check_growth,
    part,
)

_TYPES = {
    1: "<f4", 2: "|u1", 3: "|i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "|b1", 10: "<f2",
    11: "<f8", 12: "<u4", 13: "<u8", 16: "bfloat16",
}  # fmt: skip
_LISTS = {4: "<f4", 10: "<f8"}  # fields of numbers of a fixed size
_PER_PART = 40  # bytes that a part of a graph takes in memory at least


class Node(NamedTuple):
    """An operation of a graph."""

    kind: str
    name: str
    inputs: tuple[str, ...]  # "" stands for one that is left out
    outputs: tuple[str, ...]
    options: dict[str, Any]

    @property
    def title(self) -> str:
        """The node as messages call it."""
        name = self.name or next(iter(self.outputs), "")
        return f"the node {shown(name, 80)} ({shown(self.kind, 40)[1:-1]})"


class Graph(NamedTuple):
    """What a model holds."""

    nodes: list[Node]
    arrays: dict[str, Array]  # its initializers
    inputs: dict[str, list[int | None]]  # sizes of the axes, None where any size will do
    outputs: list[str]
    opset: int
    metadata: dict[str, str]


def read_onnx(data: bytes, folder: Path) -> Graph:
    """The graph of a model, with its arrays."""
    return _Reader(data, folder).model()


class _Reader:
    def __init__(self, data: bytes, folder: Path) -> None:
        self.data, self.folder = memoryview(data), folder
        self.beside: dict[str, int] = {}  # other files, and their bytes
        self.parts = self.grown = 0

    def fields(self, data: Bytes) -> Iterator[tuple[int, Any]]:
        """The number of each field, and a whole number or the bytes of its content."""
        at = 0
        while at < len(data):
            self.spend(1)
            key, at = _varint(data, at)
            kind, number = key & 7, key >> 3
            if kind == 0:
                value, at = _varint(data, at)
                yield number, value - (1 << 64) if value >> 63 else value
                continue
            if kind == 2:
                size, at = _varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise Refused("is no ONNX model, or broken; copy it again.")
            yield number, part(data, at, size, "a field")
            at += size

    def spend(self, parts: int) -> None:
        self.parts += parts
        check_growth(_PER_PART * self.parts, len(self.data), "parts")

    def model(self) -> Graph:
        graph, opset, metadata = None, 0, dict[str, str]()
        for number, value in self.fields(self.data):
            if number == 7:
                graph = value
            elif number == 8:  # a domain has its own versions; that of ONNX has no name
                versions = dict(self.fields(value))
                opset = opset if versions.get(1) else versions.get(2, 0)
            elif number == 14:
                pair = dict(self.fields(value))
                metadata[_text(pair[1])] = _text(pair[2])
        if graph is None or not opset:
            raise Refused("is no ONNX model, as it has no graph; check its name.")
        nodes: list[Node] = []
        arrays: dict[str, Array] = {}
        inputs: dict[str, list[int | None]] = {}
        outputs: list[str] = []
        for number, value in self.fields(graph):
            if number == 1:
                nodes.append(self.node(value))
                check_growth(500 * len(nodes), len(self.data), "nodes")
                if nodes[-1].kind == "Softmax" and opset < 13:  # where the last axis is no default
                    nodes[-1].options.setdefault("axis", 1)
            elif number == 5:
                name, array = self.tensor(value)
                if name in arrays:
                    raise Refused(f"has the array {shown(name)} twice; write it again.")
                arrays[name] = array
            elif number == 11:
                inputs.update([self.input(value)])
            elif number == 12:
                outputs += [_text(v) for n, v in self.fields(value) if n == 1]
            elif number == 15:
                raise Refused("has sparse arrays or quantised ones; export it without.")
        return Graph(nodes, arrays, inputs, outputs, opset, metadata)

    def node(self, data: Bytes) -> Node:
        texts: dict[int, list[str]] = {1: [], 2: [], 3: [""], 4: [""], 7: [""]}
        options: dict[str, Any] = {}
        for number, value in self.fields(data):
            if number == 5:
                name, option = self.option(value)
                options[name] = option
            elif number in texts:
                texts[number].append(_text(value))
        kind = texts[4][-1]
        if texts[7][-1] not in ("", "ai.onnx"):
            kind = f"{texts[7][-1]}.{kind}"
        return Node(kind, texts[3][-1], tuple(texts[1]), tuple(texts[2]), options)

    def option(self, data: Bytes) -> tuple[str, Any]:
        """The name and the value of an attribute of a node."""
        name, kind, found = "", 0, dict[int, list[Any]]()
        for number, value in self.fields(data):
            if number == 1:
                name = _text(value)
            elif number == 20:
                kind = value
            elif number == 2:
                found[2] = [struct.unpack("<f", value)[0]]
            elif number == 7:
                found.setdefault(7, []).extend(np.frombuffer(value, "<f4").tolist())
            elif number == 8:
                found.setdefault(8, []).extend(self.whole_numbers(value))
            elif number == 5:
                found[5] = [self.tensor(value)[1]]
            elif number in (3, 4, 9):
                found.setdefault(number, []).append(value if number == 3 else _text(value))
        # Where the kind is left out, as before ir version 2, what is there tells.
        field = {1: 2, 2: 3, 3: 4, 4: 5, 6: 7, 7: 8, 8: 9}.get(kind) or next(iter(found), 0)
        several = field in (7, 8, 9)
        empty = {2: 0.0, 3: 0, 4: ""}.get(field)  # numbers of 0 may be left out
        values = found.get(field, [])
        return name, values if several else values[-1] if values else empty

    def whole_numbers(self, value: Any) -> list[int]:
        """One number, or a row of them without gaps."""
        if isinstance(value, int):
            return [value]
        self.spend(len(value) // 4)
        out, at = [], 0
        while at < len(value):
            number, at = _varint(value, at)
            out.append(number - (1 << 64) if number >> 63 else number)
        return out

    def tensor(self, data: Bytes) -> tuple[str, Array]:
        """The name and the numbers of an array."""
        name, kind, shape = "", 0, list[int]()
        raw: Bytes = b""
        numbers: list[Any] = []
        outside, where = False, dict[str, str]()
        for number, value in self.fields(data):
            if number == 1:
                shape += self.whole_numbers(value)
            elif number == 2:
                kind = value
            elif number == 8:
                name = _text(value)
            elif number == 9:
                raw = value
            elif number in _LISTS:
                numbers.append(np.frombuffer(value, _LISTS[number]))
            elif number in (5, 7):
                numbers.append(np.array(self.whole_numbers(value), np.int64))
            elif number == 13:
                pair = dict(self.fields(value))
                where[_text(pair[1])] = _text(pair[2])
            elif number == 14:
                outside = value == 1
        if kind not in _TYPES or (_TYPES[kind] == "bfloat16" and numbers):
            raise Refused(f"has {shown(name)} of a type that is not read; export it as float32.")
        if numbers:
            dtype = np.uint16 if kind == 10 else _TYPES[kind]
            raw = np.concatenate(numbers).astype(dtype).tobytes()
        if outside:
            wanted = math.prod(shape) * (2 if kind == 16 else np.dtype(_TYPES[kind]).itemsize)
            raw = self.from_beside(name, where, wanted)
        size = len(self.data) + sum(self.beside.values())
        self.grown += 2 * len(raw) if _TYPES[kind] == "bfloat16" else len(raw)
        check_growth(self.grown, size, "arrays")
        return name, array_of(raw, _TYPES[kind], shape)

    def from_beside(self, name: str, where: dict[str, str], wanted: int) -> Bytes:
        """Bytes of another file in the same folder."""
        location = where.get("location", "")
        path = self.folder / location
        if location in ("", ".", "..") or set(location) & set("/\\:\0"):
            raise Refused(
                f"keeps {shown(name)} in {shown(location)}, but only a file in its own folder is "
                "read; put that file beside it, and export again without a path."
            )
        if not path.is_file() or path.resolve().parent != self.folder.resolve():
            raise Refused(
                f"keeps {shown(name)} in {shown(location)}, which is no file beside it; put it "
                "into the same folder."
            )
        whole = self.beside[location] = path.stat().st_size
        start = int(where.get("offset", "0"))
        size = int(where.get("length", str(whole - start)))
        if not 0 <= start <= start + size <= whole or size != wanted:
            raise Refused(f"keeps {shown(name)} outside {shown(location)}; copy both files again.")
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)

    def input(self, data: Bytes) -> tuple[str, list[int | None]]:
        """The name and the shape of an input."""
        name, shape = "", list[int | None]()
        for number, value in self.fields(data):
            if number == 1:
                name = _text(value)
            elif number == 2:
                for tensor in _those(self.fields(value), 1):
                    for sizes in _those(self.fields(tensor), 2):
                        for size in _those(self.fields(sizes), 1):
                            shape.append(dict(self.fields(size)).get(1))
        return name, shape


def _those(fields: Iterator[tuple[int, Any]], wanted: int) -> Iterator[Any]:
    return (value for number, value in fields if number == wanted)


def _varint(data: Bytes, at: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, and where the next field is."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Refused("is no ONNX model, or broken; copy it again.")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & (2**64 - 1), at


def _text(value: Any) -> str:
    return bytes(value).decode()
