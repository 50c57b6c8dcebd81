"""A table from text: which separator and decimal sign it has, which columns are numbers.
What is recognised is told in `Table.found`, and what is not sure is asked about."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import TextIO

import numpy as np

from minilstm.data.description import DataDescription
from minilstm.data.files.checks import finite_number
from minilstm.data.files.csv_columns import ID_NAMES, LABEL_NAMES
from minilstm.data.files.csv_text import Record, csv_records
from minilstm.data.tables.cells import Layout, Tally, exact_columns
from minilstm.data.tables.fast import fast_columns, is_worth_it
from minilstm.data.tables.header import header_of, separator_of
from minilstm.data.tables.source import Source, not_utf8
from minilstm.data.tables.table import Array, Table
from minilstm.errors import DataError

_SAMPLE = 1 << 16  # letters
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_TAB = {"tab": "\t", "\\t": "\t"}
# The names that pandas gives to its index, written once and written twice.
_INDEX = ("", "Unnamed: 0")


def read_text(source: Source, description: DataDescription) -> Table:
    """The table of a text with a header line; see `read_table`."""
    try:
        return _read(source, description)
    except UnicodeDecodeError as error:
        raise not_utf8(source) from error


def text_columns(header: list[str], description: DataDescription) -> frozenset[str]:
    """The columns that name something, and so hold text even where they hold digits."""
    d = description
    said = {d.id_column, d.label_column, d.group_column, d.channel_column}
    numbers = {*(d.features or ()), *(d.target_columns or ()), d.time_column, d.value_column}
    usual = {c for c in header if (c if len(c) == 1 else c.lower()) in (*ID_NAMES, *LABEL_NAMES)}
    return frozenset(c for c in header if c in said or c in usual - numbers)


def without_index(table: Table) -> Table:
    """The table without the index that pandas writes: a first column without a name that rises.

    Raises
    ------
    DataError
        The first column has no name and is no such index.
    """
    first = next(iter(table.columns))
    if first not in _INDEX or len(table.columns) == 1:
        return table
    values = table.columns[first]  # (N,)
    rises = values.dtype.kind == "f" and bool(np.all((np.diff(values) > 0) | (values[1:] == 0)))
    if rises and np.all(values == np.round(values)):
        columns = {name: c for name, c in table.columns.items() if name != first}
        told = f"left out ({first or 'without a name'})"
        return table._replace(columns=columns, found={**table.found, "index column": told})
    if first:
        return table
    raise DataError(
        f"path {table.source} has no name above column 1, but a name above each column was wanted: "
        "add it, or remove the column (pandas leaves its index out with index=False)."
    )


def _read(source: Source, description: DataDescription) -> Table:
    found: dict[str, str] = {}
    if source.encoding != "utf-8":
        found["encoding"] = source.encoding
    tally = Tally(description.on_bad_line == "skip")
    with source.open() as file:
        layout = _layout(file, source, description, found)
        start = file.tell()
        sample = io.StringIO(file.read(_SAMPLE) + file.readline(), newline="")
        decimal = description.decimal or _decimal(sample, layout)
        if decimal == "," != description.decimal:
            found["decimal"] = decimal
        layout = layout._replace(decimal=decimal)
        fast = _fast(sample, source, layout) if is_worth_it(source) else None
        file.seek(start)
        columns, lines = fast or exact_columns(file, layout, tally)
    if not len(lines):
        raise DataError(
            f"path {source.name} has a header but no steps, but at least one was wanted: check "
            "what wrote it."
        )
    skipped = sorted(tally.lines)
    first = skipped[0] if skipped else 0
    return without_index(
        Table(columns, lines, source.name, len(skipped), tally.empty, first, found)
    )


def _fast(sample: TextIO, source: Source, layout: Layout) -> tuple[dict[str, Array], Array] | None:
    """The columns by the fast way, with the kinds that they have in a sample."""
    try:
        some, _ = exact_columns(sample, layout, Tally(False))
    except DataError:
        return None
    texts = {name for name, values in some.items() if values.dtype.kind == "U"}
    return fast_columns(source, layout._replace(texts=frozenset(texts)))


def _layout(
    file: TextIO, source: Source, description: DataDescription, found: dict[str, str]
) -> Layout:
    """What the first lines say; the text then stands below the header."""
    separator = _separator(description)
    count = 0

    def lines() -> Iterator[str]:  # as a loop over the file would forbid `tell`
        nonlocal count
        while line := file.readline():
            count += 1
            yield line

    top: list[str] = []
    while len(top) < 6 and (line := file.readline()):
        if line.strip("\ufeff \t\r\n"):
            top.append(line)
    file.seek(0)
    rest = lines()
    if top and (note := re.fullmatch(r"\ufeff*\"?sep=(.)\"?\s*", top[0])):
        separator = separator or note[1]
        found["separator"] = separator
        for line in rest:
            if line == top[0]:
                break
        top = top[1:]
    if separator is None:
        separator = separator_of(top, source.name) if top else ","
        if separator != ",":
            found["separator"] = separator
    first, cells = next(csv_records(rest, source.name, separator, count + 1), (1, []))
    header = header_of((first, cells), source.name, separator)
    texts = text_columns(header, description)
    extra = len(cells) - len(header)
    return Layout(source.name, header, extra, count + 1, separator, ".", texts)


def _separator(description: DataDescription) -> str | None:
    """The separator that was said, or an error when it can be none."""
    said = description.separator
    if said is None:
        return None
    mark = _TAB.get(said, said)
    if len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in '"+-.\r\n\0_ ':
        raise DataError(
            f"separator is {said!r}, but one mark was wanted, such as ',', ';', '|' or 'tab': "
            "choose one of them."
        )
    return mark


def _decimal(sample: TextIO, layout: Layout) -> str:
    """The decimal sign of a sample: a comma only between semicolons, and where no point is one."""
    if layout.separator != ";":
        return "."
    records = csv_records(sample, layout.name, ";", layout.first, lambda line, error: None)
    texts = {k for k, name in enumerate(layout.header) if name in layout.texts}
    cells = [
        cell
        for _, row in _whole(records, layout)
        for k, cell in enumerate(row[: len(layout.header)])
        if k not in texts
    ]
    sample.seek(0)
    comma = any(map(_COMMA.fullmatch, cells))
    return (
        "," if comma and not any("." in c and finite_number(c) is not None for c in cells) else "."
    )


def _whole(records: Iterator[Record], layout: Layout) -> Iterator[Record]:
    width = len(layout.header)
    return ((k, row) for k, row in islice(records, 1000) if len(row) >= width)
