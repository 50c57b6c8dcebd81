"""The picture of a quantised network: how far its scores are off as a run goes on.
A flat line means that errors do not build up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .style import BLUE, DARK, label_axes, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_drift(rows: Sequence[tuple[int, float, float]], weights: str, bits: int) -> Axes:
    """Draw the largest change of a score after so many steps, with the share of labels changed.

    Parameters
    ----------
    rows : steps, largest change, share of labels changed, of each run
    weights, bits : for the title

    Examples
    --------
    >>> plot_drift([(1000, 0.01, 0.0), (100_000, 0.01, 0.001)], "int8", 8).get_xlabel()
    'Steps'
    """
    ax = new_axes(4.2, width=7.0)[0]
    steps, changes, shares = zip(*rows, strict=True) if rows else ((), (), ())
    ax.plot(steps, changes, "o-", color=BLUE, markersize=6)
    for step, change, share in zip(steps, changes, shares, strict=True):
        text = f"{100 * share:.2g} % of labels"
        ax.annotate(text, (step, change), xytext=(0, 9), textcoords="offset points", ha="center",
                    color=DARK)  # fmt: skip
    if steps:
        ax.set(xscale="log", ylim=(0, 1.35 * max(max(changes), 1e-9)))
        ax.margins(x=0.15)
    title = f"Largest change of a score, {weights} weights with {bits} bits"
    label_axes(ax, x="Steps", y="Change", title=title)
    return ax
