"""Pictures of sensor signals: one feature coloured by class, or all features together.
Long signals are thinned to what their picture needs, and drawn in full again when zoomed into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import as_numbers
from minilstm.errors import DataError

from .envelope import FEW_STEPS, Lines, class_lines, draw_traces, envelope, run_starts
from .style import BLUE, colours, finish_over_time, height_for, new_axes, with_unit
from .values import (
    as_labels,
    check_feature,
    check_names,
    check_sample_rate,
    class_codes,
    class_list,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_sequence(
    x: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    feature: int = 0,
    classes: Sequence[Any] | NDArray[Any] | None = None,
    sample_rate: float | None = None,
    title: str | None = None,
    ylabel: str = "Acceleration",
    unit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one feature of one sequence, coloured by the class of each step.

    Parameters
    ----------
    x : (T, D), the sequence; real numbers. Values that are not finite leave a gap
    labels : (T,), class of each step, strings or integers. Without it the line has one colour
    feature : column of `x` to draw, from 0
    classes : C labels in the order of their colours; the default is those in `labels`, sorted
    sample_rate : steps a second, in hertz, for seconds on the x axis; None counts steps from 0
    title : the default is "Feature 1" for `feature=0`, and so on
    ylabel, unit : name of the quantity and its unit, written as "Acceleration (m/s²)"
    ax : axes to draw on; the default is a new figure

    Returns
    -------
    The axes drawn on; `save_figure` writes them to a file

    Raises
    ------
    DataError
        If a shape, the feature, a label or the sample rate does not fit.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(np.arange(300.0))[:, None]
    >>> ax = plot_sequence(x, ["Sitting"] * 200 + ["Walking"] * 100, unit="g")
    >>> [text.get_text() for text in ax.get_legend().get_texts()], ax.get_ylabel()
    (['Sitting', 'Walking'], 'Acceleration (g)')
    """
    sequence = _check_sequence(x)  # (T, D)
    steps, features = sequence.shape
    check_feature("x", sequence, feature)
    rate = check_sample_rate(sample_rate)
    codes, names = np.zeros(steps, dtype=np.int64), [""]  # (T,)
    if labels is not None:
        marks = as_labels("labels", labels)  # (T,)
        if marks.size != steps:
            turn = "transpose x to x.T" if marks.size == features else "pass one label a step"
            raise DataError(
                f"labels has {marks.size} entries and x has {steps} steps (shape "
                f"{sequence.shape}): {turn}."
            )
        names = class_list(classes, marks)
        codes = class_codes("labels", marks, names)
    signal = sequence[:, feature]  # (T,)
    edges = run_starts(codes)  # (R,)
    both_sides = np.union1d(edges, edges - 1)

    def lines_between(low: int, high: int) -> Lines:
        kept = low + envelope(signal[low:high], breaks=both_sides - low)  # (K,)
        return class_lines(signal, codes, kept, len(names))

    shown = [code for code in range(len(names)) if (codes == code).any()]
    ax = new_axes(height_for(len(shown)))[0] if ax is None else ax
    palette = colours(len(names)) if labels is not None else [BLUE]
    draw_traces(
        ax, lines_between, steps, rate, [(code, str(names[code]), palette[code]) for code in shown]
    )
    if steps <= FEW_STEPS:
        for code in shown:
            own = np.flatnonzero(codes == code)
            ax.plot(own / rate, signal[own], ".", markersize=6, color=palette[code])
    title = f"Feature {feature + 1}" if title is None else title
    finish_over_time(ax, sample_rate, with_unit(ylabel, unit), title)
    return ax


def plot_features(
    x: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    sample_rate: float | None = None,
    title: str = "Test data",
    ylabel: str = "Acceleration",
    unit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw all features of one sequence, one line each.

    Parameters
    ----------
    x : (T, D), the sequence; real numbers. Values that are not finite leave a gap
    names : D names of the features for the legend; the default is "Feature 1", "Feature 2", ...
    sample_rate : steps a second, in hertz, for seconds on the x axis; None counts steps from 0
    title : the title; an empty one leaves it out
    ylabel, unit : name of the quantity and its unit, written as "Acceleration (m/s²)"
    ax : axes to draw on; the default is a new figure

    Returns
    -------
    The axes drawn on

    Raises
    ------
    DataError
        If `x` is not (T, D), the names do not number D, or the sample rate is not positive.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> ax = plot_features(np.zeros((20, 3)))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Feature 1', 'Feature 2', 'Feature 3']
    """
    sequence = _check_sequence(x)  # (T, D)
    steps, features = sequence.shape
    titles = check_names(names, "feature", "x", sequence)
    rate = check_sample_rate(sample_rate)

    def lines_between(low: int, high: int) -> Lines:
        kept = [low + envelope(sequence[low:high, d]) for d in range(features)]
        return [(k.astype(np.float64), sequence[k, d]) for d, k in enumerate(kept)]

    ax = new_axes(height_for(features))[0] if ax is None else ax
    palette = colours(features)
    draw_traces(
        ax, lines_between, steps, rate, [(d, str(titles[d]), palette[d]) for d in range(features)]
    )
    finish_over_time(ax, sample_rate, with_unit(ylabel, unit), title)
    return ax


def _check_sequence(x: ArrayLike) -> NDArray[Any]:
    wanted = "one sequence, (T, D), was wanted: pass one, as x[0]."
    sequence: NDArray[Any] = as_numbers(x, "x", "sequences", wanted=wanted)
    if sequence.ndim != 2 or 0 in sequence.shape or sequence.dtype.kind not in "fiub":
        raise DataError(
            f"x has shape {sequence.shape} and dtype {sequence.dtype} and should be one sequence "
            "of real numbers, (T, D), with at least one step: pass one sequence, as x[0]."
        )
    return sequence
