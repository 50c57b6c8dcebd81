"""How every kernel here is compiled: serial, without the GIL, cached on disk where that works.
Multiply-adds may contract into one instruction, but no sum is reordered and no NaN assumed away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

OPTIONS: dict[str, Any] = {
    "fastmath": {"contract"},
    "boundscheck": False,
    "error_model": "numpy",
    "nogil": True,
}


def inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function as a part of the kernels that call it."""
    return numba.njit(**OPTIONS)(function)


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel on first use; without a writable cache folder that only costs time."""
    try:
        kernel = numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # no folder to cache in
        return numba.njit(**OPTIONS)(function)
    _stamp_with_all_sources(kernel)
    return kernel


def _stamp_with_all_sources(kernel: Any) -> None:
    """Tie a cached kernel to every file of this folder, not only to the file it stands in.

    Kernels inline functions of their neighbours, and Numba's own stamp would miss a change there.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    stamp = tuple((s.name, s.stat().st_mtime, s.stat().st_size) for s in sources)
    try:
        kernel._cache._cache_file._source_stamp = stamp
    except AttributeError:  # another Numba: its own, weaker stamp stays
        return
