"""Moving arrays between the memory of the host and that of the device, and counting it.
Nothing else in this folder moves data, so the counts are complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import cupy
import numpy as np


@dataclass
class Transfers:
    """What has moved between host and device while it was counted."""

    to_device: int = 0  # arrays
    to_device_bytes: int = 0
    to_host: int = 0  # arrays
    to_host_bytes: int = 0


_counting: ContextVar[tuple[Transfers, ...]] = ContextVar("minilstm_transfers", default=())


@contextmanager
def count_transfers() -> Iterator[Transfers]:
    """Count what moves between host and device within a ``with`` block."""
    counts = Transfers()
    token = _counting.set((*_counting.get(), counts))
    try:
        yield counts
    finally:
        _counting.reset(token)


def to_device(array: Any, order: str = "K") -> Any:
    """An array in the memory of the device: itself if it is there, else a copy.

    Parameters
    ----------
    array : of NumPy or of CuPy
    order : "K" keeps the order of the axes, "C" and "F" are row-major and column-major
    """
    if isinstance(array, cupy.ndarray):
        return array
    array = np.asarray(array)
    for counts in _counting.get():
        counts.to_device += 1
        counts.to_device_bytes += array.nbytes
    return cupy.asarray(array, order=order)


def to_host(array: Any) -> Any:
    """An array in the memory of the host: itself if it is there, else a copy."""
    if not isinstance(array, cupy.ndarray):
        return array
    for counts in _counting.get():
        counts.to_host += 1
        counts.to_host_bytes += array.nbytes
    return cupy.asnumpy(array, order="A")
