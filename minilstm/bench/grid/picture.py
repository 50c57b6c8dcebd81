"""The picture of the grid: for every shape a bar for each engine, training beside prediction.
Of the ways of an engine its fastest is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minilstm.bench.grid.table import KINDS, MAKERS, Line, geometric_mean, grid_lines
from minilstm.bench.turns import OURS, Row
from minilstm.plots.files import save_figure
from minilstm.plots.speed import Timed, plot_speed


def draw_grid(rows: Sequence[Row], path: Path) -> Path:
    """Draw what the grid found into a .png, .svg or .pdf file."""
    lines = grid_lines(rows)
    panels = {}
    for kind in KINDS:
        mean = geometric_mean(lines, kind)
        title = "Training step" if kind == "training" else "Prediction"
        title += "" if mean is None else f": {mean[0]:.2f}x in the geometric mean"
        panels[title] = [_timed(line) for line in lines if line.kind == kind]
    return save_figure(plot_speed(panels), path)


def _timed(line: Line) -> Timed:
    """A line with the fastest way of each engine, its shape on two lines."""
    batch, steps, features, hidden, classes, output = line.shape.split(", ")
    hidden, *ways = hidden.split(" ", 1) if "both" in hidden else [hidden]
    first = ", ".join([f"{batch} x {steps} steps", *ways])
    label = f"{first}\nD {features}, H {hidden}, C {classes}, {output}"
    times = {OURS: line.times[OURS]}
    for maker, name in MAKERS.items():
        of_maker = [ms for e, ms in line.times.items() if e.split(", ")[0] == maker]
        if of_maker:
            times[name] = min(of_maker)
    return Timed(label, times, line.ratio, line.floor)
