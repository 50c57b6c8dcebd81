"""The same columns as `cells.py` gives, with the parser of pandas, for plain lines of large files.
Whatever could differ from float() of each cell is found and left to `cells.py`."""

from __future__ import annotations

import io
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np

from minilstm.data.files.checks import MISSING_WORDS
from minilstm.data.tables.layout import Layout, text_of
from minilstm.data.tables.source import Source
from minilstm.data.tables.table import Array

# Bytes from which pandas saves more time than its import takes.
_WORTH_IT = {True: 400_000, False: 8_000_000}
_SCAN = 1 << 20  # bytes
_BOOLEANS = (b"rue", b"RUE", b"alse", b"ALSE")


def is_worth_it(source: Source) -> bool:
    """Whether the text is so large that pandas, if it is there, reads it faster."""
    size = source.size()
    return size > _WORTH_IT["pandas" in sys.modules] and find_spec("pandas") is not None


def fast_columns(source: Source, start: int, layout: Layout) -> list[Array] | None:
    """The columns below the header, float64 or text; None where the exact way has to read them.

    Parameters
    ----------
    start : the first byte below the header
    layout : how the text is written; its `texts` are all columns of text
    """
    scanned = None if layout.extra else _scan(source, start, b"\n", (b'"', b"\0", b"\xef\xbb\xbf"))
    if scanned is None:
        return None
    lines, letters = scanned
    texts = [name in layout.texts for name in layout.header]
    # Words are told from numbers faster than they are asked for, where none looks like a number.
    frame = _parsed(source, layout, texts, str_said=False)
    if frame is not None and not all(_is_text(frame[k]) for k, text in enumerate(texts) if text):
        frame = _parsed(source, layout, texts, str_said=True)
    if frame is None or lines != len(frame):
        return None  # cells, lines or bytes that are not plain, or blank lines
    columns: list[Array] = []
    gaps: list[Array | None] = []  # of each column
    for k, text in enumerate(texts):
        column = frame.pop(k)
        if text:
            values, empty = _words(column, layout.decimal)
            gaps.append(values == "" if empty else None)
        else:
            values = column.to_numpy()
            bad = ~np.isfinite(values)
            if bad.any() and np.isinf(values).any():
                return None
            gaps.append(bad if bad.any() else None)
        columns.append(values)
    found = [gap for gap in gaps if gap is not None]
    if len(found) == len(gaps) and np.logical_and.reduce(found).any():
        return None  # a line of empty cells alone
    # pandas fills up short lines, which show in the last column.
    separators = len(columns[0]) * (len(columns) - 1)
    if gaps[-1] is not None:
        marks = _scan(source, start, layout.separator.encode())
        if marks is None or marks[0] != separators:
            return None
    numbers = [values for values, text in zip(columns, texts, strict=True) if not text]
    # "True" is 1 there.
    if letters and any(((v == 0) | (v == 1)).any() for v in numbers):
        return None if _scan(source, start, b"\n", _BOOLEANS) is None else columns
    return columns


def _scan(
    source: Source, start: int, mark: bytes, never: tuple[bytes, ...] = ()
) -> tuple[int, bool] | None:
    """How often a byte stands below the header, and whether a letter does.

    None where one of other words does. A last line without a line feed counts as one with it.
    """
    count, tail, highest = 0, b"", 0
    with source.open() as file:
        file.seek(start)
        while block := file.read(_SCAN):
            letters = np.frombuffer(block, np.uint8)
            highest = max(highest, int(letters.max()))
            count += int(np.count_nonzero(letters == mark[0]))
            edge = tail + block[:4]
            if any(
                (word[:1] in block and word in block) or (tail and word in edge) for word in never
            ):
                return None
            tail = block[-4:]
    return count + (mark == b"\n" and tail[-1:] != b"\n"), highest > ord("9")


def _is_text(column: Any) -> bool:
    """Whether pandas read every cell of a column as text."""
    if column.dtype.kind in "biufc":
        return False
    return column.dtype != object or all(isinstance(word, str) for word in column.unique())


def _parsed(source: Source, layout: Layout, texts: list[bool], str_said: bool) -> Any:
    """The frame of pandas; None where a cell, a line or a byte is not plain."""
    import pandas  # type: ignore[import-untyped]

    # Before 3.1 the default rounds some numbers otherwise than float() does.
    version = tuple(int(part) for part in pandas.__version__.split(".")[:2])
    exact: Any = {} if version >= (3, 1) else {"float_precision": "round_trip"}
    words = list(MISSING_WORDS)
    kinds: Any = {k: np.float64 for k, text in enumerate(texts) if not text}
    kinds |= {k: str for k, text in enumerate(texts) if text and str_said}
    try:
        frame = pandas.read_csv(
            io.BytesIO(source.data) if source.path is None else source.path,
            sep=layout.separator,
            decimal=layout.decimal,
            header=None,
            names=range(len(texts)),
            skiprows=layout.first - 1,
            dtype=kinds,
            keep_default_na=False,
            na_values={k: words for k, text in enumerate(texts) if not text},
            compression=None,
            encoding="utf-8",
            **exact,
        )
    except (ValueError, OverflowError):
        return None
    # Lines with a cell more have it in the index.
    return frame if isinstance(frame.index, pandas.RangeIndex) else None


def _words(column: Any, decimal: str) -> tuple[Array, bool]:
    """A column of text, and whether a cell of it is empty."""
    import pandas

    codes, words = pandas.factorize(column)
    array = text_of([word.strip() for word in words], decimal)
    return array[codes], bool((array == "").any())
