"""Columns of all files of a data set together, and what can be asked of one of them.
A row stays known by its file and its line, so every message can name it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import finite_number, is_missing_word, is_number
from minilstm.data.tables.table import Table
from minilstm.errors import DataError

Array = NDArray[Any]
_LIKE_NUMBERS = re.compile(r"[-+]?\d{1,3}(?:[,' ]\d{3})+(?:\.\d*)?$|[-+]?\d*,\d+(?:[eE][-+]?\d+)?$")


class Rows(NamedTuple):
    """The tables of one data set, one below the other."""

    columns: dict[str, Array]  # (N,) each, float64, datetime64 or str
    lines: NDArray[np.int64]  # (N,)
    file: NDArray[np.int64]  # (N,) the number of the table
    sources: list[str]  # the name of each table for messages, in quotes

    def place(self, k: int) -> str:
        """Where a row stands, for messages."""
        return f"line {self.lines[k]} of {self.sources[self.file[k]]}"

    def taken(self, rows: Array) -> Rows:
        """The same with some rows, in the order given."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Rows(columns, self.lines[rows], self.file[rows], self.sources)

    @property
    def name(self) -> str:
        """Of the first file, for messages about all."""
        return self.sources[0]


def joined(tables: Sequence[Table]) -> Rows:
    """Tables with the same columns, one below the other; a column is text where any of them is."""
    first = tables[0]
    for table in tables[1:]:
        odd = sorted(set(first.columns) ^ set(table.columns))
        if odd:
            has, lacks = (first, table) if odd[0] in first.columns else (table, first)
            raise DataError(
                f"{has.source} has the column {odd[0]!r}, which {lacks.source} lacks, but all "
                "files need the same columns: rename or add it, or read the files apart."
            )
    lines = [table.lines for table in tables]
    counts = [len(found) for found in lines]
    if len(tables) == 1:
        columns = dict(first.columns)
    else:
        columns = {}
        for name in first.columns:
            parts = [table.columns[name] for table in tables]
            if len({part.dtype.kind for part in parts}) > 1:
                parts = [as_words(part) for part in parts]
            columns[name] = np.concatenate(parts)
    if sum(counts) == 0:
        raise DataError(
            f"path {first.source} has a header but no steps, but at least one was wanted: check "
            "what wrote it."
        )
    file = np.repeat(np.arange(len(tables)), counts)
    return Rows(columns, np.concatenate(lines), file, [table.source for table in tables])


def run_starts(*columns: Array) -> NDArray[np.int64]:
    """Where a row differs from the one before it in any of the columns, the first row included."""
    new = np.zeros(len(columns[0]), bool)  # (N,)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def factorized(column: Array) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """The different values of a column in the order of their first rows, codes (N,), those rows.

    Values come in runs, so that few of them are sorted.
    """
    starts = run_starts(column)
    values, first, codes = np.unique(column[starts], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    lengths = np.diff(np.append(starts, len(column)))
    return values[order], np.repeat(rank[codes.ravel()], lengths), starts[first[order]]


def as_words(column: Array) -> Array:
    """A column as text: 2.0 is "2", and a gap is ""."""
    if column.dtype.kind == "U":
        return column
    if column.dtype.kind == "M":
        return np.where(np.isnat(column), "", column.astype(str))
    values, codes, _ = factorized(np.where(np.isnan(column), np.inf, column))
    return np.array([_word(value) for value in values.tolist()], np.str_)[codes]


def _word(value: float) -> str:
    """A number as a name; infinity stands for a gap."""
    if value == np.inf:
        return ""
    return str(int(value)) if value == int(value) else repr(value)


def as_numbers(column: Array) -> Array | None:
    """A column as float64, where words for a missing value are gaps; None where text is in it."""
    if column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False)
    if column.dtype.kind != "U":
        return None
    for cell in column[:50].tolist():  # most columns of text show it at once
        if finite_number(cell) is None and not is_missing_word(cell.strip()):
            return None
    words, codes, _ = factorized(column)
    numbers = [finite_number(w) if not is_missing_word(w.strip()) else np.nan for w in words]
    return None if None in numbers else np.array(numbers, np.float64)[codes]


def bad_cell(column: Array) -> int | None:
    """The first row whose cell is no number, where most cells are numbers; None for true text."""
    if column.dtype.kind != "U":
        return None
    words, codes, first = factorized(column)
    bad = np.array([finite_number(w) is None and not is_missing_word(w.strip()) for w in words])
    if not bad.any():
        return None
    share = float(bad[codes].mean())
    like = all(_LIKE_NUMBERS.match(w) or is_number(w) for w, b in zip(words, bad, strict=True) if b)
    return int(first[bad].min()) if share <= 0.5 or like else None


def count_of_values(column: Array, most: int) -> int:
    """How many different values a column has, gaps left out; `most` + 1 for more than `most`."""
    known = column[~np.isnan(column)] if column.dtype.kind == "f" else column
    some = np.unique(known[:1000])  # most columns of measurements show it at once
    return len(some) if len(some) > most else min(len(np.unique(known)), most + 1)


def rises(column: Array, starts: Array, least: int = 20, counting: bool = False) -> bool:
    """Whether numbers rise from row to row in every recording, and one has `least` rows.

    With `counting` they rise by one.
    """
    if len(column) < least or not column[1] > column[0]:
        return False
    ends = np.append(starts[1:], len(column))
    steps = np.diff(column) == 1 if counting else np.diff(column) > 0  # (N - 1,)
    steps[starts[1:] - 1] = True  # from one recording to the next
    return bool(steps.all()) and int((ends - starts).max()) >= least
