"""Reading sequences from .csv in long form: one line a step, named columns.
A line that cannot be used is refused by its number, with what it holds and what was wanted."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Collection, Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import (
    Sequences,
    check_file,
    finite_number,
    is_name,
    label_array,
)
from minilstm.data.files.csv_columns import ID_NAMES, Columns, columns_of
from minilstm.data.files.csv_header import header_of, trimmed
from minilstm.data.files.csv_text import Record, csv_records
from minilstm.errors import DataError

__all__ = ["Columns", "read_csv", "read_csv_and_columns"]

# How files of other kinds start, what they are, and what helps.
_ENCODING = "save it again in that encoding, for example with iconv -f {} -t UTF-8"
_OTHER_KINDS = (
    (b"\xff\xfe\0\0", "text in UTF-32", _ENCODING.format("UTF-32")),
    (b"\xff\xfe", "text in UTF-16", _ENCODING.format("UTF-16")),
    (b"\xfe\xff", "text in UTF-16", _ENCODING.format("UTF-16")),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first, with gunzip"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"PAR1", "a Parquet file", "write it as CSV, with pandas.read_parquet(path).to_csv say"),
)


class _Body(NamedTuple):
    """The lines below the header, column by column."""

    ids: list[str]  # N
    labels: list[str]  # N, or empty without a label column
    values: NDArray[Any]  # (N, D) float64
    lines: array[int]  # N numbers of lines
    empty: int  # lines of empty cells


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
    path : the file: UTF-8, separated by commas, a point as the decimal sign; blank lines and
        blanks around a cell are skipped. The lines of one sequence stand together, in the order
        of time
    id_column : the column that names the sequence; by default the one called "sequence",
        "sequence_id", "recording" or "recording_id". ``id_column=""`` says that there is none: the
        whole file is one sequence
    label_column : the column with the label; by default "label", or else "class", or else "y" (but
        "y" is a feature where a column "z" stands beside it). ``label_column=""`` says there is
        none
    label_per : "step" or "sequence", whether the labels belong to steps, or to whole sequences
        (then every line of a sequence has to hold the same label). It is never guessed
    missing_labels : as :func:`minilstm.data.read_sequences` describes it

    Returns
    -------
    Sequences, as :func:`minilstm.data.read_sequences` describes it. Features are float64; labels
    are int64 when every one of them is a plainly written whole number, such as 2, and strings
    otherwise. "2.0" always means 2, and a fraction is no label

    Raises
    ------
    DataError
        At the first line that cannot be used.
    """
    return read_csv_and_columns(
        path,
        id_column=id_column,
        label_column=label_column,
        label_per=label_per,
        missing_labels=missing_labels,
    )[0]


def read_csv_and_columns(
    path: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    label_per: str = "step",
    missing_labels: Collection[str] | None = None,
    known: Collection[str] = (),
) -> tuple[Sequences, Columns]:
    """`read_csv`, and which columns it took; `known` are features, whatever else they may be."""
    if label_per not in ("step", "sequence"):
        raise DataError(
            f"label_per is {label_per!r}, but 'step' or 'sequence' was wanted: choose one of them."
        )
    found = check_file(path)
    name = repr(str(found))
    _check_kind(found)
    try:
        with open(found, encoding="utf-8", newline="") as file:
            records = csv_records(file, name)
            first = next(records, (1, []))
            header = header_of(first, name)
            columns = columns_of(name, header, id_column, label_column, records, known)
            if extra := len(first[1]) - len(header):
                records = trimmed(records, len(header), extra, name)
            body = _read_body(name, records, header, columns)
    except UnicodeDecodeError as error:
        raise DataError(_not_utf8(found)) from error
    if label_column is None and columns.label == "y":
        _check_guessed_y(name, header, body.labels)
    starts = _starts(name, body)
    x = [part.copy() for part in np.split(body.values, starts[1:])]
    y = None
    if columns.label is not None:

        def place(k: int) -> str:
            return f"line {body.lines[k]} of {name}, column {columns.label!r},"

        labels = label_array(body.labels, place, missing_labels)
        y = _labels(labels, starts, body.lines, label_per)
    return Sequences(x, y, columns.features, [body.ids[k] for k in starts]), (
        columns._replace(lines=body.lines, empty=body.empty)
    )


