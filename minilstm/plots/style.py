"""The looks that all figures share: colours, sizes, axes, legends.
Styles are set on each artist and never in Matplotlib's global settings."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The first seven are Okabe and Ito's colour-blind-safe set without its yellow, which is too faint
# on white (M. Okabe, K. Ito, "Color Universal Design", 2008). Each later one was picked as the
# farthest from all before it in CIELAB, as seen with normal, deuteranope and protanope vision.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000",
    "#0000FF", "#5A69FF", "#5A3C00", "#C3D278", "#E10F4B", "#780069", "#6900A5",
    "#870F3C", "#7896FF", "#FFB4B4", "#0FE1F0", "#D200B4", "#785A78",
)  # fmt: skip
BLUE, VERMILLION, DARK, GREY, PALE = "#0072B2", "#D55E00", "#222222", "#666666", "#F0F0F0"
DASHES = ("solid", "dashed", "dotted", "dashdot")
WIDTH_INCHES, DPI = 10.0, 150  # 1500 pixels wide
TITLE_POINTS, LABEL_POINTS, TICK_POINTS = 13.0, 12.0, 11.0


def require_matplotlib() -> None:
    """Raise an ImportError with the pip line where Matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Drawing figures needs Matplotlib: pip install 'minilstm[plot]'."
        ) from error


def colours(count: int) -> list[str]:
    """Give `count` colours that readers with any colour vision can tell apart.

    Parameters
    ----------
    count : how many, at least 0. Up to 20 all differ; the 21st is the first again

    Returns
    -------
    Colours as "#RRGGBB". A longer list begins with the shorter one

    Examples
    --------
    >>> colours(3)
    ['#0072B2', '#D55E00', '#009E73']
    """
    return [PALETTE[i % len(PALETTE)] for i in range(count)]


def mix_with_white(colour: str, weight: float) -> str:
    """Mix a colour with white.

    Examples
    --------
    >>> mix_with_white("#000000", 0.0), mix_with_white("#000000", 0.2)
    ('#FFFFFF', '#CCCCCC')
    """
    mixed = [round(255 + (int(colour[k : k + 2], 16) - 255) * weight) for k in (1, 3, 5)]
    return "#" + "".join(f"{value:02X}" for value in mixed)


def text_colour(shade: str) -> str:
    """Give black or white, whichever has the higher contrast ratio (WCAG 2.1) on the shade.

    Examples
    --------
    >>> text_colour("#0072B2"), text_colour("#FFFFFF")
    ('#FFFFFF', '#000000')
    """
    parts = [int(shade[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#FFFFFF" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"


def new_axes(height: float, rows: int = 1, width: float = WIDTH_INCHES) -> list[Axes]:
    """Make a figure outside any window, with `rows` axes one above the other."""
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return fill_figure(figure, rows)


def fill_figure(figure: Figure, rows: int) -> list[Axes]:
    """Give a figure `rows` axes one above the other, in the house style."""
    grid = figure.subplots(rows, 1, squeeze=False, sharex=True)
    for ax in grid[:, 0]:
        ax.set_facecolor("white")
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GREY)
        ax.tick_params(labelsize=TICK_POINTS, color=GREY, labelcolor=DARK)
    return list(grid[:, 0])


def height_for(entries: int) -> float:
    """Give the height in inches of a figure whose legend has this many entries.

    Examples
    --------
    >>> height_for(5), height_for(20), height_for(100)
    (4.2, 6.4, 8.0)
    """
    return min(8.0, max(4.2, 1.4 + 0.25 * entries))


def label_axes(ax: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Write the axis labels and the title, each only if it has text; a long title is broken."""
    if x:
        ax.set_xlabel(x, fontsize=LABEL_POINTS, color=DARK)
    if y:
        ax.set_ylabel(y, fontsize=LABEL_POINTS, color=DARK)
    if title:
        root = ax.get_figure(root=True)
        points = ax.get_window_extent().width * 72 / (root.dpi if root is not None else DPI)
        fitting = max(20, int(points / (0.58 * TITLE_POINTS)))  # characters
        title = "\n".join(textwrap.fill(line, fitting) for line in title.split("\n"))
        ax.set_title(title, fontsize=TITLE_POINTS, color=DARK)


def place_legend(ax: Axes, handles: Sequence[Any] | None = None) -> None:
    """Put the legend where it covers no data: right of the axes, or above the data inside them.

    Constrained and tight layouts make room beside the axes. Under any other layout the text could
    be cut off there, so the y axis is made longer and the legend lies in the part that this adds.
    """
    artists = list(ax.get_legend_handles_labels()[0] if handles is None else handles)
    if not artists:
        return
    options: dict[str, Any] = {"fontsize": TICK_POINTS, "frameon": False, "labelcolor": DARK}
    root = ax.get_figure(root=True)
    if root is None or root.get_layout_engine() is not None:
        points = ax.get_window_extent().height * 72 / (root.dpi if root is not None else DPI)
        rows = max(1, int(points / (1.55 * TICK_POINTS)))
        legend = ax.legend(
            handles=artists, loc="upper left", bbox_to_anchor=(1.0, 1.02),
            ncols=math.ceil(len(artists) / rows), **options,
        )  # fmt: skip
    else:
        legend = _legend_in_headroom(ax, artists, options)
    for line in legend.get_lines():
        if line.get_linestyle() not in ("None", "none", ""):
            line.set_linewidth(max(3.0, line.get_linewidth()))


def _legend_in_headroom(ax: Axes, artists: list[Any], options: dict[str, Any]) -> Any:
    """Lay the legend in rows along the top edge, and raise the upper y limit past it."""
    box = ax.get_window_extent()
    for columns in range(min(len(artists), 8), 0, -1):
        legend = ax.legend(handles=artists, loc="upper center", ncols=columns, **options)
        size = legend.get_window_extent()
        if size.width <= box.width:
            break
    share = min(0.75, (size.height + 12.0) / box.height)  # 12 pixels of air
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1.0 - share))
    return legend


def mark_steps(ax: Axes, *, whole: bool) -> None:
    """Put up to 9 ticks on the x axis, at whole numbers if asked for, with thousands marked."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=whole, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def finish_over_time(
    ax: Axes, sample_rate: float | None, y: str, title: str, handles: Sequence[Any] | None = None
) -> None:
    """Label axes whose x axis counts time steps, or seconds, and add the legend."""
    mark_steps(ax, whole=sample_rate is None)
    label_axes(ax, x="Time step" if sample_rate is None else "Time (s)", y=y, title=title)
    place_legend(ax, handles)


def with_unit(quantity: str, unit: str | None) -> str:
    """Write a quantity and its unit, as "Acceleration (m/s²)"."""
    return f"{quantity} ({unit})" if unit not in (None, "") else quantity
