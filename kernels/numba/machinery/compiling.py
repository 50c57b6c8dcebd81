"""How every kernel here is compiled: for one dtype when first called, and kept on disk.
Serial, without the GIL; multiply-adds may contract into one instruction, but no sum is reordered
and no NaN assumed away.

A kernel says the types of its arguments, with F for float32 or float64. It is compiled for just
those, so an array of another kind is an error at once and never another compilation.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, REGISTERS

OPTIONS: dict[str, Any] = {
    "fastmath": {"contract"},
    "boundscheck": False,
    "error_model": "numpy",
    "nogil": True,
}
FLOATS = {"float32": "f4", "float64": "f8"}
_FLOAT64 = np.dtype(np.float64)
QUIET_SECONDS = 0.7  # of compiling before a line on the terminal says why nothing happens

SOURCES = Path(__file__).parents[1]  # all that a kernel is made of: the twins and this folder

kernels: list[Kernel] = []
_parts: set[str] = set()  # names of what kernels are made of
_announced = False


class Kernel:
    """A function with its argument types, compiled for a dtype when it is first needed.

    Parameters
    ----------
    function : in the part of Python that Numba compiles
    signature : types of its arguments in Numba's words, with F for the floating type
    """

    def __init__(self, function: Callable[..., Any], signature: str) -> None:
        self.function, self.signature = function, signature
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__.strip('_')}"
        # The argument whose dtype decides; a kernel without one is compiled once.
        types = re.sub(r"\[[^]]*\]", "", signature.partition("(")[2]).split(",")
        self._decides = next((n for n, t in enumerate(types) if "F" in t), None)
        self._compiled: dict[Any, Any] = {}
        self._lock = threading.Lock()
        kernels.append(self)

    def __call__(self, *arguments: Any) -> Any:
        dtype = _FLOAT64 if self._decides is None else arguments[self._decides].dtype
        return self.of(dtype)(*arguments)

    def of(self, dtype: Any) -> Any:
        """The compiled function for a dtype: float32 or float64."""
        try:
            return self._compiled[dtype]
        except KeyError:
            dtype = np.dtype(dtype)
        with self._lock:
            if dtype not in self._compiled:
                types = self.signature.replace("F", FLOATS[dtype.name])
                with _line_if_it_takes_long():
                    self._compiled[dtype] = _compile(self.function, types)
        return self._compiled[dtype]


def kernel(signature: str) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorate the entry point of a computation; see `Kernel`."""
    return lambda function: Kernel(function, signature)


def inner(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """Decorate a part of kernels: it is compiled with each kernel that calls it.

    A function made within another wants a name that tells what it was made with. Numba tells
    functions of one name apart by a count that starts anew in every process, so kernels that
    different processes have put in the cache would else run each other's parts.
    """
    function.__name__ = name or function.__name__
    function.__qualname__ = name or function.__qualname__
    key = f"{function.__module__}.{function.__qualname__}"
    if key in _parts or "<locals>" in key:
        raise ValueError(f"there is a part {key} already, or it needs a name: give inner another.")
    _parts.add(key)
    return numba.njit(**OPTIONS)(function)


def compile_all(dtype: Any, say: Callable[[str, float], None]) -> None:
    """Compile, or read from the disk, every kernel; `say` gets each name and its seconds."""
    for one in kernels:
        started = time.perf_counter()
        one.of(np.dtype(dtype))
        say(one.name, time.perf_counter() - started)


def _compile(function: Callable[..., Any], types: str) -> Any:
    """From the cache on disk where that works; a cache that does not work only costs time."""
    try:
        compiled = numba.njit(cache=True, **OPTIONS)(function)
        _stamp_with_all_sources(compiled)
        compiled.compile(types)
    except Exception:  # no folder to write in, a full disk, a damaged file
        compiled = numba.njit(**OPTIONS)(function)
        compiled.compile(types)
    compiled.disable_compile()
    return compiled


def _stamp_with_all_sources(compiled: Any) -> None:
    """Tie a cached kernel to every file of `SOURCES`, not only to the file it stands in.

    Kernels inline functions of their neighbours, and Numba's own stamp would miss a change there.
    """
    try:
        compiled._cache._cache_file._source_stamp = _stamp()
    except AttributeError:  # another Numba: its own, weaker stamp stays
        return


@cache
def _stamp() -> tuple[Any, ...]:
    sources = sorted(SOURCES.rglob("*.py"))
    files = tuple(
        (str(s.relative_to(SOURCES)), s.stat().st_mtime, s.stat().st_size) for s in sources
    )
    return (REGISTER_BYTES, REGISTERS, *files)


class _line_if_it_takes_long:
    """Say once, on a terminal, that kernels are being compiled."""

    def __enter__(self) -> None:
        self.timer = threading.Timer(QUIET_SECONDS, _announce)
        self.timer.daemon = True
        with suppress(RuntimeError):  # where no thread can be started nothing is said
            self.timer.start()

    def __exit__(self, *error: object) -> None:
        self.timer.cancel()


def _announce() -> None:
    global _announced
    if _announced or not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        return
    _announced = True
    print(
        "minilstm: compiling kernels for this machine, once; `minilstm warmup` does it beforehand",
        file=sys.stderr,
        flush=True,
    )
