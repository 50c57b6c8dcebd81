"""The one way in which CSV is written and taken apart: what is written reads back the same.
A quoted cell keeps every character; around any other cell blanks do not count.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from minilstm.errors import DataError

NOT_TEXT = frozenset("\0\ufeff")  # characters that no text has: NUL, a byte order mark
_NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$|^$')
_QUOTED = re.compile(r'[^"]*+(?:""[^"]*+)*+')  # possessive: the time is that of the text's length
_MOST_LINES = 100  # of a cell, where lines with broken quotes are left out


class _Marks(NamedTuple):
    """What stands between cells, and around their quotes."""

    separator: str
    opening: re.Pattern[str]
    closed: re.Pattern[str]


@lru_cache
def _marks(separator: str) -> _Marks:
    blank = r"[^\S\t]*" if separator == "\t" else r"\s*"
    closed = re.compile(rf"{blank}(?:{re.escape(separator)}|$)")
    return _Marks(separator, re.compile(f'{blank}"'), closed)


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


def csv_records(
    lines: Iterable[str],
    name: str,
    separator: str = ",",
    start: int = 1,
    bad: Callable[[int, DataError], None] | None = None,
) -> Iterator[Record]:
    r"""Take lines of text apart; blank lines are skipped.

    Parameters
    ----------
    lines : with their line ends
    name : of the file, for the messages
    separator : one letter that stands between cells
    start : number of the first line
    bad : is called with each line that cannot be taken apart, which is left out; by default such
        a line is an error

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
    marks = _marks(separator)
    numbered: Iterator[tuple[int, str]] = enumerate(lines, start)
    again = _Returnable(numbered)
    if bad is not None:
        numbered = again
    for number, line in numbered:
        text = line.rstrip("\r\n")
        if text.isascii() and text.isprintable() and " " not in text and '"' not in text:
            if text:  # most lines are so plain
                yield number, text.split(separator)
            continue
        text = line.lstrip("\ufeff") if number == 1 else line
        taken: list[tuple[int, str]] = []
        try:
            _check_text(text, number, name)
            if '"' in text:
                below = numbered if bad is None else _noted(numbered, taken)
                yield number, _quoted_cells(text, number, below, name, marks)
            elif text.strip():
                yield number, [cell.strip() for cell in text.split(separator)]
        except DataError as error:
            if bad is None:
                raise
            bad(number, error)
            again.back.extendleft(reversed(taken))  # the lines below may be whole


class _Returnable:
    """Numbered lines, some of which may be given back to be taken once more."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self.lines = lines
        self.back: deque[tuple[int, str]] = deque()

    def __iter__(self) -> _Returnable:
        return self

    def __next__(self) -> tuple[int, str]:
        return self.back.popleft() if self.back else next(self.lines)


def _noted(
    numbered: Iterator[tuple[int, str]], taken: list[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """The next lines, as many as one cell may have, each noted in `taken`."""
    for pair in numbered:
        taken.append(pair)
        yield pair
        if len(taken) == _MOST_LINES:
            return


def separator_word(separator: str) -> str:
    """How a separator is called in a sentence."""
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}.get(separator, repr(separator))


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
    text: str, number: int, numbered: Iterator[tuple[int, str]], name: str, marks: _Marks
) -> list[str]:
    """The cells of a record with quotes; takes further lines while a quote is open."""
    cells: list[str] = []
    at, first = 0, number
    while True:
        opening = marks.opening.match(text, at)
        if opening is None:
            end = text.find(marks.separator, at)
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
        closed = marks.closed.match(text, at + 1)
        if closed is None:
            raise DataError(
                f"line {number} of {name} has {text[at + 1 :].strip()[:20]!r} behind a closing "
                f"quote, but {separator_word(marks.separator)} was wanted (the cell starts on line "
                f"{first}): correct its quotes."
            )
        if not closed[0].endswith(marks.separator):
            return cells
        at = closed.end()
