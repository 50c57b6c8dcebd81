"""The picture of a quantised network: how far its scores are off as a run goes on.
Points of one height mean that errors do not build up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .style import BLUE, DARK, label_axes, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_drift(rows: Sequence[tuple[int, float, float | None]], weights: str, bits: int) -> Axes:
    """Draw the largest change of a score after so many steps, with the share of labels changed.

    Parameters
    ----------
    rows : steps, largest change, share of labels changed, of each run; None where scores name no
        class
    weights, bits : for the title

    Examples
    --------
    >>> plot_drift([(1000, 0.01, 0.0), (100_000, 0.01, 0.001)], "int8", 8).get_xlabel()
    'Steps from the start'
    """
    ax = new_axes(4.2, width=7.0)[0]
    steps, changes, shares = zip(*rows, strict=True)
    ax.vlines(steps, 0, changes, color=BLUE, alpha=0.4)  # no line between points crosses a text
    ax.plot(steps, changes, "o", color=BLUE, markersize=7)
    for step, change, share in zip(steps, changes, shares, strict=True):
        if share is not None:
            text = f"{100 * share:.2g} % of labels\nchanged"
            ax.annotate(text, (step, change), xytext=(0, 9), textcoords="offset points",
                        ha="center", color=DARK)  # fmt: skip
    ax.set(xscale="log", ylim=(0, 1.35 * max(max(changes), 1e-9)))
    ax.margins(x=0.15)
    title = f"{weights} weights of {bits} bits beside float32"
    label_axes(ax, x="Steps from the start", y="Largest change of a score", title=title)
    return ax
