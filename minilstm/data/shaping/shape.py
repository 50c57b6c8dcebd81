"""All that is done to recordings before a network sees them, in one fixed order.
It is kept with a model as a plain dict, so that new data get the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from minilstm.checks import check_flag, check_positive, check_whole
from minilstm.data.files.checks import Sequences
from minilstm.data.shaping.gaps import split_at_gaps
from minilstm.data.shaping.labels import Label, check_label
from minilstm.data.shaping.resample import resample
from minilstm.data.shaping.trim import trim_unlabelled
from minilstm.data.shaping.windows import Windows
from minilstm.errors import DataError


@dataclass(frozen=True)
class Shaping:
    """What is done to recordings; None means that it is not done.

    Parameters
    ----------
    window_length : steps of a window, at `rate` where there is one
    window_step : steps from window to window; by default half the length
    window_label : how a window gets its label, as for `windows`
    rate : Hz, to which recordings are brought
    gap_seconds : a longer time step splits a recording
    trim_unlabelled : the unlabelled ends of recordings are taken away
    rate_in : Hz of recordings without times

    Examples
    --------
    >>> shaping = Shaping(window_length=128, rate=50)
    >>> print(shaping)
    resampled to 50 Hz, then windows of 128 steps, every 64 steps, label 'majority'
    >>> Shaping.from_plain(shaping.to_plain()) == shaping
    True
    """

    window_length: int | None = None
    window_step: int | None = None
    window_label: Label = "majority"
    rate: float | None = None
    gap_seconds: float | None = None
    trim_unlabelled: bool = False
    rate_in: float | None = None

    def __post_init__(self) -> None:
        if self.window_length is not None:
            check_whole("window_length", self.window_length, 1)
            if self.window_step is None:
                object.__setattr__(self, "window_step", max(1, self.window_length // 2))
        if self.window_step is not None:
            check_whole("window_step", self.window_step, 1)
            if self.window_length is None:
                raise ValueError(
                    f"window_step is {self.window_step}, but without window_length there are no "
                    "windows; give both, or none."
                )
        check_label("window_label", self.window_label)
        for name in ("rate", "gap_seconds", "rate_in"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        check_flag("trim_unlabelled", self.trim_unlabelled)

    @property
    def windows(self) -> Windows | None:
        """What cuts the windows."""
        if self.window_length is None or self.window_step is None:
            return None
        return Windows(self.window_length, self.window_step, self.window_label)

    def __str__(self) -> str:
        parts = ["unlabelled ends trimmed"] * self.trim_unlabelled
        if self.gap_seconds is not None:
            parts.append(f"split at gaps of more than {self.gap_seconds:g} s")
        if self.rate is not None:
            parts.append(f"resampled to {self.rate:g} Hz")
        if self.window_length is not None:
            named = getattr(self.window_label, "__name__", self.window_label)
            parts.append(
                f"windows of {self.window_length} steps, every {self.window_step} steps, label "
                f"{named!r}"
            )
        return ", then ".join(parts) or "as recorded"

    def to_plain(self) -> dict[str, Any]:
        """What differs from the defaults, as a dict of words and numbers for a model file."""
        if callable(self.window_label):
            raise ValueError(
                f"window_label is {self.window_label!r}, a function, which no file can hold; "
                "choose 'majority' or 'last'."
            )
        found = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {name: value for name, (value, default) in found.items() if value != default}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Shaping:
        """The shaping that a dict of `to_plain` means."""
        known = [f.name for f in fields(cls)]
        strange = [name for name in plain if name not in known]
        if strange:
            raise DataError(
                f"a shaping has no {strange[0]!r}; choose from {', '.join(map(repr, known))}."
            )
        return cls(**plain)


def shape(sequences: Sequences, shaping: Shaping) -> Sequences:
    """Recordings as a shaping says, in this order, whatever is not asked for left out.

    1. the unlabelled ends of each recording are taken away (`trim_unlabelled`);
    2. recordings are split at gaps (`split_at_gaps`);
    3. they are brought to one rate (`resample`);
    4. windows are cut (`windows`).

    Ends come first, as gaps there are of no interest; gaps before rates, as no line is to fill
    them; windows last, as their steps are those of the new rate.

    Parameters
    ----------
    sequences : as `read_sequences` gives them; they are not changed
    shaping : what to do

    Returns
    -------
    Sequences, whose ids say which steps of a recording they are, and whose groups keep the parts
    of a recording together

    Examples
    --------
    >>> import numpy as np
    >>> data = Sequences([np.zeros((300, 3))], np.array(["walk"]), None, ["a"])
    >>> shape(data, Shaping(window_length=100)).ids[:2]
    ['a[0:100]', 'a[50:150]']
    """
    if shaping.trim_unlabelled:
        sequences = trim_unlabelled(sequences)
    # Rows that come at a known rate, without times, have no gaps.
    even = sequences.times is None and shaping.rate_in is not None
    if shaping.gap_seconds is not None and not even:
        sequences = split_at_gaps(sequences, shaping.gap_seconds)
    if shaping.rate is not None:
        sequences = resample(sequences, shaping.rate, shaping.rate_in)
    return sequences if shaping.windows is None else shaping.windows(sequences)
