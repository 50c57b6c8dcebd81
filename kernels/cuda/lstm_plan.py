"""How `lstm.cu` spreads an LSTM over the blocks of a device: who holds which weights, and where.
A plan depends on sizes and on the device alone; the order of a sum depends on H alone.

A team of lanes computes one unit. A block holds the recurrent weights of its units, in registers as
far as they reach, then in shared memory. Blocks form a group, which holds all of R. In order of
preference a group is one block; a cluster (compute capability 9.0 and later); blocks of a
cooperative grid, which all run at once. A layer too large for any of them goes step by step.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import cupy
import numpy as np

from minilstm.kernels.cuda.compiling import WARP_LANES
from minilstm.kernels.cuda.exchange import has_clusters

BLOCK_THREADS = 256  # wanted of a block: with so many, each may have 255 registers
LARGEST_CLUSTER = 8  # of those that every device with clusters takes
REGISTERS = 65536  # of a block, where it is alone on its multiprocessor
OTHER_REGISTERS = 64  # of a thread, beside weights and sums: what compilers were seen to use
SUM_REGISTERS = 64  # of a thread, at most, for the sums of several sequences
LEAST_STEPS = 3  # steps from which loading the weights pays
MOST_TURNS = 16  # of sequences one after another: beyond, a product for all of them takes less


class Device(NamedTuple):
    """What a plan asks about a device."""

    has_clusters: bool
    multiprocessors: int
    shared_bytes: int  # that a block may have


class Plan(NamedTuple):
    """Sizes of a launch; the names of `constants` are those of `lstm_group.cuh`."""

    blocks: int  # of a group
    units: int  # of a block
    lanes: int  # of a team of forward
    rows: int  # sequences that a group takes at a time, forward
    rows_back: int  # and backward
    exchange: int  # 0 one block, 1 a cluster, 2 a cooperative grid
    groups: int
    rows_of_group: int
    held: int  # rounds of forward whose weights are in registers
    held_back: int  # and of backward
    threads: int
    shared: int  # bytes of forward
    shared_back: int  # bytes of backward


@cache
def device(number: int) -> Device:
    """The device of this number, which is in use."""
    attributes = cupy.cuda.Device(number).attributes
    return Device(
        has_clusters(),
        int(attributes["MultiProcessorCount"]),
        int(attributes["MaxSharedMemoryPerBlockOptin"]),
    )


def make_plan(device: Device, H: int, B: int, T: int, dtype: Any) -> Plan | None:
    """The plan for a layer and a batch.

    Parameters
    ----------
    device : Device
    H : hidden units
    B : sequences
    T : steps of the longest of them
    dtype : float32 or float64

    Returns
    -------
    Plan, or None where the time loop is to be launched step by step
    """
    if T < LEAST_STEPS:
        return None
    lanes = 8 if H <= 256 else 16 if H <= 512 else 32
    size = np.dtype(dtype).itemsize
    for exchange, blocks in _groups(device, H, lanes):
        at_once = device.multiprocessors // blocks  # groups
        turns = -(-B // at_once)
        tall = lanes if turns > 1 and lanes * size <= SUM_REGISTERS else 1
        for rows in sorted({tall, 1}, reverse=True):
            if rows == 1 and turns > MOST_TURNS:
                continue
            # Clusters wait for a place; the blocks of a cooperative grid must all find one.
            of_group = turns if exchange == 2 else rows
            plan = _fitted(device, H, B, lanes, size, exchange, blocks, rows, of_group)
            if plan is not None:
                return plan
    return None


def _groups(device: Device, H: int, lanes: int) -> list[tuple[int, int]]:
    """Kinds of groups with their numbers of blocks, the best first."""
    few = -(-H // (BLOCK_THREADS // lanes))  # blocks
    kinds = [(0, 1)] if few == 1 else []
    if device.has_clusters:
        kinds += [(1, blocks) for blocks in (2, 4, 8) if few <= blocks] or [(1, LARGEST_CLUSTER)]
    kinds.append((2, few))
    return [kind for kind in kinds if kind[1] <= device.multiprocessors]


def _fitted(
    device: Device,
    H: int,
    B: int,
    lanes: int,
    size: int,
    exchange: int,
    blocks: int,
    rows: int,
    of_group: int,
) -> Plan | None:
    """The plan, if its weights find room in the registers and the shared memory of a block."""
    units = -(-H // blocks)
    blocks = -(-H // units) if exchange == 2 else blocks
    threads = -(-units * lanes // WARP_LANES) * WARP_LANES
    if threads > 2 * BLOCK_THREADS:
        return None
    words, outs = size // 4, WARP_LANES // lanes
    registers = min(255, REGISTERS // threads // 8 * 8) - OTHER_REGISTERS
    tiles = 1 if exchange == 2 else 2
    cell = of_group * units  # c or dc

    def room(rounds: int, width: int, quads: int, rows: int) -> tuple[int, int]:
        """Rounds of `width` real4 weights in registers, and bytes of shared memory for the rest."""
        held = min(rounds, (registers - width * rows * words) // (4 * width * words))
        stored = (rounds - held) * width * threads
        return held, (4 * (stored + tiles * rows * rounds * quads) + cell) * size

    held, shared = room(-(-H // (4 * lanes)), 4, lanes, rows)  # four gates of a unit
    rows_back = rows
    held_back, shared_back = room(-(-H // WARP_LANES), outs, WARP_LANES, rows_back)
    # dz is four times as large as h; only a grid takes the sequences of a group by turns.
    while shared_back > device.shared_bytes and rows_back > 1 and exchange == 2:
        rows_back //= 2
        held_back, shared_back = room(-(-H // WARP_LANES), outs, WARP_LANES, rows_back)
    if min(held, held_back) < 0 or max(shared, shared_back) > device.shared_bytes:
        return None
    return Plan(
        blocks,
        units,
        lanes,
        rows,
        rows_back,
        exchange,
        -(-B // of_group),
        of_group,
        held,
        held_back,
        threads,
        shared,
        shared_back,
    )


def constants(plan: Plan, H: int) -> dict[str, int]:
    """The sizes that `lstm.cu` is compiled for."""
    return {
        "HIDDEN": H,
        "UNITS": plan.units,
        "BLOCKS": plan.blocks,
        "LANES": plan.lanes,
        "ROWS": plan.rows,
        "ROWS_BACK": plan.rows_back,
        "EXCHANGE": plan.exchange,
        "HELD": plan.held,
        "HELD_BACK": plan.held_back,
    }
