"""What this machine and its environment allow: whether Numba can compile here, how many threads.
It stands outside `numba`, so that it can be asked where Numba cannot even be imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from minilstm.control_groups import group_folders, group_text

THREAD_VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")  # what other libraries obey, too


@cache
def why_no_numba() -> str:
    """Why Numba, which is installed, cannot compile here, as a clause; "" where it can."""
    asked = ", ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("NUMBA_"))
    try:
        import numba
    except Exception as error:  # whatever it makes of its environment variables
        where = f" with {asked}" if asked else ""
        return f"Numba cannot be imported{where} ({str(error).rstrip('.')})"
    if numba.config.DISABLE_JIT:
        return "the environment variable NUMBA_DISABLE_JIT switches Numba off"
    return ""


@cache
def say_that_numpy_computes(why: str) -> None:
    """One line, once."""
    print(f"minilstm: {why}, so the slower NumPy backend computes", file=sys.stderr, flush=True)


def cores() -> int:
    """Processor cores that this process may use: those it may run on, or the time it may take."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    return max(1, min(count, core_quota()))


@cache
def core_quota() -> int:
    """Whole cores' worth of time that a container leaves this process; very many without a limit.

    A part of a core does not count: a thread that has spent it stops for the rest of a period, and
    the others wait for it at the next step.
    """
    return min(core_quotas(Path("/")), default=sys.maxsize)


def core_quotas(root: Path) -> Iterator[int]:
    """The limits of the control groups of this process in whole cores.

    `root` is the root folder of the file system. Each group says how many microseconds of processor
    time there are in a period of so many.
    """
    for folder in group_folders(root, "cpu"):
        quota, _, period = group_text(folder, "cpu.max").partition(" ")  # version 2
        if not quota:
            quota = group_text(folder, "cpu.cfs_quota_us")  # version 1
            period = group_text(folder, "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):  # else "max" or -1
            yield int(quota) // int(period)


def wished_threads() -> int:
    """Threads that the environment wants of every library in this process; 0 where it does not say.

    What starts workers of a sweep sets these, so that together they have one thread a core.
    """
    asked = [os.environ.get(name, "").partition(",")[0].strip() for name in THREAD_VARIABLES]
    return min((int(n) for n in asked if n.isascii() and n.isdigit() and int(n[:9])), default=0)


def checked_threads(name: str, asked: Any) -> int:
    """A number of threads, or of its digits; `name` says in messages who asked."""
    most = max(256, cores())
    count = asked
    if isinstance(asked, str) and name.isupper():  # an environment variable
        count = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    try:
        whole = count.__index__()
    except AttributeError:
        whole = 0
    if isinstance(count, bool) or not 1 <= whole <= most:
        raise ValueError(f"{name} is {repr(asked)[:80]}; give a whole number from 1 to {most}.")
    return int(whole)
