"""What a person sees while a network trains: a table, a bar with the time left, a live picture.
On a terminal the bar comes from tqdm; elsewhere plain lines say the same every few seconds."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        if self.options.plots == "training-progress":
            from minilstm.plots import LiveTrainingProgress

            self.picture = LiveTrainingProgress(
                self.options.plot_file, metric_columns(self.columns)
            )
        if self.options.verbose:
            print(self.preface, flush=True)
            print(f"{format_heading(self.columns)}  TimeLeft", flush=True)
            if sys.stderr.isatty():
                from tqdm import tqdm

                self.bar = tqdm(total=self.total, unit="it", leave=False, file=sys.stderr)

    def iteration(self, row: Mapping[str, float], history: Mapping[str, Any]) -> None:
        """Show one finished iteration; `history` is everything so far, this row included."""
        if self.picture is not None:
            self.picture.update(history)
        if not self.options.verbose:
            return
        done, now = int(row["iteration"]), time.perf_counter()
        if self.bar is not None:
            self.bar.update(1)
            self.bar.set_postfix_str(f"loss {row['loss']:.4f}", refresh=False)
        quiet_for_long = self.bar is None and now - self.last_line >= SECONDS_BETWEEN_LINES
        if (
            done in (1, self.total)
            or done % self.options.verbose_frequency == 0
            or quiet_for_long
            or not math.isnan(row.get("validation_loss", math.nan))
        ):
            left = (now - self.started) / done * (self.total - done)
            self._line(f"{format_row(row)}  {_clock(left):>8}")
            self.last_line = now

    def validation_before_training(self, measured: Mapping[str, float]) -> None:
        """Show what the validation gave before the first update, by column."""
        if self.options.verbose:
            row = dict.fromkeys(self.columns, math.nan)
            row |= {"iteration": 0, "epoch": 0, "time": 0.0, **measured}
            self._line(format_row(row))

    def finish(self, info: TrainingInfo) -> None:
        """Close the bar, say why training stopped, save the picture."""
        self._close_bar()
        if self.options.verbose:
            print(info.stop_reason, flush=True)
        if self.picture is not None:
            self.picture.finish(info)

    def close(self) -> None:
        """Take bar and picture off the screen, with nothing said or saved."""
        self._close_bar()
        if self.picture is not None:
            self.picture.close()

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _line(self, text: str) -> None:
        if self.bar is not None:
            self.bar.clear()
        print(text, flush=True)
        if self.bar is not None:
            self.bar.refresh()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
