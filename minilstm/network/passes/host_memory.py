"""How much memory a process may use: that of the machine, or less where something bounds it.
A container bounds it by its control group or one above it, and a shell by the address space.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from minilstm.control_groups import group_folders, group_text

LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # of version 2 and of version 1


@cache
def host_memory() -> int:
    """Bytes of memory that this process may use; 0 where the system does not say."""
    limits = [physical_memory(), address_space(), *group_limits(Path("/"))]
    return min((size for size in limits if size), default=0)


def physical_memory() -> int:
    """Bytes of the machine's memory; 0 where the system does not say."""
    if sys.platform == "win32":
        status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX, which begins with its own size
        ctypes.windll.kernel32.GlobalMemoryStatusEx(status)
        return int(status[1])
    try:
        return max(0, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):  # the system has no such name
        return 0


def address_space() -> int:
    """Bytes that this process may map; 0 where nothing bounds them."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return 0 if limit == resource.RLIM_INFINITY else limit


def group_limits(root: Path) -> Iterator[int]:
    """The limits in bytes of the control groups that this process is in, and of those above.

    `root` is the root folder of the file system.
    """
    for folder in group_folders(root, "memory"):
        for name in LIMIT_FILES:
            size = group_text(folder, name)
            if size.isdecimal():  # else "max"
                yield int(size)
