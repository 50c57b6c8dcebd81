"""Predicted classes over true ones along time, in the manner of a timing diagram.
The truth is a wide pale band and the prediction a thin dark line, so both show where they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.errors import DataError

from .envelope import run_starts
from .style import DARK, VERMILLION, finish_over_time, new_axes
from .values import Floats, check_pair, check_sample_rate, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = "#A9D3EE"
HALF_BAND = 0.3  # of the distance between two classes
MANY = 2000  # runs or marks; more of them go into SVG and PDF files as an image


def plot_predictions(
    predicted: ArrayLike,
    true: ArrayLike,
    *,
    classes: Sequence[Any] | NDArray[Any] | None = None,
    sample_rate: float | None = None,
    title: str = "Predicted activities",
    ylabel: str = "Activity",
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted class of each step over the true one, and mark the wrong steps.

    Parameters
    ----------
    predicted, true : (T,), class of each step of one sequence, strings or integers
    classes : C labels from the lowest row to the highest; the default is those found, sorted
    sample_rate : steps a second, in hertz, for seconds on the x axis; None counts steps from 0
    title : first part of the title; the accuracy follows it
    ylabel : label of the y axis
    ax : axes to draw on; the default is a new figure

    Returns
    -------
    The axes drawn on

    Raises
    ------
    DataError
        If the two lengths differ or are 0, a label is unknown, or the sample rate is not positive.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> true = ["Sitting"] * 6 + ["Walking"] * 4
    >>> ax = plot_predictions(["Sitting"] * 5 + ["Walking"] * 5, true)
    >>> ax.get_title()
    'Predicted activities: accuracy 90.00%, 1 of 10 steps wrong'
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['Sitting', 'Walking']
    """
    guess, truth, names = check_pair(predicted, true, classes)  # (T,), (T,)
    if truth.size == 0:
        raise DataError(
            "predicted and true have no steps and should have at least one: pass one sequence's "
            "labels."
        )
    rate = check_sample_rate(sample_rate)
    ax = new_axes(max(4.2, 1.6 + 0.3 * len(names)))[0] if ax is None else ax
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    _draw_truth(ax, *_runs(truth, rate))
    _draw_predicted(ax, *_runs(guess, rate))
    wrong = np.flatnonzero(guess != truth)  # (W,)
    ax.set_xlim(-0.5 / rate, (truth.size - 0.5) / rate)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_yticks(range(len(names)), [str(name) for name in names])
    ax.tick_params(axis="y", length=0)
    share = f"accuracy {percent(truth.size - wrong.size, truth.size)}, "
    share += f"{wrong.size:,} of {truth.size:,} steps wrong"
    handles: list[Any] = [
        Line2D([], [], color=DARK, linewidth=2.0, label="Predicted"),
        Patch(facecolor=BAND, label="Test data"),
    ]
    if wrong.size:
        ax.plot(
            wrong / rate, guess[wrong], "x", color=VERMILLION, markersize=6, markeredgewidth=1.3,
            zorder=4, rasterized=wrong.size > MANY,
        )  # fmt: skip
        handles += [Line2D([], [], color=VERMILLION, marker="x", ls="", label="Wrong steps")]
    title = f"{title}: {share}" if title else share
    finish_over_time(ax, sample_rate, ylabel, title, handles)
    return ax


def _runs(codes: NDArray[np.int64], rate: float) -> tuple[Floats, Floats, Floats]:
    """Give begin and end of each run of equal codes, and its code; step n is n - ½ to n + ½."""
    starts = run_starts(codes)  # (R,)
    edges = (np.append(starts, codes.size) - 0.5) / rate  # (R + 1,)
    return edges[:-1], edges[1:], codes[starts].astype(np.float64)


def _draw_truth(ax: Axes, left: Floats, right: Floats, row: Floats) -> None:
    from matplotlib.collections import PolyCollection

    low, high = row - HALF_BAND, row + HALF_BAND
    corners = np.stack([left, low, left, high, right, high, right, low], axis=1)  # (R, 8)
    # The thin edge keeps a run of one step in a long sequence from vanishing.
    ax.add_collection(
        PolyCollection(
            list(corners.reshape(-1, 4, 2)), facecolors=BAND, edgecolors=BAND, linewidths=0.5
        )
    )


def _draw_predicted(ax: Axes, left: Floats, right: Floats, row: Floats) -> None:
    gap = np.full(row.size, np.nan)
    flat_x = np.stack([left, right, gap], axis=1).ravel()  # (3 * R,)
    flat_y = np.stack([row, row, gap], axis=1).ravel()  # (3 * R,)
    jump_x = np.repeat(left[1:], 3)  # (3 * (R - 1),)
    jump_y = np.stack([row[:-1], row[1:], gap[1:]], axis=1).ravel()  # (3 * (R - 1),)
    many = row.size > MANY
    ax.plot(jump_x, jump_y, color=DARK, linewidth=0.5, alpha=0.45, rasterized=many)
    ax.plot(flat_x, flat_y, color=DARK, linewidth=2.0, solid_capstyle="butt", rasterized=many)
