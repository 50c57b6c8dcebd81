"""Pictures of what a recurrent layer does inside: heat maps of gates, one unit, gradients in time.
They draw the records that `Network.gates` and `Network.gradient_flow` give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.errors import DataError

from .envelope import COLUMNS
from .style import (
    BLUE,
    DARK,
    GREY,
    TICK_POINTS,
    TITLE_POINTS,
    VERMILLION,
    colours,
    finish_over_time,
    label_axes,
    mark_steps,
    new_axes,
    place_legend,
)
from .values import as_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORDS = {
    "i": "Input gate i", "f": "Forget gate f", "g": "Candidate g",
    "o": "Output gate o", "c": "Cell c", "h": "Hidden state h",
}  # fmt: skip
UNIT_INTERVAL = "ifo"  # blocks between 0 and 1; the others have both signs
MOST_TEXT = 2000  # letters that a picture of a text shows, 80 a line
LINE = 80


def plot_gates(
    gates: Any,
    x: ArrayLike | None = None,
    *,
    show: str = "cf",
    names: Sequence[str] | None = None,
    title: str = "",
) -> list[Axes]:
    """Heat maps of a layer's gates, a row a unit, with the signal above them.

    Units stand in the order of what they follow: each beside the feature with which its cell goes
    up and down, those that rise with it first. Without a signal they are sorted by the step of
    their largest cell.

    Parameters
    ----------
    gates : what `Network.gates` gave for one sequence, (T, H) each
    x : (T, D) the sequence, drawn above; None leaves it out
    show : letters of i, f, g, o, c, h: a map each
    names : D names of the features, for the legend
    title : the default says how many units there are

    Returns
    -------
    The axes, the signal first

    Raises
    ------
    DataError
        A letter is unknown, or x has another number of steps.
    """
    unknown = [letter for letter in show if letter not in WORDS]
    if unknown or not show:
        raise DataError(f"show is {show!r}; give letters of 'ifgoch', such as 'cf'.")
    T, H = gates.c.shape
    signal = None if x is None else _checked_signal(x, T)  # (T, D)
    order = unit_order(gates.c, signal)  # (H,)
    rows = len(show) + (signal is not None)
    axes = new_axes(min(12.0, 1.2 + 2.2 * rows), rows)
    maps = axes[rows - len(show) :]
    if signal is not None:
        labels = [f"Feature {d + 1}" for d in range(signal.shape[1])]
        for d, colour in enumerate(colours(signal.shape[1])):
            text = labels[d] if names is None else names[d]
            axes[0].plot(signal[:, d], color=colour, linewidth=1.0, label=text)
        axes[0].legend(  # above, as the bars of the colours stand beside
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=min(6, signal.shape[1]),
            fontsize=TICK_POINTS, frameon=False, labelcolor=DARK,
        )  # fmt: skip
        label_axes(axes[0], y="Signal")
    for ax, letter in zip(maps, show, strict=True):
        values = _thinned(getattr(gates, letter)[:, order])  # (K, H)
        both = letter not in UNIT_INTERVAL
        limit = float(np.abs(values).max()) or 1.0
        image = ax.imshow(
            values.T, aspect="auto", origin="upper", interpolation="nearest",
            extent=(-0.5, T - 0.5, H - 0.5, -0.5), cmap="RdBu_r" if both else "viridis",
            vmin=-limit if both else 0.0, vmax=limit if both else 1.0,
        )  # fmt: skip
        bar = ax.figure.colorbar(image, ax=ax, pad=0.01, aspect=12)
        bar.ax.tick_params(labelsize=TICK_POINTS, color=GREY, labelcolor=DARK)
        label_axes(ax, y=f"{WORDS[letter]}\nunit")
    mark_steps(maps[-1], whole=True)
    label_axes(maps[-1], x="Time step")
    what = "the step of their largest cell" if signal is None else "what they follow"
    axes[0].set_title(
        title or f"{H} units, sorted by {what}", fontsize=TITLE_POINTS, color=DARK, loc="left"
    )
    return axes


def plot_unit(gates: Any, unit: int, x: ArrayLike | None = None, *, title: str = "") -> list[Axes]:
    """One unit through a signal: its gates, its cell and what it puts out.

    Parameters
    ----------
    gates : what `Network.gates` gave for one sequence, (T, H) each
    unit : its number, from 0
    x : (T, D) the sequence, drawn above; None leaves it out
    title : the default names the unit

    Returns
    -------
    The axes from top to bottom: signal, gates, cell

    Raises
    ------
    DataError
        There is no such unit, or x has another number of steps.
    """
    T, H = gates.c.shape
    _check_unit(unit, H)
    signal = None if x is None else _checked_signal(x, T)
    axes = new_axes(6.0 if signal is None else 8.0, 2 if signal is None else 3)
    if signal is not None:
        for d, colour in enumerate(colours(signal.shape[1])):
            axes[0].plot(signal[:, d], color=colour, linewidth=1.0, label=f"Feature {d + 1}")
        label_axes(axes[0], y="Signal")
        place_legend(axes[0])
    label_axes(axes[0], title=title or f"Unit {unit}")
    for letter, colour in zip("ifo", colours(3), strict=True):
        axes[-2].plot(getattr(gates, letter)[:, unit], color=colour, label=WORDS[letter])
    axes[-2].set_ylim(-0.03, 1.03)
    label_axes(axes[-2], y="Gate, closed to open")
    place_legend(axes[-2])
    axes[-1].plot(gates.c[:, unit], color=DARK, label=WORDS["c"])
    axes[-1].plot(gates.h[:, unit], color=VERMILLION, label=WORDS["h"], linewidth=1.0)
    axes[-1].axhline(0.0, color=GREY, linewidth=0.6)
    finish_over_time(axes[-1], None, "State", "")
    return axes


def plot_text(text: str, values: ArrayLike, *, title: str = "", ax: Axes | None = None) -> Axes:
    """A text on coloured ground: each letter on the value of a unit when the letter was read.

    Parameters
    ----------
    text : T letters; 2,000 at most are drawn, 80 a line
    values : (T,) such as a column of `Gates.c`: blue is negative, red positive
    title : of the picture
    ax : axes to draw on; the default is a new figure

    Raises
    ------
    DataError
        There is not one value for each letter.
    """
    numbers = as_numbers("values", values)[:, 0]  # (T,)
    if len(numbers) != len(text):
        raise DataError(
            f"values has {len(numbers)} entries and text has {len(text)} letters; pass one value a "
            "letter, as gates.c[:, 3]."
        )
    shown = text[:MOST_TEXT]
    lines = [shown[k : k + LINE] for k in range(0, len(shown), LINE)] or [""]
    ax = new_axes(0.8 + 0.28 * len(lines), width=12.0)[0] if ax is None else ax
    grid = np.full((len(lines), LINE), np.nan)  # (lines, 80)
    grid.reshape(-1)[: len(shown)] = numbers[: len(shown)]
    limit = float(np.abs(numbers[: len(shown)]).max(initial=0.0)) or 1.0
    pale = 1.6 * limit  # so that black letters are read on every colour
    ax.imshow(grid, cmap="RdBu_r", vmin=-pale, vmax=pale, aspect="auto")
    for row, line in enumerate(lines):
        for column, letter in enumerate(line):
            mark = {"\n": "¶", "\t": "→"}.get(letter, letter)
            ax.text(column, row, mark, ha="center", va="center", family="monospace", fontsize=9)
    ax.set_axis_off()
    label_axes(ax, title=title)
    return ax


def plot_gradient_flow(flows: Any, *, title: str = "", ax: Axes | None = None) -> Axes:
    """How much gradient arrives so many steps before the step whose loss it is of.

    Parameters
    ----------
    flows : what `Network.gradient_flow` gave; or a dict of several, by the name of each line
    title : the default says what is drawn
    ax : axes to draw on; the default is a new figure

    Returns
    -------
    The axes drawn on, with a logarithmic axis for the norm
    """
    named = flows if isinstance(flows, dict) else {"": flows}
    ax = new_axes(4.2)[0] if ax is None else ax
    for (name, flow), colour in zip(named.items(), colours(len(named)), strict=True):
        steps = np.flatnonzero(flow.spans > 0)  # a norm of zero has no place on the axis
        ax.plot(steps, flow.spans[steps], color=colour if name else BLUE, label=name or None)
    ax.set_yscale("log")
    mark_steps(ax, whole=True)
    label_axes(
        ax, x="Steps back from the loss", y="Norm of its gradient in h",
        title=title or "How far back the gradient reaches",
    )  # fmt: skip
    place_legend(ax)
    return ax


def unit_order(cell: NDArray[Any], signal: NDArray[Any] | None) -> NDArray[np.int64]:
    """Units (H,) in the order of the feature that each follows, or of their largest cell.

    Examples
    --------
    >>> t = np.arange(60.0)
    >>> x = np.stack([np.sin(t), np.cos(t)], axis=1)
    >>> unit_order(np.stack([x[:, 1], -x[:, 0], x[:, 0]], axis=1), x).tolist()
    [2, 1, 0]
    """
    if signal is None:
        return np.argsort(np.abs(cell).argmax(axis=0), kind="stable")
    a, b = (v - v.mean(axis=0) for v in (cell.astype(float), signal.astype(float)))
    scale = np.linalg.norm(a, axis=0)[:, None] * np.linalg.norm(b, axis=0)  # (H, D)
    alike = a.T @ b / np.where(scale == 0, 1, scale)  # (H, D) correlations
    best = np.abs(alike).argmax(axis=1)  # (H,)
    strength = alike[np.arange(len(alike)), best]  # (H,)
    return np.lexsort((-strength, best))


def _thinned(values: NDArray[Any]) -> NDArray[Any]:
    """At most as many rows as a picture has columns, each the mean of neighbours."""
    T = len(values)
    if T <= COLUMNS:
        return values
    starts = np.arange(COLUMNS) * T // COLUMNS  # (K,)
    sums = np.add.reduceat(values, starts, axis=0)
    return sums / np.diff(np.append(starts, T))[:, None]


def _checked_signal(x: ArrayLike, T: int) -> NDArray[np.float64]:
    signal = as_numbers("x", x)  # (T, D)
    if len(signal) != T:
        raise DataError(
            f"x has {len(signal)} steps and the gates have {T}; pass the sequence they are of."
        )
    return signal


def _check_unit(unit: int, H: int) -> None:
    if not -1 < unit < H:
        raise DataError(f"unit is {unit}; pass a number from 0 to {H - 1}.")
