"""What was read: files, sequences, steps, rate, features with ranges, labels with counts, gaps.
The command line prints it, and Python finds it in the sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minilstm.checks import counted
from minilstm.data.description import DataDescription
from minilstm.data.files.checks import Sequences
from minilstm.data.recordings.columns import Array

_ABREAST = 64  # steps
_MOST_NAMES = 12  # features or labels that a line names
_TOO_WIDE = 60.0  # times that the range of one feature may be that of another
_HOLE = 10.0  # times the usual step that a longer one is
_UNEVEN = 0.1  # share by which a step of time may differ from the usual one


@dataclass(frozen=True)
class ReadFacts:
    """What was read, and what was taken for what.

    `lines` gives it as text, `to_plain` as JSON can hold it.
    """

    path: str  # as it was given
    files: tuple[str, ...]
    lengths: tuple[int, ...]  # B steps
    features: tuple[str, ...] | int  # names, or how many
    ranges: tuple[tuple[float, float], ...]  # of each feature: the smallest and the largest number
    labels: dict[str, int] | None = None  # counts; a missing label is in `missing_labels`
    missing_labels: int = 0
    label_per: str | None = None
    targets: dict[str, tuple[float, float]] | None = None  # ranges of numbers to be predicted
    groups: dict[str, int] | None = None  # sequences of each
    time_unit: str | None = None  # "s", "ms", "us", "ns" or "text"
    rate: float | None = None  # rows a second
    irregular: float | None = None  # share of steps of time that differ by more than a tenth
    longest_step: float | None = None  # seconds, where it is more than ten times the usual step
    filled: int = 0  # cells
    cut: int = 0  # rows left out where recordings were split at gaps
    skipped: int = 0  # lines that could not be read
    empty_lines: int = 0
    unused: tuple[str, ...] = ()  # columns
    told: tuple[str, ...] = ()  # what was found and may surprise
    hints: tuple[str, ...] = ()  # what may help a training
    warnings: tuple[str, ...] = ()
    description: DataDescription = field(default_factory=DataDescription)  # with what was found

    @property
    def sequences(self) -> int:
        """How many there are."""
        return len(self.lengths)

    @property
    def steps(self) -> int:
        """Of all sequences together."""
        return sum(self.lengths)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """A line for the sequences, and one for each thing that was found."""
        short, long = min(self.lengths), max(self.lengths)
        each = f" ({short if short == long else f'{short} to {long}'} each)"
        said = self.description
        text = f"{counted(self.sequences, 'sequence')}, {counted(self.steps, 'step')}{each}"
        if len(self.files) > 1:
            kind = "frame" if self.files[0] == "x[0]" else "file"
            text = f"{counted(len(self.files), kind)}, {text}"
        if isinstance(self.features, int):
            text += f", {counted(self.features, 'feature')}"
        if said.id_column:
            text += f", id column {said.id_column!r}"
        for number, what in (
            (self.empty_lines, "of empty cells skipped"), (self.skipped, "skipped"),
        ):  # fmt: skip
            text += f", {counted(number, 'line')} {what}" if number else ""
        out = [text]
        if not isinstance(self.features, int):
            ranges = zip(self.features, self.ranges, strict=True)
            shown = _some(f"{n} ({low:.4g} to {high:.4g})" for n, (low, high) in ranges)
            out.append(f"features {shown}")
        if said.time_column:
            out.append(self._of_time())
        if self.unused:
            out.append(f"columns not used: {_some(self.unused)}")
        if self.filled or self.cut:
            cut = f"{counted(self.cut, 'row')} with gaps left out, recordings cut there"
            cells = f"{counted(self.filled, 'empty cell')} filled (fill={said.fill!r})"
            out.append(cells if self.filled else cut)
        out += self.told
        if self.groups is not None:
            groups = _some(f"{g!r} {n:,}" for g, n in self.groups.items())
            where = f" (column {said.group_column!r})" if said.group_column else ""
            out.append(f"groups{where} {groups}")
        out.append(self._of_answers())
        return [*out, *self.hints, *self.warnings]

    def _of_time(self) -> str:
        unit = "text" if self.time_unit == "text" else f"in {self.time_unit}"
        text = f"time column {self.description.time_column!r} ({unit})"
        if self.rate is None:
            return text
        share = f"{self.irregular:.1%}" if (self.irregular or 0) >= 0.0005 else "under 0.1%"
        uneven = f", {share} of the steps are uneven" if self.irregular else ""
        if self.longest_step is not None:
            uneven += f", longest step {self.longest_step:,.5g} s"
        return f"{text}: {self.rate:.5g} Hz{uneven}"

    def _of_answers(self) -> str:
        if self.targets is not None:
            ranges = self.targets.items()
            shown = _some(f"{name} ({low:.4g} to {high:.4g})" for name, (low, high) in ranges)
            return f"targets (one a {self.label_per}) {shown}"
        if self.labels is None:
            return "no labels"
        column = self.description.label_column
        where = f"column {column!r}, " if column else ""
        counts = _some(f"{label!r} {count:,}" for label, count in self.labels.items())
        missing = f", {self.missing_labels:,} missing" if self.missing_labels > 0 else ""
        return f"labels ({where}one a {self.label_per}) {counts}{missing}"

    def to_plain(self) -> dict[str, Any]:
        """The facts for scripts."""
        said = self.description
        return {
            "path": self.path,
            "files": len(self.files),
            "sequences": self.sequences,
            "steps": self.steps,
            "shortest": min(self.lengths),
            "longest": max(self.lengths),
            "features": list(self.features)
            if not isinstance(self.features, int)
            else self.features,
            "ranges": [list(pair) for pair in self.ranges],
            "id_column": said.id_column or None,
            "group_column": said.group_column or None,
            "groups": self.groups,
            "time_column": said.time_column or None,
            "time_unit": self.time_unit,
            "rate": self.rate,
            "irregular": self.irregular,
            "longest_step": self.longest_step,
            "label_column": said.label_column or None,
            "label_per": self.label_per,
            "labels": self.labels,
            "missing_labels": self.missing_labels,
            "targets": {k: list(v) for k, v in self.targets.items()} if self.targets else None,
            "filled_cells": self.filled,
            "cut_rows": self.cut,
            "skipped_lines": self.skipped,
            "empty_lines": self.empty_lines,
            "unused": list(self.unused),
            "told": [*self.told, *self.hints, *self.warnings],
            "description": said.to_plain(),
        }


def facts_of(path: str, files: Iterable[str], data: Sequences, **more: Any) -> ReadFacts:
    """The facts that sequences show by themselves, with those that a reader knows."""
    low = np.min([_over_steps(np.min, x) for x in data.x], axis=0)  # (D,)
    high = np.max([_over_steps(np.max, x) for x in data.x], axis=0)
    names = data.feature_names
    facts: dict[str, Any] = {"hints": hints_of(names, low, high), **more}
    if (longest := more.get("longest_step")) is not None:
        usual = 1 / more["rate"]
        facts["hints"] += (
            f"a recording has a step of {longest:,.5g} s, {longest / usual:,.0f} times the usual "
            f"one: split it there with gap_seconds={gap_limit(longest, more['rate'])}",
        )
    answers = [] if data.y is None else data.y if isinstance(data.y, list) else [data.y]
    if answers:
        facts["label_per"] = "step" if isinstance(data.y, list) else "sequence"
    if answers and answers[0].dtype.kind == "f":
        together = np.concatenate([a.reshape(len(a), -1) for a in answers])  # (N, R)
        targets = more["description"].target_columns if "description" in more else None
        targets = targets or [f"target {r + 1}" for r in range(together.shape[1])]
        ends = zip(together.min(axis=0).tolist(), together.max(axis=0).tolist(), strict=True)
        facts["targets"] = dict(zip(targets, ends, strict=True))
    elif answers:
        facts["labels"] = _counts(answers)
        facts["missing_labels"] = facts["labels"].pop("", 0)
        facts["told"] = (*facts.get("told", ()), *_alike(facts["labels"]))
    if data.groups is not None:
        values, counts = np.unique(np.array(data.groups, np.str_), return_counts=True)
        facts["groups"] = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return ReadFacts(
        path=path,
        files=tuple(files),
        lengths=tuple(map(len, data.x)),
        features=data.x[0].shape[1] if names is None else tuple(names),
        ranges=tuple(zip(low.tolist(), high.tolist(), strict=True)),
        **facts,
    )


def _over_steps(reduced: Callable[..., Array], x: Array) -> Array:
    """The smallest or largest of each feature, (T, D) to (D,).

    Many steps side by side are one wide row, for NumPy is ten times slower along narrow ones.
    """
    T, D = len(x), x[0].size
    whole = T - T % _ABREAST
    if not whole or not x.flags.c_contiguous or x.ndim != 2:
        return reduced(x, axis=0)
    wide = reduced(x[:whole].reshape(-1, _ABREAST * D), axis=0)  # (64 D,)
    return reduced(np.concatenate([wide.reshape(_ABREAST, D), x[whole:]]), axis=0)


def _counts(answers: list[Array]) -> dict[str, int]:
    """How often each label stands, in the order of the labels."""
    total: dict[Any, int] = {}
    for part in answers:
        starts = np.flatnonzero(np.append(True, part[1:] != part[:-1]))
        lengths = np.diff(np.append(starts, len(part)))
        values, codes = np.unique(part[starts], return_inverse=True)
        counts = np.bincount(codes.ravel(), weights=lengths).astype(np.int64)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            total[value] = total.get(value, 0) + count
    return {str(value): total[value] for value in sorted(total)}


class Rate(NamedTuple):
    """What times tell of steps."""

    hertz: float | None  # rows a second
    uneven: float | None  # share of the steps
    longest: float | None  # seconds, where it is a hole
    usual: list[float]  # B, the usual step of each recording, in seconds


def rate_of(times: list[Array]) -> Rate:
    """The rate of recordings, and how even it is."""
    steps = [np.diff(part) for part in times]
    usual = [float(np.median(part)) if len(part) else np.nan for part in steps]
    together = np.concatenate([np.empty(0), *steps])
    if not together.size:
        return Rate(None, None, None, usual)
    step = float(np.median(together))
    if step <= 0:
        return Rate(None, None, None, usual)
    own = np.repeat(usual, [len(part) for part in steps])
    uneven = np.abs(together - own) > _UNEVEN * own
    longest = float(together.max()) if (together > _HOLE * own).any() else None
    return Rate(float(f"{1 / step:.9g}"), float(uneven.mean()), longest, usual)


def gap_limit(longest: float, rate: float) -> str:
    """Seconds by which recordings are split at their holes: a second, where that is between."""
    usual = _HOLE / rate
    return f"{1.0 if usual <= 1 < longest else usual:.3g}"


def hints_of(names: list[str] | None, low: Array, high: Array) -> tuple[str, ...]:
    """What helps where the ranges of features differ too much."""
    width = high - low  # (D,)
    some = np.flatnonzero(width > 0)
    if len(some) < 2:
        return ()
    small, large = (int(some[n]) for n in (width[some].argmin(), width[some].argmax()))
    times = float(width[large] / width[small])
    if times < _TOO_WIDE:
        return ()
    called = [repr(names[d]) if names is not None else f"{d + 1}" for d in (large, small)]
    return (
        f"the range of feature {called[0]} is {times:,.0f} times that of {called[1]}: train with "
        "normalization='zscore'",
    )


def _alike(labels: Iterable[str]) -> list[str]:
    """Two labels that may be meant for one."""
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(label.lower(), label)
        if other != label:
            return [f"the labels {other!r} and {label!r} differ in capitals alone"]
    return []


def _some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more
