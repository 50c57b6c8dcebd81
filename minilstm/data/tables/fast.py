"""The same columns as `cells.py` gives, with the parser of pandas, for large files of plain lines.
Whatever could differ from float() of each cell is found and left to `cells.py`."""

from __future__ import annotations

import io
import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import MISSING_WORDS
from minilstm.data.tables.cells import Layout
from minilstm.data.tables.source import Source
from minilstm.data.tables.table import Array

# Bytes from which pandas saves more time than its import takes.
_WORTH_IT = {True: 200_000, False: 8_000_000}
_SCAN = 1 << 22
_BOOLEANS = (b"rue", b"RUE", b"alse", b"ALSE")


def is_worth_it(source: Source) -> bool:
    """Whether the text is so large that pandas, if it is there, reads it faster."""
    size = source.size()
    return size > _WORTH_IT["pandas" in sys.modules] and find_spec("pandas") is not None


def fast_columns(source: Source, layout: Layout) -> tuple[dict[str, Array], Array] | None:
    """All columns with the numbers of their lines; None where the exact way has to read them."""
    import pandas  # type: ignore[import-untyped]

    with _bytes_of(source) as view:
        if layout.extra or any(view.find(mark) >= 0 for mark in (b'"', b"\0")):
            return None
        if view.find(b"\xef", 3) >= 0 and view.find(b"\xef\xbb\xbf", 3) >= 0:
            return None
        start = 0
        for _ in range(layout.first - 1):
            start = view.find(b"\n", start) + 1
        numeric = [k for k, name in enumerate(layout.header) if name not in layout.texts]
        kinds: Any = {k: np.float64 if k in numeric else str for k in range(len(layout.header))}
        # Before 3.1 the default rounds some numbers otherwise than float() does.
        version = tuple(int(part) for part in pandas.__version__.split(".")[:2])
        exact: Any = {} if version >= (3, 1) else {"float_precision": "round_trip"}
        try:
            frame = pandas.read_csv(
                io.BytesIO(source.data) if source.path is None else source.path,
                sep=layout.separator,
                decimal=layout.decimal,
                header=None,
                names=list(kinds),
                skiprows=layout.first - 1,
                dtype=kinds,
                keep_default_na=False,
                na_values={k: list(MISSING_WORDS) for k in numeric},
                compression=None,
                encoding="utf-8",
                **exact,
            )
        except (ValueError, OverflowError):  # a cell, a line or a byte that is not plain
            return None
        if not isinstance(frame.index, pandas.RangeIndex) or not len(frame):
            return None
        columns = _columns(frame, layout, numeric)
        if columns is None or not _is_plain(view, start, columns, layout, numeric):
            return None
    return columns, layout.first + np.arange(len(frame), dtype=np.int64)


@contextmanager
def _bytes_of(source: Source) -> Iterator[Any]:
    """The bytes, with `find`; a file is mapped, and so takes no memory."""
    if source.path is None:
        yield source.data
        return
    with open(source.path, "rb") as file:
        if not source.size():
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            yield view


def _columns(frame: Any, layout: Layout, numeric: list[int]) -> dict[str, Array] | None:
    """The columns of a frame, which is emptied; None where one holds infinity."""
    import pandas  # type: ignore[import-untyped]

    out: dict[str, Array] = {}
    for k, name in enumerate(layout.header):
        column = frame.pop(k)
        if k in numeric:
            out[name] = column.to_numpy()
            if np.isinf(out[name]).any():
                return None
            continue
        codes, words = pandas.factorize(column)
        if len(codes) and codes.min() < 0:
            return None
        out[name] = np.array([word.strip() for word in words], np.str_)[codes]
    return out


def _is_plain(
    view: Any, start: int, columns: dict[str, Array], layout: Layout, numeric: list[int]
) -> bool:
    """Whether every line has its cells, and pandas took no blank line, no word for a number."""
    listed = list(columns.values())
    rows = len(listed[0])
    gaps = [np.isnan(c) if k in numeric else c == "" for k, c in enumerate(listed)]  # W of (N,)
    if np.logical_and.reduce(gaps).any():
        return False  # a line of empty cells alone
    text = np.frombuffer(view, np.uint8)[start:]
    try:
        if _count(text, ord("\n")) + int(text[-1] != ord("\n")) != rows:
            return False
        # pandas fills up short lines, which show in the last column.
        separators = rows * (len(listed) - 1)
        if gaps[-1].any() and _count(text, ord(layout.separator)) != separators:
            return False
    finally:
        del text  # or the file could not be closed
    if any(bool(((listed[k] == 0) | (listed[k] == 1)).any()) for k in numeric):
        return not any(view.find(word) >= 0 for word in _BOOLEANS)
    return True


def _count(text: NDArray[np.uint8], letter: int) -> int:
    return sum(
        int(np.count_nonzero(text[k : k + _SCAN] == letter)) for k in range(0, len(text), _SCAN)
    )
