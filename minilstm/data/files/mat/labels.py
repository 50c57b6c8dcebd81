"""Turning MATLAB's kinds of labels into strings or integers, one for each step or sequence.
Nothing is guessed: an undefined category, a missing string or a fraction is refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import known_words, label_numbers
from minilstm.data.files.mat.foreign import refusal
from minilstm.data.files.mat.values import Cell, Text
from minilstm.errors import DataError


def decode_labels(
    value: Any,
    name: str,
    sizes: list[tuple[int, ...]],
    missing_labels: Collection[str] | None = None,
) -> list[NDArray[Any]] | NDArray[Any]:
    """Labels, in a cell array or one array, of B sequences.

    Parameters
    ----------
    value : an array, `Text`, or `Cell`
    name : of the variable
    sizes : for each sequence, the numbers of steps that it may have: both sizes of its matrix
        where the layout is not known
    missing_labels : as :func:`minilstm.data.read_sequences` describes it

    Returns
    -------
    B arrays (T,), or one array (B,); strings or int64
    """
    count = len(sizes)
    if isinstance(value, Cell) and not _is_cellstr(value):
        cells = [
            _flat(cell, f"{name}{{{k + 1}}}", "step", missing_labels)
            for k, cell in enumerate(value.items)
        ]
        if len(cells) != count:
            raise DataError(_miscounted(name, f"{len(cells)} cells", count))
        if len({cell.dtype.kind for cell in cells}) > 1:
            raise DataError(
                f"{name} holds text in some cells and numbers in others, but one kind was wanted: "
                f"convert them in MATLAB with {name} = cellfun(@string, {name}, 'UniformOutput', "
                "false)."
            )
        # One label in a cell is a label for the sequence, unless the sequence is one step long.
        if all(len(cell) == 1 for cell in cells) and any(1 not in size for size in sizes):
            return np.concatenate(cells)
        return cells
    labels = _flat(value, name, "entry", missing_labels)
    if count == 1 and len(labels) in sizes[0] and len(labels) > 1:
        return [labels]
    if len(labels) != count:
        raise DataError(_miscounted(name, f"{len(labels)} labels", count))
    return labels


def _miscounted(name: str, what: str, count: int) -> str:
    return (
        f"{name} has {what}, but there are {count} sequences: give a cell for each sequence "
        "with a label for each step, or one label for each sequence, or say with layout which "
        "axis is which."
    )


def _is_cellstr(value: Cell) -> bool:
    """Whether every cell holds one row of text (and not, say, T strings)."""
    return all(
        isinstance(cell, Text) and cell.kind == "char" and len(cell.words) <= 1
        for cell in value.items
    )


def _flat(value: Any, name: str, unit: str, missing_labels: Collection[str] | None) -> NDArray[Any]:
    """One array of labels of any MATLAB kind: (n,), strings or int64."""

    def place(k: int) -> str:
        return f"{unit} {k + 1} of {name}"

    if isinstance(value, Cell) and _is_cellstr(value):
        words = [cell.words[0] if cell.words else "" for cell in value.items]
    elif isinstance(value, Text):
        # A char matrix pads its rows with blanks, which a cell array of text does not.
        words = [w.rstrip() for w in value.words] if value.kind == "char" else value.words
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return label_numbers(value.ravel(order="F"), place, missing_labels)
    else:
        raise refusal(value, name, "labels")
    return np.array(known_words(words, place, missing_labels), dtype=np.str_)
