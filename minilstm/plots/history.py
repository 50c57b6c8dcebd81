"""What the progress figure takes from a training history, and the words it puts it in.
Pure NumPy: columns checked, a smoothed course, the numbers of the title."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_numbers
from minilstm.errors import DataError

Columns = dict[str, NDArray[np.float64]]
NOT_METRICS = ("epoch", "iteration", "loss", "time", "learning_rate")
VALIDATION = "validation_"
WORDS = {"rmse": "RMSE", "auc": "AUC", "fscore": "F-score"}


class TrainingRecord(Protocol):
    """What the figure needs of the record that training returns."""

    @property
    def history(self) -> Mapping[str, Any]:
        """Columns of equal length N: "iteration", "loss" and so on."""

    @property
    def stop_reason(self) -> str:
        """Why training ended, in words."""


def check_history(history: Mapping[str, Any]) -> Columns:
    """Give the columns as float64 arrays (N,), or raise if they do not fit together."""
    given = {name: as_numbers(v, f"history[{name!r}]") for name, v in history.items()}
    columns = {
        name: values.astype(np.float64, copy=False) for name, values in given.items()
    }  # (N,)
    lengths = {name: values.shape for name, values in columns.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise DataError(
            f"history has columns of shapes {lengths} and should have one value an iteration in "
            "each: pass columns of equal length."
        )
    missing = [name for name in ("iteration", "loss") if columns and name not in columns]
    if missing:
        raise DataError(
            f"history has the columns {sorted(columns)} and should have {missing[0]!r} as well: "
            "pass the history that training returns."
        )
    return columns


def metric_columns(columns: Columns) -> list[str]:
    """The names of the metrics in a history, accuracy first.

    Examples
    --------
    >>> import numpy as np
    >>> metric_columns({"loss": np.ones(3), "rmse": np.ones(3), "validation_rmse": np.ones(3)})
    ['rmse']
    """
    names = [c for c in columns if c not in NOT_METRICS and not c.startswith(VALIDATION)]
    return sorted(names, key=lambda name: not is_share(name))


def in_words(name: str) -> str:
    """What a column is called in a figure.

    Examples
    --------
    >>> in_words("accuracy"), in_words("fscore"), in_words("speed/rmse"), in_words("mean_gap")
    ('accuracy', 'F-score', 'RMSE of speed', 'mean gap')
    """
    output, _, metric = name.rpartition("/")
    text = WORDS.get(metric, metric.replace("_", " "))
    return f"{text} of {output}" if output else text


def is_share(name: str) -> bool:
    """Whether a column is written in percent."""
    return name.rpartition("/")[2] == "accuracy"


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average each value with its neighbours, over a window of a twentieth of all, centred.

    The window shrinks towards both ends so that it stays centred and the curve lags nowhere. Values
    that are not finite are left out of the averages and stay gaps.

    Examples
    --------
    >>> import numpy as np
    >>> smooth(np.array([0.0, 3.0, 0.0, 3.0, 0.0])).tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    count = values.size
    half = np.minimum(max(1, count // 40), np.minimum(np.arange(count), np.arange(count)[::-1]))
    finite = np.isfinite(values)  # (N,)
    total = np.concatenate(([0.0], np.cumsum(np.where(finite, values, 0.0))))  # (N + 1,)
    number = np.concatenate(([0], np.cumsum(finite)))  # (N + 1,)
    low, high = np.arange(count) - half, np.arange(count) + half + 1  # (N,), (N,)
    averaged = np.full(count, np.nan)
    np.divide(total[high] - total[low], number[high] - number[low], out=averaged, where=finite)
    return averaged  # (N,)


def counts(columns: Columns) -> str:
    """Say how far training went, as "60 epochs, 60 iterations, 85.0 s"."""
    if not columns.get("iteration", np.zeros(0)).size:
        return ""
    parts = []
    for name in ("epoch", "iteration"):
        if name in columns and np.isfinite(columns[name][-1]):
            number = columns[name][-1]
            parts.append(f"{number:,.0f} {name}" + ("" if number == 1 else "s"))
    if "time" in columns and np.isfinite(columns["time"][-1]):
        parts.append(f"{columns['time'][-1]:,.1f} s")
    return ", ".join(parts)


def last_values(columns: Columns, name: str) -> str:
    """Say where training ended, as "loss 0.0123, validation 0.0456"."""
    values = columns.get(name, np.zeros(0))  # (N,)
    if not values.size:
        return ""

    def form(value: float) -> str:
        if not is_share(name):
            return f"{value:.4g}"
        # Only all of them are 100.00%.
        return "99.99%" if 0.99995 <= value < 1 else f"{value:.2%}"

    text = in_words(name)
    if columns["iteration"][-1]:  # before the first there is nothing but a validation
        text += f" {form(values[-1])}"
    checked = columns.get(VALIDATION + name, np.zeros(0))  # (N,)
    checked = checked[np.isfinite(checked)]
    return f"{text}, validation {form(checked[-1])}" if checked.size else text
