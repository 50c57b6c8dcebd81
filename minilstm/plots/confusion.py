"""Confusion matrix and confusion chart: how often each class was taken for each other.
Rows are true classes, columns predicted ones; recall stands at the right and precision below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.errors import DataError

from .classes import check_pair
from .style import (
    DARK,
    LABEL_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    VERMILLION,
    WIDTH_INCHES,
    mix_with_white,
    new_axes,
    percent,
    require_matplotlib,
    text_colour,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DEEP_BLUE = "#00558A"
GAP = 0.35  # between the matrix and its summaries, in cells
SHARED_UP_TO = 12  # classes; smaller cells have no room for a share under the count
SMALLEST_TEXT = 4.0  # points; below it the numbers are left out


def confusion_matrix(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[Any] | NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Count the pairs of true and predicted class.

    Parameters
    ----------
    true, predicted : array, shape (N,)
        True and predicted class of each step or sequence, strings or integers.
    classes : sequence of C labels, optional
        The classes in the order of rows and columns; the default is those found, sorted.

    Returns
    -------
    int64 array, shape (C, C)
        Entry `[i, j]` counts the items of class i that were taken for class j.

    Raises
    ------
    DataError
        If the two lengths differ or a label is not among the classes.

    Examples
    --------
    >>> confusion_matrix(["a", "a", "b"], ["a", "b", "b"]).tolist()
    [[1, 1], [0, 1]]
    """
    guess, truth, names = check_pair(predicted, true, classes)  # (N,), (N,)
    size = len(names)
    return np.bincount(truth * size + guess, minlength=size * size).reshape(size, size)  # (C, C)


def plot_confusion(
    true: ArrayLike,
    predicted: ArrayLike,
    *,
    classes: Sequence[Any] | NDArray[Any] | None = None,
    normalize: bool = False,
    title: str = "Confusion chart",
    ax: Axes | None = None,
) -> Axes:
    """Draw the confusion chart with the recall and the precision of each class.

    Each cell holds the count and, in charts of up to 12 classes, its share of the row. Cells are
    shaded by that share, right ones blue and wrong ones orange; an empty cell counts nothing.

    Parameters
    ----------
    true, predicted : array, shape (N,)
        True and predicted class of each step or sequence, strings or integers.
    classes : sequence of C labels, optional
        The classes from top to bottom and left to right; the default is those found, sorted.
    normalize : bool
        Whether the cells hold only the shares of their rows, in percent, and no counts.
    title : str
        First part of the title; the accuracy follows it.
    ax : Axes, optional
        Axes to draw on; the default is a new figure.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    DataError
        If the two lengths differ or are 0, or a label is not among the classes.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> ax = plot_confusion(["a", "a", "b"], ["a", "b", "b"])
    >>> ax.get_title(), ax.get_xlabel(), ax.get_ylabel()
    ('Confusion chart: accuracy 66.67%, 1 of 3 wrong', 'Predicted class', 'True class')
    """
    _, truth, names = check_pair(predicted, true, classes)
    if truth.size == 0:
        raise DataError("true and predicted are empty and should have at least one label each.")
    counts = confusion_matrix(true, predicted, names)  # (C, C)
    require_matplotlib()
    size = len(names)
    if ax is None:
        width = min(WIDTH_INCHES, 4.6 + 0.55 * size)
        ax = new_axes(0.92 * width, width=width)[0]
    _lay_out(ax, [str(name) for name in names])
    right = int(np.trace(counts))
    share = f"accuracy {percent(right, truth.size)}, {truth.size - right:,} of {truth.size:,} wrong"
    ax.set_title(f"{title}: {share}" if title else share, fontsize=TITLE_SIZE, color=DARK)
    _fill_cells(ax, *_cells(counts, normalize, with_share=size <= SHARED_UP_TO))
    return ax


