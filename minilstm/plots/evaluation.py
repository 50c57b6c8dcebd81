"""The pictures of a report: curves of classes, calibration, and residuals of numbers.
They draw what the evaluation room has computed, and check nothing again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .style import BLUE, DARK, GREY, PALE, colours, label_axes, new_axes, place_legend
from .values import rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
#: label of a class, x (P,), y (P,) of its curve, and the area under it
ClassCurve = tuple[Any, Floats, Floats, float]
MOST_CURVES = 20  # as many as there are colours
MANY = 2000  # points; more of them go into SVG and PDF files as an image


def plot_roc(curves: Sequence[ClassCurve]) -> Axes:
    """Draw the receiver operating curves of classes, each against all others.

    Examples
    --------
    >>> plot_roc([("run", np.array([0, 0, 1]), np.array([0, 1, 1]), 1.0)]).get_xlabel()
    'False positive rate'
    """
    ax = _curves(curves, "Receiver operating curves, area")
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle="dashed", zorder=1)
    label_axes(ax, x="False positive rate", y="True positive rate")
    return ax


def plot_precision_recall(curves: Sequence[ClassCurve]) -> Axes:
    """Draw the precision-recall curves of classes, each against all others."""
    ax = _curves(curves, "Precision and recall, average precision", "steps-post")
    label_axes(ax, x="Recall", y="Precision")
    return ax


def plot_calibration(
    rows: NDArray[np.int64], confidence: Floats, accuracy: Floats, expected_error: float
) -> Axes:
    """Draw the accuracy in each bin of confidence over its mean, and how many rows it has."""
    ax = new_axes(5.6, width=7.0)[0]
    edges = np.linspace(0, 1, len(rows) + 1)
    ax.bar(
        edges[:-1], rows / max(rows.sum(), 1), np.diff(edges), align="edge", color=PALE,
        edgecolor="#CCCCCC", linewidth=0.6, zorder=1, label="Share of rows",
    )  # fmt: skip
    ax.plot(
        [0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle="dashed", zorder=2,
        label="Calibrated",
    )  # fmt: skip
    some = rows > 0
    ax.plot(
        confidence[some], accuracy[some], "o-", color=BLUE, markersize=6, zorder=3, label="Network"
    )
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    title = f"Calibration: expected error {rounded(expected_error)}"
    label_axes(ax, x="Largest score", y="Share that is right", title=title)
    place_legend(ax)
    return ax


def plot_residuals(true: Floats, predicted: Floats, names: Sequence[str]) -> Axes:
    """Draw predicted less true numbers (N, R) over the predicted ones."""
    ax = new_axes(5.2, width=8.0)[0]
    many = true.size > MANY
    for r, colour in enumerate(colours(true.shape[1])):
        ax.plot(
            predicted[:, r], predicted[:, r] - true[:, r], "o", color=colour, markeredgewidth=0,
            markersize=4 if many else 5.5, zorder=2, label=names[r], rasterized=many,
            alpha=float(np.clip(60 / np.sqrt(true.size), 0.15, 0.75)),
        )  # fmt: skip
    ax.axhline(0, color=DARK, linewidth=1.0, linestyle="dashed", zorder=3)
    label_axes(ax, x="Predicted", y="Predicted less true", title="Residuals")
    if len(names) > 1:
        place_legend(ax)
    return ax


def plot_residual_histogram(true: Floats, predicted: Floats, names: Sequence[str]) -> Axes:
    """Draw how often residuals (N, R) of each size are."""
    ax = new_axes(4.6, width=8.0)[0]
    errors = predicted - true
    edges = np.histogram_bin_edges(errors, min(60, max(10, int(np.sqrt(len(errors))))))
    for r, colour in enumerate(colours(errors.shape[1])):
        counts, _ = np.histogram(errors[:, r], edges)
        ax.stairs(counts, edges, color=colour, linewidth=1.6, label=names[r], fill=len(names) == 1)
    ax.axvline(0, color=DARK, linewidth=1.0, linestyle="dashed", zorder=3)
    label_axes(ax, x="Predicted less true", y="Rows", title="Residuals")
    if len(names) > 1:
        place_legend(ax)
    return ax


def _curves(curves: Sequence[ClassCurve], title: str, style: str = "default") -> Axes:
    """Curves in a unit square; of very many classes those with the smallest areas."""
    ax = new_axes(5.6, width=8.0)[0]
    drawn = list(curves)
    if len(drawn) > MOST_CURVES:
        drawn = sorted(drawn, key=lambda curve: curve[3])[:MOST_CURVES]
    for (label, x, y, area), colour in zip(drawn, colours(len(drawn)), strict=True):
        ax.plot(
            x, y, color=colour, linewidth=1.8, zorder=2, label=f"{label} {rounded(area)}",
            drawstyle=style,
        )  # fmt: skip
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
    some = f" (the {len(drawn)} smallest of {len(curves)})" if len(curves) > len(drawn) else ""
    label_axes(ax, title=title + some)
    place_legend(ax)
    return ax
