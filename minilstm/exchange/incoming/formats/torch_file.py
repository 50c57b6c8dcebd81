"""PyTorch's .pt and .pth files, the zip of today and the older row of pickles, without PyTorch.
Tensors are first noted, then made, since the older format has their numbers at its end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minilstm.checks import shown
from minilstm.exchange.incoming.formats.archive import Archive
from minilstm.exchange.incoming.formats.bounds import (
    Array,
    Bytes,
    Refused,
    array_of,
    check_growth,
    part,
)
from minilstm.exchange.incoming.formats.pickled import unpickled

_TYPES = {
    "Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "bfloat16", "Long": "<i8",
    "Int": "<i4", "Short": "<i2", "Char": "|i1", "Byte": "|u1", "Bool": "|b1",
}  # fmt: skip
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DEEPEST = 30  # dicts within dicts


class _Storage(NamedTuple):
    """A row of numbers in a file."""

    dtype: str
    key: str
    length: int


class _Tensor(NamedTuple):
    """A view of a storage: where it begins, its shape, and the steps along each axis."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    numbers = type(size) is type(stride) is tuple and len(size) == len(stride) <= 32
    if type(storage) is not _Storage or not numbers:
        raise Refused("describes a tensor that is none; write it again.")
    if any(type(n) is not int or not 0 <= n < 2**48 for n in (offset, *size, *stride)):
        raise Refused("describes a tensor with absurd sizes; write it again.")
    return _Tensor(storage, offset, size, stride)