def _lay_out(ax: Axes, names: list[str]) -> None:
    """Set limits, ticks and labels; long names are turned so that they do not meet."""
    size = len(names)
    span = size + GAP + 1
    middles = [*(np.arange(size) + 0.5), size + GAP + 0.5]
    # A little wider than the cells, so that their outer edges are not cut in half.
    ax.set(xlim=(-0.02, span + 0.02), ylim=(span + 0.02, -0.02), aspect="equal")
    ax.spines[:].set_visible(False)
    ax.set_xticks(middles, [*names, "Recall"])
    ax.set_yticks(middles, [*names, "Precision"])
    ax.tick_params(length=0, labelsize=TICK_SIZE if size <= 12 else TICK_SIZE - 2)
    ax.set_xlabel("Predicted class", fontsize=LABEL_SIZE, color=DARK)
    ax.set_ylabel("True class", fontsize=LABEL_SIZE, color=DARK)
    cell = _cell_points(ax, size)
    if max(map(len, names)) * 0.65 * TICK_SIZE > cell:
        for text in ax.get_xticklabels():
            text.set(rotation=90 if size > 8 else 40, ha="right", rotation_mode="anchor")
            text.set_verticalalignment("center" if size > 8 else "top")


def _cell_points(ax: Axes, size: int) -> float:
    """Measure the width of a cell in points, after the layout has been worked out."""
    root = ax.get_figure(root=True)
    assert root is not None
    root.draw_without_rendering()
    return ax.get_window_extent().width / (size + GAP + 1) / root.dpi * 72


def _cells(
    counts: NDArray[np.int64], normalize: bool, *, with_share: bool
) -> tuple[list[tuple[float, float]], list[str], list[str]]:
    """Give the upper left corner, the colour and the text of each cell and each summary."""
    size = counts.shape[0]
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)  # (C,), (C,)
    corners, shades, texts = [], [], []
    for i in range(size):
        for j in range(size):
            count, whole = int(counts[i, j]), int(rows[i])
            share = _short_percent(count, whole)
            corners.append((float(j), float(i)))
            shades.append(_right_shade(count, whole) if i == j else _wrong_shade(count, whole))
            number = share if normalize else f"{count:,}"
            both = f"{count:,}\n{share}" if with_share and not normalize else number
            texts.append(both if count else "")
    for k in range(size):
        right = int(counts[k, k])
        for corner, whole in (((size + GAP, k), rows[k]), ((k, size + GAP), columns[k])):
            corners.append((float(corner[0]), float(corner[1])))
            shades.append(_right_shade(right, int(whole), strength=0.4))
            texts.append(_short_percent(right, int(whole)))
    return corners, shades, texts


def _fill_cells(
    ax: Axes, corners: list[tuple[float, float]], shades: list[str], texts: list[str]
) -> None:
    """Draw the cells, with text as large as the fullest cell allows."""
    from matplotlib.collections import PolyCollection

    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)  # (4, 2)
    outlines = [square + corner for corner in corners]
    ax.add_collection(
        PolyCollection(outlines, facecolors=shades, edgecolors="#CCCCCC", linewidths=0.6)
    )
    longest = max(len(line) for text in texts for line in text.split("\n"))
    most_lines = max(text.count("\n") + 1 for text in texts)
    cell = _cell_points(ax, round((len(corners) + 1) ** 0.5) - 1)
    font_size = min(TICK_SIZE, 0.86 * cell / (0.62 * longest), 0.8 * cell / (1.3 * most_lines))
    if font_size < SMALLEST_TEXT:
        return
    for (x, y), shade, text in zip(corners, shades, texts, strict=True):
        if text:
            ax.text(
                x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=font_size,
                color=text_colour(shade), linespacing=1.15,
            )  # fmt: skip


def _short_percent(part: int, whole: int) -> str:
    """Write a share in few signs; only nothing is 0.0% and only everything 100.0%.

    Examples
    --------
    >>> _short_percent(1, 8), _short_percent(1, 10**6), _short_percent(10**6 - 1, 10**6)
    ('12.5%', '<0.1%', '99.9%')
    """
    if whole == 0:
        return "n/a"
    share = 100 * part / whole
    if 0 < share < 0.05:
        return "<0.1%"
    return "99.9%" if part < whole and share >= 99.95 else f"{share:.1f}%"


def _right_shade(part: int, whole: int, strength: float = 1.0) -> str:
    return mix_with_white(DEEP_BLUE, strength * part / whole if whole else 0.0)


def _wrong_shade(part: int, whole: int) -> str:
    # By the root of the share: errors are few, and a straight scale would leave them all white.
    return mix_with_white(VERMILLION, 0.05 + 0.95 * (part / whole) ** 0.5 if part else 0.0)
