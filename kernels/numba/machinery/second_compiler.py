"""A second process that compiles kernels while this one compiles another: twice as soon done.
It writes them into the cache on disk, from where this process reads them.

It is started only where it can help: two cores, a cache that can be written, a Python of its own.
Whatever happens to it costs time and nothing else, since each kernel that it did not finish is
compiled here.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from minilstm.kernels.host import cores

IDLE_SECONDS = 3.0  # without work, after which the process ends
LONGEST_SECONDS = 60.0  # for one kernel; after that it counts as lost

# The packages are looked for where this process has found them.
PROGRAM = """
import sys
sys.path[:] = {path!r}
import minilstm.kernels.numba
from minilstm.kernels.numba.machinery.compiling import serve
serve()
"""
READY = "minilstm is ready\n"  # what it says before the first job and after each
Job = tuple[str, str]  # the name of a kernel, and a dtype


class SecondCompiler:
    """Jobs for the process, in order, and what became of them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: list[Job] = []
        self.at_work: Job | None = None
        self.finished: set[Job] = set()
        self.taken: set[Job] = set()  # by this process
        self._process: subprocess.Popen[str] | None = None
        self._feeder: threading.Thread | None = None
        self._failed = False

    def add(self, jobs: Iterable[Job]) -> None:
        """Let these be compiled as well, as soon as may be."""
        with self.changed:
            known = {self.at_work, *self.waiting, *self.finished, *self.taken}
            new = [job for job in dict.fromkeys(jobs) if job not in known]
            if self._failed or not new or not can_start():
                return
            self.waiting += new
            self.changed.notify_all()
            if self._feeder is None:
                self._feeder = threading.Thread(target=self._feed, daemon=True)
                try:
                    self._feeder.start()
                except RuntimeError:  # "can't start new thread"
                    self.give_up()

    def take(self, job: Job) -> Job | None:
        """Return when the caller may load or compile this one: the process is not at it.

        While it is, what is returned is another that waits, for the caller to compile meanwhile.
        """
        with self.changed:
            self.taken.add(job)
            if job in self.waiting:
                self.waiting.remove(job)
            if self.at_work == job and self.waiting:
                other = self.waiting.pop(0)
                self.taken.add(other)
                return other
            if not self.changed.wait_for(lambda: self.at_work != job, LONGEST_SECONDS):
                self.give_up()
            return None

    def give_up(self) -> None:
        """End the process, and start none any more."""
        with self.changed:
            self._failed, self.at_work = True, None
            self.waiting.clear()
            self.changed.notify_all()
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def _feed(self) -> None:
        """The thread that hands out one job after another, and ends the process."""
        try:
            with _start() as process:
                self._process = process
                assert process.stdin and process.stdout  # asked for in `_start`
                talks = process.stdout.readline() == READY
                while talks and (job := self._next()):
                    print(*job, file=process.stdin, flush=True)
                    talks = process.stdout.readline() == READY
                    self._settle(job, talks)
        except OSError:  # it could not be started, or is gone
            talks = False
        if not talks:
            self.give_up()

    def _next(self) -> Job | None:
        """The next job, for which it waits a while."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or self._failed, IDLE_SECONDS)
            if self.waiting:
                self.at_work = self.waiting.pop(0)
                return self.at_work
            self._feeder = None  # a later job starts another
            return None

    def _settle(self, job: Job, done: bool) -> None:
        with self.changed:
            self.at_work = None
            if done:
                self.finished.add(job)
            self.changed.notify_all()


def can_start() -> bool:
    """Whether a second process would run beside this one, and as what it is meant to be."""
    own = Path(sys.executable or "").stem.lower().startswith("python")  # not a host of Python
    return own and not getattr(sys, "frozen", False) and cores() > 1


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(path=sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process alone
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def answer(do: Callable[[str, str], object]) -> None:
    """What the process does: one job a line, until the input ends."""
    second.give_up()  # it has no helper of its own
    print(READY, end="", flush=True)
    for line in sys.stdin:
        do(*line.split())
        print(READY, end="", flush=True)


second = SecondCompiler()


def _forget() -> None:
    global second
    second = SecondCompiler()


atexit.register(lambda: second.give_up())
if hasattr(os, "register_at_fork"):
    # A forked child has the jobs but not the thread that hands them out.
    os.register_at_fork(after_in_child=_forget)
