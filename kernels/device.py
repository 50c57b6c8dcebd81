"""Whether CuPy finds a GPU, and which: one clear error, or a list of them.
CuPy is imported within the functions, so that asking costs nothing before it is asked."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from minilstm.errors import DeviceError

OLDEST_MAJOR = 7  # of compute capability: from 7.0 on threads can acquire what others have released


class Device(NamedTuple):
    """What CUDA says of a GPU."""

    name: str
    compute_capability: str  # such as "8.0"
    memory_mb: int


def check_device() -> None:
    """Raise unless CuPy finds a GPU and all that it takes to compile and run a kernel there.

    Raises
    ------
    ImportError
        CuPy, or cuBLAS or the compiler, cannot be loaded, or cannot compile a kernel.
    DeviceError
        CuPy finds no GPU, or none that will run the kernels.
    """
    cupy = _cupy()
    _check_libraries(cupy)
    try:
        cupy.ones(1)  # a kernel of CuPy's own, which includes headers of CUDA
    except (cupy.cuda.runtime.CUDARuntimeError, MemoryError) as error:
        raise DeviceError(
            f"the backend 'cupy' needs an NVIDIA GPU that runs its kernels, but it says: {error}; "
            "check with nvidia-smi, or choose the backend 'numba' or 'numpy'."
        ) from error
    except Exception as error:  # CuPy has an exception of its own for what does not compile
        raise ImportError(
            "the backend 'cupy' needs CuPy to compile kernels, but it says: "
            f"{_first_error(error)}; where the headers of CUDA are missing, install the CUDA "
            "toolkit, or pip install 'cupy-cuda12x[ctk]' (or 'cupy-cuda13x[ctk]'); or choose the "
            "backend 'numba' or 'numpy'."
        ) from error


def _check_libraries(cupy: Any) -> None:
    found = "it found none"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:  # CuPy has a subclass of it for the messages of CUDA
        count, found = 0, f"it says: {error}"
    if count < 1:
        raise DeviceError(
            f"the backend 'cupy' needs an NVIDIA GPU that CuPy can use, but {found}; check the "
            "driver with nvidia-smi, or choose the backend 'numba' or 'numpy'."
        )
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    if properties["major"] < OLDEST_MAJOR:
        raise DeviceError(
            f"the backend 'cupy' needs a GPU of compute capability {OLDEST_MAJOR}.0 or later, but "
            f"this one has {properties['major']}.{properties['minor']}; choose another with "
            "CUDA_VISIBLE_DEVICES, or the backend 'numba' or 'numpy'."
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
        properties = runtime.getDeviceProperties(n)
        capability = f"{properties['major']}.{properties['minor']}"
        found.append(
            Device(properties["name"].decode(), capability, properties["totalGlobalMem"] >> 20)
        )
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


def _first_error(error: Exception) -> str:
    """The line of a compiler's messages that names an error, else the last line."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if "error:" in line), _last_line(error))
