"""Turning MATLAB's kinds of labels, as mat-io hands them over, into strings or integers.
Nothing is guessed: an undefined category, a missing string or a fraction is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError


def decode_labels(
    value: Any, name: str, shapes: list[tuple[int, ...]]
) -> list[NDArray[Any]] | NDArray[Any]:
    """Labels, in a cell array or one array, of B sequences whose matrices have these shapes.

    Returns
    -------
    B arrays (T,), or one array (B,); strings or int64
    """
    count = len(shapes)
    if isinstance(value, np.ndarray) and value.dtype == object and not _is_cellstr(value):
        cells = [_flat(cell, f"{name}{{{k + 1}}}") for k, cell in enumerate(value.ravel(order="F"))]
        if len(cells) != count:
            raise DataError(_miscounted(name, f"{len(cells)} cells", count))
        # One label in a cell is a label for the sequence, unless the sequence is one step long.
        if all(len(cell) == 1 for cell in cells) and any(1 not in shape for shape in shapes):
            return _one_kind(cells, name)
        joined = _one_kind(cells, name)
        return np.split(joined, np.cumsum([len(cell) for cell in cells])[:-1])
    labels = _flat(value, name)
    if count == 1 and len(labels) in shapes[0] and len(labels) > 1:
        return [labels]
    if len(labels) != count:
        raise DataError(_miscounted(name, f"{len(labels)} labels", count))
    return labels


def _miscounted(name: str, what: str, count: int) -> str:
    return (
        f"{name} has {what}, but there are {count} sequences: give a cell for each sequence "
        "with a label for each step, or one label for each sequence."
    )


def _is_cellstr(value: NDArray[Any]) -> bool:
    """Whether every cell holds one row of text (and not, say, T strings)."""
    return all(
        isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size <= 1
        for cell in value.flat
    )


def _one_kind(cells: list[NDArray[Any]], name: str) -> NDArray[Any]:
    """All labels end to end; text and numbers must not be mixed."""
    if len({cell.dtype.kind for cell in cells}) > 1:
        raise DataError(
            f"{name} holds text in some cells and numbers in others, but one kind was wanted: "
            "convert them in MATLAB with categorical()."
        )
    return np.concatenate(cells)


def _flat(value: Any, place: str) -> NDArray[Any]:
    """One array of labels of any MATLAB kind: (n,), strings or int64."""
    if hasattr(value, "codes") and hasattr(value, "categories"):  # a pandas.Categorical
        codes = np.asarray(value.codes).ravel(order="F")
        _refuse(codes < 0, place, "an undefined category")
        return np.array([str(text) for text in value.categories], dtype=np.str_)[codes]
    if not isinstance(value, np.ndarray):
        raise DataError(
            f"{place} is of type {type(value).__name__}, but labels were wanted: convert it in "
            "MATLAB with categorical()."
        )
    flat = value.ravel(order="F")
    if value.dtype == object and _is_cellstr(value):
        texts = [str(cell.item()) if cell.size else "" for cell in flat]
    elif value.dtype.kind in "UT":
        # A char matrix pads its rows with blanks, a string array may hold <missing>.
        texts = [text.rstrip() if isinstance(text, str) else "" for text in flat.tolist()]
    elif value.dtype.kind in "iub":
        return np.asarray(flat, dtype=np.int64)
    elif value.dtype.kind == "f":
        _refuse(flat != np.round(flat), place, "a label that is no whole number")
        return np.asarray(flat, dtype=np.int64)
    else:
        raise DataError(
            f"{place} is of type {value.dtype}, but labels were wanted: convert it in MATLAB with "
            "categorical()."
        )
    _refuse(np.array([not text for text in texts], dtype=bool), place, "an empty label")
    return np.array(texts, dtype=np.str_)


def _refuse(bad: NDArray[Any], place: str, what: str) -> None:
    if bad.any():
        raise DataError(
            f"{place} has {what} at position {int(np.flatnonzero(bad)[0]) + 1}, but every label "
            "has to be known: correct it in MATLAB."
        )
