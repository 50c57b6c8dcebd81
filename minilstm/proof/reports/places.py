"""An index into an array, said in words: which gate, which unit, which time step.
What an axis means comes from its user; an axis without a meaning keeps its number.

Axes are described as `minilstm.gradcheck.gradcheck` takes them, one item for each axis:

- a word: "time", "sequence" or "batch", "feature", "unit", "class", "channel", ...
- a tuple of labels: the axis is cut in as many equal blocks, such as ("i", "f", "g", "o") for the
  4H rows of an LSTM's weights; "gates" is short for these four;
- "row": rows of a packed ragged batch; each row's sequence and time step come separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

GATES = ("i", "f", "g", "o")
FULL_NAMES = {"i": "input gate", "f": "forget gate", "g": "cell candidate", "o": "output gate"}
_WORDS = {"time": "time step", "batch": "sequence"}

Axis = str | tuple[str, ...]


class Place(NamedTuple):
    """Where an entry of an array is; all numbers start at zero."""

    text: str  # "forget gate, unit 3, feature 1"; "" for no index
    gate: str | None  # full name of the block, "forget gate"; None where no axis has blocks
    unit: int | None  # its number, inside its block if there are blocks; None where there is none
    time_step: int | None  # None where no axis is time


def describe(
    index: Sequence[int],
    axes: Sequence[Axis],
    shape: Sequence[int],
    rows: NDArray[np.int64] | None = None,
) -> Place:
    """Say in words where an index points; () points nowhere.

    There is one item of `axes` for each axis, as above; missing and empty items are unknown, and so
    is an axis whose size is no multiple of its number of labels. `rows` (N, 2) holds the sequence
    and the time step of each row, for an axis "row".

    Examples
    --------
    >>> describe((7, 1), ("gates", "feature"), (16, 3)).text
    'forget gate, unit 3, feature 1'
    """
    parts: list[str] = []
    gate: str | None = None
    numbers: dict[str, int] = {}
    for axis, at in enumerate(int(n) for n in index):
        word = axes[axis] if axis < len(axes) else ""
        labels = blocks(word, shape[axis])
        if labels:
            size = shape[axis] // len(labels)
            label = labels[at // size]
            gate = full_name(label, labels) if gate is None else gate
            parts.append(full_name(label, labels))
            if size > 1 or _are_gates(labels):
                numbers.setdefault("unit", at % size)
                parts.append(f"unit {at % size}")
        elif word == "row" and rows is not None:
            sequence, step = (int(n) for n in rows[at])
            numbers.setdefault("time step", step)
            parts += [f"sequence {sequence}", f"time step {step}"]
        elif isinstance(word, str) and word not in ("", "gates"):
            thing = one_of(word)
            # The second axis of recurrent weights: the unit whose output is multiplied.
            parts.append(f"from unit {at}" if thing == "unit" in numbers else f"{thing} {at}")
            numbers.setdefault(thing, at)
        else:
            parts.append(f"axis {axis} index {at}")
    return Place(", ".join(parts), gate, numbers.get("unit"), numbers.get("time step"))


def worst_place(off: NDArray[Any]) -> tuple[int, ...]:
    """The index of the largest entry; NaN is larger than any number."""
    largest = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    return tuple(int(k) for k in np.unravel_index(largest, off.shape))


def blocks(axis: Any, size: int) -> tuple[str, ...]:
    """Labels of the equal blocks of an axis; () where it has none or they do not fit its size."""
    labels = GATES if axis == "gates" else axis
    fits = not isinstance(labels, str) and len(labels) > 0 and size and size % len(labels) == 0
    return tuple(str(label) for label in labels) if fits else ()


def full_name(label: str, labels: Sequence[str]) -> str:
    """The name of a block: "forget gate" for f among the gates i, f, g, o; others stay."""
    return FULL_NAMES[label] if sorted(labels) == sorted(GATES) else label


def one_of(word: str) -> str:
    """What one index along an axis is called: "time step" for "time"."""
    return _WORDS.get(word, word)


def listed(words: Sequence[str]) -> str:
    """Words with commas and an "and"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _are_gates(labels: Sequence[str]) -> bool:
    return sorted(labels) == sorted(GATES) or all(label.endswith("gate") for label in labels)
