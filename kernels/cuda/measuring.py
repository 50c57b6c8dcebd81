"""What a benchmark asks the device: its name, its clock, the memory in use, the time to exchange.
The switch hands this module to `minilstm bench`, and nothing else uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cupy

from minilstm.kernels.cuda.exchange import LARGEST_BYTES, Group, check_exchange, exchange
from minilstm.kernels.cuda.lstm_plan import device
from minilstm.kernels.device import devices


def describe() -> dict[str, Any]:
    """Facts about device and software, by name.

    Returns
    -------
    dict with "device", "compute_capability", "multiprocessors", "device_gib", "driver" (None
    where the system does not say), "cuda_driver" (the newest CUDA that the driver knows),
    "cuda_runtime" and "cupy"
    """
    number, runtime = cupy.cuda.Device().id, cupy.cuda.runtime
    here = devices()[number]
    return {
        "device": here.name,
        "compute_capability": here.compute_capability,
        "multiprocessors": device(number).multiprocessors,
        "device_gib": round(here.memory_mb / 2**10, 1),
        "driver": _driver(),
        "cuda_driver": _version(runtime.driverGetVersion()),
        "cuda_runtime": _version(runtime.runtimeGetVersion()),
        "cupy": cupy.__version__,
    }


def synchronize() -> None:
    """Wait until the device has done all that it was asked to."""
    cupy.cuda.Device().synchronize()


def event_seconds(run: Callable[[], object]) -> float:
    """Seconds between two events on the device, one before a run and one after it."""
    first, last = cupy.cuda.Event(), cupy.cuda.Event()
    first.record()
    run()
    last.record()
    last.synchronize()
    return float(cupy.cuda.get_elapsed_time(first, last)) / 1e3


def exchange_groups() -> list[Group]:
    """Groups of blocks that can exchange here, from two blocks to one for each multiprocessor."""
    here = device(cupy.cuda.Device().id)
    most = here.multiprocessors
    grids = [Group(n, False) for n in sorted({2, 8, 32, most}) if n <= most]
    return grids + ([Group(n, True) for n in (2, 8)] if here.has_clusters else [])


def exchange_seconds(values: int, steps: int, group: Group) -> float:
    """Seconds of one exchange, by the device's clock, over many of them in one launch.

    Parameters
    ----------
    values : float32 numbers that every block gets; as many as `LARGEST_BYTES` bytes hold at most
    steps : exchanges
    group : of `exchange_groups`

    Raises
    ------
    AssertionError
        An exchange lost numbers.
    """
    check_exchange(group)
    numbers = cupy.zeros(min(values, LARGEST_BYTES // 4), cupy.float32)  # (K,)

    def run() -> None:
        exchange(numbers, steps, group)

    run()  # the first launch compiles
    return event_seconds(run) / steps


def used_bytes() -> int:
    """Bytes of the memory pool that arrays hold now, what is free having been given back."""
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    return int(pool.used_bytes())


def held_bytes() -> int:
    """Bytes that the memory pool has taken from the device, in use or free: it keeps its peak."""
    return int(cupy.get_default_memory_pool().total_bytes())


def _version(number: int) -> str:
    """CUDA's number of a version as text.

    Examples
    --------
    >>> _version(12090)
    '12.9'
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver() -> str | None:
    """The version of the driver itself, which CUDA does not tell."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:  # not Linux, or no driver
        return None
    match = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)", text)
    return match[1] if match else None
