"""Lines of a signal on axes, thinned to what the stretch in view needs.
Zooming in brings back what was left out, so a picture never shows less than its pixels can."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .envelope import COLUMNS
from .style import DASHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Lines = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
FEW_STEPS = 100  # signals up to this length show each step as a dot


def draw_traces(
    ax: Axes,
    lines_between: Callable[[int, int], Lines],
    steps: int,
    rate: float,
    styles: list[tuple[int, str, str]],
) -> None:
    """Draw lines of a signal, and draw long ones anew whenever the x limits change.

    Parameters
    ----------
    ax : Axes
        Axes to draw on.
    lines_between : callable
        Given the first step and one past the last, gives position (in steps) and value of the
        points of every line, thinned to what that stretch needs.
    steps : int
        Number of steps T.
    rate : float
        Steps a unit of the x axis.
    styles : list of (number, label, colour)
        The lines to draw, by their place in what `lines_between` gives.
    """
    drawn, whole = [], lines_between(0, steps)
    for number, label, colour in styles:
        position, value = whole[number]
        # Past the seventh colour the hues come closer, so dashes help, where they can be seen.
        dense = steps > COLUMNS
        finite = value[np.isfinite(value)]
        drawn += ax.plot(
            position / rate, value, color=colour, label=label,
            linewidth=0.8 if dense else 1.4, linestyle="-" if dense else DASHES[number // 7 % 4],
            # Lines that spread widely lie below narrow ones, which they would hide.
            zorder=2 + 1 / (2 + float(finite.std())) if finite.size else 2,
        )  # fmt: skip
    if steps > 1:
        pad = 0.01 * (steps - 1) if steps <= FEW_STEPS else 0.0
        ax.set_xlim(-pad / rate, (steps - 1 + pad) / rate)
    if steps <= 4 * COLUMNS:
        return

    def on_zoom(axes: Axes) -> None:
        first, last = sorted(axes.get_xlim())
        low = min(max(int(first * rate) - 1, 0), steps - 1)
        high = min(max(int(last * rate) + 2, low + 1), steps)
        lines = lines_between(low, high)
        for line, (number, _, _) in zip(drawn, styles, strict=True):
            line.set_data(lines[number][0] / rate, lines[number][1])

    ax.callbacks.connect("xlim_changed", on_zoom)
