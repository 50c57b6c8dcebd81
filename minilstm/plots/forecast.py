"""A time series and how a network continues it, in closed loop and in open loop.
Closed loop feeds predictions back as inputs; open loop gets the true value after each step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from minilstm.errors import DataError

from .envelope import envelope
from .style import BLUE, DARK, GREY, PALE, VERMILLION, finish_over_time, new_axes, with_unit
from .values import Floats, as_numbers, check_feature, check_sample_rate, rmse, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_UP_TO = 60  # steps of a forecast that are shown one by one


def plot_forecast(
    history: ArrayLike,
    forecast: ArrayLike,
    actual: ArrayLike | None = None,
    *,
    open_loop: ArrayLike | None = None,
    feature: int = 0,
    last: int | None = None,
    sample_rate: float | None = None,
    title: str = "Forecast",
    ylabel: str = "Value",
    unit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a series, the forecast that goes on from it, and what came true.

    Parameters
    ----------
    history : (T,) or (T, D), the series up to where the forecast begins
    forecast : (N,) or (N, D), the steps after it, in closed loop: each predicted from those before
    actual : (N,) or (N, D), what came true; with it the title says the root mean square error
    open_loop : (N,) or (N, D), predictions of these steps, each made when all before it were known
    feature : column to draw, from 0
    last : steps of the history to draw; the default is all of them
    sample_rate : steps a second, in hertz, for seconds on the x axis; None counts steps from 0
    title : first part of the title; the errors follow it
    ylabel, unit : name of the quantity and its unit, written as "Temperature (°C)"
    ax : axes to draw on; the default is a new figure

    Returns
    -------
    The axes drawn on

    Raises
    ------
    DataError
        If a shape, the feature, `last` or the sample rate does not fit.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.sin(0.2 * np.arange(120.0))
    >>> ax = plot_forecast(wave[:100], wave[100:] + 0.1, wave[100:])
    >>> ax.get_title()
    'Forecast of 20 steps: RMSE 0.1'
    """
    series = _column("history", history, feature)  # (T,)
    ahead = _column("forecast", forecast, feature)  # (N,)
    others = {}
    for name, value in (("actual", actual), ("open_loop", open_loop)):
        if value is not None:
            others[name] = _column(name, value, feature)  # (N,)
            if others[name].size != ahead.size:
                raise DataError(
                    f"{name} has {others[name].size} steps and forecast has {ahead.size}: pass "
                    "the same steps of both."
                )
    if last is not None and last < 1:
        raise DataError(f"last is {last!r} and should be at least 1: pass None to draw all steps.")
    rate = check_sample_rate(sample_rate)

    T, N = series.size, ahead.size
    begin = 0 if last is None else max(0, T - last)
    ax = new_axes(4.4)[0] if ax is None else ax
    ax.axvspan((T - 1) / rate, (T - 1 + N) / rate, color=PALE, linewidth=0, zorder=0)
    kept = begin + envelope(series[begin:])
    ax.plot(kept / rate, series[kept], color=DARK, linewidth=1.3, label="Observed")
    closed = "Forecast" if open_loop is None else "Closed loop"
    curves = [("Actual", others.get("actual"), GREY, 3.5, 0.45)]
    curves += [("Open loop", others.get("open_loop"), BLUE, 1.4, 1.0)]
    for label, values, colour, width, alpha in [*curves, (closed, ahead, VERMILLION, 1.4, 1.0)]:
        if values is None:
            continue
        kept = envelope(values)
        # From the last known step on, so that the curve continues the series.
        ax.plot(
            np.concatenate([[T - 1], T + kept]) / rate,
            np.concatenate([series[-1:], values[kept]]),
            color=colour, linewidth=width, alpha=alpha, label=label,
            marker="o" if N <= DOTS_UP_TO and alpha == 1 else "", markersize=3.5,
            markevery=slice(1, None),
        )  # fmt: skip
    pad = 0.01 * (T - begin + N)
    ax.set_xlim((begin - pad) / rate, (T - 1 + N + pad) / rate)
    finish_over_time(ax, sample_rate, with_unit(ylabel, unit), _title(title, ahead, others))
    return ax


def _title(title: str, ahead: Floats, others: dict[str, Floats]) -> str:
    count = f"of {ahead.size:,} step{'' if ahead.size == 1 else 's'}"
    text = f"{title} {count}" if title else ""
    if "actual" not in others:
        return text
    errors = f"RMSE {rounded(rmse(others['actual'], ahead))}"
    if "open_loop" in others:
        other = rounded(rmse(others["actual"], others["open_loop"]))
        errors += f" in closed loop, {other} in open loop"
    return f"{text}: {errors}" if text else errors


def _column(name: str, values: ArrayLike, feature: int) -> Floats:
    numbers = as_numbers(name, values)  # (N, D)
    check_feature(name, numbers, feature)
    return numbers[:, feature]
