"""A pool of plain Python threads that runs serial kernels side by side.
Numba's own parallel layer aborts the process when two Python threads enter it; this cannot."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

_pool: ThreadPoolExecutor | None = None
_num_threads: int | None = None


def get_num_threads() -> int:
    """Threads that kernels use: `set_num_threads`, else MINILSTM_NUM_THREADS, else all cores."""
    if _num_threads is not None:
        return _num_threads
    asked = os.environ.get("MINILSTM_NUM_THREADS", "")
    if asked:
        return _checked(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_num_threads(n: int) -> None:
    """Use n threads from now on; the results do not depend on n.

    Parameters
    ----------
    n : int, at least 1
    """
    global _num_threads, _pool
    _num_threads, _pool = _checked(n), None


def run(kernel: Callable[..., object], argument_lists: Sequence[tuple[object, ...]]) -> None:
    """Call a compiled kernel once for each tuple of arguments, on as many threads as allowed."""
    if len(argument_lists) == 1 or get_num_threads() == 1:
        for arguments in argument_lists:
            kernel(*arguments)
        return
    futures = [_executor().submit(kernel, *arguments) for arguments in argument_lists]
    try:
        wait(futures)
    except BaseException:
        # Ctrl-C must not leave kernels writing into arrays that the caller has dropped.
        for future in futures:
            future.cancel()
        wait(futures)
        raise
    for future in futures:
        future.result()


def split(total: int, multiple: int) -> list[tuple[int, int]]:
    """Cut range(total) into one span a thread, at multiples of `multiple`."""
    blocks = -(-total // multiple)
    parts = max(1, min(get_num_threads(), blocks))
    cuts = [min(total, blocks * p // parts * multiple) for p in range(parts)] + [total]
    return list(pairwise(cuts))


def _checked(n: int | str) -> int:
    try:
        count = int(n)
    except ValueError:
        count = 0
    if count < 1:
        raise ValueError(f"the number of threads is {n!r}; give a whole number of at least 1.")
    return count


def _executor() -> ThreadPoolExecutor:
    global _pool
    pool = _pool  # another thread may call set_num_threads at any time
    if pool is None:
        pool = _pool = ThreadPoolExecutor(get_num_threads(), thread_name_prefix="minilstm")
    return pool


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    # A forked child inherits the pool object but none of its threads: waiting on it would hang.
    os.register_at_fork(after_in_child=_forget_pool)
