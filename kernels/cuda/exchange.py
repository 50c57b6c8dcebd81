"""Exchanges between blocks, step after step, with no work between them.
`minilstm bench` times them: no persistent recurrent kernel that meets so can take less time.

Each number moves one place down a step, so the results say whether the exchanges happened.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cupy
import numpy as np

from minilstm.kernels.cuda.compiling import THREADS, kernel, launch
from minilstm.kernels.cuda.transfer import to_device, to_host

LARGEST_BYTES = 24 * 1024  # bytes of the numbers: twice as much is what a block has without asking


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
    numbers : (K,) float32 or float64 on the device, at most `LARGEST_BYTES` bytes
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
    # Only a cluster's kernel knows its size; this one is compiled once for all.
    function = kernel("exchange.cu", "exchange_grid", numbers.dtype, BLOCKS=1)
    halves = cupy.empty((2, len(numbers)), numbers.dtype)  # (2, K)
    halves[0] = numbers
    counter = cupy.zeros(1, cupy.uint32)
    arguments = halves, counter, len(numbers), steps
    launch(function, blocks, THREADS, *arguments, shared=numbers.nbytes, cooperative=True)
    return halves[steps % 2]


def _exchange_cluster(numbers: Any, steps: int, blocks: int) -> Any:
    function = kernel("exchange.cu", "exchange_cluster", numbers.dtype, BLOCKS=blocks)
    moved = numbers.copy()
    launch(function, blocks, THREADS, moved, len(numbers), steps, shared=2 * numbers.nbytes)
    return moved


def check_exchange(group: Group) -> None:
    """Raise AssertionError where numbers are not where some exchanges should have brought them."""
    numbers = np.arange(100, dtype=np.float32)  # (K,)
    moved = exchange(to_device(numbers), 3, group)
    if not np.array_equal(to_host(moved), np.roll(numbers, -3)):
        raise AssertionError("an exchange between blocks lost numbers; nothing was timed.")


def has_clusters() -> bool:
    """Whether the device runs clusters of 8 blocks, each block alone on its multiprocessor.

    Devices of compute capability 9.0 and later have clusters, but a small one, or a part of one
    (MIG), may have too few multiprocessors that lie together. A launch tells.
    """
    device = cupy.cuda.Device()
    if int(device.compute_capability) < 90:
        return False
    numbers = cupy.zeros(8, cupy.float32)
    function = kernel("exchange.cu", "exchange_cluster", numbers.dtype, BLOCKS=8)
    memory = int(device.attributes["MaxSharedMemoryPerBlockOptin"])
    try:
        launch(function, 8, THREADS, numbers, len(numbers), 1, shared=memory)
    except RuntimeError:  # CUDA refuses at once a cluster that will never find its place
        return False
    return True
