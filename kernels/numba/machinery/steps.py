"""Where the steps of a ragged batch lie among its rows, remembered from call to call.
Batches of the same lengths come again and again, and their tables cost as much as a small kernel.

Nobody writes into a remembered table: what callers get of it is for kernels to read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

import numpy as np

from minilstm.functional import ragged
from minilstm.functional.gate import ungated
from minilstm.functional.ragged import IntArray

Function = TypeVar("Function", bound=Callable[..., Any])

MOST_ROWS = 1 << 14  # of a batch whose tables are remembered: 128 KiB for the longest of them
BATCHES = 64  # whose tables are remembered


def remembered(function: Function) -> Function:
    """Decorate a function of `active` (T,) and of numbers: what it gave for a small batch stays."""

    @lru_cache(maxsize=BATCHES)
    def kept(active: bytes, *numbers: int) -> Any:
        return function(np.frombuffer(bytearray(active), np.int64), *numbers)

    @wraps(function)
    def of(active: IntArray, *numbers: int) -> Any:
        if len(active) * int(active[0]) > MOST_ROWS:
            return function(active, *numbers)
        return kept(active.tobytes(), *numbers)

    return cast("Function", of)


state_slots = remembered(ungated(ragged.state_slots))
last_rows = remembered(ungated(ragged.last_rows))
previous_rows = remembered(ungated(ragged.previous_rows))
reversed_rows = remembered(ungated(ragged.reversed_rows))


@remembered
def first_rows(active: IntArray) -> IntArray:
    """First row of each step, (T,)."""
    return np.cumsum(active) - active


@remembered
def turns(active: IntArray) -> tuple[IntArray, IntArray]:
    """Slots of states (T + 1,) that two places hold in turn, and where each sequence ends (B,)."""
    B, T = int(active[0]), len(active)
    ranks = np.arange(B)
    steps = T - np.searchsorted(active[::-1], ranks, side="right")  # (B,)
    return np.arange(T + 1) % 2 * B, steps % 2 * B + ranks
