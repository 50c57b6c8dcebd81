"""Engines take turns at one work, so that a drift of the machine falls on all of them alike.
From the turns come medians with their lowest and highest, and ratios, each of a pair of turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# What one turn of an engine gave, by unit: {"us a step": 19.2}.
Measure = Callable[[], dict[str, float]]
# The same of all turns, by engine and unit.
Turns = dict[str, dict[str, list[float]]]
# Makes a new running sequence; what it returns takes a step and gives its scores.
Start = Callable[[], Callable[[Any], Any]]

OURS = "minilstm"
PAUSE = 0.3  # seconds before a turn: threads of the engine before may spin that long
WARM, TIMED = 0.1, 0.2  # seconds of a warm turn: of runs that do not count, and of those that do
LONG = 0.5  # seconds of a run that is not repeated in a turn


class Work(NamedTuple):
    """One thing that engines do in turns; its results have been checked."""

    name: str
    engines: Mapping[str, Measure]
    base: str = OURS  # engine to which the ratios refer
    repeats: int | None = None  # counted turns; None leaves it to the user
    uncounted: int = 1  # turns before them
    rests: bool = True  # before every turn, for PAUSE
    derive: Callable[[Turns], Turns] | None = None  # more rows, from the turns
    close: Callable[[], object] = lambda: None  # gives back what the work holds


class Row(NamedTuple):
    """One line of the table."""

    work: str
    engine: str
    unit: str
    median: float
    low: float
    high: float
    ratio: float | None  # by how much it exceeds the base engine, the median over pairs of turns
    turns: tuple[float, ...]  # what every turn gave


class Ratio(NamedTuple):
    """How many times faster (or smaller) minilstm is than the best engine of one maker."""

    work: str
    unit: str
    engine: str
    ratio: float


def clocked(
    run: Callable[[], object], counts: int, unit: str = "us a step", *, runs: int = 0
) -> Measure:
    """A measure: microseconds of one run, divided by the number of things it does.

    A run that takes milliseconds is timed `runs` times in a row, after one that is not timed: the
    pause before the turn has let the processor, and the memory of a virtual machine, go to sleep.
    """

    def measure() -> dict[str, float]:
        if runs:
            run()
        started = time.perf_counter()
        for _ in range(runs or 1):
            run()
        return {unit: (time.perf_counter() - started) / counts / (runs or 1) * 1e6}

    return measure


def warmed(run: Callable[[], object], counts: int = 1) -> Measure:
    """A measure: milliseconds of a run, the median of as many as fill a turn, over `counts`.

    Runs that are not timed come first: threads of the engine before may still spin, and our own
    sleep. A run of more than LONG seconds hardly notices, so after a pause it is made once.
    """
    last = 0.0  # seconds of a run in the turn before

    def fill(seconds: float) -> list[float]:
        times: list[float] = []
        while not times or sum(times) < seconds:
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        return times

    def measure() -> dict[str, float]:
        nonlocal last
        if last > LONG:
            time.sleep(PAUSE)
        else:
            fill(WARM)
        last = statistics.median(fill(TIMED))
        return {"ms": last / counts * 1e3}

    return measure


def per_call(start: Start, steps: Sequence[Any]) -> dict[str, float]:
    """Microseconds of single calls on a new sequence, one call for each of the steps.

    Returns
    -------
    dict with the median and the 99th percentile of all calls but the first, and the first
    """
    step, clock = start(), time.perf_counter_ns
    nanoseconds = []
    for x_t in steps:
        started = clock()
        step(x_t)
        nanoseconds.append(clock() - started)
    p50, p99 = np.percentile(nanoseconds[1:], (50, 99)) / 1e3
    return {"us, p50": float(p50), "us, p99": float(p99), "us, first call": nanoseconds[0] / 1e3}


def take_turns(work: Work, repeats: int) -> list[Row]:
    """Let every engine of a work have its turns, a Row for each engine and unit.

    The counted turns are `repeats` where the work does not say.
    """
    repeats = work.repeats or repeats
    turns: Turns = {engine: {} for engine in work.engines}
    try:
        for turn in range(work.uncounted + repeats):
            for engine, measure in work.engines.items():
                time.sleep(PAUSE if work.rests else 0)
                for unit, value in measure().items():
                    if turn >= work.uncounted:
                        turns[engine].setdefault(unit, []).append(value)
    finally:
        work.close()
    rows = _rows(work, turns)
    return rows + (_rows(work, work.derive(turns)) if work.derive else [])


def _rows(work: Work, turns: Turns) -> list[Row]:
    rows = []
    for engine, units in turns.items():
        for unit, values in units.items():
            base = turns[work.base].get(unit) if work.base in turns else None
            ratio = None
            if base and engine != work.base and min(base) > 0:
                ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
            middle = statistics.median(values)
            rows.append(
                Row(work.name, engine, unit, middle, min(values), max(values), ratio, tuple(values))
            )
    return rows


def best_ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Minilstm against the best engine of every other maker, for each work and unit.

    Engines of one maker differ in what follows a comma: "onnxruntime, 1 thr".

    Examples
    --------
    >>> one = Row("w", "torch, packed", "us", 9.0, 9.0, 9.0, 4.5, (9.0,))
    >>> other = Row("w", "torch, padded", "us", 6.0, 6.0, 6.0, 3.0, (6.0,))
    >>> best_ratios([one, other])[0].engine
    'torch, padded'
    """
    best: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        maker = row.engine.split(",")[0]
        key = (row.work, row.unit, maker)
        if row.ratio is None or maker == OURS:
            continue
        if key not in best or row.median < best[key].median:
            best[key] = row
    return [Ratio(r.work, r.unit, r.engine, r.ratio) for r in best.values() if r.ratio is not None]


def require_same(scores: Array, expected: Array, engine: str = OURS) -> None:
    """Raise AssertionError where scores differ from those of the NumPy twin."""
    error = float(np.abs(scores - expected).max())
    if not error < 1e-4:
        raise AssertionError(
            f"scores differ from the NumPy twin by {error:.1e} on {engine}; nothing was timed."
        )


def time_major(x: Sequence[Array]) -> Array:
    """Sequences (T_b, D) as one array (T, B, D), zeros behind the shorter ones."""
    out = np.zeros((max(len(a) for a in x), len(x), x[0].shape[1]), np.float32)
    for b, a in enumerate(x):
        out[: len(a), b] = a
    return out


def require_same_sequences(scores: Array, expected: Sequence[Array], engine: str) -> None:
    """`require_same` for scores (T, B, C), of the real steps alone, or (B, C) of the last ones."""
    for b, wanted in enumerate(expected):  # (T_b, C) or (C,)
        found = scores[b] if scores.ndim == 2 else scores[: len(wanted), b]
        require_same(found, wanted, engine)


def require_same_gradients(
    gradients: Mapping[str, Array], exact: Mapping[str, Array], engine: str = OURS
) -> None:
    """Raise AssertionError where gradients differ from those of the NumPy twin in float64."""
    for key, g in exact.items():
        error = float(np.abs(gradients[key] - g).max() / np.abs(g).max())
        if not error < 1e-3:
            raise AssertionError(
                f"{key} differs from the NumPy twin by {error:.1e} on {engine}; nothing was timed."
            )
