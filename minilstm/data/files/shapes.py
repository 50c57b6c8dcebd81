"""Which axis of an array is which: B sequences, T steps, C features, told by a word of letters.
Where only the sizes could tell, and do not, a warning says how the file was read."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError


def check_layout(layout: str | None) -> None:
    """Refuse a layout that is no word of the letters B, T and C, each once and T among them."""
    if layout is None:
        return
    letters = list(layout) if isinstance(layout, str) else []
    if len(letters) < 2 or "T" not in letters or sorted(letters) != sorted(set("BTC") & {*letters}):
        raise DataError(
            f"layout is {layout!r}, but one letter for each axis was wanted, T for steps and B for "
            "sequences or C for features: give 'TC', 'CT', 'BTC' or 'BCT', say."
        )


def letters_for(layout: str, axes: int, place: str, shape: tuple[int, ...], many: bool) -> str:
    """The letters of an array of so many axes; in a list (`many`) B is the list itself."""
    letters = layout.replace("B", "") if many else layout
    if len(letters) != axes:
        raise DataError(
            f"{place} has shape {shape}, but layout {layout!r} names {len(letters)} axes: give one "
            "letter for each axis."
        )
    return letters


def in_order(array: NDArray[Any], letters: str) -> NDArray[Any]:
    """An array with one letter for each axis, as (B, T, D); an axis that is not there has size 1.

    Examples
    --------
    >>> in_order(np.zeros((3, 100)), "CT").shape, in_order(np.zeros((4, 50)), "BT").shape
    ((1, 100, 3), (4, 50, 1))
    """
    order = [letters.index(letter) for letter in "BTC" if letter in letters]
    moved = array.transpose(order)
    missing = tuple(k for k, letter in enumerate("BTC") if letter not in letters)
    return np.expand_dims(moved, missing)


def warn_of_doubt(
    where: str,
    x: list[NDArray[Any]],
    y: list[NDArray[Any]] | NDArray[Any] | None,
    letters: str,
    one_matrix: bool,
    level: int = 4,
) -> None:
    """Say how sequences were read where their axes could as well be others.

    Parameters
    ----------
    where : the file
    x : B arrays (T, D), as they were read
    y : their labels
    letters : the layout that was taken
    one_matrix : whether `x` came as one matrix, whose rows could be sequences
    level : how many calls above is the line of the user that the warning names
    """
    lengths = {len(values) for values in x}
    steps, width = x[0].shape
    per_step = isinstance(y, list)
    # Labels for each step, and lengths that differ, show which axis is time.
    if len(lengths) > 1 or steps == width == 1 or (per_step and not one_matrix and steps != width):
        return
    shuffled = False
    if one_matrix and isinstance(y, list):
        # Labels of steps come in runs, those of sequences do not.
        shuffled = int((y[0][1:] != y[0][:-1]).sum()) * 5 > steps
    if steps > width and not shuffled:
        return
    swapped = letters.translate(str.maketrans("TC", "CT"))
    by_row = letters.translate(str.maketrans("TC", "BT"))
    others = [] if one_matrix and per_step else [f"layout={swapped!r} for {width} steps each"]
    if one_matrix:
        others.append(f"layout={by_row!r} for {steps} sequences of {width} steps")
    said = f"{len(x)} sequences" if len(x) > 1 else "1 sequence"
    features = f"{width} features" if width > 1 else "1 feature"
    warnings.warn(
        f"{where} was read as {said} of {steps} step{'s' * (steps > 1)} and {features}: give "
        f"layout={letters!r} where that is right, or {' or '.join(others)}.",
        UserWarning,
        stacklevel=level,
    )


def warn_of_turned_labels(
    where: str, y: list[NDArray[Any]] | NDArray[Any] | None, letters: str, level: int = 4
) -> bool:
    """Say how a dense batch with labels per step was read where B and T may be swapped.

    Labels change more rarely from step to step than from sequence to sequence; where they do not
    tell, many sequences of few steps are in doubt. Arguments are those of `warn_of_doubt`;
    true where it warned.
    """
    if "B" not in letters or not isinstance(y, list) or min(len(y), len(y[0])) < 2:
        return False
    labels = np.stack(y)  # (B, T)
    count, steps = labels.shape
    along = float((labels[:, 1:] != labels[:, :-1]).mean())
    across = float((labels[1:] != labels[:-1]).mean())
    if along <= 2 * across and (count <= 2 * steps or across > 2 * along):
        return False
    swapped = letters.translate(str.maketrans("BT", "TB"))
    warnings.warn(
        f"{where} was read as {count} sequences of {steps} steps: give layout={letters!r} where "
        f"that is right, or layout={swapped!r} for {steps} sequences of {count} steps.",
        UserWarning,
        stacklevel=level,
    )
    return True
