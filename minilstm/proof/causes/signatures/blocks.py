"""Mistakes in one block of an array, such as the rows of one gate of an LSTM.
A block is copied from another, not used at all, or wrong in a way of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minilstm.proof.causes.signatures.entrywise import entrywise
from minilstm.proof.causes.signatures.evidence import Case
from minilstm.proof.reports.places import GATES, listed
from minilstm.proof.reports.places import blocks as labels_of


def blocks(case: Case) -> Iterator[str]:
    """Sentences about the blocks of an array; nothing where no axis has labels."""
    for axis, word in enumerate(case.axes):
        labels = labels_of(word, case.hand.shape[axis])
        size = case.hand.shape[axis] // max(len(labels), 1)
        found = {}
        for n, label in enumerate(labels):
            name = f"gate {label}" if sorted(labels) == sorted(GATES) else label
            cut = slice(n * size, (n + 1) * size)
            found[name] = case.part((slice(None),) * axis + (cut,))
        yield from _by_cause(found)


def _by_cause(found: dict[str, Case]) -> Iterator[str]:
    """The blocks that share a cause in one sentence; nothing where all of them do."""
    names_by_cause: dict[str, list[str]] = {}
    for name, block in found.items():
        cause = _cause(block, found) if block.wrong.any() else ""
        if cause:
            names_by_cause.setdefault(cause, []).append(name)
    for cause, names in names_by_cause.items():
        if len(names) < len(found):
            yield f"In {listed(names)}: {cause[0].lower()}{cause[1:]}"


def _cause(block: Case, found: dict[str, Case]) -> str:
    if block.zero and block.hand.any():
        return (
            "It is not zero but should be: the forward pass does not use this block, perhaps "
            "because it reads another in its place."
        )
    for name, other in found.items():
        gradient = other.hand if other.right else other.exact
        if other is not block and np.any(gradient) and block.is_that_of(other):
            return f"It is a copy of {name}: the wrong block is written there."
    return next(entrywise(block), "")
