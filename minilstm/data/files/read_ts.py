"""Reading sequences from .ts files, the text format of the UEA archive, sktime and aeon.
One line is one sequence: its dimensions separated by colons, and its label at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import (
    Sequences,
    check_file,
    check_missing_labels,
    check_x,
    finite_number,
    is_missing_word,
    label_array,
)
from minilstm.data.files.fill import filled
from minilstm.data.files.shapes import check_layout, in_order, letters_for, warn_of_doubt
from minilstm.data.files.ts_values import (
    class_of,
    numbers_of,
    parts_of,
    same_times,
    stamped_of,
)
from minilstm.errors import DataError

_WORDS = ["problemname", "timestamps", "missing", "univariate", "dimensions", "equallength"]
_WORDS += ["serieslength", "classlabel", "targetlabel"]


def read_ts(
    path: str | os.PathLike[str],
    *,
    layout: str | None = None,
    missing_labels: Collection[str] | None = None,
    numeric_targets: bool = False,
    fill: str | None = None,
) -> Sequences:
    """Read a .ts file of sequences with one label each, or none.

    Parameters
    ----------
    path : the file: lines with ``@timeStamps``, ``@univariate``, ``@dimensions`` (or
        ``@dimension``), ``@equalLength``, ``@seriesLength``, ``@classLabel``; then ``@data``; then
        a line for each sequence. The dimensions of a sequence have the same length, the sequences
        need not. What the header says is held against the data. With ``@timeStamps true`` a
        dimension is a list of (time,value). Lines that start with # or % are remarks
    layout : "TC", or "CT" for a file in which colons separate the steps and commas the features
    missing_labels : as :func:`minilstm.data.read_sequences` describes it
    numeric_targets : the labels are numbers to be predicted, as with ``@targetLabel true``
    fill : "linear" or "previous" fills missing values ("?"), which are refused by default

    Returns
    -------
    `x`, B arrays (T, D), float64; `y`, one array (B,), int64 when all classes are plainly written
    integers, strings otherwise, or None for ``@classLabel false``; numeric targets are (B, 1)
    float64; `ids` are the numbers of the sequences, from 1; `times` in seconds where there are any

    Raises
    ------
    DataError
        At the first line that cannot be used.

    References
    ----------
    The format: https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html
    """
    check_layout(layout)
    found = check_file(path)
    x: list[NDArray[Any]] = []
    labels: list[str] = []
    numbers: list[int] = []
    times: list[NDArray[Any]] = []
    numeric = False
    listed = check_missing_labels(missing_labels)
    # Whatever marks a missing label is left to `label_array`.
    only_empty = missing_labels is not None and not listed
    try:
        with open(found, encoding="utf-8-sig") as file:
            lines = enumerate((line.strip() for line in file), 1)
            facts, classes = _read_header(found, lines)
            for number, line in lines:
                if not line or line[0] in "#%":
                    continue
                where = f"line {number} of {str(found)!r}"
                parts = parts_of(line, stamped := facts.get("timestamps", "").lower() == "true")
                numeric = numeric_targets or _says(facts, "targetlabel")
                if classes is not None:
                    word = parts.pop().strip()
                    missing = not word if only_empty else word in listed or is_missing_word(word)
                    if classes and not missing and not numeric:
                        known = class_of(word, classes)
                        if known is None:
                            raise DataError(
                                f"{where} ends in the label {word[:40]!r}, but one of "
                                f"{', '.join(classes)} was wanted: correct it."
                            )
                        word = known
                    labels.append(word)
                numbers.append(number)
                stamps: list[list[float]] = []
                if stamped:
                    pairs = [stamped_of(where, part, k) for k, part in enumerate(parts)]
                    stamps, texts = [p[0] for p in pairs], [p[1] for p in pairs]
                else:
                    texts = [part.split(",") for part in parts]
                if stamped:
                    times.append(same_times(where, stamps))
                x.append(_sequence(where, texts, facts, x, fill))
    except UnicodeDecodeError as error:
        raise DataError(
            f"path {str(found)!r} is not UTF-8 text at byte {error.start}, but a .ts file was "
            "wanted: save it again in that encoding."
        ) from error
    if not x:
        raise DataError(
            f"path {str(found)!r} has no sequences after @data, but at least one was wanted: "
            "check what wrote it."
        )

    def place(k: int) -> str:
        return f"line {numbers[k]} of {str(found)!r}"

    y = None
    if classes is not None:
        y = _targets(labels, place) if numeric else label_array(labels, place, missing_labels)
    if layout is not None:
        each = letters_for(layout, 2, place(0), x[0].shape, many=True)
        x = [np.ascontiguousarray(in_order(values, each)[0]) for values in x]
        check_x(x, [place(k) for k in range(len(x))], fill)
    elif max(map(len, x)) == 1:
        warn_of_doubt(str(found), x, y, "TC", one_matrix=False)
    ids = [str(k + 1) for k in range(len(x))]
    data = Sequences(x, y, None, ids, times=times or None)
    return filled(data, [place(k) for k in range(len(x))], fill, "dimension")


def _says(facts: dict[str, str], key: str) -> bool:
    return facts.get(key, "").split()[:1] in (["true"], ["True"], ["TRUE"])


def _targets(labels: list[str], place: Callable[[int], str]) -> NDArray[Any]:
    """Numbers to be predicted, (B, 1)."""
    values = [finite_number(label) for label in labels]
    if None in values:
        k = values.index(None)
        raise DataError(
            f"{place(k)} ends in {labels[k][:40]!r}, but a finite number was wanted as its target: "
            "correct or remove the line."
        )
    return np.array(values, np.float64)[:, None]


def _read_header(
    path: Path, lines: Iterator[tuple[int, str]]
) -> tuple[dict[str, str], list[str] | None]:
    """The @ lines, keys in small letters, and the declared classes (None for no labels)."""
    facts: dict[str, str] = {}
    for number, line in lines:
        if not line or line[0] in "#%":
            continue
        where = f"line {number} of {str(path)!r}"
        if not line.startswith("@"):
            raise DataError(
                f"{where} is {line[:40]!r}, but a line that starts with @ "
                "was wanted before @data: add @data, or mark a remark with #."
            )
        word, *rest = line[1:].split(None, 1) or [""]
        key = "dimensions" if word.lower() == "dimension" else word.lower()
        if key == "data" and not rest:
            break
        if key not in _WORDS or key in facts:
            raise DataError(
                f"{where} is {line[:40]!r}, but each of the words @{', @'.join(_WORDS)} was wanted "
                "once, and @data last: remove the line, or mark it as a remark with #."
            )
        facts[key] = "".join(rest).strip()
    else:
        raise DataError(
            f"path {str(path)!r} has no line @data, but a .ts file with one was wanted: check "
            "that it is whole."
        )
    _check_facts(path, facts)
    if _says(facts, "targetlabel"):
        return facts, []
    said, *classes = facts["classlabel"].split()
    return facts, classes if said.lower() == "true" else None


def _check_facts(path: Path, facts: dict[str, str]) -> None:
    """Refuse what the header says where it cannot be read, or contradicts itself."""
    said, *classes = facts.get("classlabel", "").split() or [""]
    if said.lower() not in ("true", "false") and not _says(facts, "targetlabel"):
        raise DataError(
            f"path {str(path)!r} says @classLabel {said or 'nowhere'}, but true with the classes, "
            "or false, was wanted: correct that line."
        )
    if len(set(classes)) < len(classes) or (classes and said.lower() == "false"):
        raise DataError(
            f"path {str(path)!r} says @classLabel {facts['classlabel'][:60]}, but true with the "
            "classes, each once, or false alone was wanted: correct that line."
        )
    for key in ("univariate", "equallength", "missing", "timestamps", "targetlabel"):
        if facts.get(key, "true").lower() not in ("true", "false"):
            raise DataError(
                f"path {str(path)!r} says @{key} {facts[key][:40]}, but true or false was wanted: "
                "correct that line."
            )
    for key in ("dimensions", "serieslength"):
        count = facts.get(key, "1")
        # isdecimal, as int() also takes signs, blanks and underscores.
        if not (count.isascii() and count.isdecimal() and int(count[:20]) > 0):
            raise DataError(
                f"path {str(path)!r} says @{key} {count[:40]}, but a whole number from 1 was "
                "wanted: correct that line."
            )
    if facts.get("univariate", "").lower() == "true" and int(facts.get("dimensions", "1")) != 1:
        raise DataError(
            f"path {str(path)!r} says @univariate true and @dimensions {facts['dimensions']}, but "
            "univariate is one dimension: correct one of the two lines."
        )


def _sequence(
    where: str,
    parts: list[list[str]],
    facts: dict[str, str],
    before: list[NDArray[Any]],
    fill: str | None,
) -> NDArray[Any]:
    """One line without its label, as (T, D)."""
    wanted = before[0].shape[1] if before else len(parts)
    if facts.get("univariate", "").lower() == "true":
        wanted = 1
    elif "dimensions" in facts:
        wanted = int(facts["dimensions"])
    if len(parts) != wanted:
        raise DataError(
            f"{where} has {len(parts)} dimensions, but {wanted} were wanted: correct the line or "
            "the header."
        )
    rows = [numbers_of(where, part, k, fill) for k, part in enumerate(parts)]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise DataError(
            f"{where} has dimensions of {lengths[0]} and of {lengths[-1]} steps, but all "
            "dimensions of a sequence need the same number: complete the line."
        )
    said = facts.get("serieslength", str(lengths[0]))
    ragged = facts.get("equallength", "").lower() == "false"
    if lengths[0] > int(said) or (lengths[0] < int(said) and not ragged):
        raise DataError(
            f"{where} has {lengths[0]} steps, but @seriesLength says {said}: correct the line or "
            "the header."
        )
    if before and facts.get("equallength", "").lower() == "true" and lengths[0] != len(before[0]):
        raise DataError(
            f"{where} has {lengths[0]} steps, but @equalLength true asks for {len(before[0])}: "
            "correct the line, or say @equalLength false."
        )
    return np.ascontiguousarray(np.array(rows, dtype=np.float64).T)  # (T, D)
