"""The switch between NumPy, Numba and CuPy: a small frozen record of functions for each.
This is the only door to `minilstm.kernels`, and it opens when a backend is first asked for."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any

NAMES = ("auto", "numpy", "numba", "cupy")

# A `with` block concerns its own thread; `set_backend` concerns all of them.
_chosen: ContextVar[str] = ContextVar("minilstm_backend")
_everywhere = ""


def _same(array: Any) -> Any:
    """Where a backend computes in the memory of the host, nothing has to be moved."""
    return array


@dataclass(frozen=True)
class Backend:
    """The functions that layers call; each has the contract of its twin in `functional`."""

    name: str
    lstm_forward: Callable[..., Any]
    lstm_backward: Callable[..., Any]
    lstm_pack: Callable[..., Any]
    lstm_advance: Callable[..., Any]
    lstm_restore: Callable[..., Any]
    bilstm_forward: Callable[..., Any]
    bilstm_backward: Callable[..., Any]
    fully_connected_forward: Callable[..., Any]
    fully_connected_backward: Callable[..., Any]
    convolution_forward: Callable[..., Any]
    convolution_backward: Callable[..., Any]
    softmax_forward: Callable[..., Any]
    softmax_backward: Callable[..., Any]
    sigmoid_forward: Callable[..., Any]
    sigmoid_backward: Callable[..., Any]
    relu_forward: Callable[..., Any]
    relu_backward: Callable[..., Any]
    dropout_forward: Callable[..., Any]
    dropout_backward: Callable[..., Any]
    batch_normalization_forward: Callable[..., Any]
    batch_normalization_backward: Callable[..., Any]
    batch_normalization_apply: Callable[..., Any]
    batch_normalization_apply_backward: Callable[..., Any]
    softmax_cross_entropy_forward: Callable[..., Any]
    softmax_cross_entropy_backward: Callable[..., Any]
    classifier_loss: Callable[..., Any]
    absolute_error_forward: Callable[..., Any]
    absolute_error_backward: Callable[..., Any]
    binary_cross_entropy_forward: Callable[..., Any]
    binary_cross_entropy_backward: Callable[..., Any]
    cross_entropy_forward: Callable[..., Any]
    cross_entropy_backward: Callable[..., Any]
    huber_forward: Callable[..., Any]
    huber_backward: Callable[..., Any]
    sigmoid_binary_cross_entropy_forward: Callable[..., Any]
    sigmoid_binary_cross_entropy_backward: Callable[..., Any]
    squared_error_forward: Callable[..., Any]
    squared_error_backward: Callable[..., Any]
    gradient_norm: Callable[..., Any]
    gradient_scale: Callable[..., Any]
    adam_step: Callable[..., Any]
    rmsprop_step: Callable[..., Any]
    sgdm_step: Callable[..., Any]
    #: a whole network's time step as one call; None runs a stream layer by layer
    make_stepper: Callable[..., Any] | None = None
    #: an array to where the backend computes, and back to NumPy; the array itself if it is there
    to_device: Callable[[Any], Any] = _same
    to_host: Callable[[Any], Any] = _same
    #: memory of the GPU; None where it computes in the memory of the host
    gpu_bytes: int | None = None


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
        name = "numba" if is_installed("numba") else "numpy"
    if name == "numpy":
        return _numpy()
    if name == "numba":
        if not is_installed("numba"):
            raise ImportError(
                "the backend 'numba' needs Numba, which is not installed: "
                "pip install 'minilstm[fast]', or choose the backend 'numpy'."
            )
        return _numba()
    if name == "cupy":
        return _cupy()
    raise ValueError(f"the backend is {name!r}; choose one of {', '.join(map(repr, NAMES))}.")


def get_num_threads() -> int:
    """Threads that the Numba kernels use; 1 where Numba is absent."""
    if not is_installed("numba"):
        return 1
    from minilstm.kernels.numba.machinery import threads

    return threads.get_num_threads()


def set_num_threads(n: int) -> None:
    """Let the Numba kernels use n threads; the bits of every result stay the same.

    Parameters
    ----------
    n : int, at least 1
    """
    if load_backend("auto").name == "numba":
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
    """Width of the vector registers that the Numba kernels use; None where Numba is absent."""
    if not is_installed("numba"):
        return None
    from minilstm.kernels.numba.machinery import hardware

    return 8 * hardware.REGISTER_BYTES


def ready_kernels() -> frozenset[str]:
    """The Numba kernels that this process has compiled or read from the disk, with their dtypes."""
    if not is_installed("numba"):
        return frozenset()
    from minilstm.kernels.numba.machinery import compiling

    return frozenset(f"{k.name} {dtype}" for k in compiling.kernels for dtype in k._compiled)


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
    return _chosen.get(_everywhere or os.environ.get("MINILSTM_BACKEND") or "auto")


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


def _shared() -> dict[str, Any]:
    """Functions that take little time beside the others: the same for every backend."""
    from minilstm.functional import (
        absolute_error,
        binary_cross_entropy,
        cross_entropy,
        gradient,
        huber,
        sigmoid,
        squared_error,
    )

    home = {
        "absolute_error": absolute_error,
        "binary_cross_entropy": binary_cross_entropy,
        "cross_entropy": cross_entropy,
        "huber": huber,
        "sigmoid": sigmoid,
        "sigmoid_binary_cross_entropy": binary_cross_entropy,
        "squared_error": squared_error,
    }
    names = [(f"{name}_{way}", home[name]) for name in home for way in ("forward", "backward")]
    names.append(("gradient_scale", gradient))
    return {name: getattr(module, name) for name, module in names}


@cache
def _numpy() -> Backend:
    from minilstm.functional import (
        adam,
        batch_normalization,
        bilstm,
        classifier_loss,
        convolution,
        cross_entropy,
        dropout,
        fully_connected,
        gradient,
        lstm,
        lstm_spans,
        relu,
        rmsprop,
        sgdm,
        softmax,
    )

    return Backend(
        name="numpy",
        lstm_forward=lstm.lstm_forward,
        lstm_backward=lstm.lstm_backward,
        lstm_pack=lstm_spans.lstm_pack,
        lstm_advance=lstm_spans.lstm_advance,
        lstm_restore=lstm_spans.lstm_restore,
        bilstm_forward=bilstm.bilstm_forward,
        bilstm_backward=bilstm.bilstm_backward,
        fully_connected_forward=fully_connected.fully_connected_forward,
        fully_connected_backward=fully_connected.fully_connected_backward,
        convolution_forward=convolution.convolution_forward,
        convolution_backward=convolution.convolution_backward,
        softmax_forward=softmax.softmax_forward,
        softmax_backward=softmax.softmax_backward,
        relu_forward=relu.relu_forward,
        relu_backward=relu.relu_backward,
        dropout_forward=dropout.dropout_forward,
        dropout_backward=dropout.dropout_backward,
        batch_normalization_forward=batch_normalization.batch_normalization_forward,
        batch_normalization_backward=batch_normalization.batch_normalization_backward,
        batch_normalization_apply=batch_normalization.batch_normalization_apply,
        batch_normalization_apply_backward=batch_normalization.batch_normalization_apply_backward,
        softmax_cross_entropy_forward=cross_entropy.softmax_cross_entropy_forward,
        softmax_cross_entropy_backward=cross_entropy.softmax_cross_entropy_backward,
        classifier_loss=classifier_loss.classifier_loss,
        gradient_norm=gradient.gradient_norm,
        adam_step=adam.adam_step,
        **_shared(),
        rmsprop_step=rmsprop.rmsprop_step,
        sgdm_step=sgdm.sgdm_step,
    )


@cache
def _numba() -> Backend:
    from minilstm.kernels import numba as kernels

    return _record("numba", kernels, **_shared())


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

    return _record("cupy", kernels, gpu_bytes=device.memory_bytes())


def _record(name: str, kernels: Any, **others: Any) -> Backend:
    """The functions of a package of kernels, and others; what neither has keeps its default."""
    own = {
        f.name: getattr(kernels, f.name)
        for f in fields(Backend)
        if f.name not in ("name", *others) and (f.default is MISSING or hasattr(kernels, f.name))
    }
    return Backend(name=name, **own, **others)
