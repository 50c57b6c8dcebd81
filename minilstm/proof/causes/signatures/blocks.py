"""Mistakes in one block of an array, such as the rows of one gate of an LSTM.
Blocks are exchanged, copied, left out, or wrong while their neighbours are right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.signatures.entrywise import entrywise
from minilstm.proof.causes.signatures.evidence import Case, listed
from minilstm.proof.reports.places import GATES
from minilstm.proof.reports.places import blocks as labels_of


class _Block(NamedTuple):
    title: str  # "gate f"
    case: Case


def blocks(case: Case) -> dict[int, list[str]]:
    """Sentences about the blocks of an array, by axis; nothing where no axis has labels."""
    sentences = {}
    for axis, word in enumerate(case.axes):
        labels = labels_of(word, case.hand.shape[axis])
        if len(labels) > 1:
            size = case.hand.shape[axis] // len(labels)
            before = (slice(None),) * axis
            cuts = [(*before, slice(n * size, (n + 1) * size)) for n in range(len(labels))]
            found = [
                _Block(_title(label, labels), case.part(cut))
                for label, cut in zip(labels, cuts, strict=True)
            ]
            sentences[axis] = list(_permuted(case, found, labels, axis))
    return {axis: said for axis, said in sentences.items() if said}


def _title(label: str, labels: tuple[str, ...]) -> str:
    return f"gate {label}" if _gates(labels) else label


def _gates(labels: tuple[str, ...]) -> bool:
    return sorted(labels) == sorted(GATES)


def _permuted(case: Case, found: list[_Block], labels: tuple[str, ...], axis: int) -> Iterator[str]:
    kind = "gates" if _gates(labels) else "blocks"
    size, count = case.hand.shape[axis] // len(labels), len(labels)
    source = np.moveaxis(case.sources(), axis, 0)
    rest = source.shape[1:]
    for grid, how in (
        ((count, size), "interleaved: row by row where block by block is right"),
        ((size, count), "block by block where interleaved, row by row, is right"),
    ):
        turned = source.reshape(*grid, *rest).swapaxes(0, 1).reshape(source.shape)
        if size > 1 and case.moved(np.moveaxis(turned, 0, axis)):
            yield f"Its {kind} are {how}."
            return
    copied = [_source(b, found) for b in found]
    order = [n if found[n].case.right else -1 if c is None else c for n, c in enumerate(copied)]
    if sorted(order) == list(range(count)) and order != sorted(order):
        moved = [n for n in range(count) if order[n] != n]
        if len(moved) == 2:
            yield f"{_capital(listed([found[n].title for n in moved]))} are exchanged."
        else:
            now = listed([labels[n] for n in order])
            yield f"Its {kind} are in the order {now}; {listed(list(labels))} is right."
        return
    yield from _one_by_one(found, copied, kind)


def _source(block: _Block, found: list[_Block]) -> int | None:
    """The number of the block whose right gradient this one has; None if it is no other's."""
    if not block.case.wrong.any():
        return None
    for n, other in enumerate(found):
        if other is block:
            continue
        # Where the other block is right, hand knows all of it.
        right = other.case.right
        made = other.case.hand if right else other.case.exact
        shown = block.case.wrong | (~block.case.known & other.case.wrong)
        if np.any(made) and block.case.explains(made, block.case.wrong if right else shown):
            return n
    return None


def _one_by_one(found: list[_Block], copied: list[int | None], kind: str) -> Iterator[str]:
    wrong = [n for n, b in enumerate(found) if b.case.wrong.any()]
    right = [n for n, b in enumerate(found) if b.case.right]
    titles_by_cause: dict[str, list[str]] = {}
    for n in wrong:
        source = copied[n]
        if source is not None:
            cause = f"a copy of {found[source].title}: the wrong block is written there"
        elif found[n].case.zero and found[n].case.hand.any():
            cause = (
                "not zero but should be: the forward pass does not use this block, perhaps "
                "because it reads another in its place"
            )
        else:
            causes = entrywise(found[n].case)
            if not causes:
                continue
            cause = f": {_small(causes[0].removesuffix('.'))}"
        titles_by_cause.setdefault(cause, []).append(found[n].title)
    if (
        not right
        and len(titles_by_cause) == 1
        and len(next(iter(titles_by_cause.values()))) == len(found)
    ):
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
        names = listed([found[n].title for n in wrong])
        others = listed([found[n].title for n in right])
        yield f"Only {names} {_are(wrong)} wrong; {others} {_are(right)} right."
    else:
        yield f"Only {listed([found[n].title for n in right])} of the {kind} is right."


def _are(subjects: Sequence[Any]) -> str:
    return "is" if len(subjects) == 1 else "are"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _small(text: str) -> str:
    return text[0].lower() + text[1:]
