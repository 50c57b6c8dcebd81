"""How the text of a table is written, and what a cell of text says.
The exact way and the fast way of reading share it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minilstm.data.tables.table import Array

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")


class Layout(NamedTuple):
    """How the text of a table is written."""

    name: str  # of the source, for messages
    header: list[str]  # W
    extra: int  # cells without a name at the end of the header
    first: int  # number of the line below the header
    separator: str
    decimal: str
    texts: frozenset[str]  # columns that hold text


def text_of(cells: Sequence[str] | Array, decimal: str) -> Array:
    """Cells as text; a decimal comma becomes a point."""
    if isinstance(cells, np.ndarray):
        return cells
    words = list(cells)
    if decimal == ",":
        words = [w.replace(",", ".") if DECIMAL_COMMA.fullmatch(w) else w for w in words]
    return np.array(words, np.str_)
