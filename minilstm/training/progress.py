"""What a person sees while a network trains: a table, a bar with the time left, a live picture.
On a terminal the bar comes from tqdm; elsewhere plain lines say the same every few seconds."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from minilstm.training.history import TrainingInfo, format_heading, format_row, metric_columns
from minilstm.training.options import TrainingOptions

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Shows a training; does nothing where the options ask for silence.

    Parameters
    ----------
    total : iterations planned
    columns : of the history, in the order of the table
    preface : lines above the table
    """

    def __init__(
        self, options: TrainingOptions, total: int, columns: list[str], preface: str
    ) -> None:
        self._options = options
        self._total = total
        self._columns = columns
        self._started = time.perf_counter()
        self._last_line = self._started
        self._bar: Any = None
        self._picture: Any = None
        if options.plots == "training-progress":
            from minilstm.plots import LiveTrainingProgress

            self._picture = LiveTrainingProgress(options.plot_file, metric_columns(columns))
        if options.verbose:
            print(preface, flush=True)
            print(f"{format_heading(columns)}  TimeLeft", flush=True)
            if sys.stderr.isatty():
                from tqdm import tqdm

                self._bar = tqdm(total=total, unit="it", leave=False, file=sys.stderr)

    def iteration(self, row: Mapping[str, float], history: Mapping[str, Any]) -> None:
        """Show one finished iteration; `history` is everything so far, this row included."""
        if self._picture is not None:
            self._picture.update(history)
        if not self._options.verbose:
            return
        done, now = int(row["iteration"]), time.perf_counter()
        if self._bar is not None:
            self._bar.update(1)
            self._bar.set_postfix_str(f"loss {row['loss']:.4f}", refresh=False)
        quiet_for_long = self._bar is None and now - self._last_line >= SECONDS_BETWEEN_LINES
        if (
            done in (1, self._total)
            or done % self._options.verbose_frequency == 0
            or quiet_for_long
            or not math.isnan(row.get("validation_loss", math.nan))
        ):
            left = (now - self._started) / done * (self._total - done)
            self._line(f"{format_row(row)}  {_clock(left):>8}")
            self._last_line = now

    def validation_before_training(self, measured: Mapping[str, float]) -> None:
        """Show what the validation gave before the first update, by column."""
        if self._options.verbose:
            row = dict.fromkeys(self._columns, math.nan)
            row |= {"iteration": 0, "epoch": 0, "time": 0.0, **measured}
            self._line(format_row(row))

    def finish(self, info: TrainingInfo) -> None:
        """Close the bar, say why training stopped, save the picture."""
        self._close_bar()
        if self._options.verbose:
            print(info.stop_reason, flush=True)
        if self._picture is not None:
            self._picture.finish(info)

    def close(self) -> None:
        """Take bar and picture off the screen, with nothing said or saved."""
        self._close_bar()
        if self._picture is not None:
            self._picture.close()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)
        if self._bar is not None:
            self._bar.refresh()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
