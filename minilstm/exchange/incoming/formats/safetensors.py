"""Safetensors files, read and written: a length, a JSON header, and the raw numbers.
BF16, which NumPy does not know, becomes float32 by a shift.

The bytes are those that the package safetensors writes; the tests hold them against it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from minilstm.exchange.incoming.formats.bounds import (
    Array,
    Refused,
    array_of,
    check_growth,
    part,
    plain_json,
)

# In the order of the file: numbers that need the most room stand first, so all are aligned.
_TYPES = {
    "U64": "<u8", "I64": "<i8", "F64": "<f8", "F32": "<f4", "U32": "<u4", "I32": "<i4",
    "BF16": "bfloat16", "F16": "<f2", "U16": "<u2", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1",
}  # fmt: skip
_NAMES = {kind: name for name, kind in _TYPES.items()}


def write_safetensors(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """A file of arrays by name, of the dtypes that the format has, and of texts.

    Examples
    --------
    >>> import numpy as np
    >>> data = write_safetensors({"a": np.array([5, 7], np.uint8)}, {"by": "me"})
    >>> len(data), read_safetensors(data)
    (90, ({'a': array([5, 7], dtype=uint8)}, {'by': 'me'}))
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts, end, order = [], 0, list(_NAMES)
    kinds = {name: a.dtype.newbyteorder("<").str for name, a in arrays.items()}
    for name in sorted(arrays, key=lambda name: (order.index(kinds[name]), name)):
        part = arrays[name].astype(kinds[name]).tobytes()
        start, end = end, end + len(part)
        header[name] = {
            "dtype": _NAMES[kinds[name]],
            "shape": list(arrays[name].shape),
            "data_offsets": [start, end],
        }
        parts.append(part)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def with_shared(arrays: dict[str, Array], told: Mapping[str, str], size: int) -> dict[str, Array]:
    """The arrays of a file of so many bytes, and those that its metadata say are the same.

    `save_model` of safetensors leaves an array out that a module holds twice, and notes
    {name left out: name kept}.
    """
    same = {k: v for k, v in sorted(told.items()) if v in arrays and k not in arrays}
    grown = sum(a.nbytes for a in (*arrays.values(), *(arrays[v] for v in same.values())))
    check_growth(grown, size, "arrays")
    return {**arrays, **{name: arrays[kept].copy() for name, kept in same.items()}}


def read_safetensors(data: bytes) -> tuple[dict[str, Array], dict[str, str]]:
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
    if not all(isinstance(text, str) for text in metadata.values()):
        raise Refused("has metadata that are no texts; write it again.")
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
