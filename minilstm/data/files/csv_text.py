"""The one way in which CSV is written and taken apart: what is written reads back the same.
A quoted cell keeps every character; around any other cell blanks do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from minilstm.errors import DataError

NOT_TEXT = frozenset("\0\ufeff")  # characters that no text has: NUL, a byte order mark
_NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$|^$')
_OPENING = re.compile(r'[ \t]*"')
_QUOTED = re.compile(r'[^"]*+(?:""[^"]*+)*+')  # possessive: the time is that of the text's length
_CLOSED = re.compile(r"\s*(?:,|$)")


Record = tuple[int, list[str]]  # the line where it starts, from 1, and its cells


def csv_line(cells: Iterable[Any]) -> str:
    r"""One line of CSV with its line feed; quotes stand where a cell would change without them.

    None is an empty cell; a text that is empty is a quoted one.

    Examples
    --------
    >>> csv_line(["sit, down", " x", 1.5, "é"])
    '"sit, down"," x",1.5,é\n'
    """
    return ",".join(map(csv_cell, cells)) + "\n"


def csv_records(lines: Iterable[str], name: str) -> Iterator[Record]:
    r"""Take lines of text apart; blank lines are skipped.

    Parameters
    ----------
    lines : with their line ends
    name : of the file, for the messages

    Raises
    ------
    DataError
        A quote is not closed, something follows a closing quote, or a line holds a character that
        no text has: NUL, or a byte order mark in its middle.

    Examples
    --------
    >>> list(csv_records(['a, b\n', '"1, 2" ,"x\n', 'y"\n'], "FILE"))
    [(1, ['a', 'b']), (2, ['1, 2', 'x\ny'])]
    """
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        text = line.rstrip("\r\n")
        if text.isascii() and text.isprintable() and " " not in text and '"' not in text:
            if text:  # most lines are so plain
                yield number, text.split(",")
            continue
        text = line.lstrip("\ufeff") if number == 1 else line
        _check_text(text, number, name)
        if '"' in text:
            yield number, _quoted_cells(text, number, numbered, name)
        elif text.strip():
            yield number, [cell.strip() for cell in text.split(",")]


def csv_cell(value: Any) -> str:
    """One cell; numbers are written so that they read back the same."""
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, (float, int)):
        return text
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _check_text(text: str, number: int, name: str) -> None:
    if "\0" in text or "\ufeff" in text:
        what = "a NUL byte" if "\0" in text else "a byte order mark in its middle"
        raise DataError(
            f"line {number} of {name} holds {what}, but plain text in UTF-8 was wanted: save it "
            "again as UTF-8, or remove that character."
        )


def _quoted_cells(
    text: str, number: int, numbered: Iterator[tuple[int, str]], name: str
) -> list[str]:
    """The cells of a record with quotes; takes further lines while a quote is open."""
    cells: list[str] = []
    at, first = 0, number
    while True:
        opening = _OPENING.match(text, at)
        if opening is None:
            end = text.find(",", at)
            cells.append(text[at : None if end < 0 else end].strip())
            if end < 0:
                return cells
            at = end + 1
            continue
        at, parts, opened = opening.end(), [], number
        while True:
            inner = _QUOTED.match(text, at)
            assert inner is not None  # it matches nothing as well
            parts.append(inner[0])
            if (at := inner.end()) < len(text):
                break
            number, text, at = *next(numbered, (0, "")), 0
            if not text:
                raise DataError(
                    f"line {opened} of {name} opens a quote that is never closed: close it, or "
                    'write a quote inside a cell twice ("").'
                )
            _check_text(text, number, name)
        cells.append("".join(parts).replace('""', '"'))
        closed = _CLOSED.match(text, at + 1)
        if closed is None:
            raise DataError(
                f"line {number} of {name} has {text[at + 1 :].strip()[:20]!r} behind a closing "
                f"quote, but a comma was wanted (the cell starts on line {first}): correct its "
                "quotes."
            )
        if not closed[0].endswith(","):
            return cells
        at = closed.end()
