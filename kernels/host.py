"""What this machine and its environment allow: whether Numba can compile here, how many threads.
It stands outside `numba`, so that it can be asked where Numba cannot even be imported."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any


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
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