class _Kind:
    """A class of storages, which a file names and never calls."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def __call__(self, *_: Any) -> Any:
        raise Refused("makes a storage where a tensor was wanted; save the state dict alone.")


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _empty_dict(*given: Any) -> dict[Any, Any]:
    if given:
        raise Refused("makes a dict in an unusual way; save the state dict alone.")
    return {}


_ALLOWED: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _empty_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"torch.{name}Storage": _Kind(dtype) for name, dtype in _TYPES.items()},
}


def _storage(pid: Any) -> _Storage:
    whole = type(pid) is tuple and len(pid) in (5, 6) and pid[0] == "storage"
    if not whole or type(pid[1]) is not _Kind or type(pid[2]) is not str or type(pid[4]) is not int:
        raise Refused("describes a storage that is none; write it again.")
    if pid[5:] not in ((), (None,)):
        raise Refused("holds views of storages, as before PyTorch 0.4; save it with a newer one.")
    return _Storage(pid[1].dtype, pid[2], pid[4])


def read_torch(data: bytes) -> dict[str, Array]:
    """Every tensor of the file, by its place in the dicts and lists of the file, joined by dots."""
    if data[:2] == b"PK":
        top, numbers = _zipped(data)
    elif data[257:262] == b"ustar":
        raise Refused(
            "is a tar, as PyTorch wrote before 2017, which nothing reads safely; load it with an "
            "old PyTorch that you trust and save its state dict."
        )
    else:
        top, numbers = _row_of_pickles(data)
    found = _tensors(top, len(data))
    check_growth(
        sum(math.prod(t.size) * _itemsize(t.storage.dtype) for t in found.values()),
        len(data), "tensors",
    )  # fmt: skip
    storages: dict[str, tuple[_Storage, Array]] = {}
    return {name: _array(name, t, numbers, storages) for name, t in found.items()}


def _zipped(data: bytes) -> tuple[Any, Callable[[_Storage], Bytes]]:
    archive = Archive(data)
    roots = [n[: -len("data.pkl")] for n in archive.names if n.split("/")[1:] == ["data.pkl"]]
    if any(n.endswith("/constants.pkl") or "/code/" in n for n in archive.names):
        raise Refused(
            "is TorchScript, which is a program; save the state dict instead, with "
            "torch.save(module.state_dict(), path)."
        )
    if len(roots) != 1:
        raise Refused(
            "is a zip archive without the data.pkl of torch.save; save the state dict, with "
            "torch.save(model.state_dict(), path)."
        )
    root = roots[0]
    if root + "byteorder" in archive.names and archive.read(root + "byteorder") != b"little":
        raise Refused("was written on a big-endian machine; save it as safetensors there.")
    top, _ = unpickled(archive.read(root + "data.pkl"), 0, _ALLOWED, _storage, len(data))
    return top, lambda s: archive.read(f"{root}data/{s.key}")


def _row_of_pickles(data: bytes) -> tuple[Any, Callable[[_Storage], Bytes]]:
    met: dict[str, _Storage] = {}

    def meet(pid: Any) -> _Storage:
        storage = _storage(pid)
        return met.setdefault(storage.key, storage)

    if data[:1] != b"\x80":
        raise Refused("is no file of torch.save; name a .pt or .pth file.")
    at, parts = 0, []
    for _ in range(5):  # magic number, protocol, machine, object, keys of storages
        value, at = unpickled(data, at, _ALLOWED, meet)
        parts.append(value)
        if parts[0] != _MAGIC:
            raise Refused("is no file of torch.save; name a .pt or .pth file.")
    _, protocol, machine, top, keys = parts
    if protocol != _PROTOCOL or machine["little_endian"] is not True:
        raise Refused("was written by an unknown PyTorch or machine; save it as safetensors there.")
    numbers: dict[str, Bytes] = {}
    for key in keys:
        if type(key) is not str or key not in met:
            raise Refused("has numbers that belong to no tensor; write it again.")
        count = int.from_bytes(part(data, at, 8, "its numbers"), "little")
        size = count * _itemsize(met[key].dtype)
        numbers[key] = part(memoryview(data), at + 8, size, "its numbers")
        at += 8 + size
    return top, lambda s: numbers[s.key]


def _tensors(top: Any, size: int) -> dict[str, _Tensor]:
    """Tensors by dotted names; other values are settings and counters, and go."""
    out: dict[str, _Tensor] = {}
    left = size  # a file cannot name more things than it has bytes
    kinds = (_Tensor, dict, list, tuple)
    waiting: list[tuple[str, int, Any]] = [("", 0, top)] if type(top) in kinds else []
    while waiting:
        name, depth, value = waiting.pop()
        if type(value) is _Tensor:
            if (name := name or "tensor") in out:
                raise Refused(f"holds {shown(name)} twice; rename one of them.")
            out[name] = value
            continue
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        left -= len(value)
        if depth > _DEEPEST or left < 0:
            raise Refused("is nested without end; save the state dict alone.")
        entries = [
            (f"{name}.{key}" if name else str(key), depth + 1, v)
            for key, v in pairs
            if type(v) in kinds
        ]
        left -= sum(len(inner) for inner, _, _ in entries) // 64  # nor have far longer names
        waiting += reversed(entries)
    return out


def _itemsize(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _array(
    name: str,
    t: _Tensor,
    numbers: Callable[[_Storage], Bytes],
    storages: dict[str, tuple[_Storage, Array]],
) -> Array:
    """A tensor as an array of its own."""
    key = t.storage.key
    if key not in storages:
        raw = numbers(t.storage)
        count = len(raw) // _itemsize(t.storage.dtype)
        whole = raw[: count * _itemsize(t.storage.dtype)]
        storages[key] = t.storage, array_of(whole, t.storage.dtype, [count])
    storage, flat = storages[key]
    if storage != t.storage or len(flat) < storage.length:
        raise Refused(f"has {shown(name)} in numbers of another type or count; write it again.")
    if not all(t.size):
        return np.zeros(t.size, flat.dtype)
    last = t.offset + sum((n - 1) * s for n, s in zip(t.size, t.stride, strict=True))
    if last >= len(flat):
        raise Refused(f"has {shown(name)} outside its own numbers; copy it again.")
    steps = [s * flat.itemsize for s in t.stride]
    return np.lib.stride_tricks.as_strided(flat[t.offset :], t.size, steps).copy()
