"""Reading sequences from .csv in long form: one line a step, named columns.
A line that cannot be used is refused by its number, with what it holds and what was wanted."""

from __future__ import annotations

import csv
import os
from array import array
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import Sequences, check_file, finite_number, label_array
from minilstm.errors import DataError


def read_csv(
    path: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    label_per: str = "step",
    missing_labels: Collection[str] | None = None,
) -> Sequences:
    """Read a .csv file with a header line, then one line for each time step.

    Parameters
    ----------
    path : the file: UTF-8, separated by commas, a point as the decimal sign; blank lines are
        skipped. The lines of one sequence stand together, in the order of time
    id_column : the column that names the sequence; by default "sequence", or else the first column.
        ``id_column=""`` says that there is none: the whole file is one sequence
    label_column : the column with the label; by default "label", or else "class", or else "y" (but
        "y" is a feature where a column "z" stands beside it). ``label_column=""`` says there is
        none
    label_per : "step" or "sequence", whether the labels belong to steps, or to whole sequences
        (then every line of a sequence has to hold the same label). It is never guessed
    missing_labels : as :func:`minilstm.data.read_sequences` describes it

    Returns
    -------
    Sequences, as :func:`minilstm.data.read_sequences` describes it. Features are float64; labels
    are int64 when every one of them is a plainly written integer, strings otherwise

    Raises
    ------
    DataError
        At the first line that cannot be used.
    """
    if label_per not in ("step", "sequence"):
        raise DataError(
            f"label_per is {label_per!r}, but 'step' or 'sequence' was wanted: choose one of them."
        )
    found = check_file(path)
    try:
        with open(found, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = [name.strip() for name in next(rows, [])]
            columns = _columns(found, header, id_column, label_column)
            ids, labels, values, lines = _read_rows(found, rows, header, *columns)
    except UnicodeDecodeError as error:
        raise DataError(
            f"path {str(found)!r} is not UTF-8 text at byte {error.start}, but a .csv file in "
            "UTF-8 was wanted: save it again in that encoding."
        ) from error
    except csv.Error as error:
        raise DataError(
            f"path {str(found)!r} cannot be split into columns ({error}), but comma-separated "
            "lines were wanted: correct its quotes."
        ) from error
    at_id, at_label, features = columns
    names = [header[k] for k in features]
    flat = np.frombuffer(values, dtype=np.float64).reshape(-1, len(names))  # (N, D)
    starts = _starts(found, ids, lines)
    if id_column is None and header[at_id] != "sequence" and len(starts) == len(ids) > 1:
        raise DataError(
            f"id_column was not given and the first column {header[at_id]!r} differs on every "
            "line, so it cannot name sequences of several steps: give id_column, or '' when the "
            "whole file is one sequence."
        )
    x = [part.copy() for part in np.split(flat, starts[1:])]
    if at_label < 0:
        return Sequences(x, None, names, [ids[k] for k in starts])

    def place(k: int) -> str:
        return f"line {lines[k]} of {str(found)!r}, column {header[at_label]!r},"

    y = _labels(label_array(labels, place, missing_labels), starts, lines, label_per)
    return Sequences(x, y, names, [ids[k] for k in starts])


def _columns(
    path: Path, header: list[str], id_column: str | None, label_column: str | None
) -> tuple[int, int, list[int]]:
    """Positions of the id and the label (-1 for none), and of the features."""
    if not any(header):
        raise DataError(
            f"path {str(path)!r} is empty, but a header line and at least one step were wanted: "
            "check what wrote it."
        )
    if len(set(header)) != len(header) or "" in header or any(map(_is_number, header)):
        raise DataError(
            f"path {str(path)!r} starts with the line {','.join(header)[:80]!r}, but a header of "
            "different column names was wanted: put one name above each column."
        )
    for argument, name in (("id_column", id_column), ("label_column", label_column)):
        if name and name not in header:
            raise DataError(
                f"{argument} is {name!r}, but the columns are {', '.join(header)}: name one of "
                "them."
            )
    if id_column is None:
        id_column = "sequence" if "sequence" in header else header[0]
    if label_column is None:
        usual = ("label", "class") if "z" in header else ("label", "class", "y")
        label_column = next((name for name in usual if name in header), "")
    at_id = header.index(id_column) if id_column else -1
    at_label = header.index(label_column) if label_column else -1
    features = [k for k in range(len(header)) if k not in (at_id, at_label)]
    if not features or (at_id == at_label >= 0):
        raise DataError(
            f"path {str(path)!r} has the columns {', '.join(header)}, but a sequence id and at "
            "least one feature, separated by commas, were wanted: add them, or give id_column."
        )
    return at_id, at_label, features


def _read_rows(
    path: Path, rows: Any, header: list[str], at_id: int, at_label: int, features: list[int]
) -> tuple[list[str], list[str], array[float], array[int]]:
    """The columns of the body: ids, labels, all features in one row after the other, lines."""
    ids: list[str] = []
    labels: list[str] = []
    values = array("d")
    lines = array("q")
    width = len(header)
    for row in rows:
        if len(row) != width:
            if not row:
                continue
            raise DataError(
                f"line {rows.line_num} of {str(path)!r} has {len(row)} columns, but the header "
                f"has {width} ({', '.join(header)}): complete or remove the line."
            )
        for k in features:
            value = finite_number(row[k])
            if value is None:
                raise DataError(
                    f"line {rows.line_num} of {str(path)!r} has {row[k]!r} in column "
                    f"{header[k]!r}, but a finite number was wanted: correct or remove the line."
                )
            values.append(value)
        for at, column in ((at_id, ids), (at_label, labels)):
            text = row[at].strip() if at >= 0 else "0"
            if not text and at == at_id:
                raise DataError(
                    f"line {rows.line_num} of {str(path)!r} has nothing in column {header[at]!r}, "
                    "but a name was wanted: fill it in or remove the line."
                )
            column.append(text)
        lines.append(rows.line_num)
    if not ids:
        raise DataError(
            f"path {str(path)!r} has a header but no steps, but at least one was wanted: check "
            "what wrote it."
        )
    return ids, labels, values, lines


def _starts(path: Path, ids: list[str], lines: array[int]) -> list[int]:
    """Where each sequence starts; an id that comes back later is an error."""
    starts = [k for k in range(len(ids)) if k == 0 or ids[k] != ids[k - 1]]
    seen: set[str] = set()
    for k in starts:
        if ids[k] in seen:
            raise DataError(
                f"line {lines[k]} of {str(path)!r} goes back to sequence {ids[k]!r}, but the lines "
                "of a sequence have to stand together: sort the file by sequence, then by time."
            )
        seen.add(ids[k])
    return starts


def _labels(
    labels: NDArray[Any], starts: list[int], lines: array[int], label_per: str
) -> list[NDArray[Any]] | NDArray[Any]:
    """Labels for each step, or the one of each sequence."""
    if label_per == "step":
        return np.split(labels, starts[1:])
    for start, part in zip(starts, np.split(labels, starts[1:]), strict=True):
        odd = np.flatnonzero(part != part[0])
        if odd.size:
            raise DataError(
                f"label_per is 'sequence', but line {lines[start + int(odd[0])]} has the label "
                f"{str(part[odd[0]])!r} after {str(part[0])!r} in the same sequence: make them "
                "equal, or read with label_per='step'."
            )
    return labels[starts]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