def _read_body(name: str, records: Iterator[Record], header: list[str], columns: Columns) -> _Body:
    """All lines below the header."""
    ids: list[str] = []
    labels: list[str] = []
    values = array("d")
    lines = array("q")
    empty = 0
    width = len(header)
    named = [
        (header.index(column), texts)
        for column, texts in ((columns.id, ids), (columns.label, labels))
        if column is not None
    ]
    at = [header.index(column) for column in columns.features]
    pick = itemgetter(*at) if len(at) > 1 else lambda cells: (cells[at[0]],)
    for line, cells in records:
        if len(cells) != width:
            if not any(cells):
                empty += 1
                continue
            raise DataError(
                f"line {line} of {name} has {len(cells)} columns, but the header "
                f"has {width} ({', '.join(header)}): complete or remove the line."
            )
        texts = pick(cells)
        numbers = _numbers(texts)
        if numbers is None:
            if not any(cells):
                empty += 1
                continue
            _refuse_row(name, line, cells, header, columns, records)
        values.extend(numbers)  # type: ignore[arg-type]
        for k, column in named:
            text = cells[k]
            if not text and column is ids:
                raise DataError(
                    f"line {line} of {name} has nothing in column {header[k]!r}, "
                    "but a name was wanted: fill it in or remove the line."
                )
            column.append(text)
        lines.append(line)
    if not lines:
        raise DataError(
            f"path {name} has a header but no steps, but at least one was wanted: check "
            "what wrote it."
        )
    if columns.id is None:
        ids = ["0"] * len(lines)
    flat = np.frombuffer(values, dtype=np.float64).reshape(-1, len(at))  # (N, D)
    return _Body(ids, labels, flat, lines, empty)


def _numbers(texts: tuple[str, ...]) -> list[float] | None:
    """The numbers of one line, or None where a text is no finite number.

    `finite_number` has the rule; most lines are plain, and never reach it.
    """
    try:
        numbers = list(map(float, texts))
    except ValueError:
        return None
    together = "".join(texts)
    if math.isfinite(sum(numbers)) and together.isascii() and "_" not in together:
        return numbers
    return None if None in map(finite_number, texts) else numbers


def _refuse_row(
    name: str,
    line: int,
    cells: list[str],
    header: list[str],
    columns: Columns,
    records: Iterator[Record],
) -> None:
    """Say which cell of a line is no number, and what helps."""
    if cells == header:
        raise DataError(
            f"line {line} of {name} repeats the header, but numbers were wanted: remove the line."
        )
    place, text = next(
        (column, text)
        for column, text in zip(header, cells, strict=True)
        if column in columns.features and finite_number(text) is None
    )
    at = header.index(place)
    advice = "correct or remove the line"
    below = [row[at] for _, row in islice(records, 20) if len(row) == len(header)]
    if below and not is_name(text) and all(finite_number(cell) is None for cell in below):
        advice = f"write numbers in the whole column, such as seconds, or remove column {place!r}"
    if "," in text:
        advice = "write it with a point, and with nothing between thousands"
    elif is_name(text):
        if columns.id is None:
            advice += f", or say id_column={place!r} where these name the sequences"
        if place.lower() not in ID_NAMES and (columns.label is None or columns.id is not None):
            advice += f", or say label_column={place!r} where these are the labels"
    raise DataError(
        f"line {line} of {name} has {text!r} in column {place!r}, but a finite number was wanted: "
        f"{advice}."
    )


def _check_guessed_y(name: str, header: list[str], labels: list[str]) -> None:
    """Refuse to take numbers for labels only because their column is called y."""
    numbers = [finite_number(text) for text in set(labels)]
    if None in numbers:
        return
    fraction = any(value % 1 for value in numbers if value is not None)
    if fraction or "x" in header:
        what = "fractions" if fraction else "numbers beside a column 'x'"
        raise DataError(
            f"label_column was not given, and the column 'y' of {name} holds {what}, so it may be "
            "a label or a feature: say label_column='y', or label_column='' for a feature."
        )


def _starts(name: str, body: _Body) -> list[int]:
    """Where each sequence starts; an id that comes back later is an error."""
    ids = body.ids
    starts = [k for k in range(len(ids)) if k == 0 or ids[k] != ids[k - 1]]
    seen: set[str] = set()
    for k in starts:
        if ids[k] in seen:
            raise DataError(
                f"line {body.lines[k]} of {name} goes back to sequence {ids[k]!r}, but the lines "
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


def _check_kind(path: Path) -> None:
    """Refuse a file that starts like one of another kind."""
    with open(path, "rb") as file:
        start = file.read(4)
    for mark, kind, remedy in _OTHER_KINDS:
        if start.startswith(mark):
            raise DataError(
                f"path {str(path)!r} is {kind}, but a .csv file in UTF-8 was wanted: {remedy}."
            )


def _not_utf8(path: Path) -> str:
    """What to do about a file in another encoding."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                place = f"line {number} of {str(path)!r}"
                return (
                    f"{place} is not UTF-8 text (byte 0x{line[error.start]:02X}), but a .csv file "
                    "in UTF-8 was wanted: save it again in that encoding, for example with iconv "
                    "-f CP1252 -t UTF-8."
                )
    return f"path {str(path)!r} changed while it was read: read it again."
