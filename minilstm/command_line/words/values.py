"""How a word of the command line becomes a value: a path, a number in its range, a size in bytes.
A word that does not fit is refused with what it is and what was wanted.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from minilstm.paths import as_path


def path(text: str) -> Path:
    """A path that a file may have."""
    try:
        return as_path(text, "it")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def number_that(
    convert: Callable[[str], Any], fits: Callable[[Any], bool], wanted: str
) -> Callable[[str], Any]:
    """What turns a word into a number that fits."""

    def number(text: str) -> Any:
        # As in files, int() and float() alone take "1_000" and the digits of other scripts.
        if text.isascii() and "_" not in text:
            with suppress(ValueError):
                if fits(value := convert(text)):
                    return value
        raise argparse.ArgumentTypeError(f"{text} is not {wanted}")

    return number


def size(text: str) -> float | str:
    """Bytes: a number, perhaps with kB, MB or GB behind it, or "auto"."""
    if text == "auto":
        return text
    match = re.fullmatch(r"([0-9.]+)\s*([kMG]?)B?", text)
    with suppress(ValueError):
        if match is not None:
            return float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    raise argparse.ArgumentTypeError(f"{text} is no size such as 200MB, nor auto")


whole = number_that(int, lambda n: True, "a whole number")
positive = number_that(int, lambda n: 1 <= n < 2**31, "a whole number from 1 to 2147483647")
natural = number_that(int, lambda n: n >= 0, "a whole number of at least 0")
real = number_that(float, lambda x: not math.isnan(x), "a number")
share = number_that(float, lambda p: 0 <= p < 1, "a number from 0 to below 1")
