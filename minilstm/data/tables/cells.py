"""From the cells of a text to columns, exactly: what float() says of a cell, or the text itself.
Plain lines are taken apart a block at a time; any other block goes record by record."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import finite_number, is_missing_word
from minilstm.data.files.csv_columns import listed
from minilstm.data.files.csv_text import Record, csv_records
from minilstm.data.tables.layout import Layout, text_of
from minilstm.data.tables.table import Array
from minilstm.errors import DataError

_BLOCK = 1 << 18  # bytes
_ROWS = 8192
Block = tuple[Sequence[int], list[list[str]]]  # numbers of lines, cells of each column


class Tally:
    """What was left out of a table: bad lines, where that is allowed, and empty ones."""

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.lines: list[int] = []
        self.empty = 0

    def refuse(self, line: int, error: DataError) -> None:
        """Raise the error, or note the line as left out."""
        if not self.skip:
            raise error
        self.lines.append(line)


def columns_of(
    file: BinaryIO, layout: Layout, tally: Tally
) -> tuple[dict[str, Array], NDArray[np.int64]]:
    """All columns of a text whose header was read, with the numbers of their lines.

    A column with a cell that is no number is one of text, unless bad lines may be left out and
    most of its cells are numbers.
    """
    start = file.tell()
    texts = set(layout.texts)
    while True:
        columns = [_Column(name in texts, layout.decimal, tally.skip) for name in layout.header]
        lines: list[Array] = []
        for numbers, cells in _blocks(file, layout, tally):
            for column, some in zip(columns, cells, strict=True):
                column.add(some)
            lines.append(np.asarray(numbers, np.int64))
        late = {name for name, c in zip(layout.header, columns, strict=True) if c.is_late_text()}
        if not late:
            break
        texts |= late  # and the text of their numbers has to be read again
        tally.lines, tally.empty = [], 0
        file.seek(start)
    at = np.concatenate([*lines, np.zeros(0, np.int64)])  # (N,)
    keep = np.ones(len(at), bool)
    for column in columns:
        keep[column.wrong] = False
    whole = dict(zip(layout.header, [column.values() for column in columns], strict=True))
    if keep.all():
        return whole, at
    tally.lines += at[~keep].tolist()
    return {name: values[keep] for name, values in whole.items()}, at[keep]


class _Column:
    """A column that grows block by block."""

    def __init__(self, text: bool, decimal: str, skip: bool) -> None:
        self.text, self.decimal, self.skip = text, decimal, skip
        self.parts: list[Array] = []
        self.count = self.good = 0
        self.wrong: list[int] = []  # rows whose cell is no number

    def add(self, cells: list[str]) -> None:
        if not self.text:
            values, wrong = numbers_of(cells, self.decimal)
            good = int(np.isfinite(values).sum())
            self.text = bool(wrong) and not self.count and not (self.skip and good > len(wrong))
        if self.text:
            self.parts.append(text_of(cells, self.decimal))
        else:
            self.wrong += [self.count + row for row in wrong]
            self.good += good
            self.parts.append(values)
        self.count += len(cells)

    def is_late_text(self) -> bool:
        return bool(self.wrong) and not (self.skip and self.good > len(self.wrong))

    def values(self) -> Array:
        """The whole column; the parts are given up."""
        parts, self.parts = self.parts, []
        if not parts:
            return np.zeros(0, np.str_ if self.text else np.float64)
        return np.concatenate(parts)


def numbers_of(cells: list[str], decimal: str = ".") -> tuple[NDArray[np.float64], list[int]]:
    """Cells as numbers, NaN for a gap; and which of them are neither a number nor a gap.

    Examples
    --------
    >>> numbers_of(["1.5", "", "NA", "1_0", "inf"])
    (array([1.5, nan, nan, nan, nan]), [3, 4])
    """
    together = "\n".join(cells)
    if together.isascii() and "_" not in together and decimal == ".":
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if np.isfinite(values).all():
                return values, []
    found = [_number(cell, decimal) for cell in cells]
    wrong = [row for row, value in enumerate(found) if value is None]
    return np.array([np.nan if value is None else value for value in found], np.float64), wrong


def _number(cell: str, decimal: str) -> float | None:
    """The number of a cell, NaN for a gap, None for neither."""
    if decimal == ",":
        cell = "?." if "." in cell else cell.replace(",", ".")
    value = finite_number(cell)
    return np.nan if value is None and is_missing_word(cell.strip()) else value


def _blocks(file: BinaryIO, layout: Layout, tally: Tally) -> Iterator[Block]:
    """The lines below the header, many at a time."""
    line = layout.first
    while data := file.read(_BLOCK):
        text = (data + file.readline()).decode()
        if (plain := _split(text, layout)) is not None:
            numbers = range(line, line + len(plain[0]))
            line = numbers.stop
            yield _without_empty(numbers, plain, tally)
            continue
        rows = list(io.StringIO(text, newline=""))
        lines: Iterator[str] = iter(rows)
        rest = None
        if '"' in text:  # a cell may go on below this block
            rest = io.TextIOWrapper(file, encoding="utf-8", newline="")
            lines = chain(rows, rest)
        bad = tally.refuse if tally.skip else None
        records = csv_records(lines, layout.name, layout.separator, line, bad)
        yield from _grouped(_checked(records, layout, tally))
        line += len(rows)
        if rest is not None:
            rest.detach()  # or it would close the file
            return


def _split(text: str, layout: Layout) -> list[list[str]] | None:
    """The cells of plain lines by column; None where a line is not plain."""
    separator, width = layout.separator, len(layout.header)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if any(mark in text for mark in '"\r\0\ufeff') or layout.extra:
        return None
    text = text.removesuffix("\n")
    count = text.count("\n") + 1
    # Each line feed starts a cell, and has to start that of the first column.
    cells = text.replace("\n", f"{separator}\n").split(separator)
    if len(cells) != width * count or "".join(cells[width::width]).count("\n") != count - 1:
        return None
    columns = [cells[k::width] for k in range(width)]
    blank = " " in text or "\t" in text  # around a cell without quotes they do not count
    columns = [list(map(str.strip, c)) if blank or c is columns[0] else c for c in columns]
    return None if width == 1 and "" in columns[0] else columns


def _without_empty(lines: range, columns: list[list[str]], tally: Tally) -> Block:
    """Plain lines but for those of empty cells alone."""
    if "" not in columns[0]:
        return lines, columns
    keep = [k for k, cells in enumerate(zip(*columns, strict=True)) if any(map(str.strip, cells))]
    tally.empty += len(lines) - len(keep)
    return [lines[k] for k in keep], [[cells[k] for k in keep] for cells in columns]


def _checked(records: Iterator[Record], layout: Layout, tally: Tally) -> Iterator[Record]:
    """Records with a cell for each column."""
    width = len(layout.header)
    for line, cells in records:
        if not any(cells):
            tally.empty += 1
            continue
        tail = cells[width:]
        if layout.extra and any(tail):
            place = width + 1 + next(k for k, cell in enumerate(tail) if cell)
            told = (
                f"line {line} of {layout.name} has {cells[place - 1]!r} in column {place}, which "
                "has no name, but a name above each column was wanted: add it, or remove the column"
            )
        elif len(cells) == width or (tail and len(tail) <= layout.extra):
            yield line, cells[:width]
            continue
        else:
            told = (
                f"line {line} of {layout.name} has {len(cells)} columns, but the header has "
                f"{width} ({listed(layout.header)}): complete or remove the line"
            )
        skip = "or say on_bad_line='skip' (--on-bad-line skip) to leave such lines out"
        tally.refuse(line, DataError(f"{told}, {skip}."))


def _grouped(records: Iterator[Record]) -> Iterator[Block]:
    while some := list(islice(records, _ROWS)):
        yield (
            [line for line, _ in some],
            list(map(list, zip(*(cells for _, cells in some), strict=True))),
        )
