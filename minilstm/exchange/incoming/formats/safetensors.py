"""Safetensors files without the package: a length, a JSON header, and the raw numbers.
BF16, which NumPy does not know, becomes float32 by a shift."""

from __future__ import annotations

from typing import Any

from minilstm.exchange.incoming.formats.bounds import (
    Array,
    Refused,
    array_of,
    check_growth,
    part,
    plain_json,
)

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


def read_safetensors(data: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays by name, and what stands in `__metadata__`.

    Examples
    --------
    >>> header = b'{"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}'
    >>> read_safetensors(len(header).to_bytes(8, "little") + header + bytes([5, 7]))
    ({'a': array([5, 7], dtype=uint8)}, {})
    """
    size = int.from_bytes(part(data, 0, 8, "its header"), "little")
    header = plain_json(part(data, 8, size, "its header"))
    numbers = memoryview(data)[8 + size :]
    metadata = header.pop("__metadata__", None) or {}
    ranges = sorted(tuple(entry["data_offsets"]) for entry in header.values())
    check_growth(sum(end - start for start, end in ranges), len(data), "arrays")
    ends = [0, *(end for _, end in ranges)]
    if [start for start, _ in ranges] != ends[:-1] or ends[-1] != len(numbers):
        raise Refused("has arrays that overlap or leave gaps; it may be truncated: copy it again.")
    out = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if entry["dtype"] not in _TYPES:
            raise Refused(
                f"has {name!r} in the type {str(entry['dtype'])[:20]!r}, which NumPy has not; "
                "save it as float32."
            )
        out[name] = array_of(numbers[start:end], _TYPES[entry["dtype"]], entry["shape"])
    return out, metadata
