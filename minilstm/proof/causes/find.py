"""Likely causes of a wrong gradient, by three kinds of evidence and never by guessing.
Lines of backward are changed, mistakes are made in those of forward, numbers are held side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from minilstm.proof.causes.elsewhere import Elsewhere, claimed
from minilstm.proof.causes.equations import find_by_equations
from minilstm.proof.causes.repairs import repairs
from minilstm.proof.causes.signatures import Evidence, Pattern, explain
from minilstm.proof.derivatives.oracle import Oracle
from minilstm.proof.derivatives.problem import Array, Gradients

MOST_ENTRIES = 400  # of an array whose true gradient is computed at every entry, for the evidence
STOPPED = (
    "the search for a cause was stopped before its end; with shorter axes and fewer steps it tries "
    "more"
)


class Told(NamedTuple):
    """Of one array: likely causes, best first, and the pattern of the error where there is none."""

    causes: tuple[str, ...] = ()
    pattern: str = ""


@np.errstate(all="ignore")  # numbers of any size
def find_causes(
    oracle: Oracle,
    grads: Gradients,
    exact: Mapping[str, Array],
    tolerances: Mapping[str, float],
    wrong: Mapping[str, float],
) -> dict[str, Told]:
    """What to say of the arrays in `wrong`, which says how far off they are, by their names.

    A cause is named where it gives the wrong gradient, or a change of it the right one, at a second
    random input too. `tolerances` are relative.
    """
    problem = oracle.problem
    causes: dict[str, list[str]] = {name: [] for name in wrong}
    elsewhere = Elsewhere(problem, oracle.method)
    second = elsewhere.second
    here = _evidence(oracle, grads, exact, tolerances, wrong, elsewhere)
    there = []
    if second is not None:
        unknown = {n: np.full(second.arrays[n].shape, np.nan) for n in exact}
        other = Oracle(second, oracle.method)
        there = _evidence(other, claimed(second), unknown, tolerances, wrong, elsewhere)
        spoiled = set(problem.spoiled)
        causes |= repairs(elsewhere, grads, list(wrong))
        problem.spoiled &= spoiled  # a change may write into anything
    known = set[str]()
    # What the lines of f explain, and a second input confirms, needs no pattern of numbers.
    if not all(causes.values()):
        for name, said in find_by_equations(elsewhere, grads, exact, wrong).items():
            if not causes[name]:
                causes[name] += said
                known.add(name)
    explanations = explain(here, problem.lengths, elsewhere.factors)
    again = explain(there, (second or problem).lengths, elsewhere.factors)
    told = {}
    for name in wrong:
        likely = () if name in known else explanations.get(name, ())
        held = {_without_numbers(s) for s in again.get(name, ())}
        hand = grads[name]
        fact = hand is not None and not np.isfinite(hand).all()  # which needs no proof
        sure = [s for s in likely if fact or _without_numbers(s) in held]
        firm = [s for s in sure if not isinstance(s, Pattern)]
        causes[name] += [s for s in firm if s not in causes[name]]
        patterns = [s for s in sure if isinstance(s, Pattern)]
        pattern = patterns[0] if patterns else _pattern(next(e for e in here if e.name == name))
        told[name] = Told(tuple(causes[name]), "" if causes[name] else pattern)
    if elsewhere.cut_short and not all(one.causes for one in told.values()):
        problem.notes.append(STOPPED)
    return told


def _without_numbers(sentence: str) -> str:
    return re.sub(r"-?\d[\d.,e+-]*", "#", sentence)


def _evidence(
    oracle: Oracle,
    grads: Gradients,
    exact: Mapping[str, Array],
    tolerances: Mapping[str, float],
    wrong: Iterable[str],
    elsewhere: Elsewhere,
) -> list[Evidence]:
    """All arrays with their true gradients, computed where they are unknown and not too many."""
    problem, found = oracle.problem, []
    for name, known in exact.items():
        hand, true = grads.get(name), known
        if hand is None or hand.shape != known.shape or np.iscomplexobj(hand):
            continue
        if known.size <= MOST_ENTRIES and (name in wrong or np.isnan(known).all()):
            true = known.copy()
            for index in np.argwhere(np.isnan(known)):
                place = tuple(int(i) for i in index)
                true[place] = np.nan if elsewhere.late() else oracle.entry(name, place).value
        axes = problem.axes.get(name, ())
        value = problem.arrays[name]
        found.append(Evidence(name, hand, true, value, axes, tolerances[name]))
    return found


def _pattern(one: Evidence) -> str:
    """Where and by how much an array is wrong, where nothing simpler holds."""
    known = np.isfinite(one.exact)
    with np.errstate(all="ignore"):
        off = np.abs(one.hand - one.exact) > one.tolerance * np.abs(one.exact[known]).max()
        ratio = (one.hand / one.exact)[known & off]
    for axis, size in enumerate(one.exact.shape):
        wrong = [n for n in range(size) if np.take(off & known, n, axis).any()]
        if size > 1 and 0 < len(wrong) < size:
            part = ", ".join(map(str, wrong[:8])) + (", ..." if len(wrong) > 8 else "")
            return f"it is wrong at {part} of axis {axis} (of {size}), and right elsewhere"
    middle = np.median(ratio[np.isfinite(ratio)]) if np.isfinite(ratio).any() else np.nan
    return (
        f"{int((off & known).sum())} of {int(known.sum())} entries are wrong; the median of wrong "
        f"over right is {middle:.3g}"
    )
