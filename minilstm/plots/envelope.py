"""Long signals thinned for drawing, with no peak lost and no class change moved.
Zooming in brings back what was left out, so a picture never shows less than its pixels can."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_numbers
from minilstm.errors import DataError

from .style import DASHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Lines = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
FEW_STEPS = 100  # signals up to this length show each step as a dot
COLUMNS = 2000  # more pixel columns than a page-wide figure has, so the thinning cannot be seen


def envelope(
    values: NDArray[Any], columns: int = COLUMNS, *, breaks: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Choose the steps of a signal that its picture needs.

    The steps are cut into `columns` equal spans, and each span keeps its first, lowest, highest
    and last step: the line through them covers the pixels that the line through all steps covers.
    A span with a value that is not finite keeps one such step as well, so that the gap is seen.

    Parameters
    ----------
    values : (T,), the signal; any real dtype
    columns : number of spans, at least 1. A signal of up to `4 * columns` steps is kept whole
    breaks : (R,) int64, steps at which a span must start in any case, such as class changes

    Returns
    -------
    (K,) int64, the kept steps, rising, each once; at most `5 * (columns + R)` of them

    Raises
    ------
    DataError
        If `values` is not one-dimensional or `columns` is below 1.

    Notes
    -----
    The four steps a span are the M4 aggregation: U. Jugel et al., "M4: a visualization-oriented
    time series data aggregation", Proceedings of the VLDB Endowment 7(10), 2014.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.zeros(10_000)
    >>> signal[1234] = 7.0
    >>> kept = envelope(signal, columns=10)
    >>> 1234 in kept, kept.size <= 40
    (True, True)
    """
    signal = as_numbers(values, "values")  # (T,)
    if signal.ndim != 1:
        raise DataError(
            f"values has shape {signal.shape} and should be (T,): pass one feature, as x[:, 0]."
        )
    if columns < 1:
        raise DataError(f"columns is {columns} and should be at least 1: pass a pixel width.")
    steps = signal.shape[0]
    if steps <= 4 * columns:
        return np.arange(steps, dtype=np.int64)  # (T,)
    starts = np.arange(columns, dtype=np.int64) * steps // columns  # (columns,)
    if breaks is not None:
        starts = np.union1d(starts, np.asarray(breaks, dtype=np.int64))  # (S,)
        starts = starts[(starts >= 0) & (starts < steps)]
    stops = np.append(starts[1:], steps)  # (S,)
    finite = np.isfinite(signal)  # (T,)
    low = np.where(finite, signal, np.inf)  # (T,)
    high = np.where(finite, signal, -np.inf)  # (T,)
    keep = np.zeros(steps, dtype=bool)  # (T,)
    keep[starts] = True
    keep[stops - 1] = True
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        keep[start + low[start:stop].argmin()] = True
        keep[start + high[start:stop].argmax()] = True
    if not finite.all():
        gaps = np.flatnonzero(~finite)  # (N,)
        span = np.searchsorted(starts, gaps, side="right")  # (N,)
        keep[gaps[np.unique(span, return_index=True)[1]]] = True
    return np.flatnonzero(keep).astype(np.int64)  # (K,)


def run_starts(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the first step of each run of equal codes, step 0 included.

    Examples
    --------
    >>> import numpy as np
    >>> run_starts(np.array([4, 4, 1, 1, 1, 4])).tolist()
    [0, 2, 5]
    """
    if codes.size == 0:
        return np.zeros(0, dtype=np.int64)
    changes = np.flatnonzero(codes[1:] != codes[:-1]) + 1  # (R - 1,)
    return np.concatenate(([0], changes)).astype(np.int64)  # (R,)


def class_lines(
    values: NDArray[Any], codes: NDArray[np.int64], kept: NDArray[np.int64], n_classes: int
) -> Lines:
    """Cut the line through the kept steps into one NaN-separated line for each class.

    Where the class changes, both lines meet at the midpoint of the segment between the two steps,
    so that the picture of the signal stays whole and a run of a single step can still be seen.

    Parameters
    ----------
    values, codes : (T,) the signal, and (T,) int64 the class of each step, 0 to `n_classes - 1`
    kept : (K,) int64, the steps to draw; should hold both sides of every change in view (see
        `envelope`)
    n_classes : C

    Returns
    -------
    C pairs of float64 arrays, position (in steps) and value of the points of each class's line;
    empty where it has none

    Examples
    --------
    >>> import numpy as np
    >>> x, c = np.array([0.0, 2.0, 4.0]), np.array([0, 0, 1])
    >>> (position, value), _ = class_lines(x, c, np.arange(3), 2)
    >>> position.tolist(), value.tolist()
    ([0.0, 1.0, 1.5, nan], [0.0, 2.0, 3.0, nan])
    """
    inside = kept[1:][codes[kept[1:]] != codes[kept[:-1]]]  # (E,) first kept step of each new run
    middle = (values[inside - 1].astype(np.float64) + values[inside]) / 2  # (E,)
    before, after = codes[inside - 1], codes[inside]  # (E,), (E,)
    # Each change adds the end of the run before it, a gap, and the beginning of the next run.
    position = np.concatenate((kept, inside - 0.5, np.full(inside.size, np.nan), inside - 0.5))
    value = np.concatenate((values[kept], middle, np.full(inside.size, np.nan), middle))
    owner = np.concatenate((codes[kept], before, before, after))  # (K + 3 * E,) like those two
    by_step = np.argsort(
        np.concatenate((kept, inside - 0.5, inside - 0.4, inside - 0.5)), kind="stable"
    )
    chosen = [by_step[owner[by_step] == code] for code in range(n_classes)]
    return [(position[c].astype(np.float64), value[c].astype(np.float64)) for c in chosen]


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
    lines_between : given the first step and one past the last, gives position (in steps) and value
        of the points of every line, thinned to what that stretch needs
    steps, rate : T, and the steps a unit of the x axis
    styles : (number, label, colour) of the lines to draw, by their place in what `lines_between`
        gives
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
