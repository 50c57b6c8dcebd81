"""Ctrl-C while a network trains: it ends the piece of work that it meets, and loses nothing.
Between two pieces it waits for the next, so that no result is dropped on its way to the user."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

# So many in vain, between two pieces, mean that something hangs there.
MOST_WAITING = 3


class Interruption:
    """While it is entered, Ctrl-C is raised only within `ends`.

    A handler of signals that is not Python's own stays as it is, as does everything in a thread
    that gets no signals; a KeyboardInterrupt from elsewhere ends a piece of work all the same.

    Examples
    --------
    >>> def work():
    ...     raise KeyboardInterrupt
    >>> with Interruption() as ctrl_c:
    ...     ctrl_c.ends(work), ctrl_c.ends(lambda: None)
    (True, False)
    """

    def __init__(self) -> None:
        self._at_work = False
        self._raised = False  # within the piece of work at hand
        self._waiting = 0  # signals that came between two pieces of work
        self._before: Any = None  # the handler whose place is taken

    def __enter__(self) -> Interruption:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._before)

    def ends(self, work: Callable[[], object]) -> bool:
        """Do a piece of work; whether Ctrl-C ended it, or kept it from beginning."""
        try:
            self._at_work, self._raised = True, False
            if self._waiting:
                raise KeyboardInterrupt
            work()
            self._at_work = False
        except KeyboardInterrupt:
            self._at_work, self._waiting = False, 0
            return True
        finally:
            self._at_work = False
        return False

    def check(self) -> None:
        """Raise again what Python could not pass on, as it came within a callback of its own."""
        if self._raised:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._at_work:
            self._raised = True
            raise KeyboardInterrupt
        self._waiting += 1
        if self._waiting >= MOST_WAITING:
            raise KeyboardInterrupt
