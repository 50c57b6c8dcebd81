"""Mistakes in one block of an array, such as the rows of one gate of an LSTM.
Blocks are exchanged, copied, left out, or wrong while their neighbours are right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minilstm.proof.causes.signatures.entrywise import entrywise
from minilstm.proof.causes.signatures.evidence import Case
from minilstm.proof.reports.places import GATES, listed
from minilstm.proof.reports.places import blocks as labels_of


def blocks(case: Case) -> dict[int, list[str]]:
    """Sentences about the blocks of an array, by axis; nothing where no axis has labels."""
    sentences = {}
    for axis, word in enumerate(case.axes):
        labels = labels_of(word, case.hand.shape[axis])
        if len(labels) > 1:
            kind = "gates" if sorted(labels) == sorted(GATES) else "blocks"
            size = case.hand.shape[axis] // len(labels)
            parts = []
            for n, label in enumerate(labels):
                cut = slice(n * size, (n + 1) * size)
                parts.append(case.part((slice(None),) * axis + (cut,)))
                parts[n].name = f"gate {label}" if kind == "gates" else label
            sentences[axis] = list(_permuted(case, parts, labels, axis, kind))
    return {axis: said for axis, said in sentences.items() if said}


def _permuted(
    case: Case, found: list[Case], labels: tuple[str, ...], axis: int, kind: str
) -> Iterator[str]:
    count = len(labels)
    copied = [_source(b, found) for b in found]
    order = [n if found[n].right else -1 if c is None else c for n, c in enumerate(copied)]
    if sorted(order) == list(range(count)) and order != sorted(order):
        moved = [n for n in range(count) if order[n] != n]
        if len(moved) == 2:
            yield f"{_capital(listed([found[n].name for n in moved]))} are exchanged."
        else:
            now = listed([labels[n] for n in order])
            yield f"Its {kind} are in the order {now}; {listed(labels)} is right."
        return
    yield from _one_by_one(found, copied, kind)


def _source(block: Case, found: list[Case]) -> int | None:
    """The number of the block whose right gradient this one has; None if it is no other's."""
    for n, other in enumerate(found):
        gradient = other.hand if other.right else other.exact
        if other is not block and np.any(gradient) and block.is_that_of(other):
            return n
    return None


def _one_by_one(found: list[Case], copied: list[int | None], kind: str) -> Iterator[str]:
    wrong = [b.name for b in found if b.wrong.any()]
    right = [b.name for b in found if b.right]
    titles_by_cause: dict[str, list[str]] = {}
    for block, source in zip(found, copied, strict=True):
        if not block.wrong.any():
            continue
        if source is not None:
            cause = f"a copy of {found[source].name}: the wrong block is written there"
        elif block.zero and block.hand.any():
            cause = (
                "not zero but should be: the forward pass does not use this block, perhaps "
                "because it reads another in its place"
            )
        else:
            said = next(entrywise(block), "")
            if not said:
                continue
            cause = f": {said[0].lower()}{said[1:].removesuffix('.')}"
        titles_by_cause.setdefault(cause, []).append(block.name)
    if not right and [len(titles) for titles in titles_by_cause.values()] == [len(found)]:
        return  # the same holds for all of the array, and a cause of the array says it
    for cause, titles in titles_by_cause.items():
        alone = f"; the other {kind} are right" if len(titles) + len(right) == len(found) else ""
        if cause.startswith(":"):
            yield f"In {listed(titles)}{cause}{alone}."
        else:
            yield f"{_capital(listed(titles))} {_are(titles)} {cause}{alone}."
    if titles_by_cause or not right or not wrong or len(right) + len(wrong) < len(found):
        return
    if len(wrong) <= len(right) or len(wrong) == 1:
        yield f"Only {listed(wrong)} {_are(wrong)} wrong; {listed(right)} {_are(right)} right."
    else:
        yield f"Only {listed(right)} of the {kind} is right."


def _are(subjects: Sequence[Any]) -> str:
    return "is" if len(subjects) == 1 else "are"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
