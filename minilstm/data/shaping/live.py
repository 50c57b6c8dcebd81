"""Windows of a stream: rows in, a window out as soon as it is full.
They have the same bits as the windows that `shape` cuts from the whole recording."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import as_numbers
from minilstm.checks import check_positive
from minilstm.data.sequences import as_step
from minilstm.data.shaping.shape import Shaping
from minilstm.errors import DataError

Array = NDArray[Any]
_OFF = 0.1  # how far the rate of a whole window may be from the wanted one, as a share


class LiveWindows:
    """The windows of one running recording.

    What of a shaping a stream can do: windows always; splitting at gaps where rows come with their
    times. A filter needs what comes later, so nothing is resampled: rows must come at the rate of
    the model. Where they come with times, a window at another rate is an error, not an answer.
    Ends are not trimmed, as there are no labels.

    Parameters
    ----------
    shaping : with a `window_length`
    rate : Hz at which rows must come; by default that of the shaping, None for any
    dtype : of the windows

    Examples
    --------
    >>> live = LiveWindows(Shaping(window_length=3, window_step=2))
    >>> full = [live.push([t]) for t in range(6)]
    >>> [None if window is None else window.ravel().tolist() for window in full]
    [None, None, [0.0, 1.0, 2.0], None, [2.0, 3.0, 4.0], None]
    """

    def __init__(
        self, shaping: Shaping, rate: float | None = None, dtype: Any = np.float64
    ) -> None:
        if shaping.window_length is None or shaping.window_step is None:
            raise ValueError(
                "the shaping has no window_length, so there is no window to fill; give "
                "window_length, or send rows to net.stream()."
            )
        if rate is not None:
            check_positive("rate", rate)
        self.length, self.step = shaping.window_length, shaping.window_step
        self.rate = shaping.rate if rate is None else rate
        self._resamples = shaping.rate is not None
        self._gap, self._dtype = shaping.gap_seconds, dtype
        self._rows: Array | None = None  # (length, D), made for the first row
        self._times = np.full(self.length, np.nan)  # (length,)
        self.reset()

    def __copy__(self) -> LiveWindows:
        return deepcopy(self)  # a second stream, which goes on by itself

    def reset(self) -> None:
        """Start a new recording."""
        self.taken = 0  # rows of this recording
        self._filled = 0  # rows of the window to come; below 0, rows that lie in none
        self._last: float | None = None

    def push(self, row: ArrayLike, time: float | None = None) -> Array | None:
        """Take a row (D,); give the window (length, D) that it completes, an array of its own.

        Parameters
        ----------
        row : (D,) the features of one step
        time : of the row, in seconds

        Raises
        ------
        DataError
            Another number of features, not a finite number, a time that does not rise: the row
            is not taken. Or the window came at another rate: the next row starts a new one.
        """
        if self._rows is None:
            size = as_numbers(row, "row").size
            self._rows = np.empty((self.length, size), self._dtype)  # (length, D)
        rows = self._rows
        values = as_step(row, rows.shape[1], self._dtype, "row")[0]  # (D,)
        self._take_time(time)
        self.taken += 1
        if self._filled >= 0:
            rows[self._filled] = values
            self._times[self._filled] = np.nan if time is None else time
        self._filled += 1
        if self._filled < self.length:
            return None
        self._check_rate()
        window = rows.copy()  # (length, D)
        kept = max(0, self.length - self.step)
        rows[:kept] = window[self.length - kept :]
        self._times[:kept] = self._times[self.length - kept :].copy()
        self._filled = self.length - self.step
        return window

    def _take_time(self, time: float | None) -> None:
        """Start anew after a gap; DataError where a time does not rise."""
        if time is None:
            return
        if not np.isfinite(time):
            raise DataError(f"time is {time}; give a finite number of seconds, or none.")
        if self._last is not None:
            if time <= self._last:
                raise DataError(
                    f"time is {time}, but the row before came at {self._last}; send rows in the "
                    "order of time, or call reset() before a new recording."
                )
            if self._gap is not None and time - self._last > self._gap:
                self._filled = 0
        self._last = time

    def _check_rate(self) -> None:
        """DataError, and a new start, where a full window came at another rate."""
        seconds = self._times[-1] - self._times[0]  # NaN where a time was not given
        if self.rate is None or self.length == 1 or not seconds > 0:
            return
        came = (self.length - 1) / seconds
        if not self._resamples:  # holes were in the windows that were learned, too
            came = 1 / max(float(np.median(np.diff(self._times))), 1e-12)
        if abs(came / self.rate - 1) > _OFF:
            self._filled = 0
            way = ", or record them and use predict, which resamples" if self._resamples else ""
            raise DataError(
                f"rows come at {came:.4g} Hz, but the model takes {self.rate:g} Hz; send them at "
                f"that rate{way}."
            )
