"""What a training leaves behind: one row an iteration, and why it stopped.
It prints as a table and writes itself as CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.files import write_atomically

Array = NDArray[Any]

_HEADINGS = {
    "iteration": ("Iteration", "{:.0f}"),
    "epoch": ("Epoch", "{:.0f}"),
    "time": ("Seconds", "{:.1f}"),
    "learning_rate": ("LearnRate", "{:.2g}"),
    "loss": ("Loss", "{:.4f}"),
    "accuracy": ("Accuracy", "{:.4f}"),
    "validation_loss": ("ValidationLoss", "{:.4f}"),
    "validation_accuracy": ("ValidationAccuracy", "{:.4f}"),
}
_LONGEST_TABLE = 60


@dataclass(frozen=True)
class TrainingInfo:
    """History and outcome of a training.

    Attributes
    ----------
    history : dict of equally long arrays, one entry an iteration: "epoch", "iteration", "loss"
        (nats, before the update), "accuracy" (0 to 1, if it was a metric), "learning_rate",
        "time" (seconds since the start), and with validation data "validation_loss" and
        "validation_accuracy" (NaN where it was not measured)
    stop_reason : one sentence
    output_iteration : the iteration whose parameters the returned network has
    seconds : the whole training took so long
    backend : that computed it
    seed : of the options

    Examples
    --------
    >>> history = {"epoch": np.array([1]), "iteration": np.array([1]), "loss": np.array([0.5]),
    ...            "learning_rate": np.array([0.001]), "time": np.array([2.0])}
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

    def __str__(self) -> str:
        columns = [c for c in _HEADINGS if c in self.history]
        count = len(self.history["iteration"])
        shown = range(count)
        if count > _LONGEST_TABLE:
            shown = np.unique(np.linspace(0, count - 1, _LONGEST_TABLE).astype(int))  # type: ignore[assignment]
        lines = [format_heading(columns)]
        lines += [format_row({c: self.history[c][n] for c in columns}) for n in shown]
        if count > _LONGEST_TABLE:
            lines.append(f"({_LONGEST_TABLE} of {count} iterations shown)")
        return "\n".join([*lines, self.stop_reason])

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the history as CSV, a column each; empty where a value was not measured."""
        columns = [c for c in _HEADINGS if c in self.history]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for values in zip(*(self.history[c].tolist() for c in columns), strict=True):
            writer.writerow(["" if v != v else v for v in values])
        return write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def format_heading(columns: list[str]) -> str:
    """Heading line of a table with these columns of the history."""
    return "  ".join(_HEADINGS[c][0].rjust(_width(c)) for c in columns)


def format_row(row: Mapping[str, float]) -> str:
    """One line of the table, aligned under `format_heading`; blank where a value is NaN."""
    cells = []
    for column, value in row.items():
        text = "" if value != value else _HEADINGS[column][1].format(value)
        cells.append(text.rjust(_width(column)))
    return "  ".join(cells)


def _width(column: str) -> int:
    return max(7, len(_HEADINGS[column][0]))
