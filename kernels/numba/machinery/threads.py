"""A crew of plain Python threads that runs serial kernels side by side.
Numba's own parallel layer aborts the process when two Python threads enter it; this cannot.

Between two kernels a member of the crew watches for the next one for a fraction of a millisecond
before it goes to sleep: waking a sleeping thread can take longer than a small kernel.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

from minilstm.kernels.host import checked_threads, cores, wished_threads
from minilstm.kernels.numba.machinery.barrier import (
    CALLED_FROM_HERE,
    COUNT_DISTANCE,
    NOT_CALLED,
    answer_and_await,
    await_count,
    make_counts,
    publish,
)

READS_BEFORE_SLEEP = 1_500_000  # reads before a member goes to sleep: about a millisecond
READS_PER_WAIT = 40_000_000  # reads between two chances for Ctrl-C to be heard

_num_threads: int | None = None
_crew: _Crew | None = None
_most_members: int | None = None  # that the system let start, where it refused one
_lock = threading.RLock()  # held by the Python thread whose kernels the crew runs


def get_num_threads() -> int:
    """Threads that kernels use: `set_num_threads`, else MINILSTM_NUM_THREADS, else all cores.

    Where the environment wants fewer threads of every library, they are no more than that.
    """
    if _num_threads is not None:
        return _num_threads
    asked = os.environ.get("MINILSTM_NUM_THREADS", "")
    if asked:
        return checked_threads("MINILSTM_NUM_THREADS", asked)
    most = cores()
    return min(most, wished_threads() or most)


def set_num_threads(n: int) -> None:
    """Use n threads from now on; the results do not depend on n.

    Parameters
    ----------
    n : int, at least 1
    """
    global _num_threads, _most_members
    _num_threads, _most_members = checked_threads("the number of threads", n), None


@contextmanager
def team(most: int) -> Iterator[int]:
    """How many threads may work on one time loop together: at most `most`.

    They wait for each other at every step, so all of them must run at once: never more than there
    are cores, or than could be started, and one only while another Python thread has the crew.
    """
    size = min(most, get_num_threads(), cores())
    if size <= 1 or not _lock.acquire(blocking=False):
        yield 1
        return
    try:
        yield min(size, 1 + _crew_of(size - 1).size)
    finally:
        _lock.release()


def run(
    kernel: Callable[..., object],
    argument_lists: Sequence[tuple[object, ...]],
    give_up: Callable[[], None] = lambda: None,
) -> None:
    """Call a compiled kernel once for each tuple of arguments, on as many threads as allowed.

    Parameters
    ----------
    kernel : serial, releases the GIL
    argument_lists : the first is run by the calling thread, all of them where the crew is busy
    give_up : called when an interruption keeps one of the calls from starting; it must let those
        that wait for each other return
    """
    if len(argument_lists) == 1 or not _lock.acquire(blocking=False):
        for arguments in argument_lists:
            kernel(*arguments)
        return
    try:
        crew = _crew_of(len(argument_lists) - 1)
        crew.run(kernel, argument_lists[: 1 + crew.size], give_up)
        for arguments in argument_lists[1 + crew.size :]:  # for which no thread could be started
            kernel(*arguments)
    finally:
        _lock.release()


def split(total: int, multiple: int, parts: int | None = None) -> list[tuple[int, int]]:
    """Cut range(total) into one span a thread, at multiples of `multiple`."""
    blocks = -(-total // multiple)
    if blocks <= 1:
        return [(0, total)]
    parts = max(1, min(get_num_threads() if parts is None else parts, blocks))
    cuts = [min(total, blocks * p // parts * multiple) for p in range(parts)] + [total]
    return list(pairwise(cuts))


class _Crew:
    """Threads that wait for kernels; member k has place k for calls and another for answers.

    It has fewer members than were asked for where the system lets no more threads start.
    """

    def __init__(self, size: int) -> None:
        self.size = 0
        self.called, self.answered = make_counts(size), make_counts(size)
        self.calls = [0] * size  # how often each member was called
        self.tasks: list[Any] = [None] * size
        self.errors: list[BaseException | None] = [None] * size
        self.awake, self.asleep = threading.Condition(), 0  # members that wait for the condition
        self.watch = READS_BEFORE_SLEEP if size < cores() else 0
        for k in range(size):
            name = f"minilstm-{k + 1}"
            member = threading.Thread(target=self._member, args=(k,), name=name, daemon=True)
            try:
                member.start()
            except (RuntimeError, MemoryError):  # "can't start new thread": go on with the others
                return
            self.size = k + 1

    def run(
        self,
        kernel: Callable[..., object],
        argument_lists: Sequence[tuple[object, ...]],
        give_up: Callable[[], None],
    ) -> None:
        """Let members take all calls but the first; wait for them whatever happens."""
        called = 0
        try:
            for k, arguments in enumerate(argument_lists[1:]):
                self.tasks[k], self.errors[k] = (kernel, arguments), None
                called = k + 1  # before it is: an interruption may come between any two lines
                self.calls[k] += 1
                publish(self.called, k, self.calls[k])
            if self.asleep:
                self._wake()
            kernel(*argument_lists[0])
            self._wait(called)
        except BaseException:
            # Ctrl-C must not leave kernels writing into arrays that the caller has dropped.
            give_up()
            self._call_again(called)
            self._wait(called)
            raise
        for k in range(called):
            error, self.errors[k] = self.errors[k], None
            if error is not None:
                raise error

    def _wait(self, called: int) -> None:
        for k in range(called):
            while not await_count(self.answered, k, self.calls[k], READS_PER_WAIT):
                pass

    def _call_again(self, called: int) -> None:
        """The interruption may have come before the last call was published."""
        for k in range(called):
            publish(self.called, k, self.calls[k])
        self._wake()

    def _wake(self) -> None:
        with self.awake:
            self.awake.notify_all()

    def _member(self, k: int) -> None:
        count = 0
        while True:
            count += 1
            came = answer_and_await(self.answered, self.called, k, count, self.watch)
            if came == CALLED_FROM_HERE:
                leave_core(int(self.called[k * COUNT_DISTANCE + 1]))
            if came == NOT_CALLED:
                with self.awake:
                    self.asleep += 1  # said first: who calls from here on wakes it
                    while not await_count(self.called, k, count, 1):
                        self.awake.wait()
                    self.asleep -= 1
            self._do(k)

    def _do(self, k: int) -> None:
        kernel, arguments = self.tasks[k]
        try:
            kernel(*arguments)
        except BaseException as error:
            self.errors[k] = error
        self.tasks[k] = None  # arrays must not outlive their use


def leave_core(core: int) -> None:
    """Let this thread go on with any core but this one, where it may; later with that one too.

    Two threads that watch and compute, but rarely sleep, may share a core for seconds while another
    core has nothing to do.
    """
    with suppress(OSError, AttributeError, ValueError):
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, allowed - {core})
        os.sched_setaffinity(0, allowed)


def _crew_of(size: int) -> _Crew:
    """A crew of so many members, or of those that start; only the holder of the lock asks."""
    global _crew, _most_members
    wanted = size if _most_members is None else min(size, _most_members)
    if _crew is None or _crew.size < wanted:
        _crew = _Crew(wanted)  # members of a smaller one sleep for ever
        if _crew.size < wanted:
            _most_members = _crew.size
    return _crew


def _forget_crew() -> None:
    global _crew, _lock
    _crew, _lock = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    # A forked child inherits the crew but none of its threads: waiting on it would hang.
    os.register_at_fork(after_in_child=_forget_crew)
