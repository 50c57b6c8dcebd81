"""Confusion matrix and confusion chart: how often each class was taken for each other.
Rows are true classes, columns predicted ones; recall stands at the right and precision below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.errors import DataError

from .style import (
    DARK,
    TICK_POINTS,
    TITLE_POINTS,
    VERMILLION,
    WIDTH_INCHES,
    label_axes,
    mix_with_white,
    new_axes,
    text_colour,
)
from .values import check_pair, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DEEP_BLUE = "#00558A"
GAP = 0.35  # between the matrix and its summaries, in cells
SHARED_UP_TO = 12  # classes; smaller cells have no room for a share under the count
SMALLEST_TEXT_POINTS = 4.0  # below it the numbers are left out


def confusion_matrix(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[Any] | NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Count the pairs of true and predicted class.

    Parameters
    ----------
    true, predicted : (N,), true and predicted class of each step or sequence, strings or integers
    classes : C labels in the order of rows and columns; the default is those found, sorted

    Returns
    -------
    (C, C) int64; entry `[i, j]` counts the items of class i that were taken for class j

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
    true, predicted : (N,), true and predicted class of each step or sequence, strings or integers
    classes : C labels from top to bottom and left to right; the default is those found, sorted
    normalize : whether the cells hold only the shares of their rows, in percent, and no counts
    title : first part of the title; the accuracy follows it
    ax : axes to draw on; the default is a new figure

    Returns
    -------
    The axes drawn on

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
    return plot_counts(counts, names, normalize, title, ax)


def plot_counts(
    counts: NDArray[np.int64],
    names: Sequence[Any],
    normalize: bool = False,
    title: str = "Confusion chart",
    ax: Axes | None = None,
) -> Axes:
    """Draw the chart of a confusion matrix (C, C), as `plot_confusion` does."""
    size = len(names)
    if ax is None:
        width = min(WIDTH_INCHES, 4.6 + 0.55 * size)
        ax = new_axes(0.92 * width, width=width)[0]
    _lay_out(ax, [str(name) for name in names])
    right, total = int(np.trace(counts)), int(counts.sum())
    share = f"accuracy {percent(right, total)}, {total - right:,} of {total:,} wrong"
    ax.set_title(f"{title}: {share}" if title else share, fontsize=TITLE_POINTS, color=DARK)
    _fill_cells(ax, _cells(counts, normalize, with_share=size <= SHARED_UP_TO))
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
    ax.tick_params(length=0, labelsize=TICK_POINTS if size <= 12 else TICK_POINTS - 2)
    label_axes(ax, x="Predicted class", y="True class")
    cell = _cell_points(ax, size)
    if max(map(len, names)) * 0.65 * TICK_POINTS > cell:
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
) -> list[tuple[float, float, str, str]]:
    """Give left, top, colour and text of each cell and each summary."""
    size = len(counts)
    rows, columns = counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist()  # (C,), (C,)
    cells = []
    for i, row in enumerate(counts.tolist()):
        for j, count in enumerate(row):
            shade = _right_shade(count, rows[i]) if i == j else _wrong_shade(count, rows[i])
            share = percent(count, rows[i], digits=1)
            text = share if normalize else f"{count:,}\n{share}" if with_share else f"{count:,}"
            cells.append((float(j), float(i), shade, text if count else ""))
        for x, y, total in ((size + GAP, i, rows[i]), (i, size + GAP, columns[i])):
            shade = _right_shade(row[i], total, strength=0.4)
            cells.append((float(x), float(y), shade, percent(row[i], total, digits=1)))
    return cells


def _fill_cells(ax: Axes, cells: list[tuple[float, float, str, str]]) -> None:
    """Draw the cells, with text as large as the fullest cell allows."""
    from matplotlib.collections import PolyCollection

    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)  # (4, 2)
    outlines = [np.add(square, (x, y)) for x, y, _, _ in cells]
    shades = [shade for _, _, shade, _ in cells]
    ax.add_collection(
        PolyCollection(outlines, facecolors=shades, edgecolors="#CCCCCC", linewidths=0.6)
    )
    longest = max(len(line) for *_, text in cells for line in text.split("\n"))
    most_lines = max(text.count("\n") + 1 for *_, text in cells)
    cell = _cell_points(ax, round((len(cells) + 1) ** 0.5) - 1)
    points = min(TICK_POINTS, 0.86 * cell / (0.62 * longest), 0.8 * cell / (1.3 * most_lines))
    for x, y, shade, text in cells if points >= SMALLEST_TEXT_POINTS else []:
        if text:
            ax.text(
                x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=points,
                color=text_colour(shade), linespacing=1.15,
            )  # fmt: skip


def _right_shade(part: int, whole: int, strength: float = 1.0) -> str:
    return mix_with_white(DEEP_BLUE, strength * part / whole if whole else 0.0)


def _wrong_shade(part: int, whole: int) -> str:
    # By the root of the share: errors are few, and a straight scale would leave them all white.
    return mix_with_white(VERMILLION, 0.05 + 0.95 * (part / whole) ** 0.5 if part else 0.0)
