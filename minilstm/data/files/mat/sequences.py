"""From the variables of a MAT-file to sequences: which variables, which axis, which labels.
The variables are the values of `values.py`, whatever read them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import Sequences, check_x
from minilstm.data.files.mat.foreign import refusal
from minilstm.data.files.mat.labels import decode_labels
from minilstm.data.files.mat.targets import decode_targets
from minilstm.data.files.mat.values import Cell
from minilstm.data.files.shapes import in_order, letters_for, warn_of_doubt
from minilstm.errors import DataError


class Wanted(NamedTuple):
    """What was asked for, as `read_mat` describes it."""

    x_name: str | None
    y_name: str | None
    layout: str | None
    missing_labels: Collection[str] | None
    numeric: bool = False  # whether the labels are numbers to be predicted
    fill: str | None = None


def choose(path: str, names: list[str], wanted: Wanted) -> Wanted:
    """The names of the two variables; `y_name` is "" when there are no labels."""
    x_name, y_name = wanted.x_name, wanted.y_name
    listed = ", ".join(names) or "none"
    for argument, name in (("x_name", x_name), ("y_name", y_name or None)):
        if name is not None and name not in names:
            raise DataError(
                f"{argument} is {name!r}, but the variables of {path!r} are {listed}: name one of "
                "them."
            )
    if x_name is None:
        candidates = [name for name in names if name[0] in "Xx"]
        if len(candidates) != 1:
            raise DataError(
                f"path {path!r} holds the variables {listed}, but one whose name starts with "
                "X (such as XTrain) was wanted: choose with x_name."
            )
        x_name = candidates[0]
    if y_name is None:
        rest = x_name[1:]
        # A bare T or t is more often the time than the target, so it has to be asked for.
        partners = [first + rest for first in ("YyTt" if rest else "Yy")]
        pair = [name for name in partners if name in names and x_name[0] in "Xx"]
        lonely = [
            name
            for name in names
            if name[0] in "Yy" and not {"X" + name[1:], "x" + name[1:]} & set(names)
        ]
        if not pair and lonely:
            raise DataError(
                f"path {path!r} holds {', '.join(lonely)}, but no labels that go with "
                f"{x_name} by name: choose with y_name, or give y_name='' to read none."
            )
        y_name = pair[0] if pair else ""
    return wanted._replace(x_name=x_name, y_name=y_name)


def sequences_of(path: str, x_value: Any, y_value: Any, wanted: Wanted) -> Sequences:
    """Sequences with their labels.

    Parameters
    ----------
    path : of the file, for the messages
    x_value, y_value : of the variables; `y_value` counts where `wanted` has a `y_name`
    wanted : with the names that `choose` gave
    """
    x_name, y_name, layout, missing_labels, numeric, fill = wanted
    assert x_name is not None  # `choose` has seen to that
    value, places = _matrices(x_value, x_name)
    if isinstance(value, list):
        letters = letters_for(layout or "CT", 2, places[0], value[0].shape, many=True)
        cells = [in_order(cell, letters)[0] for cell in value]  # B of (T, D)
    else:
        given = layout or "CT"
        if value.ndim == 3 and "B" not in given:
            given += "B"  # the pages of a D x T x B array
        letters = letters_for(given, value.ndim, x_name, value.shape, many=False)
        cells = list(in_order(value, letters))  # B of (T, D)
        places = [_place(x_name, letters, k) for k in range(len(cells))]
    free = layout is None
    y = None
    if y_name:
        if numeric:
            ways = [[len(cell) for cell in cells]] if _fits(cells, None, 0) else []
            if free and _fits(cells, None, 1):
                ways.append([cell.shape[1] for cell in cells])
            if not ways:
                _check_fit(cells, places, None, letters)
            y = decode_targets(y_value, y_name, ways, len(cells))
        else:
            sizes = [cell.shape if free else cell.shape[:1] for cell in cells]
            y = decode_labels(y_value, y_name, sizes, missing_labels)
    steps = [len(part) for part in y] if isinstance(y, list) else None
    if free and steps is not None and _fits(cells, steps, 1) and not _fits(cells, steps, 0):
        letters = letters.translate(str.maketrans("CT", "TC"))
        cells = [cell.T for cell in cells]
    _check_fit(cells, places, steps, letters)
    x = [np.ascontiguousarray(cell) for cell in cells]  # B of (T, D)
    check_x(x, [f"{place} of {path!r}" for place in places], fill)
    if free:
        one_matrix = isinstance(value, np.ndarray) and value.ndim == 2
        warn_of_doubt(f"{x_name} of {path!r}", x, y, letters, one_matrix, level=6)
    return Sequences(x, y, None, places)


def _place(name: str, letters: str, k: int) -> str:
    """How MATLAB writes the part of an array that is sequence k."""
    if "B" not in letters:
        return name
    return f"{name}({','.join(str(k + 1) if letter == 'B' else ':' for letter in letters)})"


def _matrices(value: Any, name: str) -> tuple[list[NDArray[Any]] | NDArray[Any], list[str]]:
    """The matrices of a cell array with their places, or one array of two or three axes."""
    if not isinstance(value, Cell):
        return _real(value, name, (2, 3)), [name]
    if not value.items:
        raise DataError(f"{name} is an empty cell array, but sequences were wanted: fill it.")
    places = [f"{name}{{{k + 1}}}" for k in range(len(value.items))]
    return [_real(v, place, (2,)) for v, place in zip(value.items, places, strict=True)], places


def _real(value: Any, place: str, axes: tuple[int, ...]) -> NDArray[Any]:
    """A matrix of real numbers, integers as float64."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise refusal(value, place, "a matrix of real numbers")
    if value.ndim not in axes or value.size == 0:
        raise DataError(
            f"{place} has shape {value.shape}, but a filled D x T matrix was wanted: remove or "
            "reshape it."
        )
    return value if value.dtype.kind == "f" else value.astype(np.float64)


def _fits(cells: list[NDArray[Any]], steps: list[int] | None, time: int) -> bool:
    """Whether all have the same number of features, and their steps, with time on this axis."""
    same = len({cell.shape[1 - time] for cell in cells}) == 1
    return same and (steps is None or [cell.shape[time] for cell in cells] == steps)


def _check_fit(
    cells: list[NDArray[Any]], places: list[str], steps: list[int] | None, letters: str
) -> None:
    """Refuse sequences (T, D) that differ in features, or do not have the steps of the labels."""
    if _fits(cells, steps, 0):
        return
    turned = letters.find("C") in range(letters.index("T"))
    shown = [cell.shape[::-1] if turned else cell.shape for cell in cells]
    for k, cell in enumerate(cells):
        if steps is not None and len(cell) != steps[k]:
            raise DataError(
                f"{places[k]} has shape {shown[k]}, but {steps[k]} labels, which is not its "
                f"number of steps in layout {letters!r}: correct the labels, or give the other "
                "layout."
            )
    odd = next(k for k, cell in enumerate(cells) if cell.shape[1] != cells[0].shape[1])
    raise DataError(
        f"{places[odd]} has shape {shown[odd]} and {places[0]} has {shown[0]}, but in layout "
        f"{letters!r} all need the same number of features: correct them, or give the other layout."
    )
