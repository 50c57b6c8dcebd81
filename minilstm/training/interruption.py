"""Ctrl-C while a network trains: it ends the piece of work that it meets, and loses nothing.
Between two pieces it waits for the next, so that no result is dropped on its way to the user.

Where there are checkpoints, Ctrl-C and SIGTERM first only ask: the loop ends its step, and writes
one. A second signal ends at once.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

# So many in vain, between two pieces, mean that something hangs there.
MOST_WAITING = 3
CTRL_C, TERMINATED = "Ctrl-C", "SIGTERM"
_EXIT_CODE = 128 + signal.SIGTERM  # as shells have it


class Interruption:
    """While it is entered, Ctrl-C is raised only within `ends`.

    A handler of signals that is not Python's own stays as it is, as does everything in a thread
    that gets no signals; a KeyboardInterrupt from elsewhere ends a piece of work all the same. With
    `gently` the first signal within a gentle piece only sets `asked`.

    Examples
    --------
    >>> def work():
    ...     raise KeyboardInterrupt
    >>> with Interruption() as ctrl_c:
    ...     ctrl_c.ends(work), ctrl_c.ends(lambda: None)
    (True, False)
    """

    def __init__(self, gently: bool = False) -> None:
        self.asked = ""  # CTRL_C or TERMINATED: a signal that came within a gentle piece of work
        self._gently = gently
        self._gentle = False  # the piece of work at hand
        self._at_work = False
        self._raised = False  # within the piece of work at hand
        self._waiting = 0  # signals that came between two pieces of work
        self._before: dict[int, Any] = {}  # the handlers whose places are taken

    def __enter__(self) -> Interruption:
        usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler}
        usual |= {signal.SIGTERM: signal.SIG_DFL} if self._gently else {}
        for number, handler in usual.items():
            in_main = threading.current_thread() is threading.main_thread()
            if in_main and signal.getsignal(number) is handler:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)

    def ends(self, work: Callable[[], object], gently: bool = False) -> bool:
        """Do a piece of work; whether Ctrl-C ended it, or kept it from beginning."""
        try:
            self._gentle = gently and self._gently
            self._at_work, self._raised = True, False
            if self._waiting:
                raise KeyboardInterrupt
            work()
            self._at_work = False
        except KeyboardInterrupt:
            self._at_work, self._waiting = False, 0
            return True
        finally:
            self._at_work = self._gentle = False
        return False

    def leave(self, said: str) -> NoReturn:
        """End the program, as SIGTERM asks for, with a sentence, if any, on standard error."""
        if said:
            print(said, file=sys.stderr, flush=True)
        raise SystemExit(_EXIT_CODE)

    def check(self) -> None:
        """Raise again what Python could not pass on, as it came within a callback of its own."""
        if self._raised:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._gentle and not self.asked:
            self.asked = CTRL_C if number == signal.SIGINT else TERMINATED
            return
        if number != signal.SIGINT:
            raise SystemExit(_EXIT_CODE)
        if self._at_work:
            self._raised = True
            raise KeyboardInterrupt
        self._waiting += 1
        if self._waiting >= MOST_WAITING:
            raise KeyboardInterrupt
