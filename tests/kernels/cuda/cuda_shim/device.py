"""The parts of `cupy.cuda` that tell of the device, its streams and its clocks.
The device that they tell of is an H100, of which the executor keeps the limits."""

import time
from types import ModuleType, SimpleNamespace

from . import executor
from .arrays import counts


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
        return str(executor.capability())

    @property
    def attributes(self):
        return {
            "MultiProcessorCount": executor.MULTIPROCESSORS,
            "MaxSharedMemoryPerBlock": 48 << 10,
            "MaxSharedMemoryPerBlockOptin": executor.SHARED_LIMIT[executor.capability()],
            "MaxThreadsPerBlock": 1024,
            "MaxThreadsPerMultiProcessor": 2048,
            "CooperativeLaunch": 1,
            "WarpSize": 32,
            "L2CacheSize": 50 << 20,
            "ClockRate": 1_980_000,
        }

    @property
    def mem_info(self):
        return (80 << 30) - counts.used_bytes, 80 << 30

    def use(self):
        return self

    def synchronize(self):
        counts.synchronisations += 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"<CUDA Device {self.id}>"


class Stream:
    """`cupy.cuda.Stream`; everything here is done when it is asked for."""

    def __init__(self, null=False, non_blocking=False, ptds=False):
        self.ptr = 0

    def synchronize(self):
        counts.synchronisations += 1

    def use(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


Stream.null = Stream(null=True)


class Event:
    """`cupy.cuda.Event`."""

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

    def free_bytes(self):
        return 0

    def free_all_blocks(self, stream=None):
        pass

    def set_limit(self, size=None, fraction=None):
        pass


def _runtime():
    module = ModuleType("cupy.cuda.runtime")
    name = {70: b"V100", 80: b"A100", 90: b"H100"}

    def get_device_properties(device):
        capability = executor.capability()
        return {
            "name": b"a CPU in the place of an NVIDIA " + name[capability],
            "multiProcessorCount": executor.MULTIPROCESSORS,
            "major": capability // 10,
            "minor": capability % 10,
            "totalGlobalMem": 80 << 30,
            "sharedMemPerBlockOptin": executor.SHARED_LIMIT[capability],
            "clockRate": 1_980_000,
            "memoryClockRate": 2_619_000,
            "memoryBusWidth": 5120,
            "l2CacheSize": 50 << 20,
        }

    module.CUDARuntimeError = CUDARuntimeError
    module.getDeviceCount = lambda: 1
    module.getDevice = lambda: 0
    module.setDevice = lambda device: Device(device).use() and None
    module.getDeviceProperties = get_device_properties
    module.runtimeGetVersion = module.driverGetVersion = lambda: 12090
    module.deviceSynchronize = Device(0).synchronize
    module.memGetInfo = lambda: Device(0).mem_info
    module.is_hip = False
    return module


def make_module():
    """A fresh `cupy.cuda`."""
    module = ModuleType("cupy.cuda")
    module.runtime = _runtime()
    module.Device, module.Stream, module.Event = Device, Stream, Event
    module.get_elapsed_time = get_elapsed_time
    module.MemoryPool = MemoryPool
    module.get_current_stream = lambda device_id=-1: Stream.null
    module.get_device_id = lambda: 0
    module.is_available = lambda: True
    module.cublas = SimpleNamespace()
    module.nvrtc = SimpleNamespace(getVersion=lambda: (12, 9))
    module.device = SimpleNamespace(Device=Device)
    module.stream = SimpleNamespace(Stream=Stream)
    return module
