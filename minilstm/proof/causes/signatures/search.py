"""Likely causes of a wrong gradient, found from the wrong and the right one alone.
A cause is named when the mistake, made on purpose to the right gradient, gives the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from minilstm.proof.causes.signatures.entrywise import entrywise, not_finite
from minilstm.proof.causes.signatures.evidence import Case, Evidence, Factors
from minilstm.proof.reports.places import GATES, listed
from minilstm.proof.reports.places import blocks as labels_of

MOST_CAUSES = 3  # sentences for one array


def explain(
    evidence: Sequence[Evidence], counts: Mapping[str, float], factors: Factors | None = None
) -> dict[str, tuple[str, ...]]:
    """Sentences about wrong gradients by array name, best first, at most three for each.

    The evidence has right arrays too: they are compared with others. A `Pattern` among the
    sentences says how numbers are off, not why.
    """
    causes: dict[str, list[str]] = {}
    sizes = (np.abs(e.exact[np.isfinite(e.exact)]).max(initial=0.0) for e in evidence)
    floor = max(map(float, sizes), default=0.0)
    cases = []
    for one in evidence:
        unusable = not_finite(one.hand)
        if unusable:
            causes[one.name] = [unusable]
        else:
            cases.append(Case(one, counts, 1e-3 * floor, factors))
    wrong = [case for case in cases if case.wrong.any()]
    for case in wrong:
        found = [*_between(case, cases), *_alone(case)]
        if found:
            causes[case.name] = found
    return {
        one.name: tuple(dict.fromkeys(causes[one.name]))[:MOST_CAUSES]
        for one in evidence
        if one.name in causes
    }


def _alone(case: Case) -> Iterator[str]:
    """Causes within one array, the most telling first."""
    yield from entrywise(case)
    if case.hand.any() and not case.zero:
        yield from _blocks(case)
        yield from _layouts(case)


def _between(case: Case, cases: list[Case]) -> Iterator[str]:
    """Causes that show in two arrays: exchanged, copied, or one read in place of another."""
    alike = [c for c in cases if c is not case and c.hand.shape == case.hand.shape]
    for other in alike:
        if other.zero or not case.is_that_of(other):
            continue
        if not case.zero and other.is_that_of(case):
            yield f"It is exchanged with the gradient of {other.name}."
        else:
            yield f"It is the gradient of {other.name}, copied or written to the wrong array."
        return
    for other in alike:
        made = case.exact + (other.hand if other.right else other.exact)
        if not other.zero and case.explains(made):
            yield f"The gradient of {other.name} is added to it as well."
            return


def _blocks(case: Case) -> Iterator[str]:
    """Sentences about the blocks of an array; nothing where no axis has labels."""
    for axis, word in enumerate(case.axes):
        labels = labels_of(word, case.hand.shape[axis])
        size = case.hand.shape[axis] // max(len(labels), 1)
        found = {}
        for n, label in enumerate(labels):
            name = f"gate {label}" if sorted(labels) == sorted(GATES) else label
            cut = slice(n * size, (n + 1) * size)
            found[name] = case.part((slice(None),) * axis + (cut,))
        yield from _by_cause_of(found)


def _by_cause_of(found: dict[str, Case]) -> Iterator[str]:
    """The blocks that share a cause in one sentence; nothing where all of them do."""
    names_by_cause: dict[str, list[str]] = {}
    for name, block in found.items():
        cause = _cause_of(block, found) if block.wrong.any() else ""
        if cause:
            names_by_cause.setdefault(cause, []).append(name)
    for cause, names in names_by_cause.items():
        if len(names) < len(found):
            yield f"In {listed(names)}: {cause[0].lower()}{cause[1:]}"


def _cause_of(block: Case, found: dict[str, Case]) -> str:
    if block.zero and block.hand.any():
        return (
            "It is not zero but should be: the forward pass does not use this block, perhaps "
            "because it reads another in its place."
        )
    for name, other in found.items():
        gradient = other.hand if other.right else other.exact
        if other is not block and np.any(gradient) and block.is_that_of(other):
            return f"A copy of {name} stands there."
    return next(entrywise(block), "")


def _layouts(case: Case) -> Iterator[str]:
    """The right numbers in other places, of an array whose gradient is finite."""
    if case.hand.size < 2:
        return
    yield from _transposed(case)
    for axis in sorted(range(case.hand.ndim), key=lambda n: case.word(n) == ""):
        if case.hand.shape[axis] > 1:
            yield from [*_flipped(case, axis)] or _shifted(case, axis)


def _transposed(case: Case) -> Iterator[str]:
    source = case.sources()
    shape, axes = source.shape, range(source.ndim)
    for a in axes:
        for b in range(a):
            turned = source.swapaxes(a, b)
            if turned.shape == shape and case.moved(turned):
                two = source.ndim == 2
                yield "It is transposed." if two else f"Its axes {b} and {a} are exchanged."
                return
    if source.ndim > 1 and case.moved(source.ravel().reshape(shape, order="F")):
        yield (
            "It has the right numbers in another order: written in row-major order and read in "
            "column-major order."
        )


def _flipped(case: Case, axis: int) -> Iterator[str]:
    if case.moved(np.flip(case.sources(), axis)):
        what = case.along(axis)
        more = {
            "time": ": one of two loops runs in forward order where the other runs backwards"
        }.get(case.word(axis), ", as by a filter or a loop that runs the other way")
        yield f"It is reversed {what}{more}."


def _shifted(case: Case, axis: int) -> Iterator[str]:
    """One step off; at the end that nothing moves to may stand anything."""
    size = case.hand.shape[axis]
    for by in (1, -1) if size > 2 else ():
        source = np.roll(case.sources(), by, axis)
        source[(*(slice(None),) * axis, 0 if by == 1 else size - 1)] = -1
        if case.moved(source):
            late, sign = ("late", "-") if by == 1 else ("early", "+")
            yield (
                f"It is one step {late} {case.along(axis)}: at index t of axis {axis} stands what "
                f"belongs to t {sign} 1."
            )
