"""The header of a .csv file, and lines as spreadsheets leave them: with empty cells at their ends.
A header that cannot be used is refused with what it holds, what was wanted and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from minilstm.data.files.checks import is_number
from minilstm.data.files.csv_text import Record
from minilstm.errors import DataError


def header_of(record: Record, name: str) -> list[str]:
    """The names of the columns; different ones, none of them empty or a number.

    Cells without a name at the end, as spreadsheets write them, are left out.
    """
    first, header = record
    while len(header) > 1 and header[-1] == "" and any(header):
        header = header[:-1]
    if not any(header):
        raise DataError(
            f"path {name} is empty, but a header line and at least one step were wanted: check "
            "what wrote it."
        )
    shown = repr(",".join(record[1])[:80])
    is_comment = len(header) == 1 and header[0].startswith("#") and " " in header[0]
    if is_comment or header[0].startswith("sep="):
        what = "a comment" if is_comment else "a note for Excel"
        raise DataError(
            f"path {name} starts with the line {shown}, which is {what}, but a header of column "
            f"names was wanted: remove line {first}."
        )
    if len(header) == 1 and (other := next((c for c in ";\t|" if c in header[0]), None)):
        raise DataError(
            f"path {name} starts with the line {shown}, which has {other!r} between its columns, "
            "but commas (and points in numbers) were wanted: write it again, for example with "
            f"pandas.read_csv(path, sep={other!r}).to_csv(path, index=False), and with decimal=',' "
            "where numbers have commas."
        )
    if "" in header:
        raise DataError(
            f"path {name} has no name above column {header.index('') + 1} (its first line is "
            f"{shown}), but a name above each column was wanted: add it, or remove the column "
            "(pandas leaves its index out with index=False)."
        )
    doubled = next((column for column in header if header.count(column) > 1), None)
    if doubled is not None:
        raise DataError(
            f"path {name} has two columns called {doubled!r}, but different names were wanted: "
            "rename one of them."
        )
    if any(map(is_number, header)):
        raise DataError(
            f"path {name} starts with the line {shown}, which holds numbers, but a header of "
            "column names was wanted: put one name above each column."
        )
    return header


def trimmed(records: Iterator[Record], width: int, extra: int, name: str) -> Iterator[Record]:
    """Lines without the cells below `extra` columns that have no name; these have to be empty."""
    for line, cells in records:
        tail = cells[width:]
        if any(tail):
            place = width + 1 + next(k for k, cell in enumerate(tail) if cell)
            raise DataError(
                f"line {line} of {name} has {cells[place - 1]!r} in column {place}, which has no "
                "name, but a name above each column was wanted: add it, or remove the column."
            )
        yield line, cells[:width] if len(tail) <= extra else cells
