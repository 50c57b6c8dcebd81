"""Times of rows as seconds: ISO text, numbers of a known unit, stamps too coarse for the rate.
What was taken for the unit is told."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from minilstm.data.recordings.columns import Array, Rows, as_numbers, bad_cell
from minilstm.errors import DataError

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNIT_OF_NAME = re.compile(
    r"(?:^|[_ (\[.-])(s|secs?|seconds?|ms|msecs?|millis|milliseconds?|us|µs|usecs?|micros|"
    r"microseconds?|ns|nanos|nanoseconds?)[)\]]?$",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"(\d{4}[-/]\d\d?[-/]\d\d?)?[T ]*(\d\d:\d\d(:\d\d([.,]\d+)?)?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
_CLOCK = r"\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?"
_DOTTED = re.compile(rf"(\d\d?)\.(\d\d?)\.(\d{{4}})(?:[T ,]+({_CLOCK}))?")  # the day first
# The day or the month first, or hours up to 12: what no cell alone can tell, or NumPy not read.
_UNSURE = re.compile(
    rf"\d\d?([/-])\d\d?\1(?:\d{{4}}|\d\d)(?:[T ,]+{_CLOCK}(?:\s*[AP]M)?)?|"
    rf"(?:\S+ +)?{_CLOCK}\s*[AP]M",
    re.IGNORECASE,
)
# Names that say time; the short ones count only where the numbers rise.
TIME_NAMES = re.compile(
    r"(?!feature_)(time|timestamp|timestamps|time_?stamp|datetime|date_?time|date|seconds|elapsed|"
    r"(?:.*_)?time|(?:time|timestamp|zeit)[_ (\[].*|zeit|zeitstempel|uhrzeit|datum|horodatage|"
    r"tiempo|fecha)",
    re.IGNORECASE,
)
SHORT_TIME_NAMES = re.compile(
    r"(t|ts|sec|secs|second|ms|us|ns|t[_ (\[].*|temps|heure|hora|tempo|tijd|tid)", re.IGNORECASE
)


class Times(NamedTuple):
    """Times of N rows, and how they were read."""

    seconds: Array  # (N,) float64
    unit: str  # "s", "ms", "us" or "ns", or "text"
    why: str  # what told the unit: "said", "name", "size", "default", or "text"


def is_iso(column: Array) -> bool:
    """Whether most of the first cells of a column of text are dates or times of day."""
    if column.dtype.kind == "M":
        return True
    cells = [cell.strip() for cell in column[:20].tolist()] if column.dtype.kind == "U" else []
    known = [
        ((m := _ISO.fullmatch(cell)) is not None and (m[1] or m[2]))
        or _DOTTED.fullmatch(cell) or _UNSURE.fullmatch(cell)
        for cell in cells
    ]  # fmt: skip
    return 2 * sum(map(bool, known)) > len(cells)


def check_whole(rows: Rows, time: str, others: list[str]) -> None:
    """Refuse a date and a time of day in two columns, of which one was taken for the time."""

    def part(column: str) -> str | None:
        cells = [cell.strip() for cell in rows.columns[column][:20].astype(str).tolist()]
        if all(re.fullmatch(_CLOCK + r"(\s*[AP]M)?", cell, re.IGNORECASE) for cell in cells):
            return "clock"
        dates = r"\d{4}-\d\d-\d\d|\d\d?([./-])\d\d?\1\d{2,4}|\d{4}/\d\d?/\d\d?"
        return "date" if all(re.fullmatch(dates, cell) for cell in cells) else None

    texts = [c for c in (time, *others) if rows.columns[c].dtype.kind == "U"]
    parts = {part(c): c for c in texts[::-1]} if time in texts else {}
    if {"date", "clock"} <= set(parts) and time in parts.values():
        raise DataError(
            f"{rows.name} has dates in column {parts['date']!r} and times of day in column "
            f"{parts['clock']!r}, but one column with both was wanted: join them, such as "
            f"2026-11-30T14:00:00, or say time_column={parts['clock']!r} where no recording passes "
            "midnight."
        )


def times_of(rows: Rows, name: str, unit: str | None) -> Times:
    """The times of all rows in seconds; a row without one is an error."""
    column = rows.columns[name]
    numbers, odd = as_numbers(column), bad_cell(column)
    if odd is not None:
        found = Times(np.where(np.arange(len(column)) == odd, np.nan, 0.0), "text", "text")
    elif numbers is None:
        _check_sure(rows, name)
        seconds = _from_text(column) if column.dtype.kind == "U" else _from_stamps(column)
        found = Times(seconds, "text", "text")
    else:
        match = _UNIT_OF_NAME.search(name)
        found = _from_numbers(numbers, unit, match[1].lower() if match else "")
    bad = np.flatnonzero(~np.isfinite(found.seconds))
    if bad.size:
        raise DataError(
            f"{rows.place(int(bad[0]))} has {str(column[bad[0]])!r} in the time column {name!r}, "
            "but a number or an ISO time such as 2026-11-30T14:00:00.020 was wanted: correct or "
            "remove the line, or say time_column='' and drop=[" + f"{name!r}]."
        )
    return found


def _check_sure(rows: Rows, name: str) -> None:
    """Refuse times such as 03/01/2024 or 2:00 PM."""
    cells = rows.columns[name]
    for k, cell in enumerate(cells[:20].tolist() if cells.dtype.kind == "U" else []):
        if _UNSURE.fullmatch(cell.strip()):
            why = "whose day and month may stand either way"
            if cell.strip()[-1:] in "Mm":
                why = "with hours up to 12"
            raise DataError(
                f"{rows.place(k)} has {cell!r} in the time column {name!r}, {why}: write times as "
                "2024-03-01T14:00:00 (in pandas, to_datetime with its format=), as 01.03.2024 "
                "14:00:00 (the day first), or in seconds."
            )


def _from_numbers(numbers: Array, said: str | None, named: str) -> Times:
    """Numbers in the unit that was said, that the name says, or that their size shows."""
    if said is not None:
        unit, why = said, "said"
    elif named:
        first = {"s": "s", "m": "ms" if not named.startswith("mic") else "us", "n": "ns"}
        unit, why = first.get(named[0], "us"), "name"
    else:
        size = float(np.nanmedian(np.abs(numbers))) if np.isfinite(numbers).any() else 0.0
        large = [u for u, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11)) if size > least]
        unit, why = (large[0], "size") if large else ("s", "default")
    return Times(numbers * _SECONDS[unit], unit, why)


def _from_stamps(stamps: Array) -> Array:
    whole = stamps.astype("datetime64[ns]")
    return np.where(np.isnat(whole), np.nan, whole.astype(np.int64) * 1e-9)


def _from_text(column: Array) -> Array:
    """ISO text with T or a blank, fractions, Z or an offset, or dd.mm.yyyy; NaN for others."""
    text = np.char.strip(column)
    if _DOTTED.fullmatch(str(text[0])):
        text = np.array([_DOTTED.sub(_year_first, cell) for cell in text.tolist()])
    first = str(text[0])
    shift: Array = np.zeros(len(text))  # (N,) seconds
    if re.search(r"(Z|UTC|[+-]\d\d:?\d\d)$", first[8:], re.IGNORECASE):
        parts = [re.fullmatch(r"(.*?)\s*(Z|UTC|[+-]\d\d:?\d\d)?", t, re.I) for t in text.tolist()]
        zones = [m[2] if m and m[2] else "Z" for m in parts]
        offsets = {zone: _offset(zone) for zone in set(zones)}
        shift = np.array([offsets[zone] for zone in zones])
        text = np.array(
            [m[1] if m and m[2] else "" for m in parts]
        )  # "": no zone, as the first has
    if "/" in first:
        text = np.char.replace(text, "/", "-")
    if "," in first:
        text = np.char.replace(text, ",", ".")
    if first[2:3] == ":":
        text = np.char.add("1970-01-01T", text)
    digits = np.isin(text.astype("U1"), list("0123456789"))
    try:
        stamps = np.where(digits, text, "NaT").astype("datetime64[ns]")
    except ValueError:
        stamps = np.array([_stamp(t) for t in text.tolist()], "datetime64[ns]")
    return _from_stamps(stamps) - shift


def _year_first(match: re.Match[str]) -> str:
    """A date that has its day first, as ISO text."""
    clock = "" if match[4] is None else f"T{match[4]:0>5}"
    clock = clock if clock[3:4] in ("", ":") else f"T0{match[4]}"
    return f"{match[3]}-{match[2]:0>2}-{match[1]:0>2}{clock}"


def _stamp(text: str) -> np.datetime64:
    try:
        return np.datetime64(text if text[:1].isdigit() else "NaT", "ns")
    except ValueError:
        return np.datetime64("NaT", "ns")


def _offset(zone: str) -> float:
    """Seconds east of Greenwich."""
    if zone.upper() in ("Z", "UTC"):
        return 0.0
    digits = zone[1:].replace(":", "")
    return (-1.0 if zone[0] == "-" else 1.0) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def spread(seconds: Array) -> Array | None:
    """Times of one recording whose stamps repeat a fixed count of times, spread evenly.

    Stamps are whole seconds. The rows of one fill the time until the next one; the first and the
    last stamp may have fewer rows, which stand at its end and at its start. None where the counts
    are not fixed.

    Examples
    --------
    >>> spread(np.array([7.0, 8, 8, 8, 8, 9, 9])).tolist()
    [7.75, 8.0, 8.25, 8.5, 8.75, 9.0, 9.25]
    """
    starts = np.flatnonzero(np.diff(seconds, prepend=-np.inf) > 0)
    if bool((seconds != np.round(seconds)).any()):
        return None
    counts = np.diff(np.append(starts, len(seconds)))  # (R,)
    steps = np.diff(seconds[starts])
    inner = counts[1:-1] if len(counts) > 2 else counts[counts == counts.max()]
    usual = int(np.median(inner))
    most = max(1, usual // 10)
    near = np.abs(inner - usual) <= most
    if usual < 2 or near.mean() < 0.8 or max(counts[0], counts[-1]) > usual + most:
        return None
    width = float(steps.min()) if steps.size else 1.0
    k = np.arange(len(seconds)) - np.repeat(starts, counts)  # (T,) within the stamp
    per = np.repeat(np.append(counts[:-1], usual), counts).astype(np.float64)
    per[: counts[0]] = max(usual, counts[0])
    per[len(per) - counts[-1] :] = max(usual, counts[-1])
    if len(counts) > 1:
        k[: counts[0]] += max(usual, counts[0]) - counts[0]
    out: Array = seconds + width * k / per
    return out
