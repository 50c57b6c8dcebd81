"""The switch between NumPy, Numba and CuPy: a small frozen record of functions for each.
This is the only door to `minilstm.kernels`, and it opens when a backend is first asked for.

A package of kernels puts its functions into the fields of their names; see `minilstm.record`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from functools import cache
from importlib import metadata
from typing import Any

from minilstm.record import Backend as Backend

NAMES = ("auto", "numpy", "numba", "cupy")

# A `with` block concerns its own thread; `set_backend` concerns all of them.
_chosen: ContextVar[str] = ContextVar("minilstm_backend")
_everywhere = ""


@contextmanager
def use_backend(name: str) -> Iterator[Backend]:
    """Compute with one backend inside a ``with`` block.

    Parameters
    ----------
    name : "numpy", "numba", "cupy", or "auto": Numba where it is installed, else NumPy

    Yields
    ------
    Backend

    Raises
    ------
    ValueError
        The name is none of these.
    ImportError
        The backend, or what it needs, is not installed; the message says what to install.
    DeviceError
        The backend is "cupy", but CuPy finds no GPU that it can use; the message says why.

    Examples
    --------
    >>> with use_backend("numpy") as backend:
    ...     backend.name
    'numpy'
    """
    backend = load_backend(name)
    token = _chosen.set(name)
    try:
        yield backend
    finally:
        _chosen.reset(token)


def set_backend(name: str) -> Backend:
    """Compute with one backend from now on, in every thread; see `use_backend`."""
    global _everywhere
    backend = load_backend(name)
    _everywhere = name
    return backend


def current_backend() -> Backend:
    """The backend in force: `use_backend`, else `set_backend`, else MINILSTM_BACKEND, else auto."""
    return load_backend(chosen_backend())


def load_backend(name: str) -> Backend:
    """Build the record of a backend; see `use_backend` for the names and the errors."""
    if name == "auto":
        name = "numba" if numba_works(say=True) else "numpy"
    if name == "numpy":
        return _numpy()
    if name == "numba":
        if not is_installed("numba"):
            raise ImportError(
                "the backend 'numba' needs Numba, which is not installed: "
                "pip install 'minilstm[fast]', or choose the backend 'numpy'."
            )
        if not numba_works():
            raise ImportError(
                f"the backend is 'numba', but {host().why_no_numba()}; unset that environment "
                "variable, or choose the backend 'numpy'."
            )
        return _numba()
    if name == "cupy":
        return _cupy()
    raise ValueError(f"the backend is {name!r}; choose one of {', '.join(map(repr, NAMES))}.")


def get_num_threads() -> int:
    """Threads that the Numba kernels use; 1 where Numba cannot compute."""
    if not numba_works():
        return 1
    from minilstm.kernels.numba.machinery import threads

    return threads.get_num_threads()


def set_num_threads(n: int) -> None:
    """Let the Numba kernels use n threads; the bits of every result stay the same.

    Parameters
    ----------
    n : int, from 1 to 256, or to the cores of the machine if it has more. More threads than cores
        only cost time; where the system lets fewer start, those do the work

    Raises
    ------
    ValueError
        It is no such number.
    """
    host().checked_threads("the number of threads", n)
    if numba_works():
        from minilstm.kernels.numba.machinery import threads

        threads.set_num_threads(n)


def multiply_add_peak() -> float:
    """GFLOP/s of fused multiply-adds in registers, float32, on all threads of the Numba kernels."""
    load_backend("numba")
    from minilstm.kernels.numba.machinery import peak

    return peak.multiply_add_peak()


def measuring() -> Any:
    """The module that measures the GPU; the errors are those of `use_backend`."""
    load_backend("cupy")
    from minilstm.kernels.cuda import measuring

    return measuring


def vector_bits() -> int | None:
    """Width of the vector registers that the Numba kernels use; None where it cannot compute."""
    if not numba_works():
        return None
    from minilstm.kernels.numba.machinery import hardware

    return 8 * hardware.REGISTER_BYTES


def ready_kernels() -> frozenset[str]:
    """The Numba kernels that this process has compiled or read from the disk, with their dtypes."""
    if not numba_works():
        return frozenset()
    from minilstm.kernels.numba.machinery import compiling

    return frozenset(f"{k.name} {dtype}" for k in compiling.kernels for dtype in k._compiled)


def kernel_seconds() -> float:
    """Seconds that this process has waited for Numba kernels to be compiled or read so far."""
    if "minilstm.kernels.numba.machinery.compiling" not in sys.modules:
        return 0.0
    from minilstm.kernels.numba.machinery import compiling

    return compiling.waited_seconds()


def warmup(dtype: str = "float32", say: Callable[[str, float], None] | None = None) -> None:
    """Compile the Numba kernels for a dtype now, instead of when each is first used.

    They are kept on disk, so this is worth doing once on a machine, say when it is set up.

    Parameters
    ----------
    dtype : "float32" or "float64"
    say : called with the name of each kernel and the seconds it took

    Raises
    ------
    ImportError
        Numba is not installed.
    ValueError
        The dtype is another.
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {dtype!r}; choose 'float32' or 'float64'.")
    load_backend("numba")
    from minilstm.kernels.numba.machinery import compiling

    compiling.compile_all(dtype, say or (lambda name, seconds: None))


