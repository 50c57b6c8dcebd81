"""Exchanges between blocks, step after step, with no work between them.
`minilstm bench` times them: no persistent recurrent kernel can take less time a step.

Each number moves one place down a step, so the results say whether the exchanges happened.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cupy
import numpy as np

from minilstm.kernels.cuda.compiling import THREADS, kernel, launch
from minilstm.kernels.cuda.transfer import to_device, to_host

LARGEST = 24 * 1024  # bytes of the numbers: twice as much is what a block has without asking


class Group(NamedTuple):
    """Blocks that exchange with one another."""

    blocks: int
    cluster: bool  # through their shared memory; else through global memory, as a grid

    def __str__(self) -> str:
        return f"{'cluster' if self.cluster else 'grid'} of {self.blocks}"


def exchange(numbers: Any, steps: int, group: Group) -> Any:
    """Exchange so many times.

    Parameters
    ----------
    numbers : (K,) float32 or float64 on the device, at most `LARGEST` bytes
    steps : exchanges
    group : a grid whose blocks can all run at the same time, or a cluster of 8 blocks at most

    Returns
    -------
    (K,) the numbers, moved down by so many places as there were steps
    """
    if group.cluster:
        return _exchange_cluster(numbers, steps, group.blocks)
    return _exchange_grid(numbers, steps, group.blocks)


def _exchange_grid(numbers: Any, steps: int, blocks: int) -> Any:
    function = _kernel("exchange_grid", numbers, blocks, cooperative=True)
    halves = cupy.empty((2, len(numbers)), numbers.dtype)
    halves[0] = numbers
    counter = cupy.zeros(1, cupy.uint32)
    launch(function, blocks, THREADS, halves, counter, len(numbers), steps, shared=numbers.nbytes)
    return halves[steps % 2]


def _exchange_cluster(numbers: Any, steps: int, blocks: int) -> Any:
    function = _kernel("exchange_cluster", numbers, blocks)
    moved = numbers.copy()
    launch(function, blocks, THREADS, moved, len(numbers), steps, shared=2 * numbers.nbytes)
    return moved


def check_exchange(group: Group, values: int = 100, steps: int = 3) -> None:
    """Raise AssertionError where numbers are not where the exchanges should have brought them.

    Parameters
    ----------
    group : of blocks
    values, steps : numbers, and exchanges of them
    """
    numbers = np.arange(values, dtype=np.float32)  # (K,)
    moved = exchange(to_device(numbers), steps, group)
    if not np.array_equal(to_host(moved), np.roll(numbers, -steps)):
        raise AssertionError("an exchange between blocks lost numbers; nothing was timed.")


def has_clusters() -> bool:
    """Whether the device can run blocks as clusters: compute capability 9.0 and later."""
    return int(cupy.cuda.Device().compute_capability) >= 90


def _kernel(name: str, numbers: Any, blocks: int, cooperative: bool = False) -> Any:
    # Only a cluster's kernel knows its size; the other is compiled once for all.
    size = 1 if cooperative else blocks
    return kernel("exchange.cu", name, numbers.dtype, cooperative=cooperative, BLOCKS=size)
