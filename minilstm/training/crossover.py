"""When a GPU is the better choice: measured times of both sides, and what follows for other sizes.
The table is measured by `minilstm bench --backend cupy --crossover` and kept in a cache folder.

Another size counts as the nearest measured one: the sum over T, B and H of how far the logarithms
are apart is smallest there. No table comes with the package: which side is faster is a matter of
the processor and of the device.

Axes: B batch, T time, H hidden units.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.files import write_atomically

WORKS = ("training", "inference")
_FORMAT = 1


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
    """Which side was faster at the measured size that is nearest: "cpu" or "gpu".

    The table was measured on this machine; where it has nothing on the work, "training" or
    "inference", the side is "cpu". T is the steps of a sequence, the mean where they differ; B the
    sequences that are computed together; H the hidden units.
    """

    def distance(point: Point) -> float:
        sizes = zip((point.T, point.B, point.H), (T, B, H), strict=True)
        return math.fsum(abs(math.log(size / measured)) for measured, size in sizes)

    measured = sorted(point for point in table.points if point.work == work)
    return min(measured, key=distance).faster if measured else "cpu"


# ---------------------------------------------------------------- the files


def cache_folder() -> Path:
    """The folder of the tables: in XDG_CACHE_HOME, else where the system keeps such files.

    Raises RuntimeError where the user has no home folder.
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
        names = [content[field] for field in Table._fields[:-1]]
        points = tuple(Point(**point) for point in content["points"])
        sound = points and all(map(_is_sound, points)) and all(isinstance(n, str) for n in names)
        return Table._make([*names, points]) if sound else None
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