def gpu_devices() -> list[Any]:
    """The GPUs that CuPy can use, as (name, compute_capability, memory_mb); [] without any."""
    from minilstm.kernels import device

    return device.devices()


def cupy_version() -> str | None:
    """The version of CuPy; None where it is not installed or cannot be imported."""
    from minilstm.kernels import device

    return device.version()


def chosen_backend() -> str:
    """The name that was asked for: "auto" where nothing was; see `current_backend`."""
    named = _chosen.get(_everywhere)
    if named:
        return named
    asked = os.environ.get("MINILSTM_BACKEND") or "auto"
    if asked not in NAMES:
        raise ValueError(
            f"MINILSTM_BACKEND is {asked!r}; choose one of {', '.join(map(repr, NAMES))}, or unset "
            "it."
        )
    return asked


@contextmanager
def count_transfers() -> Iterator[Any]:
    """Count the arrays that move between the memory of the host and that of a GPU.

    Yields
    ------
    counts of arrays, `to_device` and `to_host`, and of their bytes, `to_device_bytes` and
    `to_host_bytes`; all stay 0 where the backend computes on the CPU

    Examples
    --------
    >>> with count_transfers() as moved:
    ...     pass
    >>> moved.to_device, moved.to_host_bytes
    (0, 0)
    """
    from minilstm.kernels import transfers

    with transfers.count_transfers() as counts:
        yield counts


@contextmanager
def reuse_memory(backend: Backend) -> Iterator[None]:
    """Let a backend keep freed arrays for its next call, as long as the ``with`` block runs."""
    if backend.name != "numba":
        yield
        return
    from minilstm.kernels.numba.machinery import buffers

    with buffers.reuse_memory():
        yield


@cache
def is_installed(package: str) -> bool:
    """Whether a package could be imported, found without importing it."""
    return importlib.util.find_spec(package) is not None


def installed_version(package: str, module: str = "") -> str | None:
    """The version of a package, whose module may have another name; None where not installed.

    Slim installations leave out what pip knows of a package: then the package itself says it, where
    it has been imported.
    """
    module = module or package
    if not is_installed(module):
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(module), "__version__", "unknown"))


def numba_works(say: bool = False) -> bool:
    """Whether Numba is installed and can compile here.

    With `say` one line is printed, once, where it is installed but cannot.
    """
    if not is_installed("numba"):
        return False
    machine = host()
    why = machine.why_no_numba()
    if why and say:
        machine.say_that_numpy_computes(why)
    return not why


def host() -> Any:
    """The module that knows what this machine and its environment allow."""
    from minilstm.kernels import host

    return host


@cache
def _numpy() -> Backend:
    from minilstm.kernels import numpy_stream

    return Backend("numpy", make_stepper=numpy_stream.make_stepper)


@cache
def _numba() -> Backend:
    from minilstm.kernels import numba as kernels

    return Backend("numba", **_functions_of(kernels))


@cache
def _cupy() -> Backend:
    if not is_installed("cupy"):
        raise ImportError(
            "the backend 'cupy' needs CuPy, which is not installed: pip install "
            "'minilstm[cuda12]' (or 'minilstm[cuda13]' for a driver of CUDA 13), or choose the "
            "backend 'numba' or 'numpy'."
        )
    from minilstm.kernels import device

    device.check_device()
    from minilstm.kernels import cuda as kernels

    return Backend("cupy", gpu_bytes=device.memory_bytes(), **_functions_of(kernels))


def _functions_of(kernels: Any) -> dict[str, Any]:
    """The names that a package of kernels hands on, each a field of the record."""
    handed_on = vars(kernels)
    return {f.name: handed_on[f.name] for f in fields(Backend) if f.name in handed_on}
