"""One process alone compiles a kernel, however many start side by side with an empty cache.
The others wait until it is on disk, which is sooner than each of them compiling it on shared cores.
"""

from __future__ import annotations

import os
import time
import zlib
from contextlib import suppress
from pathlib import Path

from minilstm.kernels.numba.machinery.second_compiler import LONGEST_SECONDS

try:
    import fcntl
except ImportError:  # Windows: there each process compiles for itself
    fcntl = None  # type: ignore[assignment]

SECONDS_BETWEEN_LOOKS = 0.02
FILE = "minilstm.lock"  # in the folder of the cache: one byte of it stands for each kernel

_files: dict[Path, int] = {}  # never closed: that would give back every byte this process holds


def claim(folder: Path, kernel: str) -> bool:
    """Whether this process shall compile the kernel; if not, another has just done it, or failed.

    A process that ends gives back what it has claimed, however it ends.
    """
    until = time.monotonic() + LONGEST_SECONDS
    first = True
    while fcntl is not None and time.monotonic() < until:
        try:
            fcntl.lockf(_file(folder), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(kernel))
        except BlockingIOError:
            first = False
            time.sleep(SECONDS_BETWEEN_LOOKS)
            continue
        except OSError:  # no folder to write in, or one that knows no locks
            break
        if not first:
            give_back(folder, kernel)
        return first
    return True


def give_back(folder: Path, kernel: str) -> None:
    """Let the others go on: the kernel is on disk now, or will not be."""
    if fcntl is not None and folder in _files:
        with suppress(OSError):
            fcntl.lockf(_files[folder], fcntl.LOCK_UN, 1, _place(kernel))


def _file(folder: Path) -> int:
    if folder not in _files:
        folder.mkdir(parents=True, exist_ok=True)
        _files[folder] = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    return _files[folder]


def _place(kernel: str) -> int:
    return zlib.crc32(kernel.encode())
