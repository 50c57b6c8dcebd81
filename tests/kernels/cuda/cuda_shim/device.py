"""The parts of `cupy.cuda` that tell of the device, its clocks and its memory.
The device that they tell of is an H100, of which the executor keeps the limits."""

import time
from types import ModuleType, SimpleNamespace

from . import executor
from .arrays import counts

MEMORY = 80 << 30  # bytes


class CUDARuntimeError(RuntimeError):
    """`cupy.cuda.runtime.CUDARuntimeError`."""


class Device:
    """`cupy.cuda.Device`, of which there is one."""

    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)
        if self.id:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    @property
    def compute_capability(self):
        return str(executor.CAPABILITY)

    @property
    def attributes(self):
        return {
            "MultiProcessorCount": executor.MULTIPROCESSORS,
            "MaxSharedMemoryPerBlockOptin": executor.SHARED_LIMIT,
        }

    def synchronize(self):
        counts.synchronisations += 1


class Event:
    """`cupy.cuda.Event`; everything here is done when it is asked for."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.time = None

    def record(self, stream=None):
        self.time = time.perf_counter()

    def synchronize(self):
        counts.synchronisations += 1


def get_elapsed_time(start_event, end_event):
    """Milliseconds between two events."""
    return 1e3 * (end_event.time - start_event.time)


class MemoryPool:
    """`cupy.cuda.MemoryPool`: how much memory arrays take."""

    def used_bytes(self):
        return counts.used_bytes

    def total_bytes(self):
        return counts.used_bytes

    def free_all_blocks(self, stream=None):
        pass


def _runtime():
    module = ModuleType("cupy.cuda.runtime")
    properties = {
        "name": b"a CPU in the place of an NVIDIA H100",
        "major": executor.CAPABILITY // 10,
        "minor": executor.CAPABILITY % 10,
        "totalGlobalMem": MEMORY,
    }
    module.CUDARuntimeError = CUDARuntimeError
    module.getDeviceCount = lambda: 1
    module.getDevice = lambda: 0
    module.getDeviceProperties = lambda device: properties
    module.runtimeGetVersion = module.driverGetVersion = lambda: 12090
    module.memGetInfo = lambda: (MEMORY - counts.used_bytes, MEMORY)
    return module


def make_module():
    """A fresh `cupy.cuda`."""
    module = ModuleType("cupy.cuda")
    module.runtime = _runtime()
    module.Device, module.Event, module.MemoryPool = Device, Event, MemoryPool
    module.get_elapsed_time = get_elapsed_time
    module.cublas = SimpleNamespace()
    module.nvrtc = SimpleNamespace(getVersion=lambda: (12, 9))
    return module
