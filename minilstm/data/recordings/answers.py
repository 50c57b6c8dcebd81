"""Labels, groups and numbers to be predicted: of each step, or one for each recording.
A label that is missing, or a group that changes within a recording, is told with its line."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from minilstm.data.files.checks import label_array, label_word
from minilstm.data.recordings.columns import (
    Array,
    Rows,
    as_numbers,
    as_words,
    factorized,
)
from minilstm.data.recordings.order import Ordered
from minilstm.data.recordings.roles import Need
from minilstm.errors import DataError


def labels_of(rows: Rows, column: str, missing_labels: Collection[str] | None) -> Array:
    """The label of each row, (N,): int64 where all are whole numbers, else strings."""
    words, codes, first = factorized(as_words(rows.columns[column]))
    listed = {label_word(word.strip()) or word.strip() for word in missing_labels or ()}
    for word, k in zip(words.tolist(), first.tolist(), strict=True):
        if label_word(word.strip()) is None and word.strip() not in listed:
            raise DataError(
                f"{rows.place(k)}, column {column!r}, has the label {word}, but whole numbers "
                "within 64 bits were wanted: number the classes from 1, write their names, or say "
                f"target_columns=[{column!r}] for numbers to be predicted."
            )

    def place(k: int) -> str:
        return f"{rows.place(int(first[k]))}, column {column!r},"

    _check_letters(rows, column, words, codes, first)
    return label_array(words.tolist(), place, missing_labels)[codes]


def _check_letters(rows: Rows, column: str, words: Array, codes: Array, first: Array) -> None:
    """Refuse labels of two files that differ in capitals alone, where no file has both."""
    if len(rows.sources) == 1 or len({w.lower() for w in words.tolist()}) == len(words):
        return
    seen: dict[str, int] = {}
    for n, word in enumerate(words.tolist()):
        other = seen.setdefault(word.lower(), n)
        files = [set(rows.file[codes == m].tolist()) for m in (other, n)]
        if other != n and not files[0] & files[1]:
            raise DataError(
                f"{rows.place(int(first[n]))} has the label {word!r}, and "
                f"{rows.place(int(first[other]))} has {str(words[other])!r} in column {column!r}, "
                "which differ in capitals alone: write them alike."
            )


def need_of_labels(found: Ordered, labels: Array) -> list[Need]:
    """What has to be said where a recording has two labels, but one was wanted."""
    change = np.zeros(len(labels), bool)
    change[1:] = labels[1:] != labels[:-1]
    change[found.starts] = False
    if not change.any():
        return []
    k = int(np.flatnonzero(change)[0])
    return [
        Need(
            "label_per='step'",
            f"the label changes within a sequence (line {found.rows.lines[k]})",
            f"label_per is 'sequence', but {found.rows.place(k)} has the label "
            f"{str(labels[k])!r} after {str(labels[k - 1])!r} in the same sequence: make them "
            "equal, or read with label_per='step' and cut windows, "
            "minilstm.data.windows(length, step).",
        )
    ]


def targets_of(rows: Rows, columns: tuple[str, ...]) -> Array:
    """The numbers to be predicted, (N, R) float64; a gap is an error."""
    out = np.empty((len(rows.lines), len(columns)))
    for r, column in enumerate(columns):
        numbers = as_numbers(rows.columns[column])
        values = np.full(len(out), np.nan) if numbers is None else numbers
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            k = int(bad[0])
            raise DataError(
                f"{rows.place(k)} has {str(rows.columns[column][k])!r} in the target column "
                f"{column!r}, but a finite number was wanted: correct or remove the line."
            )
        out[:, r] = values
    return out


def one_each(found: Ordered, values: Array, what: str) -> Array:
    """The one value of each recording, (B,) or (B, R)."""
    other = values != np.repeat(
        values[found.starts], np.diff(np.append(found.starts, len(values))), axis=0
    )
    odd = np.flatnonzero(other if other.ndim == 1 else other.any(axis=1))
    if odd.size:
        k = int(odd[0])
        b = int(np.searchsorted(found.starts, k, side="right")) - 1
        raise DataError(
            f"{found.rows.place(k)} has another {what} than the line before it in the recording "
            f"{found.ids[b]!r}, but one recording has one: correct it, or name the column that "
            "tells recordings apart with id_column=."
        )
    out: Array = values[found.starts]
    return out


def groups_of(found: Ordered, column: str | None, named: list[str] | None) -> list[str] | None:
    """The group of each recording: of a column, or of the names of the files."""
    if column is not None:
        words: Any = one_each(found, as_words(found.rows.columns[column]), f"{column!r}")
        return [str(word) for word in words]
    if named is None:
        return None
    return [named[f] for f in found.rows.file[found.starts].tolist()]
