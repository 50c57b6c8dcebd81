"""A simulator of what phones, loggers and spreadsheets write: 25 kinds of files.
It has eight recordings of four people: six axes at 50 Hz, and a label a row of four activities.

A kind writes its files into a folder and gives what a user would name: one path, or several. Its
options are those that reading needs beside the names, three at most, and `wanted` is what must
come out. Values have four decimals, so what is read is what was written, to the last bit.
"""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

AXES = ["ax", "ay", "az", "gx", "gy", "gz"]
ACTIVITIES = ["lie", "sit", "stand", "walk"]
RATE = 50.0
START = np.datetime64("2026-11-30T09:00:00.000", "ms")


class Recording(NamedTuple):
    """One recording of one person."""

    id: str
    person: str
    start: int  # milliseconds since START
    x: np.ndarray  # (T, 6)
    y: np.ndarray  # (T,) names of activities
    seconds: np.ndarray  # (T,) since the start


class Wanted(NamedTuple):
    """What reading has to give, in the order of the recordings."""

    x: list  # B arrays (T, 6)
    y: object  # B arrays (T,), one array (B,), or None
    ids: list
    groups: list | None = None
    seconds: list | None = None  # B arrays (T,) since the first step, None without times
    rate: float | None = None
    filled: int = 0  # cells
    skipped: int = 0  # lines


class Kind(NamedTuple):
    """One kind of file."""

    write: Callable  # (folder) -> a path, or a list of paths
    wanted: Callable  # () -> Wanted
    options: dict = {}  # noqa: RUF012, of read_sequences, by name
    told: bool = True  # whether the first error without options names them all
    ordered: bool = True  # whether sequences come in the order of the recordings


def simulate(people=4, each=2, seed=0):
    """Recordings of people, each with a bout of every activity in an order of its own."""
    rng = np.random.default_rng(seed)
    recordings = []
    for k in range(people * each):
        bouts = [(a, int(rng.integers(30, 50))) for a in rng.permutation(ACTIVITIES)]
        y = np.concatenate([np.full(n, a) for a, n in bouts])  # (T,)
        t = np.arange(len(y)) / RATE
        posture = np.searchsorted(ACTIVITIES, y)  # (T,)
        x = 0.05 * rng.standard_normal((len(y), 6))  # (T, 6)
        x[:, :3] += np.stack([np.cos(posture), np.sin(posture), 0.1 * posture], axis=1)
        gait = (y == "walk") * np.sin(2 * np.pi * 1.8 * t)
        x[:, 2:] += gait[:, None] * [0.8, 0.5, 0.2, 0.4]
        person = f"p{k // each + 1}"
        name = f"{person}-{k % each + 1}"
        recordings.append(Recording(name, person, 600_000 * k, x.round(4), y, t))
    return recordings


RECORDINGS = simulate()


def column(name, r):
    """One column of a recording, of T cells."""
    if name in AXES:
        return r.x[:, AXES.index(name)]
    since = np.rint(1000 * r.seconds).astype("m8[ms]") + np.timedelta64(r.start, "ms")
    stamps = START + since
    return {
        "iso": lambda: np.datetime_as_string(stamps),
        "whole": lambda: np.datetime_as_string(stamps.astype("M8[s]")),
        "date": lambda: stamps,
        "ms": lambda: stamps.astype(np.int64),
        "seconds": lambda: r.seconds,
        "id": lambda: np.full(len(r.y), r.id),
        "person": lambda: np.full(len(r.y), r.person),
        "activity": lambda: r.y,
        "number": lambda: np.searchsorted(ACTIVITIES, r.y),
        "real": lambda: np.searchsorted(ACTIVITIES, r.y).astype(float),
        "speed": lambda: speed(r),
        "upstairs": lambda: np.where(r.y == "walk", "gehen für Übung", r.y),
    }[name]()


def speed(r):
    """A number a step that the first axes decide."""
    return (r.x[:, 0] + 0.5 * r.x[:, 2]).round(3)


def table(columns, recordings=RECORDINGS):
    """One table of recordings below each other; `columns` are headings and what stands there."""
    parts = [pd.DataFrame({h: column(c, r) for h, c in columns.items()}) for r in recordings]
    return pd.concat(parts, ignore_index=True)


def axes(*before, **after):
    """Headings: pairs before the six axes, and names after them."""
    return dict(before) | {a: a for a in AXES} | after


ID, SECONDS = ("recording", "id"), ("time", "seconds")
USUAL = axes(ID, SECONDS, label="activity")


