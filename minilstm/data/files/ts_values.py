"""What a line of a .ts file holds: numbers or time stamps with numbers, gaps, and a label.
A gap is "?" or NaN; it is filled as the user says, or refused by its step."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import finite_number
from minilstm.errors import DataError

_PAIR = re.compile(r"\(([^()]*),([^(),]*)\)")
_COLON = re.compile(r":(?![^()]*\))")
_GAPS = ("?", "nan")


def parts_of(line: str, stamped: bool) -> list[str]:
    """The dimensions of a line, and its label; a colon within parentheses is one of a time."""
    return _COLON.split(line) if stamped else line.split(":")


def stamped_of(where: str, part: str, dimension: int) -> tuple[list[float], list[str]]:
    """The times, in seconds, and the values of one dimension in the form (time,value),..."""
    pairs = _PAIR.findall(part)
    if not pairs or _PAIR.sub("", part).strip(", "):
        raise DataError(
            f"{where} has {part[:40]!r} in dimension {dimension}, but pairs (time,value) were "
            "wanted, as @timeStamps is true: correct the line or the header."
        )
    return [_seconds(where, time.strip()) for time, _ in pairs], [value for _, value in pairs]


def _seconds(where: str, text: str) -> float:
    number = finite_number(text)
    if number is not None:
        return number
    try:
        if not text[:1].isdigit():
            raise ValueError(text)  # NumPy takes "NaT" and "now"
        return (
            np.array(text.replace(" ", "T").rstrip("Z"), "datetime64[ns]").astype(np.int64).item()
            / 1e9
        )
    except ValueError as error:
        raise DataError(
            f"{where} has the time {text[:40]!r}, but a number or a date such as 2024-01-31 "
            "12:00:00 was wanted: correct it."
        ) from error


def same_times(where: str, times: list[list[float]]) -> NDArray[Any]:
    """The times that all dimensions of a sequence have, rising."""
    if any(other != times[0] for other in times):
        raise DataError(
            f"{where} has other times in one dimension than in another, but all dimensions of a "
            "sequence need the same: resample them."
        )
    array = np.array(times[0])  # (T,)
    if (np.diff(array) <= 0).any():
        raise DataError(f"{where} has times that do not rise: sort its steps by time.")
    return array


def numbers_of(where: str, texts: list[str], dimension: int, fill: str | None) -> list[float]:
    """The numbers of one dimension at T times; NaN for a gap that will be filled."""
    values = []
    for step, text in enumerate(texts):
        value = finite_number(text)
        gap = value is None and text.strip().lower() in _GAPS
        if value is None and not (gap and fill is not None):
            advice = "fill in or remove it"
            if gap:
                advice = "say fill='linear' or fill='previous' (--fill linear), or fill it in"
            raise DataError(
                f"{where} has {text.strip()[:40]!r} at step {step} of dimension {dimension}, but "
                f"a finite number was wanted: {advice}."
            )
        values.append(np.nan if value is None else value)
    return values


def class_of(word: str, classes: list[str]) -> str | None:
    """The declared class that a label means, in any case; None where it is none of them.

    The header separates classes by blanks, so a class with blanks stands there as its words.

    Examples
    --------
    >>> [class_of(w, ["Sit", "stand", "still"]) for w in ("sit", "Stand still", "Sit still")]
    ['Sit', 'stand still', None]
    """
    if word in classes:
        return word
    small = [name.lower() for name in classes]
    if small.count(word.lower()) == 1:
        return classes[small.index(word.lower())]
    words = word.lower().split()
    for k in range(len(classes) - len(words) + 1):
        if len(words) > 1 and small[k : k + len(words)] == words:
            return " ".join(classes[k : k + len(words)])
    return None
