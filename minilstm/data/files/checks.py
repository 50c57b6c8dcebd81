"""What every reader gives back, and the checks that all readers share.
A file that fails a check is refused with one sentence that says where, what and how to mend it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError
from minilstm.paths import as_path, check_readable

# What other programs write where there is no label: the words that pandas reads as missing,
# MATLAB's, databases' and spreadsheets', and the UEA archive's. Capital and small letters are the
# same, but in "None", as "none" is a class.
MISSING_WORDS = {"", "?", "<undefined>", "<missing>", "<NA>", "NA", "#NA", "N/A", "n/a", "#N/A"}
MISSING_WORDS |= {"#N/A N/A", "NaN", "nan", "NAN", "-NaN", "-nan", "NaT", "None", "NULL", "null"}
MISSING_WORDS |= {"-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "<NULL>", "(null)", "\\N"}
MISSING_WORDS |= {"#DIV/0!", "#VALUE!", "#NULL!", "#REF!", "#NAME?", "#NUM!", "#SPILL!", "#CALC!"}
MISSING_WORDS |= {"#ERROR!"}
_IN_SMALL = {word.lower() for word in MISSING_WORDS - {"None"}}

_WHOLE = re.compile(
    r"(?:-(?=0\.))?(0|-?[1-9][0-9]{0,18})(?:\.0+)?"
)  # 19 digits at most fit into 64 bits


_TO_PREDICT = ", or say numeric_targets=True (--task regress) for numbers to be predicted"


class Sequences(NamedTuple):
    """The sequences of one file: a ragged batch with its labels, names and ids."""

    x: list[NDArray[Any]]  # B arrays (T, D), float
    y: list[NDArray[Any]] | NDArray[Any] | None  # B arrays (T,), or one (B,), or no labels
    feature_names: list[str] | None  # D names, None where the file has none
    ids: list[str]  # B names
    groups: list[str] | None = None  # B names of persons, machines or places
    times: list[NDArray[Any]] | None = None  # B arrays (T,) of seconds, float64
    facts: Any = None  # what was read, `ReadFacts`
    recordings: list[str] | None = None  # B names of what each was cut from; None: nothing was cut


def check_file(path: str | os.PathLike[str]) -> Path:
    """Turn `path` into a Path, and refuse it unless it is a regular file that can be read."""
    return check_readable(path, "path", "data file")


def check_suffix(path: str | os.PathLike[str], suffix: str) -> Path:
    """Turn `path` into a Path, and refuse it when it ends in something else than `suffix`."""
    target = as_path(path)
    if target.suffix.lower() != suffix:
        raise DataError(
            f"path {str(target)!r} ends in {target.suffix!r}, but {suffix} was wanted: rename it."
        )
    return target


def grows_too_much(size: int, packed: int) -> bool:
    """Whether packed bytes would grow as only a file that is made to fill the memory does."""
    return size > 2**27 and size > 100 * packed


def check_x(
    x: Sequence[NDArray[Any]], places: Sequence[str], fill: str | Literal[False] | None = False
) -> None:
    """Refuse arrays that are not (T, D), differ in D, are empty, or hold NaN or infinity.

    An error calls each of them by its place, such as "x[0]". `fill` is False where nothing can
    fill gaps, and "linear" or "previous" where NaN is a gap that will be filled.
    """
    advice = "." if fill is False else ", or say fill='linear' or fill='previous'."
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
        bad = np.isinf(values) if fill else ~np.isfinite(values)  # (T, D)
        if bad.any():
            step, feature = (int(k) for k in np.argwhere(bad)[0])
            more = advice if np.isnan(values[step, feature]) else "."
            raise DataError(
                f"{place} has {values[step, feature]} at step {step}, feature {feature}, but only "
                f"finite numbers can be used: fill in or remove that step{more}"
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


def is_number(text: str) -> bool:
    """Whether `text` reads as a number of any kind, "inf" and "nan" too, and so as no name."""
    with suppress(ValueError):
        float(text)
        return True
    return False


def is_name(text: str) -> bool:
    """Whether a cell reads as a name, and as neither a number nor a sign for a missing one."""
    if is_number(text):
        return False
    start = text[:1]
    return text not in MISSING_WORDS and not (start in "+-." or start.isnumeric() or "\0" in text)


def is_missing_word(text: str) -> bool:
    """Whether other programs write `text` where a label is missing."""
    return text == "None" or text.lower() in _IN_SMALL


def label_word(text: str) -> str | None:
    """The label that a cell of text means, whatever stands in other cells; None for a fraction.

    "2.0" is "2", as programs write it that keep numbers as floats; "007" and "+1" stay as they
    are, for their writing says something.

    Examples
    --------
    >>> [label_word(text) for text in ("2.0", "2", "007", "go", "0.5")]
    ['2', '2', '007', 'go', None]
    """
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        return whole[1]
    value = finite_number(text)
    return text if value is None or value == math.floor(value) else None


def known_words(
    words: Sequence[str], place: Callable[[int], str], missing_labels: Collection[str] | None
) -> Sequence[str]:
    """Text labels, the missing ones refused, or "" where `missing_labels` lists them.

    Parameters
    ----------
    words : N labels as the file has them
    place : says where label k stands, such as "line 7 of 'a.csv'"; called for an error only
    missing_labels : words that mark a missing label; an empty list takes every word but "" for a
        class; None refuses the words that other programs write where a label is missing

    Returns
    -------
    N labels, `words` itself where none is missing
    """
    listed = check_missing_labels(missing_labels)
    different = {word: word.strip() for word in set(words)}
    for bad in sorted(word for word in different if "\0" in word):
        raise DataError(
            f"{place(words.index(bad))} has the label {bad[:40]!r} with a NUL character, but text "
            "was wanted: remove that character."
        )
    only_empty = missing_labels is not None and not listed
    refused = {
        word
        for word, text in different.items()
        if text not in listed and (not text if only_empty else is_missing_word(text))
    }
    if refused:
        k = next(k for k, word in enumerate(words) if word in refused)
        raise _missing(place(k), words[k].strip(), missing_labels)
    if listed.isdisjoint(different.values()):
        return words
    return ["" if different[word] in listed else word for word in words]


def _missing(
    place: str, word: str, missing_labels: Collection[str] | None, may_be_class: bool = True
) -> DataError:
    """The refusal of a missing label, with every way out."""
    return DataError(
        f"{place} has the missing label {word!r}, but every label has to be known: fill it in, or "
        f"give missing_labels={[*(missing_labels or ()), word]} to read it as '', and train with "
        "loss=minilstm.CrossEntropy(ignored_labels=[''])"
        + (f"; give missing_labels=[] where {word!r} is a class." if word and may_be_class else ".")
    )


def check_missing_labels(missing_labels: Collection[str] | None) -> set[str]:
    """The words that mark a missing label, or an error when they are no list of words."""
    listed = () if missing_labels is None else missing_labels
    if isinstance(listed, str) or not all(isinstance(word, str) for word in listed):
        raise DataError(
            f"missing_labels is {missing_labels!r}, but a list of words was wanted: give ['NA'], "
            "say, or [] where every word is a class."
        )
    return {word.strip() for word in listed}


def label_array(
    values: Sequence[str],
    place: Callable[[int], str],
    missing_labels: Collection[str] | None = None,
) -> NDArray[Any]:
    """Labels from text: int64 when every one is a plainly written whole number, else strings.

    The arguments are those of `known_words`; `label_word` says which label a text means. Where
    words are listed as missing, labels are strings in every file, so that files with and without
    missing labels go together.
    """
    check_missing_labels(missing_labels)
    meant = {text: label_word(text) or text for text in set(values)}
    same = all(text == label for text, label in meant.items())
    listed = None if missing_labels is None else [label_word(w) or w for w in missing_labels]
    words = known_words(values if same else [meant[text] for text in values], place, listed)
    different = set(words)
    fractions = {word for word in different if label_word(word) is None}
    if fractions:
        k = next(k for k, word in enumerate(words) if word in fractions)
        raise _no_class(place(k), words[k])
    fit = all(_WHOLE.fullmatch(w) and -(2**63) <= int(w) < 2**63 for w in different)
    if missing_labels or not fit:
        return np.array(words, dtype=np.str_)
    return np.array([int(word) for word in words], dtype=np.int64)


def _no_class(place: str, label: Any, more: str = "") -> DataError:
    """The refusal of a number that is no class."""
    return DataError(
        f"{place} has the label {label}, but whole numbers within 64 bits were wanted: number the "
        f"classes from 1, or write their names{more}."
    )


def label_numbers(
    values: NDArray[Any],
    place: Callable[[int], str],
    missing_labels: Collection[str] | None = None,
) -> NDArray[Any]:
    """Class numbers of any real type as int64; as strings where words are listed as missing.

    NaN is the missing label "NaN"; a fraction, infinity, and what does not fit are refused.
    """
    listed = {label_word(word) or word for word in check_missing_labels(missing_labels)}
    nan = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)  # (N,)
    if nan.any() and not listed & {"NaN", "nan"}:
        where = place(int(np.flatnonzero(nan)[0]))
        raise _missing(where, "NaN", missing_labels, may_be_class=False)
    if listed:
        numbers = label_numbers(np.where(nan, 0, values), place)  # (N,)
        words = ["" if bad else str(n) for bad, n in zip(nan, numbers.tolist(), strict=True)]
        return np.array(["" if word in listed else word for word in words], dtype=np.str_)
    if values.dtype.kind == "f":
        bad = (values != np.round(values)) | (values < -(2.0**63)) | (values >= 2.0**63)
    else:
        bad = values > np.iinfo(np.int64).max  # (N,)
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise _no_class(place(k), values[k], _TO_PREDICT)
    return values.astype(np.int64)


def finite_targets(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Numbers to be predicted as float64; text, NaN and infinity are refused."""
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"{name} has type {values.dtype}, but numeric targets are real numbers: write numbers, "
            "or read them as labels."
        )
    if (bad := ~np.isfinite(values)).any():
        at = [int(k) for k in np.argwhere(bad)[0]]
        raise DataError(
            f"{name} has {values[bad][0]} at {at}, but numeric targets are finite: fill in or "
            "remove it."
        )
    return values.astype(np.float64)


