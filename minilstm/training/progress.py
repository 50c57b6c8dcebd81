"""What a person sees while a network trains: a table, a bar with the time left, a live picture.
On a terminal with tqdm there is a bar; elsewhere plain lines say the same every few seconds."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from minilstm.backend import is_installed, kernel_seconds
from minilstm.training.history import TrainingInfo, format_heading, format_row, metric_columns
from minilstm.training.options import TrainingOptions

SECONDS_BETWEEN_LINES = 30.0


@dataclass(eq=False)
class Progress:
    """Shows a training; does nothing where the options ask for silence."""

    options: TrainingOptions
    total: int  # iterations planned
    columns: list[str]  # of the history, in the order of the table
    preface: str  # lines above the table
    bar: Any = None  # of tqdm, on a terminal
    picture: Any = None  # drawn live, if asked for

    def __post_init__(self) -> None:
        self.started = self.last_line = time.perf_counter()
        self.compiled = kernel_seconds()  # before; what comes is waited for once
        if self.options.plots == "training-progress":
            from minilstm.plots import LiveTrainingProgress

            self.picture = LiveTrainingProgress(
                self.options.plot_file, metric_columns(self.columns)
            )
        self.verbose = self.options.verbose
        if self.verbose:
            self._line(self.preface)
            self._line(f"{format_heading(self.columns)}  TimeLeft")
        if self.verbose and sys.stderr.isatty() and is_installed("tqdm"):
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, unit="it", leave=False, file=sys.stderr)

    def iteration(self, row: Mapping[str, float], history: Mapping[str, Any]) -> None:
        """Show one finished iteration; `history` is everything so far, this row included."""
        if self.picture is not None:
            self.picture.update(history)
        if not self.verbose:
            return
        done, now = int(row["iteration"]), time.perf_counter()
        if self.bar is not None:
            with self._costs_only_the_table():
                self.bar.update(1)
                self.bar.set_postfix_str(f"loss {row['loss']:.4f}", refresh=False)
        quiet_for_long = self.bar is None and now - self.last_line >= SECONDS_BETWEEN_LINES
        if (
            done in (1, self.total)
            or done % self.options.verbose_frequency == 0
            or quiet_for_long
            or not math.isnan(row.get("validation_loss", math.nan))
        ):
            worked = max(0.0, now - self.started - (kernel_seconds() - self.compiled))
            left = worked / done * (self.total - done)
            self._line(f"{format_row(row)}  {_clock(left):>8}")
            self.last_line = now

    def validation_before_training(self, measured: Mapping[str, float]) -> None:
        """Show what the validation gave before the first update, by column."""
        if self.verbose:
            row = dict.fromkeys(self.columns, math.nan)
            row |= {"iteration": 0, "epoch": 0, "time": 0.0, **measured}
            self._line(format_row(row))

    def finish(self, info: TrainingInfo) -> None:
        """Close the bar, say why training stopped, save the picture."""
        self._close_bar()
        if self.verbose:
            self._line(info.stop_reason)
        if self.picture is not None:
            self.picture.finish(info)

    def close(self) -> None:
        """Take bar and picture off the screen, with nothing said or saved."""
        self._close_bar()
        if self.picture is not None:
            self.picture.close()

    def _close_bar(self) -> None:
        if self.bar is not None:
            with self._costs_only_the_table():
                self.bar.close()
            self.bar = None

    def _line(self, text: str) -> None:
        with self._costs_only_the_table():
            if self.bar is not None:
                self.bar.clear()
            print(text, flush=True)
            if self.bar is not None:
                self.bar.refresh()

    @contextmanager
    def _costs_only_the_table(self) -> Iterator[None]:
        """Nothing more is printed once it fails, as when the reader of a pipe has gone."""
        try:
            yield
        except (OSError, ValueError) as error:
            self.verbose = False
            warnings.warn(
                f"the table of the training can be printed no more ({error}); the training goes "
                "on.",
                RuntimeWarning,
                stacklevel=3,
            )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
