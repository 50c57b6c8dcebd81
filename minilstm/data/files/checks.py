"""What every reader gives back, and the checks that all readers share.
A file that fails a check is refused with one sentence that says where, what and how to mend it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError

# What programs write where a value is missing; all but "?" are those of pandas.
MISSING_WORDS = {
    *("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "NaN", "nan", "-NaN", "-nan"),
    *("NULL", "null", "None", "?"),
}
_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,18})(?:\.0+)?")  # 19 digits at most fit into 64 bits


class Sequences(NamedTuple):
    """The sequences of one file: a ragged batch with its labels, names and ids."""

    x: list[NDArray[Any]]  # B arrays (T, D), float
    y: list[NDArray[Any]] | NDArray[Any] | None  # B arrays (T,), or one (B,), or no labels
    feature_names: list[str] | None  # D names, None where the file has none
    ids: list[str]  # B names


def check_file(path: str | os.PathLike[str]) -> Path:
    """Turn `path` into a Path, and refuse it when no file is there."""
    found = Path(path)
    if found.is_dir():
        raise DataError(f"path {str(found)!r} is a folder, but one file was wanted: name the file.")
    if not found.exists():
        raise FileNotFoundError(
            f"path {str(found)!r} does not exist, but a data file was wanted: check the name."
        )
    return found


def check_suffix(path: str | os.PathLike[str], suffix: str) -> Path:
    """Turn `path` into a Path, and refuse it when it ends in something else than `suffix`."""
    target = Path(path)
    if target.suffix.lower() != suffix:
        raise DataError(
            f"path {str(target)!r} ends in {target.suffix!r}, but {suffix} was wanted: rename it."
        )
    return target


def check_x(x: Sequence[NDArray[Any]], places: Sequence[str]) -> None:
    """Refuse arrays that are not (T, D), differ in D, are empty, or hold NaN or infinity.

    An error calls each of them by its place, such as "x[0]".
    """
    if not len(x):
        raise DataError("x holds 0 sequences, but at least 1 was wanted: check what was written.")
    for values, place in zip(x, places, strict=True):
        if values.ndim != 2 or 0 in values.shape:
            raise DataError(
                f"{place} has shape {values.shape}, but a sequence (T, D) of at least one step "
                "and one feature was wanted: remove or reshape it."
            )
        if values.shape[1] != x[0].shape[1]:
            raise DataError(
                f"{place} has {values.shape[1]} features, but {places[0]} has {x[0].shape[1]} and "
                "all sequences of a file need the same: correct the odd one."
            )
        bad = ~np.isfinite(values)  # (T, D)
        if bad.any():
            step, feature = (int(k) for k in np.argwhere(bad)[0])
            raise DataError(
                f"{place} has {values[step, feature]} at step {step}, feature {feature}, but only "
                "finite numbers can be used: fill in or remove that step."
            )


def check_y(y: Sequence[NDArray[Any]] | NDArray[Any] | None, x: Sequence[NDArray[Any]]) -> None:
    """Refuse labels that do not belong to `x`: one (B,) array, or a list of B arrays (T,)."""
    if y is None:
        return
    if isinstance(y, np.ndarray):
        if y.shape != (len(x),):
            raise DataError(
                f"y has shape {y.shape}, but x has {len(x)} sequences: give one label for each "
                f"sequence, shape ({len(x)},), or a list with one array (T,) for each."
            )
        return
    if len(y) != len(x):
        raise DataError(
            f"y has {len(y)} arrays of labels, but x has {len(x)} sequences: give one array (T,) "
            "for each sequence."
        )
    for k, (labels, values) in enumerate(zip(y, x, strict=True)):
        if np.shape(labels) != (len(values),):
            raise DataError(
                f"y[{k}] has shape {np.shape(labels)}, but x[{k}] has {len(values)} steps: give "
                f"one label for each step, shape ({len(values)},)."
            )


def check_names(
    names: Sequence[str] | None, count: int, argument: str, unit: str
) -> list[str] | None:
    """Give `names` as a list of `count` different strings, or None when there are none."""
    if names is None:
        return None
    listed = [str(name) for name in names]
    if len(listed) != count or len(set(listed)) != count:
        raise DataError(
            f"{argument} has {len(set(listed))} different names, but there are {count} {unit}: "
            "give each a name of its own."
        )
    return listed


def finite_number(text: str) -> float | None:
    """The number that `text` writes, or None when it is no finite number."""
    try:
        value = float(text)
    except ValueError:
        return None
    # float() also takes "1_000" and the digits of other scripts, which no program writes.
    return value if math.isfinite(value) and text.isascii() and "_" not in text else None


def is_name(text: str) -> bool:
    """Whether a cell reads as a name, and as neither a number nor a sign for a missing one."""
    with suppress(ValueError):
        float(text)  # takes "inf" and "nan" as well
        return False
    start = text[:1]
    return text not in MISSING_WORDS and not (start in "+-." or start.isnumeric() or "\0" in text)


def label_array(values: Sequence[str]) -> NDArray[Any]:
    """Labels from text: int64 when every one is a plainly written whole number, else strings.

    "2.0" is a whole number, as many programs write 2. "007" and "+1" stay text, as turning them
    into numbers would lose how they are written.
    """
    found = {value: _WHOLE.fullmatch(value) for value in set(values)}
    numbers = {value: int(match[1]) for value, match in found.items() if match is not None}
    if len(numbers) == len(found) and all(-(2**63) <= n < 2**63 for n in numbers.values()):
        return np.array([numbers[value] for value in values], dtype=np.int64)
    return np.array(values, dtype=np.str_)


def label_kind(labels: NDArray[Any], place: str) -> NDArray[Any]:
    """Labels as int64 or strings, or an error when they are neither."""
    if labels.dtype.kind in "iub" and labels.dtype != np.uint64:
        return labels.astype(np.int64)
    if labels.dtype.kind == "U":
        return labels
    raise DataError(
        f"{place} holds labels of type {labels.dtype}, but strings or integers were wanted: "
        "write class names or class numbers."
    )
