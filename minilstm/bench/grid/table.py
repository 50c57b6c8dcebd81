"""What the grid found, as a table in Markdown: times, the best of the others, shares of the peak.
A loss is written in bold; results of several runs can be read again and make one table.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.bench.turns import OURS, Row
from minilstm.plots.speed import three_digits

KINDS = ("training", "prediction")
MAKERS = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


class Line(NamedTuple):
    """One shape, trained or predicted; times are milliseconds of a mini-batch."""

    kind: str  # of KINDS
    shape: str
    times: dict[str, float]  # by engine, ours first
    best: str  # the fastest of the other engines; "" where there is none
    ratio: float | None  # how many times faster ours is than that, the median of pairs of turns
    share: float | None  # of the multiply-add peak, in percent
    floor: float | None  # what the multiply-adds take at the peak


def grid_lines(rows: Iterable[Row]) -> list[Line]:
    """One line for each work, training first."""
    works: dict[str, list[Row]] = {}
    for row in rows:
        works.setdefault(row.work, []).append(row)
    lines = [_line(name, found) for name, found in works.items()]
    return sorted(lines, key=lambda line: KINDS.index(line.kind))


def _line(name: str, rows: Sequence[Row]) -> Line:
    kind, _, shape = name.partition(", ")
    timed = {row.engine: row for row in rows if row.unit == "ms"}
    others = [row for engine, row in timed.items() if engine != OURS]
    best = min(others, key=lambda row: row.median, default=None)
    share = next((row.median for row in rows if row.unit == "% of peak"), None)
    ours = timed[OURS].median
    return Line(
        kind,
        shape,
        {engine: row.median for engine, row in timed.items()},
        best.engine if best else "",
        best.ratio if best else None,
        share,
        None if share is None else ours * share / 100,
    )


def geometric_mean(lines: Sequence[Line], kind: str) -> tuple[float, int] | None:
    """The geometric mean of all ratios of a kind, and of how many; None where there are none.

    Examples
    --------
    >>> lines = [Line("training", "", {}, "torch", ratio, None, None) for ratio in (0.5, 8.0)]
    >>> mean, count = geometric_mean(lines, "training")
    >>> f"{mean:.2f}", count
    ('2.00', 2)
    """
    ratios = [line.ratio for line in lines if line.kind == kind and line.ratio is not None]
    return (statistics.geometric_mean(ratios), len(ratios)) if ratios else None


def markdown(lines: Sequence[Line]) -> list[str]:
    """Tables of training and prediction, each with the geometric mean of its ratios."""
    out = []
    for kind in KINDS:
        chosen = [line for line in lines if line.kind == kind]
        if not chosen:
            continue
        makers = [m for m in MAKERS if any(_of_maker(line, m) for line in chosen)]
        heading = [f"{kind}: B, T, D, H, C, output", OURS, *(MAKERS[m] for m in makers)]
        heading += ["ratio", "of the peak", "floor"]
        table = [heading, ["---"] * len(heading)]
        for line in chosen:
            cells = ["; ".join(_of_maker(line, m)) for m in makers]
            ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
            share = "" if line.share is None else f"{line.share:.0f} %"
            floor = "" if line.floor is None else three_digits(line.floor)
            loss = line.ratio is not None and line.ratio < 1
            table.append(
                [
                    line.shape,
                    three_digits(line.times[OURS]),
                    *cells,
                    f"**{ratio}**" if loss else ratio,
                    share,
                    floor,
                ]
            )
        out += ["| " + " | ".join(cells) + " |" for cells in table]
        mean = geometric_mean(lines, kind)
        if mean is not None:
            out.append("")
            out.append(f"Geometric mean of the {mean[1]} ratios of {kind}: {mean[0]:.2f}.")
        out.append("")
    return out


def _of_maker(line: Line, maker: str) -> list[str]:
    """Times of the engines of one maker, such as "3.02 padded"."""
    found = []
    for engine, ms in line.times.items():
        name, _, way = engine.partition(", ")
        if name == maker:
            found.append(f"{three_digits(ms)} {way}".rstrip())
    return found


def read_results(paths: Sequence[Path]) -> tuple[dict[str, Any], list[Row]]:
    """The machine and the rows of earlier runs, from what they printed with --json.

    Where two files measured the same the later one counts; the machine is that of the last.

    Raises ValueError for a file that cannot be read or does not end with the result of a grid.
    """
    machine: dict[str, Any] = {}
    rows: dict[tuple[str, str, str], Row] = {}
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(
                f"--read has {str(path)!r}, which cannot be read ({error.strerror}); give files "
                "with what minilstm bench --grid --json prints."
            ) from error
        try:
            *_, last = content.decode("utf-8").splitlines()
            result = json.loads(last)
            machine = result["machine"]
            found = [Row(**{**t, "turns": tuple(t["turns"])}) for t in result["timings"]]
            grid_lines(found)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"--read has {str(path)!r}, which does not end with the result of a grid; keep "
                "what minilstm bench --grid --json prints in it."
            ) from error
        rows |= {(row.work, row.engine, row.unit): row for row in found}
    return machine, list(rows.values())
