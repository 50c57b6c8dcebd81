"""When a GPU is the better choice: measured times of both sides, and what follows for other sizes.
The table is measured by `minilstm bench --backend cupy --crossover` and kept in a cache folder.

Between measured sizes the logarithm of the ratio of both times is interpolated along the logarithms
of T, B and H; beyond them it stays what it is at the edge. No table comes with the package: which
side is faster is a matter of the processor and of the device.

Axes: B batch, T time, H hidden units.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.files import write_atomically

WORKS = ("training", "inference")
_FORMAT = 1
_KEYS = ("device", "processor", "version")


class Point(NamedTuple):
    """Seconds of one work of one size on both sides."""

    work: str  # of WORKS
    T: int  # steps of each sequence
    B: int  # sequences
    H: int  # hidden units
    cpu: float
    gpu: float

    @property
    def faster(self) -> str:
        """The faster side, "cpu" or "gpu"."""
        return "gpu" if self.gpu < self.cpu else "cpu"


class Table(NamedTuple):
    """What was measured on one machine, with one version of the program."""

    device: str  # name of the GPU
    processor: str  # name of the CPU
    version: str  # of minilstm, and the backend that the CPU computed with
    points: tuple[Point, ...]


def faster_side(table: Table, work: str, T: float, B: float, H: float) -> str:
    """Which side is faster at a size.

    Parameters
    ----------
    table : measured on this machine
    work : "training" or "inference"
    T : steps of a sequence, the mean where they differ
    B : sequences that are computed together
    H : hidden units

    Returns
    -------
    "cpu" or "gpu"; "cpu" where the table has nothing on the work

    Examples
    --------
    >>> points = (Point("training", 10, 1, 32, 1.0, 4.0), Point("training", 1000, 1, 32, 1.0, 0.5))
    >>> table = Table("a GPU", "a CPU", "1.0", points)
    >>> [faster_side(table, "training", T, 1, 32) for T in (10, 90, 300, 1000, 10**6)]
    ['cpu', 'cpu', 'gpu', 'gpu', 'gpu']
    """
    return "gpu" if log_ratio(table, work, T, B, H) < 0 else "cpu"


def log_ratio(table: Table, work: str, T: float, B: float, H: float) -> float:
    """The logarithm of the GPU's time over the CPU's, interpolated; infinite without a point."""
    ratios: dict[tuple[int, ...], float] = {
        (p.T, p.B, p.H): math.log(p.gpu / p.cpu) for p in table.points if p.work == work
    }
    if not ratios:
        return math.inf
    # Along each axis the two measured sizes around the asked one, with a weight each.
    axes = [
        _around(sorted({sizes[k] for sizes in ratios}), size) for k, size in enumerate((T, B, H))
    ]
    return math.fsum(
        math.prod(weight for _, weight in corner)
        * _nearest(ratios, tuple(size for size, _ in corner))
        for corner in product(*axes)
    )


def _around(sizes: Sequence[int], size: float) -> list[tuple[int, float]]:
    """Measured sizes around a size, and their weights in logarithmic interpolation."""
    after = bisect_right(sizes, size)
    if after in (0, len(sizes)):
        return [(sizes[min(after, len(sizes) - 1)], 1.0)]
    low, high = sizes[after - 1], sizes[after]
    share = math.log(size / low) / math.log(high / low)
    return [(low, 1 - share), (high, share)]


def _nearest(ratios: Mapping[tuple[int, ...], float], sizes: tuple[int, ...]) -> float:
    """The ratio at a corner of the grid; where it was left out, that of the nearest point."""
    if sizes in ratios:
        return ratios[sizes]

    def distance(other: tuple[int, ...]) -> float:
        return math.fsum(abs(math.log(a / b)) for a, b in zip(sizes, other, strict=True))

    return ratios[min(sorted(ratios), key=distance)]


# ---------------------------------------------------------------- the files


def cache_folder() -> Path:
    """The folder of the tables: in XDG_CACHE_HOME, else where the system keeps such files.

    Raises
    ------
    RuntimeError
        The user has no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if not base and sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    default = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return (Path(base) if base else Path.home() / default) / "minilstm"


def write_table(table: Table) -> Path:
    """Keep a table, whole or not at all, in the place of an older one of the same machine.

    Returns
    -------
    Path of the file, in `cache_folder()`, which is made where it does not exist
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256("\n".join(table[:3]).encode()).hexdigest()[:16]
    text = json.dumps({"format": _FORMAT, **to_plain(table)}, indent=1)
    return write_atomically(
        folder / f"crossover-{name}.json", lambda file: file.write(text.encode())
    )


def read_tables(processor: str, version: str) -> list[Table]:
    """All tables of this processor and version, one for each GPU that was measured.

    A file that cannot be read, or holds something else, counts as no table.
    """
    try:
        paths = sorted(cache_folder().glob("crossover-*.json"))
    except (OSError, RuntimeError):  # a folder that is not ours to read, or no home at all
        return []
    found = [_read(path) for path in paths]
    return [t for t in found if t and (t.processor, t.version) == (processor, version)]


def to_plain(table: Table) -> dict[str, Any]:
    """A table as JSON holds it."""
    return {**table._asdict(), "points": [point._asdict() for point in table.points]}


def _read(path: Path) -> Table | None:
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != _FORMAT or set(content) != {"format", *Table._fields}:
            return None
        if not all(isinstance(content[key], str) for key in _KEYS):
            return None
        points = tuple(Point(**point) for point in content["points"])
        if not points or not all(map(_is_sound, points)):
            return None
        return Table(**{key: content[key] for key in _KEYS}, points=points)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _is_sound(point: Point) -> bool:
    """Whether the point is one that a measurement could have given."""
    sizes, times = (point.T, point.B, point.H), (point.cpu, point.gpu)
    return (
        point.work in WORKS
        and all(type(size) is int and size > 0 for size in sizes)
        and all(type(t) is float and math.isfinite(t) and t > 0 for t in times)
    )
