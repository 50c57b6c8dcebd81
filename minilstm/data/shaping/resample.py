"""Recordings at another rate: steps at equal distances in time, as a network counts them.
A slower rate is filtered first, or what swings faster than it can show would fold into it.

Which way is taken:

- Steps at equal distances: `scipy.signal.resample_poly`, the exact filter for a ratio of two whole
  numbers. Its filter keeps what swings below 0.4 of the new rate, and takes away (to 0.1 %) what
  swings above half of it. Before the first step and behind the last the recording is mirrored
  about its end point, so a constant and a slope stay what they are up to the ends.
- Steps at other distances: lines from step to step, read at a whole multiple of the new rate that
  is no slower than the recording, and the same filter behind them.
- A faster rate: lines from step to step, read at the new rate. SciPy is not needed.
"""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import check_positive
from minilstm.data.files.checks import Sequences
from minilstm.data.shaping.parts import noted
from minilstm.errors import DataError

Array = NDArray[Any]
_JITTER = 0.05  # of a step: stamps in whole milliseconds are still at equal distances
_HOLE = 10  # usual steps: lines over more than that are told of
_SAME = 0.99  # of a rate: not slower, so there is nothing to filter
_LARGEST = 10_000  # denominator of a ratio of rates
_ATTENUATION = 60  # dB of what swings too fast
_PASSED = 0.8  # share of the new band that the filter leaves as it is


