"""Gradients of which nothing arrives: zeros would pass as well, so their check has tested nothing.
A function that ignores an array, or does not depend on it, is told from inputs that hide it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from minilstm.proof.checker.comparison import Comparison
from minilstm.proof.derivatives.oracle import Oracle, moved_to
from minilstm.proof.derivatives.problem import Array, Problem
from minilstm.proof.reports.report import CANNOT_BE_JUDGED, NOT_TESTED

EMPTY = "it has no entries, so nothing was tested; give arrays of another size"
KEPT = (
    "f gives the very same numbers at other inputs, so it keeps what an earlier call gave, or "
    "depends on none of them; let it keep nothing from one call to the next"
)
MOVES = (1.0, 0.1, 1e-3)  # of the inputs, in units of the arrays; the first at which f is finite
INVISIBLE_PART = 1e-9  # of the largest effect of an array: a smaller one may be rounding
NOTHING_ARRIVES = (
    "nothing of the gradient arrives at these inputs, so zeros, or this gradient times any number, "
    "would pass as well; choose other inputs, or a function whose outputs do not add up to a "
    "constant"
)
HIDDEN = (
    "nothing of the gradient arrives at these inputs, but it does at others, so choose others, or "
    "leave {0} out with wrt="
)
TOO_SMALL = (
    "zeros would pass as well: beside those of the other arrays, the derivatives of {0} are as "
    "small as rounding, so scale the outputs of f alike, or leave {0} out with wrt="
)
WITHOUT = "zeros would pass as well: f does not depend on {0}, neither here nor at other inputs"
KINDS = (HIDDEN, TOO_SMALL, WITHOUT)  # what one other place shows is so
FAR_NOISE = 64.0  # times the last digit of the loss: a smaller change of it is rounding
PLACES = 3  # at which both gradients are looked at again


def with_silence(
    oracle: Oracle, found: dict[str, Comparison], rng: np.random.Generator
) -> dict[str, Comparison]:
    """The same comparisons, in which what was not tested says so.

    Where every array is silent, nothing was tested. Where one is, both gradients are looked at
    again with the arrays moved by all their size: if they are zero there too, f does not depend on
    the array, and zero is its right gradient.
    """
    if not any(c.direction.size for c in found.values()):
        return {name: _said(c, EMPTY, False) for name, c in found.items()}
    wrong = [name for name, c in found.items() if c.error.verdict == "wrong"]
    if wrong and all(not np.nan_to_num(c.exact).any() for c in found.values()):
        places = [moved for _ in range(PLACES) if (moved := elsewhere(oracle.problem, rng))]
        values = {oracle.problem.value(moved).real for moved in (*places, {})}
        if places and len(values) == 1:
            open_ = {
                n: replace(found[n].error, undecided=CANNOT_BE_JUDGED, note=KEPT) for n in wrong
            }
            return {**found, **{n: replace(found[n], error=e) for n, e in open_.items()}}
    names = [name for name, c in found.items() if c.silent and c.error.verdict != "wrong"]
    if not names:
        return found
    heard = [name for name, c in found.items() if c.direction.size and not c.silent]
    if not heard:
        return {**found, **{name: _said(found[name], NOTHING_ARRIVES, False) for name in names}}
    places = [moved for _ in range(PLACES) if (moved := elsewhere(oracle.problem, rng))]
    others = [(moved, oracle.problem.claimed(moved)) for moved in places]
    for name in names:
        if found[name].direction.size:
            kinds = [_kind(oracle, name, *other, rng) for other in others]
            kind = min(kinds, key=KINDS.index, default=HIDDEN)
            found = {**found, name: _said(found[name], kind.format(name), kind == WITHOUT)}
    return found


def elsewhere(problem: Problem, rng: np.random.Generator) -> dict[str, Array] | None:
    """The arrays at other values, which have little to do with the old ones; None if f has none."""
    for far in MOVES:
        moved = {
            name: a + (far * problem.size(name) * rng.standard_normal(a.shape)).astype(a.dtype)
            for name, a in problem.arrays.items()
        }
        with np.errstate(all="ignore"):
            if np.isfinite(problem.value(moved).real):
                return moved
    return None


def _said(comparison: Comparison, note: str, passes: bool) -> Comparison:
    notes = "; ".join(filter(None, (comparison.error.note, note)))
    error = replace(comparison.error, note=notes, undecided="" if passes else NOT_TESTED)
    return replace(comparison, error=error)


def _kind(
    oracle: Oracle,
    name: str,
    moved: Mapping[str, Array],
    grads: Mapping[str, Array | None],
    rng: np.random.Generator,
) -> str:
    """Why nothing arrives: what the gradient of an array is at other inputs tells."""
    problem, hand = oracle.problem, grads[name]
    direction = problem.size(name) * rng.standard_normal(problem.arrays[name].shape)
    with np.errstate(all="ignore"):
        true = oracle.at(moved, {name: direction})
        by_hand = 0.0 if hand is None else float((hand * direction).sum())
        effects = [
            float(np.abs(g).max(initial=0.0)) * problem.size(k)
            for k, g in grads.items()
            if g is not None
        ]
        room = max(INVISIBLE_PART * max(effects), 2 * true.error)
        if not max(abs(true.value), abs(by_hand)) <= room:
            return HIDDEN
        there = Oracle(moved_to(problem, moved), oracle.method)
        wider = there.wider() if true.value else None
        if oracle.method != "complex":  # a move by all its size shows more than small steps
            seen = wider or there.problem
            seen.measure_noise([name])
            values = [seen.along({name: direction}, t).real for t in (0.0, 1.0, -1.0)]
            room = FAR_NOISE * seen.last_digit([name])
            still = all(abs(value - values[0]) <= room for value in values)
            return WITHOUT if still or not true.value else TOO_SMALL
        if wider is None:
            return WITHOUT
        # A slope as small as rounding is rounding, if it is another one with more digits.
        again = there.at(wider.arrays, {name: direction}).value
        return TOO_SMALL if abs(again - true.value) <= 0.5 * abs(true.value) else WITHOUT
