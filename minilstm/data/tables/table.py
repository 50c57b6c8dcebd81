"""A table: named columns of one length, each of numbers or of text, with the lines they came from.
It says nothing of what a column means."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Table(NamedTuple):
    """Named columns of N rows.

    A column is float64 where every cell is a number or empty, and an empty cell is NaN; any other
    column holds strings, and an empty cell is "".
    """

    columns: dict[str, Array]  # (N,) each, float64 or str
    lines: NDArray[np.int64]  # (N,) where each row stands in the source, from 1
    source: str  # for messages, such as 'walk.csv'
    skipped: int = 0  # lines that could not be read and were left out
    empty: int = 0  # lines of empty cells alone
