"""Reading sequences from .ts files, the text format of the UEA archive, sktime and aeon.
One line is one sequence: its dimensions separated by colons, and its label at the end."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import Sequences, check_file, finite_number, label_array
from minilstm.errors import DataError


def read_ts(
    path: str | os.PathLike[str], *, missing_labels: Collection[str] | None = None
) -> Sequences:
    """Read a .ts file of sequences with one label each, or none.

    Parameters
    ----------
    path : the file: lines with ``@timeStamps``, ``@univariate``, ``@dimensions`` (or
        ``@dimension``), ``@equalLength``, ``@classLabel``; then ``@data``; then a line for each
        sequence. The dimensions of a sequence have the same length, the sequences need not. Time
        stamps, numeric targets and missing values ("?") are refused
    missing_labels : as :func:`minilstm.data.read_sequences` describes it

    Returns
    -------
    `x`, B arrays (T, D), float64; `y`, one array (B,), int64 when all classes are plainly written
    integers, strings otherwise, or None for ``@classLabel false``; `ids` are the numbers of the
    sequences, from 1

    Raises
    ------
    DataError
        At the first line that cannot be used.

    References
    ----------
    The format: https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html
    """
    found = check_file(path)
    x: list[NDArray[Any]] = []
    labels: list[str] = []
    try:
        with open(found, encoding="utf-8-sig") as file:
            lines = enumerate((line.strip() for line in file), 1)
            facts, classes = _read_header(found, lines)
            for number, line in lines:
                if not line or line.startswith("#"):
                    continue
                where = f"line {number} of {str(found)!r}"
                parts = line.split(":")
                if classes is not None:
                    labels.append(_label(where, parts.pop().strip(), classes))
                x.append(_sequence(where, parts, facts, x))
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
    if classes is None:
        y = None
    else:
        y = label_array(labels, lambda k: f"sequence {k + 1} of {str(found)!r}", missing_labels)
    return Sequences(x, y, None, [str(k + 1) for k in range(len(x))])


def _read_header(
    path: Path, lines: Iterator[tuple[int, str]]
) -> tuple[dict[str, str], list[str] | None]:
    """The @ lines, keys in small letters, and the declared classes (None for no labels)."""
    facts: dict[str, str] = {}
    for number, line in lines:
        if not line or line.startswith("#"):
            continue
        if not line.startswith("@"):
            raise DataError(
                f"line {number} of {str(path)!r} is {line[:40]!r}, but a line that starts with @ "
                "was wanted before @data: add @data, or mark a remark with #."
            )
        key, _, rest = line[1:].partition(" ")
        if key.lower() == "data":
            break
        facts["dimensions" if key.lower() == "dimension" else key.lower()] = rest.strip()
    else:
        raise DataError(
            f"path {str(path)!r} has no line @data, but a .ts file with one was wanted: check "
            "that it is whole."
        )
    for key, advice in (
        ("timestamps", "remove the time stamps"),
        ("targetlabel", "use classes as labels"),
    ):
        if facts.get(key, "false").lower().startswith("true"):
            raise DataError(
                f"path {str(path)!r} says @{key} true, but only false can be read: {advice}."
            )
    said, *classes = facts.get("classlabel", "").split() or [""]
    if said.lower() not in ("true", "false"):
        raise DataError(
            f"path {str(path)!r} says @classLabel {said or 'nowhere'}, but true with the classes, "
            "or false, was wanted: correct that line."
        )
    dimensions = facts.get("dimensions", "1")
    if not dimensions.isdecimal() or int(dimensions) < 1:
        raise DataError(
            f"path {str(path)!r} says @dimensions {dimensions}, but a whole number from 1 was "
            "wanted: correct that line."
        )
    return facts, classes if said.lower() == "true" else None


def _label(where: str, label: str, classes: list[str]) -> str:
    if not label or (classes and label not in classes):
        raise DataError(
            f"{where} ends in the label {label[:40]!r}, but one of "
            f"{', '.join(classes) or 'the classes'} was wanted: correct it."
        )
    return label


def _sequence(
    where: str, parts: list[str], facts: dict[str, str], before: list[NDArray[Any]]
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
    rows = [_numbers(where, part, k) for k, part in enumerate(parts)]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise DataError(
            f"{where} has dimensions of {lengths[0]} and of {lengths[-1]} steps, but all "
            "dimensions of a sequence need the same number: complete the line."
        )
    if before and facts.get("equallength", "").lower() == "true" and lengths[0] != len(before[0]):
        raise DataError(
            f"{where} has {lengths[0]} steps, but @equalLength true asks for {len(before[0])}: "
            "correct the line, or say @equalLength false."
        )
    return np.ascontiguousarray(np.array(rows, dtype=np.float64).T)  # (T, D)


def _numbers(where: str, part: str, dimension: int) -> list[float]:
    values = []
    for step, text in enumerate(part.split(",")):
        value = finite_number(text)
        if value is None:
            raise DataError(
                f"{where} has {text.strip()[:40]!r} at step {step} of dimension {dimension}, but "
                "a finite number was wanted: fill in or remove it."
            )
        values.append(value)
    return values
