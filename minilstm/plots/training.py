"""The training progress figure: metrics and loss against iterations, from a training history.
Measured values are pale, their smoothed course dark, validation black, epochs shaded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError

from . import history, style
from .history import Columns, TrainingRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED_FROM = 15  # iterations; fewer are seen well enough one by one
MOST_BANDS = 20


def plot_training_progress(
    info: TrainingRecord, *, axes: Sequence[Axes] | None = None
) -> tuple[Axes | None, Axes]:
    """Draw metrics and loss against the iteration.

    Parameters
    ----------
    info : what `minilstm.train` returns beside the network. `info.history` maps names to arrays
        (N,): "iteration" and "loss", and where measured "epoch", "time" (seconds), "learning_rate",
        a column for each metric, such as "accuracy" (0 to 1), and "validation_loss" and
        "validation_accuracy" (NaN where not measured). `info.stop_reason` goes into the title
    axes : axes to draw on, one for each metric, accuracy first, and the last for the loss; of two
        axes the first is left blank if there is no metric. The default is a new figure

    Returns
    -------
    The axes of the first metric, which is accuracy if the history has it; None if the history has
    no metric; and the axes of the loss. Those of more metrics lie between them

    Raises
    ------
    DataError
        If the columns differ in length or "iteration" or "loss" is missing from a history that
        has other columns.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> history = {"epoch": np.arange(1, 4), "iteration": np.arange(1, 4),
    ...            "loss": np.array([1.6, 0.9, 0.4]), "accuracy": np.array([0.2, 0.6, 0.9])}
    >>> info = SimpleNamespace(history=history, stop_reason="max epochs completed")
    >>> accuracy, loss = plot_training_progress(info)
    >>> accuracy.get_ylabel(), loss.get_ylabel(), loss.get_xlabel()
    ('Accuracy (%)', 'Loss', 'Iteration (1 per epoch)')
    """
    columns = history.check_history(info.history)
    metrics = history.metric_columns(columns)
    rows = 1 + len(metrics)
    given = list(axes) if axes is not None else style.new_axes(height_of(rows), rows)
    if len(given) < rows or len(given) > max(rows, 2):
        wanted = [*map(history.in_words, metrics), "loss"]
        raise DataError(
            f"axes has {len(given)} entries and should have {rows}, for {', '.join(wanted)}: "
            f"pass the axes of a figure with as many rows."
        )
    if len(given) > rows:
        given[0].set_axis_off()
    draw_progress(columns, str(info.stop_reason), given[-rows:])
    return (given[0] if rows > 1 else None), given[-1]


def height_of(rows: int) -> float:
    """Inches of a figure with so many axes one above the other."""
    return 1.4 + 2.5 * rows


def draw_progress(columns: Columns, stop_reason: str, axes: Sequence[Axes]) -> None:
    """Draw a checked history on axes for its metrics and its loss, or a note if it is empty."""
    iteration = columns.get("iteration", np.zeros(0))  # (N,)
    xlabel = _mark_epochs(axes, iteration, columns.get("epoch"))
    names = [*(history.metric_columns(columns) or ["accuracy"] * (len(axes) - 1)), "loss"]
    palette = [c for c in style.colours(len(names) + 1) if c != style.VERMILLION]
    palette = [*palette[: len(names) - 1], style.VERMILLION]
    for ax, name, colour in zip(axes, names, palette, strict=True):
        words, is_share = history.in_words(name), history.is_share(name)
        label = style.with_unit(words[:1].upper() + words[1:], "%" if is_share else None)
        scale = 100.0 if is_share else 1.0
        values = columns.get(name, np.zeros(0)) * scale
        checked = columns.get(history.VALIDATION + name, np.zeros(0)) * scale
        if values.size:
            _draw_curves(ax, iteration, values, checked, colour)
        if not np.isfinite(values).any():
            note = "No finite values" if values.size else "No iterations recorded"
            ax.text(
                0.5, 0.5, note, transform=ax.transAxes, ha="center", va="center",
                fontsize=style.LABEL_POINTS, color=style.GREY,
            )  # fmt: skip
        if is_share:
            ax.set_ylim(0, 102)
            ax.set_yticks(range(0, 101, 20))
        elif not (values < 0).any():
            ax.set_ylim(bottom=0)
        style.mark_steps(ax, whole=True)
        if iteration.size:
            pad = 0.01 * (iteration[-1] - iteration[0]) or 1.0
            ax.set_xlim(iteration[0] - pad, iteration[-1] + pad)
        reached = history.last_values(columns, name)
        title = reached[:1].upper() + reached[1:]
        if ax is axes[0]:
            reached = ": ".join(part for part in (history.counts(columns), reached) if part)
            title = f"Training progress: {stop_reason}\n{reached}".strip()
        style.label_axes(ax, y=label, title=title)
        style.place_legend(ax)
    style.label_axes(axes[-1], x=xlabel)


def _draw_curves(
    ax: Axes,
    iteration: NDArray[np.float64],
    values: NDArray[np.float64],
    checked: NDArray[np.float64],
    colour: str,
) -> None:
    smoothed = values.size >= SMOOTHED_FROM
    ax.plot(
        iteration, values, color=colour, linewidth=1.0 if smoothed else 1.8,
        alpha=0.4 if smoothed else 1.0, marker="" if smoothed else "o", markersize=4,
        label="Training",
    )  # fmt: skip
    if smoothed:
        ax.plot(iteration, history.smooth(values), color=colour, linewidth=2.0, label="Smoothed")
    measured = np.isfinite(checked)
    if measured.any():
        ax.plot(
            iteration[measured], checked[measured], color=style.DARK, linestyle="dashed",
            linewidth=1.2, marker="o", markersize=4, label="Validation",
        )  # fmt: skip


def _mark_epochs(
    axes: Sequence[Axes], iteration: NDArray[np.float64], epoch: NDArray[np.float64] | None
) -> str:
    """Shade every other epoch, or group of epochs, and give the x label that says so."""
    if epoch is not None:  # what was measured before training belongs to no epoch
        iteration, epoch = iteration[epoch > 0], epoch[epoch > 0]
    if epoch is None or iteration.size < 2:
        return "Iteration"
    numbers, first = np.unique(epoch, return_index=True)  # (E,), (E,)
    if numbers.size == iteration.size:
        return "Iteration (1 per epoch)"
    if numbers.size == 1:
        return "Iteration"
    group = next(
        step * 10**power
        for power, step in product(range(16), (1, 2, 5))
        if numbers.size <= MOST_BANDS * step * 10**power
    )
    edges = np.append(iteration[first[::group]], iteration[-1] + 1) - 0.5
    for ax in axes:
        for low, high in zip(edges[1::2], edges[2::2], strict=False):
            ax.axvspan(low, high, color=style.PALE, linewidth=0, zorder=0)
    return f"Iteration (bands: {group} epochs each)" if group > 1 else "Iteration (bands: epochs)"
