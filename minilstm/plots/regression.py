"""Predicted numbers against true ones: how far they lie from the line where both are equal.
One point a row and one colour a response; the title says the root mean square error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.errors import DataError

from .style import DARK, colours, label_axes, new_axes, place_legend, with_unit
from .values import as_numbers, check_names, rmse, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 2000  # points; more of them go into SVG and PDF files as an image


def plot_regression(
    true: ArrayLike | list[Any],
    predicted: ArrayLike | list[Any],
    *,
    names: Sequence[str] | None = None,
    title: str = "Predicted against true",
    quantity: str = "",
    unit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each predicted number over its true one, and the line where both are equal.

    Parameters
    ----------
    true, predicted : (N,) or (N, R), numbers of N rows and R responses, or a list of such arrays,
        one a sequence, which are put end to end. Rows that are not finite are left out
    names : R names of the responses for the legend; the default is "Response 1" and so on
    title : first part of the title; the root mean square error and R² follow it. R² is the share of
        the variance of the true numbers that the predictions explain, the mean over the responses
    quantity, unit : what is predicted and its unit, written as "True speed (m/s)"
    ax : axes to draw on; the default is a new figure

    Returns
    -------
    The axes drawn on

    Raises
    ------
    DataError
        If the two shapes differ, nothing is finite, or the names do not number R.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> ax = plot_regression([1.0, 2.0, 3.0, 4.0], [1.1, 2.1, 3.1, 4.1], quantity="speed")
    >>> ax.get_title(), ax.get_xlabel()
    ('Predicted against true: RMSE 0.1, R² 0.992', 'True speed')
    """
    t, y = as_numbers("true", true), as_numbers("predicted", predicted)  # (N, R)
    if t.shape != y.shape:
        raise DataError(
            f"true has {t.shape[0]} rows of {t.shape[1]} and predicted has {y.shape[0]} of "
            f"{y.shape[1]}: pass the same rows of both."
        )
    responses = t.shape[1]
    titles = check_names(names, "response", "true", t)
    finite = np.isfinite(t) & np.isfinite(y)  # (N, R)
    if not finite.any():
        raise DataError("true and predicted have no row that is finite in both: pass numbers.")

    ax = new_axes(6.4, width=6.4 if responses == 1 else 8.0)[0] if ax is None else ax
    low = float(min(t[finite].min(), y[finite].min()))
    high = float(max(t[finite].max(), y[finite].max()))
    pad = 0.04 * (high - low) or 1.0
    count = int(finite.sum())
    ax.plot(
        [low - pad, high + pad], [low - pad, high + pad], color=DARK, linewidth=1.2,
        linestyle="dashed", zorder=3, label="Equal",
    )  # fmt: skip
    for r, colour in enumerate(colours(responses)):
        kept = finite[:, r]
        ax.plot(
            t[kept, r], y[kept, r], "o", color=colour, markersize=4 if count > 300 else 5.5,
            alpha=float(np.clip(60 / np.sqrt(count), 0.15, 0.75)), markeredgewidth=0, zorder=2,
            label=titles[r] if responses > 1 else "Predictions", rasterized=count > MANY,
        )  # fmt: skip
    ax.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
    ax.set_aspect("equal")
    ending = with_unit(f" {quantity}" if quantity else "", unit)
    errors = f"RMSE {rounded(rmse(t, y))}, R² {_explained(t, y, finite)}"
    title = f"{title}: {errors}" if title else errors
    label_axes(ax, x=f"True{ending}", y=f"Predicted{ending}", title=title)
    if responses > 1:
        place_legend(ax)
    return ax


def _explained(t: NDArray[np.float64], y: NDArray[np.float64], finite: NDArray[np.bool_]) -> str:
    """R²: one less the squared error as a share of the variance; n/a where nothing varies.

    It is the mean over the responses that vary, as in the report of an evaluation.
    """
    found = []
    for r in range(t.shape[1]):
        true, said = t[finite[:, r], r], y[finite[:, r], r]
        spread = float(((true - true.mean()) ** 2).sum()) if len(true) else 0.0
        if spread > 0:
            found.append(1.0 - float(((said - true) ** 2).sum()) / spread)
    return rounded(float(np.mean(found))) if found else "n/a"
