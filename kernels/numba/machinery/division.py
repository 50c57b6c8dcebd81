"""Who computes what of an LSTM: threads own sequences, or they own units and meet every step.
The bits of the results are the same either way.

Threads with sequences of their own never wait for each other, whatever else the machine does. Each
reads all weights, so these must lie in its own cache, or serve several sequences each time they are
read. Else each thread keeps its units' share of the weights, and one sequence occupies them all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.ragged import IntArray
from minilstm.kernels.numba.machinery.barrier import long_waits, make_counts
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, lanes
from minilstm.kernels.numba.machinery.steps import remembered
from minilstm.kernels.numba.machinery.threads import get_num_threads, split, team

Array = NDArray[Any]

MEETING_MULTIPLY_ADDS = 25_000  # of a step, for each thread that meets the others at its end
CALL_MULTIPLY_ADDS = 500_000  # of a call, for each thread that works by itself
NEAR_BYTES = 1 << 20  # bytes of weights that stay in a core's own cache
ROWS_A_VECTOR = REGISTER_BYTES // 16  # rows for which a vector of weights must serve, to keep pace
STEPS_A_WAIT = 8  # with more long waits than one in so many steps, the machine counts as busy
TIMES_ALONE = 20  # so many times as long as that took, one thread does without the others

_alone_until = 0.0  # when a team may be tried again; how many threads work changes no bits

Part = tuple[int, int, IntArray, int, int, int, int]


@contextmanager
def shares(
    active: IntArray, H: int, weights: Array, meet: bool = False
) -> Iterator[tuple[IntArray, list[Part]]]:
    """Who does what: (me, size, counts, first, last, begin, end) for each thread.

    A thread has units first to last of sequences begin to end. Those with sequences of their own
    do not meet; the `size` threads that share units do, at every step, through `counts`.
    """
    B, work = int(active[0]), weights.size  # multiply-adds of a step of one sequence
    threads = min(get_num_threads(), int(active.sum()) * work // CALL_MULTIPLY_ADDS + 1)
    near = weights.nbytes <= NEAR_BYTES
    if not meet and threads * (1 if near else ROWS_A_VECTOR) <= B:
        alone = make_counts(1)
        yield alone, [(0, 1, alone, 0, H, *span) for span in sequence_spans(active, threads)]
        return
    global _alone_until
    started = time.perf_counter()
    most = 1 if started < _alone_until else B * work // MEETING_MULTIPLY_ADDS + 1
    with team(most) as size:
        spans = split(H, lanes(weights.dtype), size)
        counts = make_counts(len(spans))
        yield counts, [(me, len(spans), counts, *s, 0, B) for me, s in enumerate(spans)]
    if long_waits(counts) * STEPS_A_WAIT > len(active):
        # Another program has a core: to meet there costs a slice of its time at every step.
        now = time.perf_counter()
        _alone_until = now + TIMES_ALONE * (now - started)


@remembered
def sequence_spans(active: IntArray, parts: int) -> list[tuple[int, int]]:
    """Cut the sequences into spans of about as many steps each."""
    B = int(active[0])
    ends = np.cumsum(np.searchsorted(-active, -np.arange(B), side="left"))  # (B,) steps up to each
    wanted = ends[-1] * np.arange(1, parts) / parts
    cuts = [0, *(int(n) for n in np.searchsorted(ends, wanted) + 1), B]
    return [(a, b) for a, b in pairwise(cuts) if a < b]