def read_labels(
    labels: NDArray[Any],
    name: str,
    place: Callable[[int], str],
    missing_labels: Collection[str] | None = None,
) -> NDArray[Any]:
    """Labels (N,) of a file as int64 or strings, or an error; `place` as for `known_words`."""
    if labels.dtype.kind == "U":
        words = labels.tolist()
        known = known_words(words, place, missing_labels)
        return labels if known is words else np.array(known, dtype=np.str_)
    if labels.dtype.kind == "f" and (missing_labels or np.isnan(labels).any()):
        return label_numbers(labels, place, missing_labels)  # only floats can hold NaN
    if labels.dtype.kind in "iub":
        return label_numbers(labels, place, missing_labels)
    return label_kind(labels, name, _TO_PREDICT if labels.dtype.kind == "f" else "")


def label_kind(labels: NDArray[Any], name: str, more: str = "") -> NDArray[Any]:
    """Labels as int64 or strings, or an error when they are neither."""
    if labels.dtype.kind in "iub":
        flat = label_numbers(labels.ravel(), lambda k: f"{name} at {k}")
        return flat.reshape(labels.shape)
    if labels.dtype.kind == "U":
        return labels
    raise DataError(
        f"{name} holds labels of type {labels.dtype}, but strings or integers were wanted: "
        f"write class names or class numbers{more}."
    )
