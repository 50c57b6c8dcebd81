"""Answers of each step where sequences stay on disk: checked once, then read with them.
They may be in memory themselves, and even then no second copy of them is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minilstm.arrays import Sequences
from minilstm.data.arrays import Array, one_for_each
from minilstm.data.axis_order import arrange
from minilstm.data.labels import (
    check_ignored,
    check_some_count,
    find_classes,
    labels_of_steps,
    numbers_of,
)
from minilstm.data.padding import NO_CLASS
from minilstm.data.stored import Stored, is_by_index, lengths_of, one_of
from minilstm.data.targets import targets_of_steps

Make = Callable[[Any, int, str], Array]  # from what was given, its steps, and its name


def stored_labels(
    y: Any,
    sequences: Sequences,
    name: str,
    known: Array | None,
    ignored: Sequence[str | int],
    allowed: Sequence[str | int],
) -> tuple[Callable[[], Stored], Array]:
    """What makes class numbers of each step, and the classes; labels are checked before it.

    `known` are the classes, or None where they are to be found; the others are as for `as_labels`.
    """
    labels = _stored(y, sequences, name, "labels", partial(labels_of_steps, allowed=allowed))
    first: dict[Any, tuple[int, Array]] = {}  # the first sequence of those with the same labels
    for b, steps in enumerate(labels):
        some = np.unique(steps)
        first.setdefault((some.dtype.kind, *some.tolist()), (b, some))
    found = [some for _, some in first.values()]
    check_ignored(found, ignored)
    classes = find_classes(found, name, ignored) if known is None else known

    def numbers(steps: Array, b: int) -> Array:
        return numbers_of(steps, b, classes, name, ignored)

    def targets() -> Stored:
        every = [numbers(some, b) for b, some in first.values()]
        check_some_count(name, not ignored or any((n != NO_CLASS).any() for n in every))
        return Stored(lambda b: numbers(labels[b], b), labels.lengths)

    return targets, classes


def stored_targets(
    y: Any, sequences: Sequences, name: str, responses: int, data_format: str, **how: Any
) -> Stored:
    """Targets (T, R) of each step; `how` as for `as_targets`."""

    def made(part: Any, T: int, place: str) -> Array:
        return targets_of_steps(arrange(part, data_format, 1, place), T, responses, place, **how)

    targets = _stored(y, sequences, name, "targets", made)
    for _ in targets:  # each is checked as it is read
        pass
    return targets


def _stored(y: Any, sequences: Sequences, name: str, what: str, make: Make) -> Stored:
    lengths = lengths_of(sequences)
    source = y
    if not (is_by_index(y) and len(y) == len(lengths)):
        source = [part for _, part in one_for_each(y, len(lengths), name, what)]

    def read(b: int) -> Array:
        return make(one_of(source, b, name), int(lengths[b]), f"{name}[{b}]")

    return Stored(read, lengths)
