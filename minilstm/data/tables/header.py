"""The header of a text: the separator that it shows, and the names of the columns.
A header that cannot be used is refused with what it holds, what was wanted and what to do."""

from __future__ import annotations

import re

from minilstm.data.files.checks import is_number
from minilstm.data.files.csv_text import Record, separator_word
from minilstm.errors import DataError

SEPARATORS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')


def separator_of(lines: list[str], name: str) -> str:
    """The separator that fits the header, the first of some lines without blank ones.

    Parameters
    ----------
    lines : the header and some lines below it
    name : of the file, for the messages

    Raises
    ------
    DataError
        Several separators fit, or none of several does.
    """
    bare = [_QUOTED.sub("", line) for line in lines]
    there = [mark for mark in SEPARATORS if mark in bare[0].strip("\r\n\ufeff ")]
    if len(there) < 2:
        return there[0] if there else ","
    fit = [mark for mark in there if len({line.count(mark) for line in bare}) == 1]
    if len(fit) == 1:
        return fit[0]
    ways = " or ".join(f"separator={mark!r}" for mark in there)
    raise DataError(
        f"path {name} starts with the line {lines[0].strip()[:80]!r}, whose columns may be "
        f"separated by {' or by '.join(map(separator_word, there))}: say {ways} "
        f"(--separator {option_word(there[0])})."
    )


def option_word(separator: str) -> str:
    """How a separator is written on the command line."""
    return "tab" if separator == "\t" else f"'{separator}'"


def header_of(record: Record, name: str, separator: str = ",", comments: int = 1) -> list[str]:
    """The names of the columns; different ones, none of them empty or a number.

    Where the line is a comment, so are `comments` lines from it on.

    Cells without a name at the end, as spreadsheets write them, are left out. A first cell without
    one stays "", for that is how pandas writes its index.
    """
    first, header = record
    while len(header) > 1 and header[-1] == "" and any(header):
        header = header[:-1]
    if not any(header):
        raise DataError(
            f"path {name} is empty, but a header line and at least one step were wanted: check "
            "what wrote it."
        )
    shown = repr(separator.join(record[1])[:80])
    if len(header) == 1 and header[0].startswith("#") and " " in header[0]:
        lines = f"line {first}" if comments < 2 else f"lines {first} to {first + comments - 1}"
        raise DataError(
            f"path {name} starts with the line {shown}, which is a comment, but a header of column "
            f"names was wanted: remove {lines}."
        )
    if len(header) == 1 and (
        other := next((c for c in SEPARATORS if c in header[0] and c != separator), None)
    ):
        raise DataError(
            f"path {name} starts with the line {shown}, which has {separator_word(other)} between "
            f"its columns, but {separator_word(separator)} was wanted: say separator={other!r} "
            f"(--separator {option_word(other)})."
        )
    if "" in header[1:]:
        raise DataError(
            f"path {name} has no name above column {header.index('', 1) + 1} (its first line is "
            f"{shown}), but a name above each column was wanted: add it, or remove the column "
            "(pandas leaves its index out with index=False)."
        )
    check_header(header, f"path {name}")
    if any(map(is_number, header)):
        raise DataError(
            f"path {name} starts with the line {shown}, which holds numbers, but a header of "
            "column names was wanted: put one name above each column."
        )
    return header


def check_header(header: list[str], name: str) -> None:
    """Refuse two columns of one name."""
    doubled = next((column for column in header if header.count(column) > 1), None)
    if doubled is not None:
        raise DataError(
            f"{name} has two columns called {doubled!r}, but different names were wanted: "
            "rename one of them."
        )