def resample(data: Sequences, rate: float, rate_in: float | None = None) -> Sequences:
    """Bring recordings to a rate.

    Recordings that have it (every step within a twentieth of its place) come back with the same
    bits. Numbers to be predicted at each step go the way of the features; a label is that of the
    nearest earlier step.

    Parameters
    ----------
    data : recordings; each starts at its own first time
    rate : wanted, in Hz
    rate_in : of recordings without times, in Hz; times count where there are any

    Returns
    -------
    Sequences at `rate`, with times where there were any

    Raises
    ------
    DataError
        The rate of the recordings is not known, or their times do not rise.
    ImportError
        A slower rate without SciPy.

    Warns
    -----
    UserWarning
        Lines go over a hole in the recordings.

    Examples
    --------
    >>> data = Sequences([np.array([[0.0], [2.0], [4.0]])], None, None, ["a"])
    >>> resample(data, 4, rate_in=2).x[0].ravel().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    check_positive("rate", rate)
    if data.times is not None:
        own_times = data.times
    elif rate_in is not None:
        check_positive("rate_in", rate_in)
        own_times = [np.arange(len(x)) / rate_in for x in data.x]  # B of (T,)
    else:
        raise DataError(
            f"rate is {rate:g}, but the recordings have no times, so their own rate is not known; "
            "give rate_in, or read them with time_column."
        )
    xs, ys, new_times, holes = [], [], [], []
    for b, (x, times) in enumerate(zip(data.x, own_times, strict=True)):
        _check_rising(times, data.ids[b])
        holes.append(_hole(times, rate))
        at = _grid(times, rate)  # (T',)
        xs.append(_at_rate(x, times, at, rate))
        at = at[: len(xs[-1])]
        new_times.append(times if xs[-1] is x else at)
        if isinstance(data.y, list):
            ys.append(_targets(data.y[b], times, at, rate, xs[-1] is x))
    if max(holes, default=0) > 0:
        worst = int(np.argmax(holes))
        warnings.warn(
            f"lines fill {sum(hole > 0 for hole in holes)} of {len(holes)} recordings where steps "
            f"are missing, for up to {holes[worst]:.3g} s in {data.ids[worst]!r}; set gap_seconds "
            "to split there.",
            stacklevel=2,
        )
    return data._replace(
        x=xs,
        y=ys if isinstance(data.y, list) else data.y,
        times=None if data.times is None else new_times,
        facts=noted(data.facts, f"resampled to {rate:g} Hz"),
    )


def _check_rising(times: Array, name: str) -> None:
    falls = np.flatnonzero(~(np.diff(times) > 0))
    if len(falls):
        t = int(falls[0])
        raise DataError(
            f"the time of {name!r} goes from {times[t]} at step {t} to {times[t + 1]}, but times "
            "have to rise; sort the recording, and remove rows of the same time."
        )


def _hole(times: Array, rate: float) -> float:
    """Seconds of the longest time step, or 0 where it is usual, or hides no step of the rate."""
    longest = float(np.diff(times).max(initial=0))
    return longest if longest > max(_HOLE * _usual_step(times), 2 / rate) else 0.0


def _usual_step(times: Array) -> float:
    """Seconds from step to step; rows that a logger stamps in bunches do not count as faster."""
    if len(times) == 1:
        return 0.0
    mean = (times[-1] - times[0]) / (len(times) - 1)
    return float(max(np.median(np.diff(times)), mean / 4))


def _grid(times: Array, rate: float) -> Array:
    """Times (T',) at a rate from the first to the last."""
    slack = _JITTER * min(1.0, _usual_step(times) * rate)  # the last may be early
    steps = math.floor((times[-1] - times[0]) * rate + slack)
    return times[0] + np.arange(steps + 1) / rate


def _off(times: Array, rate: float) -> float:
    """How far a step is from its place at a rate, in steps."""
    return float(np.abs((times - times[0]) * rate - np.arange(len(times))).max())


def _at_rate(x: Array, times: Array, at: Array, rate: float) -> Array:
    """The signals x (T, D) at the times `at` (T',); x itself where it has the rate."""
    if len(x) == 1 or _off(times, rate) <= _JITTER:
        return x
    own = (len(times) - 1) / (times[-1] - times[0])
    even = _off(times, own) <= _JITTER
    ratio = Fraction(rate / own).limit_denominator(_LARGEST)
    if even and ratio == 1:
        return x
    usual = own if even else 1 / _usual_step(times)
    if rate >= _SAME * usual:
        out = _lines(x, times, at)
    elif even:
        out = _filtered(x, max(1, ratio.numerator), ratio.denominator)
    else:
        times_faster = math.ceil(_SAME * usual / rate)
        fine = times[0] + np.arange((len(at) - 1) * times_faster + 1) / (rate * times_faster)
        out = _filtered(_lines(x, times, fine), 1, times_faster)
    out = out[: len(at)]
    return out.astype(x.dtype) if x.dtype.kind == "f" else out


def _lines(x: Array, times: Array, at: Array) -> Array:
    return np.stack([np.interp(at, times, column) for column in x.T], axis=1)  # (T', D)


def _filtered(x: Array, up: int, down: int) -> Array:
    """Signals (T, D) at up / down of their rate, which is slower."""
    try:
        from scipy import signal
    except ImportError as error:
        raise ImportError(
            "a slower rate needs SciPy's filters: pip install 'minilstm[tables]'."
        ) from error
    taps, beta = signal.kaiserord(_ATTENUATION, (1 - _PASSED) / down)
    filter_ = signal.firwin(taps | 1, (1 + _PASSED) / 2 / down, window=("kaiser", beta))  # (taps,)
    phase = np.arange(len(filter_)) % up  # (taps,) the taps of one phase meet in one output
    filter_ /= up * np.bincount(phase, filter_)[phase]  # so that each phase keeps a constant
    first = x[:1].astype(np.float64)  # (1, D)
    return first + signal.resample_poly(x - first, up, down, window=filter_, padtype="antireflect")


def _targets(y: Array, times: Array, at: Array, rate: float, same: bool) -> Array:
    """Targets of each step (T,) or (T, R) at the times `at`."""
    if same:
        return y
    if y.dtype.kind == "f":
        out = _at_rate(y.reshape(len(y), -1), times, at, rate)  # (T', R)
        return out if y.ndim == 2 else out[:, 0]
    # A step counts from a little before its time, which both roundings may have moved.
    earlier = np.searchsorted(times, at + 1e-6 / rate, side="right") - 1  # (T',)
    return y[earlier]
