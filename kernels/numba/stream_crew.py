"""The crew of streams: threads that help with a step while steps follow each other closely.
There is one for each dtype, whatever the number of streams; one stream at a time has it.

A member watches the crew's posts (`stream_step.py`) without the GIL and goes to sleep when nothing
was posted for WATCH_SECONDS. Two steps within that time start it, or wake it. A step never waits
for that: it takes what no member has begun. So a stream that steps now and then costs no second
core, and neither do a thousand streams that nobody steps.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np

from minilstm.kernels.host import cores
from minilstm.kernels.numba.machinery.buffers import zeros
from minilstm.kernels.numba.machinery.threads import leave_core
from minilstm.kernels.numba.stream_step import (
    CLAIMED,
    DONE,
    EACH_MEMBER,
    IDLE,
    OWNER,
    OWNER_CORE,
    POSTED,
    TOO_LATE,
    WATCHES,
    serve,
)

WATCH_SECONDS = 2e-3  # after the last step, before a member goes to sleep
READS = 200_000  # between two looks at the clock: about 0.2 ms

_crews: dict[np.dtype[Any], StreamCrew] = {}
_lock = threading.Lock()


class StreamCrew:
    """Members and their posts; threads start when they are first worth it.

    Parameters
    ----------
    dtype : float32 or float64

    Attributes
    ----------
    posts : counts through which the caller of a step and members agree, see `stream_step.py`
    most : members that posts has places for: one fewer than cores
    size : those that the system lets start
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.size = self.most = cores() - 1
        self.posts = zeros((CLAIMED + self.most * EACH_MEMBER,), np.int64)
        self._like = np.zeros(0, dtype)
        (only,) = serve.of(dtype).overloads.values()
        self._serve: Callable[..., int] = only.entry_point
        self._forget_members()

    def _forget_members(self) -> None:
        self._awake, self._started, self._last = threading.Condition(), 0, -np.inf

    def stir(self, members: int) -> None:
        """After a step that members slept through: start or wake them, if another was just before.

        Parameters
        ----------
        members : how many a stream wants
        """
        now = monotonic()
        close, self._last = now - self._last < WATCH_SECONDS, now
        if not close:
            return
        with self._awake:
            while self._started < min(members, self.size):
                k = self._started
                name = f"minilstm-stream-{k + 1}"
                member = threading.Thread(target=self._member, args=(k,), name=name, daemon=True)
                try:
                    member.start()
                except (RuntimeError, MemoryError):  # "can't start new thread": without it, then
                    self.size = k
                    break
                self._started = k + 1
            self._awake.notify_all()

    def _member(self, k: int) -> None:
        watches = WATCHES + k * EACH_MEMBER
        while True:
            self.posts[watches] = 1
            since = monotonic()
            while monotonic() - since < WATCH_SECONDS:
                came = self._serve(self.posts, k, READS, self._like)
                if came != IDLE:
                    since = monotonic()
                if came == TOO_LATE:
                    leave_core(int(self.posts[OWNER_CORE]))
            with self._awake:
                self.posts[watches] = 0
                self._awake.wait()

    def after_fork(self) -> None:
        """In a child process, which has the posts but no members."""
        self.posts[OWNER] = 0
        for k in range(self.most):
            self.posts[[p + k * EACH_MEMBER for p in (CLAIMED, DONE)]] = self.posts[POSTED]
            self.posts[WATCHES + k * EACH_MEMBER] = 0
        self._forget_members()


def stream_crew(dtype: np.dtype[Any]) -> StreamCrew:
    """The crew of all streams of one dtype."""
    with _lock:
        if dtype not in _crews:
            _crews[dtype] = StreamCrew(dtype)
        return _crews[dtype]


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for crew in _crews.values():
        crew.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
