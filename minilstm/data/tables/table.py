"""A table: named columns of one length, each of numbers or of text, with the lines they came from.
It says nothing of what a column means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Table(NamedTuple):
    """Named columns of N rows.

    A column is float64 where every cell is a number or a gap, and a gap is NaN: an empty cell, or
    a word such as NaN or NA. A column of dates from a frame, Parquet or Excel is datetime64[ns],
    and a gap is NaT. Any other column holds strings as they are written, and an empty cell is "".
    The columns that name recordings, labels, groups and channels always hold strings.
    """

    columns: dict[str, Array]  # (N,) each, float64, datetime64[ns] or str
    lines: NDArray[np.int64]  # (N,) where each row stands in the source, from 1
    source: str  # for messages, such as "'walk.csv'"
    skipped: int = 0  # lines that could not be read and were left out
    empty: int = 0  # lines of empty cells alone
    first_skipped: int = 0  # the first line that was left out
    found: Mapping[str, str] = MappingProxyType(
        {}
    )  # what was recognised, such as {"separator": ";"}
