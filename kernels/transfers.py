"""What has moved between the memory of the host and that of a GPU, counted.
It stands outside `cuda`, so that a program without CuPy may count as well: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


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


def moved_to_device(size: int) -> None:
    """Count an array of so many bytes."""
    for counts in _counting.get():
        counts.to_device += 1
        counts.to_device_bytes += size


def moved_to_host(size: int) -> None:
    """Count an array of so many bytes."""
    for counts in _counting.get():
        counts.to_host += 1
        counts.to_host_bytes += size
