"""What a MAT-file can hold, whatever its version: numbers, text, cell arrays, and other things.
The readers of all versions give these, so what is asked of them is asked once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import grows_too_much


class Broken(Exception):
    """Why a file cannot be read, and what to do."""

    def __init__(
        self, reason: str, advice: str = "save it again in MATLAB with the option '-v7'"
    ) -> None:
        super().__init__(reason)
        self.advice = advice


class Text(NamedTuple):
    """Words in the order of MATLAB's linear index; an undefined one is "<undefined>"."""

    words: list[str]
    kind: str  # "char", "string" or "categorical"


class Cell(NamedTuple):
    """The contents of a cell array, in the order of MATLAB's linear index."""

    items: list[Any]


class Foreign(NamedTuple):
    """What is neither numbers nor text, by the name of its class in MATLAB."""

    kind: str
    fields: tuple[str, ...] = ()  # of a struct
    is_object: bool = False  # whether another library may know it


def holds_objects(value: Any) -> bool:
    """Whether there are objects in a value, for another library to read."""
    if isinstance(value, Cell):
        return any(map(holds_objects, value.items))
    return isinstance(value, Foreign) and value.is_object


def as_class(stored: NDArray[Any], code: str) -> NDArray[Any]:
    """Numbers as their class has them; MATLAB stores them in the smallest type that holds them."""
    dtype = np.dtype(code)
    with np.errstate(invalid="ignore", over="ignore"):
        values = stored.astype(dtype)
    if not np.can_cast(stored.dtype, dtype, "safe"):
        floats = stored.dtype.kind == dtype.kind == "f"
        if not np.array_equal(values, stored, equal_nan=floats):
            raise Broken(f"its numbers are no {dtype.name}")
    return values


def check_growth(name: str, size: int, packed: int) -> None:
    """Refuse a variable that would fill the memory from a small file."""
    if grows_too_much(size, packed):
        raise Broken(
            f"{name or 'a variable'} grows from {packed:,} to {size:,} bytes, which real data "
            "does not",
            "save it in MATLAB with the option '-v6', which packs nothing",
        )


def walk(value: Any, place: str) -> Iterator[tuple[Any, str]]:
    """A value that is no cell array, or all the contents of one, each with its place."""
    if not isinstance(value, Cell):
        yield value, place
        return
    for k, item in enumerate(value.items):
        yield item, f"{place}{{{k + 1}}}"
