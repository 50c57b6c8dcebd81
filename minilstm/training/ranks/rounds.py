"""Shards that meet within a step: each waits until all have said something, and gets what all said.
The shards of a rank take turns in threads, of which only one runs at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import numpy as np

from minilstm.training.ranks.world import World

T = TypeVar("T")


class _Cut(BaseException):
    """Ends a shard that waits for one that failed."""


def in_rounds(world: World, works: Mapping[int, Callable[[Any], T]]) -> dict[int, T]:
    """The results of the shards of this rank, by their number.

    Each is called with a function that takes what this shard says, and gives what each shard of all
    ranks says, in their order. All shards must call it the same number of times.
    """
    results: dict[int, T] = {}
    said: dict[int, Any] = {}
    errors: list[BaseException] = []
    heard: list[Any] = []
    turns = {s: threading.Semaphore(0) for s in works}
    back = threading.Semaphore(0)

    def across(s: int, value: Any) -> list[Any]:
        said[s] = value
        back.release()
        turns[s].acquire()
        if errors:
            raise _Cut
        return [*heard]

    def body(s: int) -> None:
        turns[s].acquire()
        try:
            if not errors:
                with np.errstate(over="ignore", invalid="ignore"):  # as the loop has it
                    results[s] = works[s](partial(across, s))
        except BaseException as error:
            errors.append(error)
        back.release()

    threads = [threading.Thread(target=copy_context().run, args=(body, s)) for s in works]
    for thread in threads:
        thread.start()
    try:
        while True:
            for s in works:
                if s not in results:
                    turns[s].release()
                    back.acquire()
                    if errors:
                        raise errors[0]
            every: dict[int, Any] = {}
            for part in world.gather({**said}):
                every |= part
            said.clear()
            if not every:
                return results
            heard = [every[s] for s in sorted(every)]
    finally:
        if len(results) < len(works):
            errors.append(_Cut())
            for turn in turns.values():
                turn.release()
        for thread in threads:
            thread.join()
