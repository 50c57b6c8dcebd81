"""What a training leaves behind: one row an iteration, and why it stopped.
It prints as a table and writes itself as CSV."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.csv_text import csv_line
from minilstm.files import write_atomically
from minilstm.pages import as_curves, as_page, as_table

Array = NDArray[Any]

_HEADINGS = {"time": "Seconds", "learning_rate": "LearnRate", "rmse": "RMSE", "auc": "AUC"}
_FORMATS = {"iteration": "{:.0f}", "epoch": "{:.0f}", "time": "{:.1f}", "learning_rate": "{:.2g}"}
_USUAL = ("iteration", "epoch", "loss", "accuracy", "fscore", "precision", "recall")
_LONGEST_TABLE = 60  # rows that are printed

STEP_COLUMNS = ("iteration", "epoch", "time", "learning_rate", "loss")


@dataclass(frozen=True)
class TrainingInfo:
    """History and outcome of a training.

    Attributes
    ----------
    history : dict of equally long arrays, one entry an iteration: "epoch", "iteration", "loss"
        (of the mini-batch, before the update), each metric by its name, "learning_rate", "time"
        (seconds since the start), and with validation data "validation_loss" and the metrics as
        "validation_rmse" (NaN where they were not measured); with several outputs a metric is
        "OUTPUT/METRIC". With validation data the first entry is of iteration 0: what the network
        gave before training, and NaN for the loss and all else that belongs to a mini-batch
    stop_reason : one sentence
    output_iteration : the iteration whose parameters the returned network has
    seconds : that the training took
    backend : that computed it
    seed : of the options
    hints : sentences on what the history shows and what may help; they are never printed unasked

    Examples
    --------
    >>> history = {"iteration": np.array([1]), "epoch": np.array([1]), "time": np.array([2.0]),
    ...            "learning_rate": np.array([0.001]), "loss": np.array([0.5])}
    >>> print(TrainingInfo(history, "All epochs are done.", 1, 2.0))
    Iteration    Epoch  Seconds  LearnRate     Loss
            1        1      2.0      0.001   0.5000
    All epochs are done.
    """

    history: Mapping[str, Array]
    stop_reason: str
    output_iteration: int
    seconds: float
    backend: str = ""
    seed: int = 0
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        columns = list(self.history)
        count = len(self.history["iteration"])
        shown = range(count)
        if count > _LONGEST_TABLE:
            shown = np.unique(np.linspace(0, count - 1, _LONGEST_TABLE).astype(int))  # type: ignore[assignment]
        lines = [format_heading(columns)]
        lines += [format_row({c: self.history[c][n] for c in columns}) for n in shown]
        if count > _LONGEST_TABLE:
            lines.append(f"({_LONGEST_TABLE} of {count} iterations shown)")
        return "\n".join([*lines, self.stop_reason])

    def _repr_html_(self) -> str:
        """The course of the loss and the last row, for notebooks."""
        losses = {_heading(c): v for c, v in self.history.items() if c.endswith("loss")}
        last = {c: v[-1] for c, v in self.history.items() if len(v)}
        row = [format_row({column: value}).strip() for column, value in last.items()]
        table = as_table([*map(_heading, last)], [row])
        parts = [as_curves(losses, "losses by iteration"), table]
        return as_page("Training", parts, [self.stop_reason, *self.hints])

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the history as CSV, a column each; empty where a value was not measured."""
        columns = list(self.history)
        lines = [csv_line(columns)]
        for values in zip(*(self.history[c].tolist() for c in columns), strict=True):
            lines.append(csv_line(None if v != v else v for v in values))
        return write_atomically(path, lambda file: file.write("".join(lines).encode()))


def format_heading(columns: list[str]) -> str:
    """Heading line of a table with these columns of the history."""
    return "  ".join(_heading(c).rjust(_width(c)) for c in columns)


def format_row(row: Mapping[str, float]) -> str:
    """One line of the table, aligned under `format_heading`; blank where a value is NaN."""
    cells = []
    for column, value in row.items():
        form = _FORMATS.get(column, "")
        text = "" if value != value else form.format(value) if form else _number(value)
        cells.append(text.rjust(_width(column)))
    return "  ".join(cells)


def metric_columns(columns: list[str]) -> list[str]:
    """The columns of metrics, without those of the validation.

    Examples
    --------
    >>> metric_columns(["iteration", "loss", "speed/rmse", "validation_loss"])
    ['speed/rmse']
    """
    return [c for c in columns if c not in STEP_COLUMNS and not c.startswith("validation_")]


def _number(value: float) -> str:
    """Four decimals where they say something, else fewer digits; at most seven characters."""
    if value == 0 or 1e-4 <= abs(value) < 99.99995:
        return f"{value:.4f}"
    return f"{value:.5g}" if 99.99995 <= abs(value) < 99999.5 else f"{value:.1e}"


def _heading(column: str) -> str:
    """What stands above a column; a metric that a user wrote keeps its name.

    Examples
    --------
    >>> [_heading(c) for c in ("loss", "validation_rmse", "fc_2/accuracy", "my_metric")]
    ['Loss', 'ValidationRMSE', 'fc_2/Accuracy', 'my_metric']
    >>> _heading("validation_fc_2/rmse")
    'Validation fc_2/RMSE'
    """
    measured = column.removeprefix("validation_")
    output, slash, metric = measured.rpartition("/")
    metric = metric.capitalize() if metric in _USUAL else _HEADINGS.get(metric, metric)
    before = "" if measured == column else "Validation " if output else "Validation"
    return before + output + slash + metric


def _width(column: str) -> int:
    return max(7, len(_heading(column)))
