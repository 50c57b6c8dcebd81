"""Whether CuPy finds a GPU, and which: one clear error, or a list of them.
CuPy is imported within the functions, so that asking costs nothing before it is asked."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from minilstm.errors import DeviceError


class Device(NamedTuple):
    """What CUDA says of a GPU."""

    name: str
    compute_capability: str  # such as "8.0"
    memory_mb: int


def check_device() -> None:
    """Raise unless CuPy can be imported, and finds a GPU and the libraries of NVIDIA.

    Raises
    ------
    ImportError
        CuPy, or cuBLAS or the compiler, cannot be loaded.
    DeviceError
        CuPy finds no GPU.
    """
    cupy, found = _cupy(), "it found none"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:  # CuPy has a subclass of it for the messages of CUDA
        count, found = 0, f"it says: {error}"
    if count < 1:
        raise DeviceError(
            f"the backend 'cupy' needs an NVIDIA GPU that CuPy can use, but {found}; check the "
            "driver with nvidia-smi, or choose the backend 'numba' or 'numpy'."
        )
    try:
        from cupy.cuda import cublas as cublas
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f"the backend 'cupy' needs NVIDIA's cuBLAS and NVRTC, which CuPy cannot load "
            f"({_last_line(error)}); install the CUDA toolkit, or pip install 'cupy-cuda12x[ctk]' "
            "(or 'cupy-cuda13x[ctk]'), or choose the backend 'numba' or 'numpy'."
        ) from error


def devices() -> list[Device]:
    """The GPUs that CuPy can use, in the order of CUDA; none where it finds none."""
    try:
        check_device()
    except (ImportError, DeviceError):
        return []
    runtime = _cupy().cuda.runtime
    found = []
    for n in range(runtime.getDeviceCount()):
        told = runtime.getDeviceProperties(n)
        capability = f"{told['major']}.{told['minor']}"
        found.append(Device(told["name"].decode(), capability, told["totalGlobalMem"] >> 20))
    return found


def memory_bytes() -> int:
    """All the memory of the GPU that CuPy computes on."""
    return int(_cupy().cuda.runtime.memGetInfo()[1])


def version() -> str | None:
    """Of CuPy; None where it cannot be imported."""
    try:
        return str(_cupy().__version__)
    except ImportError:
        return None


def _cupy() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what they warn comes as an error, or not at all
            import cupy
    except ImportError as error:
        raise ImportError(
            f"the backend 'cupy' needs CuPy, which is installed but cannot be imported "
            f"({_last_line(error)}); install one that fits your CUDA libraries: pip install "
            "'minilstm[cuda12]' or 'minilstm[cuda13]', or choose the backend 'numba' or 'numpy'."
        ) from error
    return cupy


def _last_line(error: Exception) -> str:
    """What a message of many lines ends with, which is the first cause."""
    lines = [line.strip(" =") for line in str(error).splitlines()]
    return [line for line in lines if line][-1] if any(lines) else type(error).__name__
