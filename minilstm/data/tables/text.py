"""A table from text: which separator and decimal sign it has, which columns are numbers.
What is recognised is told in `Table.found`, and what is not sure is asked about."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import TextIO

import numpy as np

from minilstm.data.description import DataDescription
from minilstm.data.files.checks import finite_number
from minilstm.data.files.csv_columns import ID_NAMES, label_names
from minilstm.data.files.csv_text import csv_records
from minilstm.data.tables.cells import Tally, columns_of
from minilstm.data.tables.fast import fast_columns, is_worth_it
from minilstm.data.tables.header import header_of, separator_of
from minilstm.data.tables.layout import DECIMAL_COMMA, Layout
from minilstm.data.tables.source import Source, not_utf8
from minilstm.data.tables.table import Array, Table
from minilstm.errors import DataError

_SAMPLE = 1 << 16  # bytes
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
    names = (*ID_NAMES, *label_names(header))
    usual = {c for c in header if (c if len(c) == 1 else c.lower()) in names}
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
        layout, start = _layout(source, description, found)
        file.seek(start)
        sample = (file.read(_SAMPLE) + file.readline()).decode()
        decimal = description.decimal or _decimal(sample, layout)
        if decimal == "," != description.decimal:
            found["decimal"] = decimal
        file.seek(start)
        layout = layout._replace(decimal=decimal)
        fast = _fast(source, start, sample, layout)
        columns, lines = fast or columns_of(file, layout, tally)
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


def _fast(
    source: Source, start: int, sample: str, layout: Layout
) -> tuple[dict[str, Array], Array] | None:
    """The columns by the fast way, with the kinds that they have in a sample."""
    if not is_worth_it(source):
        return None
    try:
        some, _ = columns_of(io.BytesIO(sample.encode()), layout, Tally(False))
    except DataError:
        return None
    texts = frozenset(name for name, values in some.items() if values.dtype.kind == "U")
    columns = fast_columns(source, start, layout._replace(texts=texts))
    if columns is None:
        return None
    lines = layout.first + np.arange(len(columns[0]), dtype=np.int64)
    return dict(zip(layout.header, columns, strict=True)), lines


def _layout(
    source: Source, description: DataDescription, found: dict[str, str]
) -> tuple[Layout, int]:
    """What the first lines say, and the place of the first byte below the header."""
    separator = _separator(description)
    taken: list[str] = []

    def lines(file: TextIO) -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line

    with io.TextIOWrapper(source.open(), encoding="utf-8", newline="") as file:
        # Blank lines say nothing.
        top = list(islice((line for line in file if line.strip("\ufeff \t\r\n")), 6))
    with io.TextIOWrapper(source.open(), encoding="utf-8", newline="") as file:
        rest = lines(file)
        if top and (note := re.fullmatch(r"\ufeff*\"?sep=(.)\"?\s*", top[0])):
            separator = separator or note[1]
            found["separator"] = separator
            next(line for line in rest if line == top[0])
            top = top[1:]
        if separator is None:
            separator = separator_of(top, source.name) if top else ","
            if separator != ",":
                found["separator"] = separator
        records = csv_records(rest, source.name, separator, len(taken) + 1)
        first, cells = next(records, (1, []))
        below = takewhile(lambda line: line[:1] == "#", file)
        comments = 1 + sum(1 for _ in below) if cells and cells[0][:1] == "#" else 1
    header = header_of((first, cells), source.name, separator, comments)
    texts = text_columns(header, description)
    extra = len(cells) - len(header)
    layout = Layout(source.name, header, extra, len(taken) + 1, separator, ".", texts)
    return layout, sum(len(line.encode()) for line in taken)


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


def _decimal(sample: str, layout: Layout) -> str:
    """The decimal sign of a sample: a comma only between semicolons, and where no point is one."""
    if layout.separator != ";":
        return "."
    lines = io.StringIO(sample, newline="")
    records = csv_records(lines, layout.name, ";", layout.first, lambda line, error: None)
    texts = [name in layout.texts for name in layout.header]
    cells = [
        cell
        for _, row in islice(records, 1000)
        for cell, text in zip(row, texts, strict=False)
        if not text
    ]
    point = any("." in cell and finite_number(cell) is not None for cell in cells)
    return "," if any(map(DECIMAL_COMMA.fullmatch, cells)) and not point else "."
