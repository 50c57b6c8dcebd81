"""Times training, inference and streaming on this machine, alone or beside other engines.
All results are checked before anything is timed; engines take turns, so drift falls on all alike.

With the backend "cupy" it times the GPU (`gpu.py`), and `crossover.py` both sides against another.
With `grid` it trains and predicts the shapes of `grid/shapes.py` instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minilstm.backend import current_backend
from minilstm.bench.gpu import GPU_WORKS, gpu_work
from minilstm.bench.grid import find_shapes, grid_lines, grid_works, markdown
from minilstm.bench.machine import describe, lines
from minilstm.bench.onnx import import_onnx, import_openvino
from minilstm.bench.process import cold, flat_memory, memory
from minilstm.bench.stream import SIZES, streaming
from minilstm.bench.torch import import_torch
from minilstm.bench.torch_gpu import import_cuda
from minilstm.bench.turns import Ratio, Row, Work, best_ratios, take_turns
from minilstm.bench.works import LENGTHS, batch, inference, length, training, vowels
from minilstm.checks import did_you_mean

PEERS = ("torch", "onnxruntime", "openvino")
GPU_PEERS = ("torch",)
WORKS = ("training", "vowels", "inference", "streaming", "length", "cold")
LONG_WORKS = ("memory",)  # of minutes, or gigabytes
SMALLEST_SCALE = 1 / min(LENGTHS)


class Settings(NamedTuple):
    """What to measure, and how."""

    against: Sequence[str] = ()  # other engines, of PEERS; each must be installed
    works: Sequence[str] = ()  # of WORKS and LONG_WORKS, or of GPU_WORKS; none means all allowed
    repeats: int = 5  # counted turns of each engine, after one that is not counted
    scale: float = 0.1  # of the lengths of the training sequences
    threads: int = 1  # of every engine on the CPU
    long: bool = False  # also what takes minutes
    grid: bool = False  # the grid of shapes instead of the works
    shapes: Sequence[str] = ()  # of the grid; none means all


class Result(NamedTuple):
    """What the benchmark found."""

    machine: dict[str, Any]
    rows: list[Row]
    ratios: list[Ratio]


def run_bench(settings: Settings, say: Callable[[str], None] = print) -> Result:
    """Check every work, then time it; `say` is called with each line of text.

    Raises
    ------
    ValueError
        A setting is none of its choices.
    ImportError
        An engine is not installed.
    AssertionError
        An engine's results differ from the NumPy twin; nothing was timed.

    Notes
    -----
    The cost of a step does not depend on `scale`, except that the default memory budget holds all
    of a short training, and computes a part of a long one twice.
    """
    settings = _checked(settings)
    # A program that times others must not let one of them guess its threads from the machine.
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads))
    on_gpu = current_backend().name == "cupy"
    if "torch" in settings.against:
        (import_cuda if on_gpu else import_torch)()
    if "onnxruntime" in settings.against:
        import_onnx()
    if "openvino" in settings.against:
        import_openvino()
    machine = describe(settings.threads)
    for line in lines(machine):
        say(line)
    works = _works(settings, on_gpu)
    say("all results agree with the NumPy twin; timing begins")
    say("")
    width = max(34, *(len(work.name) for work in works))
    say(
        f"{'work':<{width}} {'engine':<26} {'unit':<22} {'median':>10} {'lowest':>10} "
        f"{'highest':>10} {'ratio':>7}"
    )
    rows: list[Row] = []
    for work in works:
        found = take_turns(work, settings.repeats)
        for n, row in enumerate(found):
            say(_line(row, row.work if n == 0 else "", width))
        rows += found
    if settings.grid:
        say_grid(rows, say)
        return Result(machine, rows, [])
    ratios = best_ratios(rows)
    if ratios:
        say("")
        say("minilstm against the best of each engine, the median over pairs of turns")
    for r in ratios:
        say(f"{r.work:<34} {r.engine:<26} {r.unit:<15} {r.ratio:>9.2f}x")
    return Result(machine, rows, ratios)


def say_grid(rows: Sequence[Row], say: Callable[[str], None] = print) -> None:
    """The tables of a grid, line by line."""
    for line in ["", *markdown(grid_lines(rows))]:
        say(line)


def _checked(settings: Settings) -> Settings:
    """The settings with all works named, or a ValueError."""
    on_gpu = current_backend().name == "cupy"
    for name in settings.against:
        if name not in PEERS:
            near = did_you_mean(name, PEERS)
            raise ValueError(f"--against has {name!r}; choose from {', '.join(PEERS)}{near}.")
        if on_gpu and name not in GPU_PEERS:
            raise ValueError(
                f"--against has {name!r}, which is measured on the CPU only; leave it out, or "
                "choose another backend than 'cupy'."
            )
    known: Sequence[str] = GPU_WORKS if on_gpu else WORKS + LONG_WORKS
    for name in settings.works:
        if name not in known:
            where = (" on a GPU" if on_gpu else "") + did_you_mean(name, known)
            raise ValueError(f"--works has {name!r}; choose from {', '.join(known)}{where}.")
        if name in LONG_WORKS and not settings.long:
            raise ValueError(f"--works has {name!r}, which takes minutes; add --long.")
    if not SMALLEST_SCALE <= settings.scale <= 1:
        raise ValueError(
            f"--scale is {settings.scale}; give a number from {SMALLEST_SCALE:.1g} to 1."
        )
    if settings.grid and (on_gpu or settings.works or settings.long):
        raise ValueError(
            "--grid measures shapes of its own on the CPU; leave out --works, --long and "
            "--backend cupy."
        )
    if settings.shapes and not settings.grid:
        raise ValueError("--shapes names shapes of the grid; add --grid.")
    find_shapes(settings.shapes)
    everything = known if on_gpu or settings.long else WORKS
    return settings._replace(works=settings.works or everything)


def _works(settings: Settings, on_gpu: bool) -> list[Work]:
    """Every work that was asked for, its results checked."""
    against, scale, threads = settings.against, settings.scale, settings.threads
    long = settings.long
    if settings.grid:
        shapes = find_shapes(settings.shapes)
        return [work for shape in shapes for work in grid_works(shape, against, scale, threads)]
    if on_gpu:
        return [work for name in settings.works for work in gpu_work(name, against, scale)]
    teams = sorted({1, threads if current_backend().name == "numba" else 1})  # of one stream
    makers: dict[str, Callable[[], list[Work]]] = {
        "training": lambda: [training(scale, against, threads)],
        "vowels": lambda: [vowels(against, threads)],
        "inference": lambda: [inference(batch, against, threads) for batch in (1, 6)],
        "streaming": lambda: (
            [streaming(hidden, against, threads, team) for hidden in SIZES for team in teams]
            + ([flat_memory(threads)] if long else [])
        ),
        "length": lambda: [length(long), batch()],
        "cold": lambda: [cold(threads), *([cold(threads, empty_cache=True)] if long else [])],
        "memory": lambda: [memory(against, threads)],
    }
    return [work for name in settings.works for work in makers[name]()]


def _line(row: Row, work: str, width: int) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    low, high = ("", "") if len(row.turns) == 1 else (_number(row.low), _number(row.high))
    return (
        f"{work:<{width}} {row.engine:<26} {row.unit:<22} {_number(row.median):>10} {low:>10} "
        f"{high:>10} {ratio:>7}"
    ).rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"
