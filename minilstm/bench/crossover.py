"""Measures where a GPU overtakes the CPU: the same work on both, over a grid of T, B and H.
What it finds is kept in the user's cache folder, where `execution_environment="auto"` looks.

Axes: B batch, T time, H hidden units.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.backend import Backend, current_backend, load_backend, measuring, use_backend
from minilstm.bench import works
from minilstm.bench.gpu import CLIP, dense_sequences
from minilstm.bench.gpu_checks import check_network
from minilstm.bench.machine import describe, lines
from minilstm.network.network import Network
from minilstm.training.crossover import WORKS, Point, Table, write_table
from minilstm.training.environment import measured_as

LENGTHS = (10, 100, 1000, 10_000)  # T, steps of every sequence
BATCHES = (1, 6, 64, 256)  # B, sequences computed together
HIDDEN_SIZES = (32, 200, 512)  # H, units of the LSTM
RUNS = 3  # counted, after one that is not
MOST_SECONDS = 3.0  # of a run of either side; longer sizes are left out
ALL_SECONDS = 600.0  # of everything; what is left then is left out


class Crossover(NamedTuple):
    """What was measured, and where it is kept."""

    machine: dict[str, Any]
    table: Table
    path: Path


def run_crossover(threads: int, say: Callable[[str], None] = print) -> Crossover:
    """Measure, print and keep the table of this machine, with so many threads of the CPU.

    Raises
    ------
    ValueError
        The backend in force is not the GPU's.
    AssertionError
        A result on the GPU is wrong; nothing was kept.
    """
    gpu = current_backend()
    if gpu.name != "cupy":
        raise ValueError("--crossover compares a GPU with the CPU; add --backend cupy.")
    cpu = load_backend("auto")
    machine = describe(threads)
    for line in lines(machine):
        say(line)
    say(f"CPU: backend {cpu.name}; times are microseconds of a step of all sequences")
    say("")
    heading = f"{'work':<10} {'T':>6} {'B':>4} {'H':>4} {'CPU':>12} {'GPU':>12}"
    say(f"{heading} {'faster':>7} {'ratio':>7}")
    points: list[Point] = []
    started = time.perf_counter()
    for hidden in HIDDEN_SIZES:
        net = works.network(hidden)
        check_network(net, *dense_sequences(6, works.CHECKED_STEPS))
        for batch in BATCHES:
            for work in WORKS:
                for steps in LENGTHS:
                    if _takes_long(points, (work, steps, batch, hidden)):
                        break
                    if time.perf_counter() - started > ALL_SECONDS:
                        break
                    try:
                        times = [_seconds(work, net, batch, steps, b) for b in (cpu, gpu)]
                    except MemoryError:  # of the host or, as CuPy has a subclass, of the device
                        break
                    points.append(Point(work, steps, batch, hidden, *times))
                    say(_line(points[-1]))
    table = Table(machine["gpu"]["device"], *measured_as(), tuple(points))
    path = write_table(table)
    say("")
    say(f"kept in {path}; execution_environment='auto' goes by it")
    return Crossover(machine, table, path)


def _takes_long(points: list[Point], size: tuple[str, int, int, int]) -> bool:
    """Whether a run of a size would be too long, judged by the shorter one before it."""
    if not points:
        return False
    last, (work, steps, batch, hidden) = points[-1], size
    same = (last.work, last.B, last.H) == (work, batch, hidden)
    return same and max(last.cpu, last.gpu) * steps / last.T > MOST_SECONDS


def _seconds(work: str, net: Network, batch: int, steps: int, backend: Backend) -> float:
    """Seconds of one run on a backend, the median of some."""
    x, y = dense_sequences(batch, steps)
    with use_backend(backend.name):
        if work == "inference":
            return _median(lambda: net.predict(x), backend)
        trainer = works.Trainer(net, [works.packed_batch(x, y)], "auto", CLIP)
        try:
            return _median(trainer.epoch, backend)
        finally:
            trainer.close()


def _median(run: Callable[[], object], backend: Backend) -> float:
    wait = (lambda: None) if backend.gpu_bytes is None else measuring().synchronize
    seconds = []
    for _ in range(1 + RUNS):
        wait()
        started = time.perf_counter()
        run()
        wait()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def _line(point: Point) -> str:
    cpu, gpu = (1e6 * seconds / point.T for seconds in (point.cpu, point.gpu))
    ratio = max(cpu, gpu) / min(cpu, gpu)
    return (
        f"{point.work:<10} {point.T:>6} {point.B:>4} {point.H:>4} {cpu:>12,.2f} {gpu:>12,.2f} "
        f"{point.faster.upper():>7} {ratio:>7.2f}"
    )