def wanted(y="activity", timed=True, recordings=RECORDINGS, groups=False, **more):
    """What the recordings are, with one of their columns as labels."""
    return Wanted(
        [r.x for r in recordings],
        None if y is None else [column(y, r) for r in recordings],
        [r.id for r in recordings],
        [r.person for r in recordings] if groups else None,
        [r.seconds - r.seconds[0] for r in recordings] if timed else None,
        RATE if timed else None,
    )._replace(**more)


def csv(columns, name="walk.csv", recordings=RECORDINGS, change=None, **how):
    """A writer of one file of text by pandas."""

    def write(folder):
        frame = table(columns, recordings)
        frame = frame if change is None else change(frame)
        frame.to_csv(folder / name, **{"index": False, **how})
        return folder / name

    return write


# ---------------------------------------------------------------- what happens to rows


def lost(share=0.2, seed=1):
    """The recordings without a share of their rows, and never without their first and last."""
    rng = np.random.default_rng(seed)
    left = []
    for r in RECORDINGS:
        keep = rng.random(len(r.y)) >= share
        keep[[0, -1]] = True
        left.append(r._replace(x=r.x[keep], y=r.y[keep], seconds=r.seconds[keep]))
    return left


def holes(share=0.03, seed=2):
    """The recordings with NaN in some cells, none of them in a first or last row."""
    rng = np.random.default_rng(seed)
    pierced = []
    for r in RECORDINGS:
        x = r.x.copy()
        x[1:-1][rng.random(x[1:-1].shape) < share] = np.nan
        pierced.append(r._replace(x=x))
    return pierced


def filled(way="linear"):
    """What `holes` are once they are filled."""
    found = []
    for r in holes():
        x = r.x.copy()
        for c in x.T:  # (T,), a view
            gap, at = np.isnan(c), np.arange(len(c))
            before = np.maximum.accumulate(np.where(gap, 0, at))
            c[gap] = c[before][gap] if way == "previous" else np.interp(at, at[~gap], c[~gap])[gap]
        found.append(r._replace(x=x))
    gaps = sum(int(np.isnan(r.x).sum()) for r in holes())
    return wanted(recordings=found, filled=gaps)


def spoiled(folder):
    """A file one of whose lines was cut off by a power failure."""
    path = csv(USUAL)(folder)
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(100, lines[100][:20] + "\n")
    path.write_text("".join(lines))
    return path


def long_form(frame):
    """A line for each channel of each step."""
    return frame.melt([c for c in frame if c not in AXES], AXES, "channel", "value").sort_values(
        ["recording", "time", "channel"], kind="stable"
    )


def packed(folder):
    """A file of text packed by gzip."""
    path = folder / "walk.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        table(USUAL).to_csv(file, index=False)
    return path


def one_each(name, columns, several=Path):
    """A writer of a file for each recording; `several` makes of their folder what is named."""

    def write(folder):
        place = folder / "walks"
        place.mkdir()
        for r in RECORDINGS:
            table(columns, [r]).to_csv(place / name(r), index=False)
        return several(place)

    return write


def glob_and_files(place):
    """A pattern for the first two people, and the other files by name."""
    return [place / "p[12]-*.csv", *(place / f"p{k}-{n}.csv" for k in (3, 4) for n in (1, 2))]


ALONE = axes(SECONDS, label="activity")  # the columns of a file of one recording
FIRST = RECORDINGS[:1]


def by_file_label():
    """Recordings whose one label stands in the file's name."""
    return wanted(None)._replace(
        y=np.array([ACTIVITIES[k % 4] for k in range(8)]), groups=[r.person for r in RECORDINGS]
    )


def labelled_name(r):
    """The name of a file that holds a recording of one activity."""
    return f"{ACTIVITIES[[one.id for one in RECORDINGS].index(r.id) % 4]}_{r.person}_{r.id}.csv"


