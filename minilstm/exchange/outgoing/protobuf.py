"""The wire format of protobuf, as far as an ONNX file needs it: numbers, texts and messages.
A field is its number and its kind, then its value; see the ONNX schema for the numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: data types of ONNX tensors
TYPES = {"float32": 1, "int32": 6, "int64": 7, "float64": 11}
_FLOAT, _INT, _TEXT, _FLOATS, _INTS, _TEXTS = 1, 2, 3, 6, 7, 8  # types of attributes


def varint(n: int) -> bytes:
    """A whole number, seven bits a byte, the low ones first.

    Examples
    --------
    >>> varint(300).hex()
    'ac02'
    """
    n &= (1 << 64) - 1  # negative numbers take ten bytes
    out = bytearray()
    while True:
        n, low = n >> 7, n & 127
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def whole(field: int, n: int) -> bytes:
    """A field with a whole number."""
    return varint(field << 3) + varint(n)


def message(field: int, content: bytes | str) -> bytes:
    """A field with a message, a text or bytes."""
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def real(field: int, x: float) -> bytes:
    """A field with a float32."""
    return varint(field << 3 | 5) + struct.pack("<f", x)


def tensor(name: str, array: NDArray[Any]) -> bytes:
    """An array with its name (TensorProto)."""
    dims = b"".join(whole(1, d) for d in array.shape)
    raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    return dims + whole(2, TYPES[array.dtype.name]) + message(8, name) + message(9, raw)


def attribute(name: str, value: Any) -> bytes:
    """An option of a node (AttributeProto): a number, a text, or a list of one of them."""
    if isinstance(value, (list, tuple)):
        if isinstance(value[0], str):
            content, kind = b"".join(message(9, v) for v in value), _TEXTS
        elif isinstance(value[0], float):
            content, kind = b"".join(real(7, v) for v in value), _FLOATS
        else:
            content, kind = b"".join(whole(8, v) for v in value), _INTS
    elif isinstance(value, str):
        content, kind = message(4, value), _TEXT
    elif isinstance(value, float):
        content, kind = real(2, value), _FLOAT
    else:
        content, kind = whole(3, value), _INT
    return message(1, name) + content + whole(20, kind)


def node(
    kind: str, inputs: Iterable[str], outputs: Iterable[str], name: str, **options: Any
) -> bytes:
    """One operation of a graph (NodeProto); "" skips an optional input."""
    return (
        b"".join(message(1, i) for i in inputs)
        + b"".join(message(2, o) for o in outputs)
        + message(3, name)
        + message(4, kind)
        + b"".join(message(5, attribute(k, v)) for k, v in options.items())
    )


def value(name: str, shape: Iterable[int | str], kind: str = "float32") -> bytes:
    """An input or output of a graph (ValueInfoProto); a word in a shape is any size."""
    dims = b"".join(message(1, whole(1, d) if isinstance(d, int) else message(2, d)) for d in shape)
    tensor_type = message(1, whole(1, TYPES[kind]) + message(2, dims))
    return message(1, name) + message(2, tensor_type)
