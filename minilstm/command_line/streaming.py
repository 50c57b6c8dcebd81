"""The command stream: a line of features in, a line with a label and its scores out, at once.
A heading is known by its names; any other line that does not hold numbers is an error, or skipped.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.command_line.facts import facts
from minilstm.command_line.models import (
    answer_names,
    answers,
    known_of,
    load_predictor,
    say_horizon,
    with_rate,
)
from minilstm.command_line.reading import learned_names, say_positions
from minilstm.data.description import DataDescription
from minilstm.data.feature_names import column_order
from minilstm.data.files.checks import finite_number, is_name
from minilstm.data.files.csv_text import csv_line, csv_records
from minilstm.data.shaping.live import LiveWindows
from minilstm.data.shaping.shape import Shaping
from minilstm.errors import DataError
from minilstm.network.network import Network

_MOST_TOLD = 20  # bad lines that are told one by one
_LINES_OF_RATE = 21  # whose times tell the rate
_OFF = 0.1  # how far a rate may be from the one that was learned, as a share
_MEND = "; mend the line, or leave such lines out with --on-bad-line skip."
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class _Columns(NamedTuple):
    """Where in a line the features stand, and the time; by default there are features alone."""

    order: list[int] | None  # (D,); None for the first D cells as they come
    width: int  # cells of a line
    time: int | None  # the cell with the time
    whose: tuple[int, ...] = ()  # the cells that name the recording: its id and its group


def stream_lines(options: argparse.Namespace) -> dict[str, Any]:
    """Answer every line of standard input, or every window of them, with what the network says."""
    net = load_predictor(options.model)
    if not isinstance(net.input_size, int):
        raise DataError(
            f"{options.model} takes steps of shape {tuple(net.input_size)}, but a line holds the "
            "features of a vector; call net.stream() in Python."
        )
    said, shaping = _said(net, options)
    say_horizon(net)
    names = learned_names(net)
    threads = 1 if options.threads is None else options.threads
    step, reset = _stepper(net, shaping, threads)
    columns, may_be_heading = _Columns(None, net.input_size, None), True
    windows = shaping is not None and shaping.window_length is not None
    no_answer = "," * (len(answer_names(net)) - 1)
    started = time.perf_counter()
    taken, bad_lines = 0, 0
    seen: list[tuple[str, ...]] = []  # the recordings that came, the running one last
    for number, line in _lines():
        if not line:
            reset()
            seen.clear()
            continue
        cells = _cells(line, said.separator or ",")
        if may_be_heading and line[0] == "#" and len(cells) < max(2, net.input_size):
            print(f"minilstm: line {number} is a comment, left out: {line}", file=sys.stderr)
            continue
        if may_be_heading and _is_heading(cells, names, said.on_bad_line == "skip"):
            may_be_heading = False
            _check_separator(line, number, cells, names, net, said.separator or ",")
            columns = _named_columns(cells, names, net, said, windows, number)
            continue
        try:
            values = _values(number, line, cells, columns, said)
            when = _when(number, cells, columns, said, windows)
            if _begins(seen, number, cells, columns):
                reset()
            answer = _answered(step, values, when, net.dtype, number)
        except DataError as error:
            if said.on_bad_line != "skip":
                raise
            bad_lines += 1
            _tell_skipped(str(error), bad_lines)
            if not windows:  # a line out for every line in
                print(no_answer, flush=True)
            continue
        may_be_heading = False
        taken += 1
        if answer is not None:
            print(csv_line(answer), end="", flush=True)
    return {**facts(time.perf_counter() - started), "steps": taken, "skipped": bad_lines}


def _said(net: Network, options: argparse.Namespace) -> tuple[DataDescription, Shaping | None]:
    """How lines are written: as the options say, else as the data of the training were."""
    learned, shaping = known_of(net)
    plain = {} if learned is None else learned.to_plain()
    for name in ("separator", "decimal", "time_column", "time_unit", "on_bad_line"):
        if (value := getattr(options, name)) is not None:
            plain[name] = value
    shaping, wanted = with_rate(shaping, options), None if shaping is None else shaping.rate
    if wanted is not None and options.rate_in not in (None, wanted):
        raise ValueError(
            f"--rate-in is {options.rate_in:g}, but the model takes {wanted:g} steps a second, and "
            "a stream resamples nothing; send lines at that rate, or use the command predict."
        )
    if shaping is not None and shaping.rate is not None and options.rate_in is None:
        print(
            f"minilstm: the model takes {shaping.rate:g} steps a second, and a stream resamples "
            "nothing; send lines at that rate.",
            file=sys.stderr,
        )
    return DataDescription.from_plain(plain), shaping


Step = Callable[[NDArray[Any], float | None], "list[Any] | None"]


def _stepper(
    net: Network, shaping: Shaping | None, threads: int
) -> tuple[Step, Callable[[], None]]:
    """What answers a step, or a step that fills a window; and what starts a new sequence."""
    rate = (net.about or {}).get("rate")
    if shaping is None or shaping.window_length is None:
        stream, watch = net.stream(threads=threads), _RateWatch(rate)

        def answer(x_t: NDArray[Any], when: float | None) -> list[Any]:
            watch.take(when)
            return next(answers(net, stream.step(x_t)[None]))

        def anew() -> None:
            stream.reset()
            watch.times.clear()

        return answer, anew
    live, length = LiveWindows(shaping, rate), shaping.window_length

    def push(x_t: NDArray[Any], when: float | None) -> list[Any] | None:
        window = live.push(x_t, when)  # (length, D)
        if window is None:
            return None
        scores = net.predict(window)  # (C,) or (length, C)
        return [live.taken - length, *next(answers(net, np.atleast_2d(scores)[-1:]))]

    return push, live.reset


class _RateWatch:
    """Says once where lines come at another rate than the network learned."""

    def __init__(self, rate: float | None) -> None:
        self.rate, self.times = rate, list[float]()

    def take(self, when: float | None) -> None:
        """Look at the usual step of the first lines."""
        if self.rate is None or when is None:
            return
        self.times.append(when)
        if len(self.times) < _LINES_OF_RATE:
            return
        step = float(np.median(np.diff(self.times)))
        if step > 0 and abs(1 / (step * self.rate) - 1) > _OFF:
            print(
                f"minilstm: warning: lines come at {1 / step:.4g} Hz, but the model learned "
                f"{self.rate:.4g} Hz; send them at that rate.",
                file=sys.stderr,
            )
        self.rate = None  # once is enough


def _begins(
    seen: list[tuple[str, ...]], number: int, cells: Sequence[str], columns: _Columns
) -> bool:
    """Whether a line is the first of another recording than the running one, noted in `seen`.

    DataError where a recording comes back, for its state is gone.
    """
    whose = tuple(cells[n] for n in columns.whose)
    if not whose or (seen and seen[-1] == whose):
        return False
    if whose in seen:
        raise DataError(
            f"line {number} goes back to the sequence {'/'.join(whose[::-1])!r}, but the lines of "
            f"a sequence have to come together{_MEND}"
        )
    seen.append(whose)
    return len(seen) > 1


def _when(
    number: int, cells: Sequence[str], columns: _Columns, said: DataDescription, needed: bool
) -> float | None:
    """The time of a line in seconds; where windows need none, one that is no time is left out."""
    if columns.time is None:
        return None
    try:
        return _seconds(number, cells[columns.time], said)
    except DataError:
        if needed:
            raise
        return None


def _answered(
    step: Step, values: Sequence[float], when: float | None, dtype: Any, number: int
) -> list[Any] | None:
    """The answer to the features (D,) of a line, or a DataError that names the line."""
    x_t = np.array(values, np.float64)  # (D,)
    large = np.flatnonzero(np.abs(x_t) > np.finfo(dtype).max)
    if large.size:
        raise DataError(
            f"line {number} has {x_t[large[0]]} in column {large[0] + 1}, beyond the range of "
            f"{dtype}{_MEND}"
        )
    try:
        return step(x_t, when)
    except DataError as error:
        told = str(error).removesuffix(".").replace("call reset()", "send an empty line")
        raise DataError(f"line {number}: {told}{_MEND}") from error


def _tell_skipped(sentence: str, count: int) -> None:
    """Tell of a bad line; of many, the first."""
    if count <= _MOST_TOLD:
        print(f"minilstm: {sentence.removesuffix(_MEND)}; skipped.", file=sys.stderr)
    if count == _MOST_TOLD:
        print("minilstm: more lines that are skipped are counted only.", file=sys.stderr)


def _values(
    number: int, line: str, cells: Sequence[str], columns: _Columns, said: DataDescription
) -> list[float]:
    """The features of a line, in the order of the network; DataError where it holds none."""
    wanted = range(columns.width) if columns.order is None else columns.order
    given = [cells[n] for n in wanted] if len(cells) == columns.width else []
    if said.decimal == ",":
        given = [cell.replace(",", ".") for cell in given]
    values = [finite_number(cell) for cell in given]
    if given == [] or None in values:
        shown = given if len(cells) == columns.width else cells
        raise DataError(_fault(number, line, shown, columns, said.separator or ","))
    return [value for value in values if value is not None]


def _seconds(number: int, cell: str, said: DataDescription) -> float:
    """The time of a line: a number in its unit, or ISO text."""
    value = finite_number(cell)
    if value is not None:
        return value * _SECONDS[said.time_unit or "s"]
    with suppress(ValueError):
        stamp = datetime.fromisoformat(cell)
        return (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)).timestamp()
    raise DataError(
        f"line {number} has the time {cell!r}, but a number or an ISO time was wanted{_MEND}"
    )


def _fault(number: int, line: str, cells: Sequence[str], columns: _Columns, separator: str) -> str:
    """What is wrong with a line that is no step, and what to do."""
    if "\0" in line or line.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        return (
            f"line {number} holds a NUL byte or the mark of UTF-16, but text in UTF-8 was wanted; "
            "convert it, for example with iconv -f UTF-16 -t UTF-8."
        )
    bad = next((cell for cell in cells if finite_number(cell) is None), None)
    features = columns.width if columns.order is None else len(columns.order)
    between = {",": "commas", "\t": "tabs"}.get(separator, repr(separator))
    wanted = f"{columns.width} numbers separated by {between}"
    all_of = "all of them "
    if features < columns.width:
        wanted = f"{columns.width} cells separated by {between}, {features} of them features"
        all_of = ""
    if bad is not None and ";" in bad:
        wanted += ", but not semicolons,"
    elif bad is not None and len(cells) == features:
        wanted += f", {all_of}finite and not {bad!r},"
    return f"line {number} is {line!r}, but {wanted} were wanted{_MEND}"


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


def _cells(line: str, separator: str) -> list[str]:
    try:
        if separator == ",":
            return next(csv_records([line], "standard input"))[1]
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, strict=True))]
    except (DataError, csv.Error):
        return []  # quotes that do not close, or a NUL


def _is_heading(cells: Sequence[str], names: Sequence[str] | None, skip: bool) -> bool:
    """Whether the first line names the features; a line that does not parse is no heading.

    Where bad lines are skipped, a first line of other words, as a logger may greet, is one.
    """
    if names is not None and skip:
        known = {name.casefold() for name in names}
        return any(cell.casefold() in known for cell in cells)
    if names is not None and set(cells) >= set(names) and None in map(finite_number, cells):
        return True
    return cells != [] and all(map(is_name, cells))


def _check_separator(
    line: str, number: int, cells: Sequence[str], names: Sequence[str] | None, net: Network,
    separator: str,
) -> None:  # fmt: skip
    """Refuse a heading that names the features where another character separates them."""

    def fits(split: Sequence[str]) -> bool:
        known = None if names is None else set(names)
        return len(split) == net.input_size if known is None else set(split) >= known

    for other in ";,\t|":
        if not fits(cells) and fits(_cells(line, other)):
            found, wanted = ("tab" if a == "\t" else a for a in (other, separator))
            raise DataError(
                f"line {number} names the features between {found!r}, but {wanted!r} was expected; "
                f"say --separator {found!r}."
            )


def _named_columns(
    cells: Sequence[str],
    names: Sequence[str] | None,
    net: Network,
    said: DataDescription,
    windows: bool,
    number: int,
) -> _Columns:
    """Where each feature of the network stands in a line, by its heading."""
    time_column, of_names = said.time_column, (said.id_column, said.group_column)
    watched = windows or (net.about or {}).get("rate") is not None
    clock = cells.index(time_column) if watched and time_column in cells else None
    whose = tuple(cells.index(column) for column in of_names if column in cells)
    others = net.others if time_column is None else net.others | {time_column}
    if names is None:
        named = [n for n, cell in enumerate(cells) if cell not in others]
        if len(named) != net.input_size:
            raise DataError(
                f"line {number} names {len(named)} columns, but the network takes "
                f"{net.input_size} features; send the columns that it was trained on, in the same "
                "order."
            )
        order: list[int] | None = named if others else None
        say_positions(net, [cells[n] for n in named])
    else:
        order = column_order(cells, names, f"the heading on line {number}", others=others)
    kept = set(range(len(cells)) if order is None else order) | {clock, *whose}
    unused = [cell for n, cell in enumerate(cells) if n not in kept]
    if unused:
        print(f"minilstm: columns not used: {', '.join(unused)}", file=sys.stderr)
    return _Columns(order, len(cells), clock, whose)
