"""The command stream: a line of features in, a line with a label and its scores out, at once.
A heading is known by its names; any other line that does not hold numbers is an error."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minilstm.command_line.facts import facts
from minilstm.command_line.models import load_classifier, written
from minilstm.command_line.reading import learned_names
from minilstm.data.feature_names import column_order
from minilstm.data.files.checks import finite_number, is_name
from minilstm.data.files.csv_text import csv_line, csv_records
from minilstm.data.labels import scores_to_labels
from minilstm.errors import DataError


def stream_lines(options: argparse.Namespace) -> dict[str, Any]:
    """Answer every line of standard input with a label and its scores."""
    net = load_classifier(options.model)
    if not isinstance(net.input_size, int):
        raise DataError(
            f"{options.model} takes steps of shape {tuple(net.input_size)}, but a line holds the "
            "features of a vector; call net.stream() in Python."
        )
    threads = 1 if options.threads is None else options.threads
    stream, names = net.stream(threads=threads), learned_names(net)
    order: list[int] | None = None
    started = time.perf_counter()
    steps, may_be_heading = 0, True
    for number, line in _lines():
        if not line:
            stream.reset()
            continue
        cells = _cells(line)
        if may_be_heading:
            may_be_heading = False
            if _is_heading(cells, names):
                order = _order(cells, names, net.input_size, number)
                continue
        values = [finite_number(cell) for cell in cells]
        if None in values or len(values) != net.input_size:
            raise DataError(_fault(number, line, cells, net.input_size))
        x_t = np.array(values, np.float64)  # (D,)
        try:
            scores = stream.step(x_t if order is None else x_t[order])  # (C,)
        except DataError as error:
            large = [k for k, v in enumerate(x_t) if abs(v) > np.finfo(net.dtype).max]
            if large:
                raise DataError(
                    f"line {number} has {x_t[large[0]]} in column {large[0] + 1}, beyond the range "
                    f"of {net.dtype}; correct it."
                ) from error
            raise DataError(f"line {number}: {error}") from error
        label = scores_to_labels(scores, net.classes)
        print(csv_line([label, *written(scores)]), end="", flush=True)
        steps += 1
    return {**facts(time.perf_counter() - started), "steps": steps}


def _fault(number: int, line: str, cells: Sequence[str], size: int) -> str:
    """What is wrong with a line that is no step, and what to do."""
    if "\0" in line or line.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        return (
            f"line {number} holds a NUL byte or the mark of UTF-16, but text in UTF-8 was wanted; "
            "convert it, for example with iconv -f UTF-16 -t UTF-8."
        )
    bad = next((cell for cell in cells if finite_number(cell) is None), None)
    why = ""
    if bad is not None and ";" in bad:
        why = ", but not semicolons,"
    elif bad is not None and len(cells) == size:
        why = f", all of them finite and not {bad!r},"
    return (
        f"line {number} is {line!r}, but {size} numbers separated by commas{why} were wanted; mend "
        "the line."
    )


def _lines() -> Iterator[tuple[int, str]]:
    """Lines of standard input as they arrive, numbered from 1, without their ends."""
    if sys.stdin is None:
        raise DataError("standard input is closed, but it gives the lines; pipe them in.")
    if isinstance(sys.stdin, io.TextIOWrapper):
        # What is no UTF-8 becomes something that is no number, so it is refused with its line.
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    for number, line in enumerate(iter(sys.stdin.readline, ""), 1):
        yield number, line.lstrip("\ufeff").strip()
        if not line.endswith("\n"):
            print(
                f"minilstm: line {number}, the last one, has no line end; check that it is whole.",
                file=sys.stderr,
            )


def _cells(line: str) -> list[str]:
    try:
        return next(csv_records([line], "standard input"))[1]
    except DataError:
        return []  # quotes that do not close, or a NUL


def _is_heading(cells: Sequence[str], names: Sequence[str] | None) -> bool:
    """Whether the first line names the features; a line that does not parse is no heading."""
    if names is not None and set(cells) == set(names) and None in map(finite_number, cells):
        return True
    return cells != [] and all(map(is_name, cells))


def _order(
    cells: Sequence[str], names: Sequence[str] | None, size: int, number: int
) -> list[int] | None:
    """Where each feature of the network stands in a line."""
    if names is not None:
        return column_order(cells, names, f"the heading on line {number}")
    if len(cells) != size:
        raise DataError(
            f"line {number} names {len(cells)} columns, but the network takes {size} features; "
            "send the columns that it was trained on, in the same order."
        )
    return None