KINDS = {
    "1 ISO time first": Kind(
        csv(axes(("timestamp", "iso"), ID, label="activity")), wanted
    ),
    "1 ISO time first, one recording": Kind(
        csv(axes(("timestamp", "iso"), label="activity"), recordings=FIRST),
        lambda: wanted(recordings=FIRST, ids=None),
        {"id_column": ""},
    ),
    "2 id and person": Kind(
        csv(axes(("trial", "id"), ("who", "person"), SECONDS, label="activity")),
        lambda: wanted(groups=True),
        {"id_column": "trial", "group_column": "who"},
    ),
    "3 label called activity": Kind(
        csv(axes(ID, SECONDS, activity="activity")), wanted, {"label_column": "activity"}
    ),
    "4 labels 0 to 3": Kind(csv(axes(ID, SECONDS, label="number")), lambda: wanted("number")),
    "5 index column of pandas": Kind(csv(USUAL, index=True), wanted),
    "6 semicolons and decimal commas": Kind(
        csv(USUAL, sep=";", decimal=","), wanted, {"separator": ";", "decimal": ","}
    ),
    "7 cp1252": Kind(
        csv(axes(ID, SECONDS, label="upstairs"), encoding="cp1252"),
        lambda: wanted("upstairs"),
        {"encoding": "cp1252"},
    ),
    "7 UTF-8 with a mark": Kind(
        csv(axes(ID, SECONDS, label="upstairs"), encoding="utf-8-sig"), lambda: wanted("upstairs")
    ),
    "7 UTF-16": Kind(
        csv(axes(ID, SECONDS, label="upstairs"), encoding="utf-16"),
        lambda: wanted("upstairs"),
        {"encoding": "utf-16"},
    ),
    "8 tsv": Kind(csv(USUAL, "walk.tsv", sep="\t"), wanted, {"separator": "\t"}),
    "8 tabs in a csv": Kind(csv(USUAL, sep="\t"), wanted, {"separator": "\t"}),
    "8 blanks after commas": Kind(
        lambda folder: blanks_after_commas(csv(USUAL)(folder)), wanted
    ),
    "9 csv.gz": Kind(packed, wanted),
    "10 Parquet": Kind(
        lambda folder: saved(
            folder / "walk.parquet", axes(ID, ("time", "date"), label="activity"), "to_parquet"
        ),
        wanted,
    ),
    "11 Excel": Kind(lambda folder: saved(folder / "walk.xlsx", USUAL, "to_excel"), wanted),
    "12 folder": Kind(
        one_each(lambda r: f"{r.id}.csv", ALONE), wanted, {"id_column": ""}
    ),
    "12 folder, id and person in the names": Kind(
        one_each(lambda r: f"{r.person}_{r.id}.csv", ALONE),
        lambda: wanted(groups=True),
        {"file_pattern": "{group}_{id}.csv"},
        told=False,
    ),
    "12 folder, label in the names": Kind(
        one_each(labelled_name, axes(SECONDS)),
        by_file_label,
        {"file_pattern": "{label}_{group}_{id}.csv"},
        told=False,
        ordered=False,
    ),
    "13 glob and arguments": Kind(
        one_each(lambda r: f"{r.id}.csv", ALONE, glob_and_files), wanted, {"id_column": ""}
    ),
    "14 long form": Kind(
        csv(USUAL, change=long_form), wanted, {"channel_column": "channel", "value_column": "value"}
    ),
    "15 gaps": Kind(csv(USUAL, recordings=holes()), filled, {"fill": "linear"}),
    "15 gaps, last value": Kind(
        csv(USUAL, recordings=holes()), lambda: filled("previous"), {"fill": "previous"}
    ),
    "16 a fifth of the rows lost": Kind(
        csv(axes(ID, ("time", "iso"), label="activity"), recordings=lost()),
        lambda: wanted(recordings=lost()),
    ),
    "17 shuffled rows": Kind(
        csv(USUAL, change=lambda frame: frame.sample(frac=1, random_state=3)),
        wanted,
        {"sort_by": "time"},
        ordered=False,
    ),
    "20 a bad line": Kind(
        spoiled, lambda: wanted(skipped=1), {"on_bad_line": "skip"}
    ),
    "22 milliseconds": Kind(
        csv(axes(ID, ("timestamp", "ms"), label="activity")), wanted, {"time_unit": "ms"}
    ),
    "23 whole seconds": Kind(csv(axes(ID, ("time", "whole"), label="activity")), wanted),
    "24 targets": Kind(
        csv(axes(ID, SECONDS, label="speed")),
        lambda: wanted("speed"),
        {"target_columns": ["label"]},
    ),
    "24 targets of another name": Kind(
        csv(axes(ID, SECONDS, speed="speed")),
        lambda: wanted("speed"),
        {"target_columns": ["speed"]},
        told=False,
    ),
    "25 classes 0.0 and 1.0": Kind(csv(axes(ID, SECONDS, label="real")), lambda: wanted("number")),
}  # fmt: skip


def blanks_after_commas(path):
    """The same file as somebody types it."""
    path.write_text(path.read_text().replace(",", ", "))
    return path


def saved(path, columns, method):
    """One table in a format that pandas writes."""
    getattr(table(columns), method)(path, index=False)
    return path
