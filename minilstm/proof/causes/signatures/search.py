"""Likely causes of a wrong gradient, found from the wrong and the right one alone.
A cause is named when the mistake, made on purpose to the right gradient, gives the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from minilstm.proof.causes.signatures.blocks import blocks
from minilstm.proof.causes.signatures.entrywise import entrywise, name_factor, not_finite, times
from minilstm.proof.causes.signatures.evidence import (
    Case,
    Coincidence,
    Evidence,
    Factors,
    Pattern,
)
from minilstm.proof.causes.signatures.layouts import layouts
from minilstm.proof.derivatives.problem import Array

MOST_CAUSES = 3  # sentences for one array


def explain(
    evidence: Sequence[Evidence], counts: Mapping[str, float], factors: Factors | None = None
) -> dict[str, tuple[str, ...]]:
    """Sentences about wrong gradients by array name, best first, at most three for each.

    The evidence has right arrays too: they are compared with others. A `Pattern` among the
    sentences says how numbers are off, not why.
    """
    causes: dict[str, list[str]] = {}
    floor = max((_largest(e.exact) for e in evidence), default=0.0)
    cases = []
    for one in evidence:
        unusable = _unusable(one)
        if unusable:
            causes[one.name] = [unusable]
        else:
            cases.append(Case(one, counts, 1e-3 * floor, factors))
    wrong = [case for case in cases if case.wrong.any()]
    joint = _joint(cases, wrong, complete=len(cases) == len(evidence))
    for case in wrong:
        found = [*_between(case, cases), *_alone(case)]
        if joint:
            # The factor of one array says less than the factor that all of them share.
            found = [joint, *(s for s in found if not s.lower().startswith("it is"))]
        if found:
            causes[case.name] = found
    return {
        one.name: tuple(dict.fromkeys(causes[one.name]))[:MOST_CAUSES]
        for one in evidence
        if one.name in causes
    }


def _largest(exact: Array) -> float:
    known = np.isfinite(exact)
    return float(np.abs(np.asarray(exact)[known]).max(initial=0.0))


def _unusable(one: Evidence) -> str:
    """What is wrong with a gradient that cannot be compared: absent, misshapen or not finite."""
    if one.hand is None:
        return "No gradient came back for it (None): it was never computed, or not returned."
    hand, shape = np.asarray(one.hand), np.shape(one.exact)
    if np.iscomplexobj(hand):
        return "Its numbers are complex: a gradient of real arrays is real."
    if hand.shape != shape:
        turned = " (transposed?)" if hand.shape == shape[::-1] else ""
        return f"Its shape is {hand.shape}{turned}, that of the array is {shape}."
    return not_finite(hand)


def _alone(case: Case) -> Iterator[str]:
    """Causes within one array, the most telling first."""
    yield from entrywise(case)
    if case.hand.any() and not case.zero:
        yield from blocks(case)
        yield from layouts(case)


def _joint(cases: list[Case], wrong: list[Case], complete: bool) -> str:
    """What holds for all arrays together: one factor, or no gradient at all."""
    live = [case for case in cases if not case.zero]
    if len(live) < 2 or not complete or any(case not in wrong for case in live):
        return ""
    if not any(case.hand.any() for case in live):
        return "All gradients are zero: nothing arrives from the loss, or nothing is returned."
    together = _together(live)
    c = together.factor()
    if c is None:
        return ""
    for sentence in name_factor(c, together):
        if isinstance(sentence, Pattern):
            what = times(c)
            shared = f"all {len(live)} gradients are {what} the right ones"
            return Pattern(f"{shared}, as where a factor comes from the loss or from upstream")
        said = sentence.removeprefix("It is ").replace("the right gradient", "the right ones")
        return (
            f"All {len(live)} gradients are {said.removesuffix('.')}; a factor shared by all comes "
            "from the loss or from the upstream gradient."
        )
    return ""


def _together(cases: list[Case]) -> Case:
    """Several arrays as one, each divided by its size so that none is lost beside another."""
    hand = np.concatenate([(case.hand / case.scale).ravel() for case in cases])
    exact = np.concatenate([(case.exact / case.scale).ravel() for case in cases])
    tolerance = max(case.tolerance for case in cases)
    evidence = Evidence(cases[0].name, hand, exact, np.zeros_like(hand), (), tolerance)
    return Case(evidence, cases[0].counts, factors=cases[0].factors)


def _between(case: Case, cases: list[Case]) -> Iterator[str]:
    """Causes that show in two arrays: exchanged, copied, or one read in place of another."""
    alike = [c for c in cases if c is not case and c.hand.shape == case.hand.shape]
    for other in alike:
        if other.zero or not case.is_that_of(other):
            continue
        if not case.zero and other.is_that_of(case):
            yield f"It is exchanged with the gradient of {other.name}."
        else:
            yield Coincidence(
                f"It is the gradient of {other.name}, copied or written to the wrong array."
            )
        return
    for other in alike:
        made = case.exact + (other.hand if other.right else other.exact)
        if not other.zero and case.explains(made):
            yield f"The gradient of {other.name} is added to it as well."
            return
