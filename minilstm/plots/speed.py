"""The picture of a benchmark: times of several engines beside the floor, in panels side by side.
Where our engine is not the fastest, its bar and its ratio have the other colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .style import (
    BLUE,
    DARK,
    DPI,
    GREY,
    LABEL_POINTS,
    TICK_POINTS,
    TITLE_POINTS,
    VERMILLION,
    mix_with_white,
    require_matplotlib,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS = (0.62, 0.4, 0.2)  # shares of black in the bars of other engines
GROUP = 0.8  # of a row is bars, the rest air
ROW_INCHES, FRAME_INCHES, WIDTH_INCHES = 0.7, 2.1, 12.0
SMALL_POINTS = 8.5  # of the times at the ends of bars


class Timed(NamedTuple):
    """One row of a panel."""

    label: str
    times: Mapping[str, float]  # by engine as the legend names it, ours first
    ratio: float | None = None  # the best of the others against ours
    floor: float | None = None  # the least time that is possible, in the same unit


def plot_speed(panels: Mapping[str, Sequence[Timed]], unit: str = "ms") -> Figure:
    """Draw bars to the right, one for each engine, rows down; several panels share their rows.

    Parameters
    ----------
    panels : rows of each panel, by the panel's title; all have the same labels in the same order
    unit : of the times. Where every row has a floor, times are drawn as multiples of it

    Returns
    -------
    The figure

    Examples
    --------
    >>> rows = [Timed("64 x 128 steps", {"minilstm": 3.0, "PyTorch": 6.0}, 2.0, 1.5)]
    >>> len(plot_speed({"Training": rows, "Prediction": rows}).axes)
    2
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows = max(len(timed) for timed in panels.values())
    height = FRAME_INCHES + ROW_INCHES * rows
    figure = Figure((WIDTH_INCHES, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    engines = list(dict.fromkeys(e for p in panels.values() for row in p for e in row.times))
    ours, *others = engines
    shades = [mix_with_white("#000000", share) for share in OTHERS]
    colours = {e: shades[n % len(shades)] for n, e in enumerate(others)}
    in_floors = all(row.floor is not None for p in panels.values() for row in p)
    grid = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)
    for ax, (title, timed) in zip(grid[0], panels.items(), strict=True):
        _panel(ax, title, timed, colours, in_floors)
        _style(ax, in_floors)
    longest = max(bar.get_width() for ax in grid[0] for bar in ax.patches)
    grid[0, 0].set_xlim(1 if in_floors else None, 1.4 * longest)  # numbers stand behind bars
    bars = "bars: multiples of what the multiply-adds take at the processor's peak"
    label = f"numbers: {unit}; {bars}" if in_floors else unit
    figure.supxlabel(label, fontsize=LABEL_POINTS, color=DARK)
    names = [Patch(color=BLUE, label=f"{ours}, the fastest")]
    names.append(Patch(color=VERMILLION, label=f"{ours}, not the fastest"))
    names += [Patch(color=colours[e], label=e) for e in others]
    figure.legend(
        handles=names, loc="outside upper center", ncols=len(names), frameon=False,
        fontsize=TICK_POINTS, labelcolor=DARK,
    )  # fmt: skip
    return figure


def three_digits(number: float) -> str:
    """Write a number with three digits, or with all before the point.

    Examples
    --------
    >>> three_digits(0.0561), three_digits(18.0), three_digits(1234.5)
    ('0.0561', '18.0', '1,234')
    """
    return f"{number:,.0f}" if number >= 99.95 else f"{number:#.3g}"


def _panel(
    ax: Axes, title: str, rows: Sequence[Timed], colours: Mapping[str, str], in_floors: bool
) -> None:
    """Bars, and the ratio of each row in a column at the right."""
    ax.set_title(title, fontsize=TITLE_POINTS, color=DARK, loc="left", pad=12)
    ax.set_xscale("log")
    for n, row in enumerate(rows):
        loses = row.ratio is not None and row.ratio < 1
        mine = VERMILLION if loses else BLUE
        thick = GROUP / len(row.times)
        for k, (engine, time) in enumerate(row.times.items()):
            length = time / row.floor if in_floors and row.floor else time
            place = n - GROUP / 2 + (k + 0.5) * thick
            ax.barh(place, length, 0.92 * thick, color=colours.get(engine, mine))
            ax.annotate(
                three_digits(time), (length, place), (4, -0.5), textcoords="offset points",
                fontsize=SMALL_POINTS, va="center", color=DARK,
            )  # fmt: skip
        if row.ratio is not None:
            ax.text(
                1.04, n, f"{row.ratio:.2f}x", transform=ax.get_yaxis_transform(),
                color=mine, fontsize=LABEL_POINTS, fontweight="bold", va="center",
            )  # fmt: skip
    ax.set_yticks(range(len(rows)), [row.label for row in rows])
    ax.set_ylim(len(rows) - 0.45, -0.55)
    if any(row.ratio is not None for row in rows):
        ax.text(
            1.04, -0.62, "against\nthe best", transform=ax.get_yaxis_transform(), color=GREY,
            fontsize=TICK_POINTS, va="bottom",
        )  # fmt: skip
    if in_floors:
        ax.axvline(1, color=DARK, linewidth=4)


def _style(ax: Axes, in_floors: bool) -> None:
    """The house style for bars along a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.set_facecolor("white")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(GREY)
    ax.tick_params(labelsize=TICK_POINTS, color=GREY, labelcolor=DARK)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    first = "floor" if in_floors else "1"
    words = FuncFormatter(lambda value, _: first if value == 1 else f"{value:,.10g}")
    ax.xaxis.set_major_formatter(words)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(axis="x", color="#E4E4E4", linewidth=0.8)
    ax.set_axisbelow(True)
