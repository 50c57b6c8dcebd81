"""The words that say how recordings are shaped: windows, one rate, gaps, unlabelled ends.
They are stored with the model, so `predict` and `stream` need none of them."""

from __future__ import annotations

import argparse
import re

from minilstm.command_line.words.values import number_that
from minilstm.data.shaping.labels import LABELS
from minilstm.data.shaping.shape import Shaping
from minilstm.errors import DataError

hertz = number_that(float, lambda x: 0 < x < float("inf"), "a number above 0")


_RATE_IN = "rate of recordings without times"


class Seconds(float):
    """A length in seconds, to become steps when the rate is known."""


def span(text: str) -> int | Seconds:
    """Steps, or seconds with an s behind the number.

    Examples
    --------
    >>> span("128"), span("2.56s")
    (128, 2.56)
    """
    if re.fullmatch(r"[1-9][0-9]{0,8}", text):
        return int(text)
    if re.fullmatch(r"[0-9]*\.?[0-9]+\s?s", text) and float(text[:-1]) > 0:
        return Seconds(text[:-1])
    raise argparse.ArgumentTypeError(f"{text} is neither steps, such as 128, nor seconds, as 2.56s")


def shaping_options() -> argparse.ArgumentParser:
    """A parent of every command that shapes recordings."""
    parser = argparse.ArgumentParser(add_help=False)
    add = parser.add_argument_group(
        "shape of recordings", "In this order; stored with the model. Default: as they are."
    ).add_argument
    add("--trim-unlabelled", action="store_true", help="leave out unlabelled ends")
    add("--split-gaps", type=hertz, metavar="SECONDS", help="split where a time step is longer")
    add("--rate", type=hertz, metavar="HZ", help="resample to this rate")
    add("--rate-in", type=hertz, metavar="HZ", help=_RATE_IN)
    add(
        "--window-length",
        type=span,
        metavar="LENGTH",
        help="cut windows of so many steps, or seconds, as 2.56s, where the rate is known",
    )
    add(
        "--window-step",
        type=span,
        metavar="LENGTH",
        help="from window to window (default: half the length)",
    )
    add("--window-label", choices=LABELS, help="label of a window (default: majority)")
    return parser


def add_rate_in(parser: argparse.ArgumentParser, what: str = _RATE_IN) -> None:
    """Add the one word that a stored shaping may need."""
    parser.add_argument("--rate-in", type=hertz, metavar="HZ", help=what)


def shaping_of(options: argparse.Namespace, rate: float | None = None) -> Shaping | None:
    """The shaping that the options ask for, or None for none.

    Parameters
    ----------
    options : with the words of `shaping_options`
    rate : Hz of the recordings, where their times tell it; for lengths in seconds
    """
    if options.window_length is None:
        for word, value in (("step", options.window_step), ("label", options.window_label)):
            if value is not None:
                raise DataError(
                    f"--window-{word} is {value}, but there are no windows; add --window-length, "
                    f"or leave --window-{word} out."
                )
    hz = next((r for r in (options.rate, options.rate_in, rate) if r is not None), None)
    shaping = Shaping(
        window_length=_steps("--window-length", options.window_length, hz),
        window_step=_steps("--window-step", options.window_step, hz),
        window_label="majority" if options.window_label is None else options.window_label,
        rate=options.rate,
        gap_seconds=options.split_gaps,
        trim_unlabelled=options.trim_unlabelled,
        rate_in=options.rate_in,
    )
    return None if shaping == Shaping(rate_in=options.rate_in) else shaping


def _steps(word: str, length: int | Seconds | None, rate: float | None) -> int | None:
    """A length in whole steps, the nearest to its seconds."""
    if not isinstance(length, Seconds):
        return length
    if rate is None:
        raise DataError(
            f"{word} is {length:g} seconds, but the rate is not known; add --rate, or give steps."
        )
    steps = round(length * rate)
    if steps < 1:
        raise DataError(
            f"{word} is {length:g} seconds, less than a step at {rate:g} Hz; give at least "
            f"{1 / rate:g}s."
        )
    return steps
