"""Likely causes of a wrong gradient, by two kinds of evidence and never by guessing.
Known mistakes are made on purpose and compared; failing that, the numbers are held side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.elsewhere import Elsewhere
from minilstm.proof.causes.equations import find_by_equations
from minilstm.proof.causes.mistakes import CATALOGUE, Mistake
from minilstm.proof.causes.recognition import Likeness
from minilstm.proof.causes.repairs import Truth, repairs
from minilstm.proof.causes.signatures import Coincidence, Evidence, Pattern, explain
from minilstm.proof.derivatives.oracle import Oracle
from minilstm.proof.derivatives.problem import Array, Gradients, Problem

Replay = Callable[[str, Callable[..., Any]], Mapping[str, Array]]

# Numbers of a problem; a hundred mistakes are made, each with a forward and a backward pass.
MOST_TERMS = 50_000
# A mistake made on purpose gives the wrong numbers of backward to this part of the largest one,
# which is rounding, and to this part of the error that it explains.
REPLAY_ERROR = 1e-7
REPLAY_PART_OF_ERROR = 0.01
MOST_CAUSES = 4  # of one array
MOST_ENTRIES = 400  # of an array whose true gradient is computed at every entry, for the evidence


class Told(NamedTuple):
    """Of one array: likely causes, best first, and the pattern of the error where there is none."""

    causes: tuple[str, ...] = ()
    pattern: str = ""


def find_causes(
    oracle: Oracle,
    grads: Gradients,
    exact: Mapping[str, Array],
    tolerances: Mapping[str, float],
    wrong: Mapping[str, float],
    likeness: Likeness | None,
) -> dict[str, Told]:
    """What to say of the arrays in `wrong`, which says how far off they are, by their names.

    A cause is named where it gives the wrong gradient, or a change of it the right one, at a second
    random input too. `tolerances` are relative; `likeness` is what a plain function is.
    """
    problem = oracle.problem
    causes: dict[str, list[str]] = {name: [] for name in wrong}
    elsewhere = Elsewhere(problem, oracle.method)
    second = elsewhere.second
    replay = problem.replay or (likeness.in_place_of if likeness else None)
    if replay is not None and problem.terms > MOST_TERMS:
        problem.notes.append(
            f"with {problem.terms} numbers the known mistakes were not tried one by one; check a "
            "smaller case to have the cause named"
        )
    elif replay is not None:
        for name, found in replayed(replay, grads, wrong, second).items():
            causes[name] += found
    known = {name for name in wrong if causes[name]}
    here = _evidence(oracle, grads, exact, tolerances, wrong)
    there = []
    if second is not None:
        other = Oracle(second, oracle.method)
        claims = second.claimed()
        unknown = {n: np.full(second.arrays[n].shape, np.nan) for n in exact}
        second.axes = problem.axes
        there = _evidence(other, claims, unknown, tolerances, wrong)
    unsure = any(not c or c[0].startswith("perhaps") for c in causes.values())
    if unsure and second is not None:
        truths = (
            Truth(p, {e.name: e.exact for e in found})
            for p, found in ((problem, here), (second, there))
        )
        spoiled = set(problem.spoiled)
        for name, said in repairs(next(truths), grads, list(wrong), list(truths)).items():
            causes[name] = said
        problem.spoiled &= spoiled  # a change may write into anything
    # What the lines of f explain, and a second input confirms, needs no pattern of numbers.
    if not all(causes.values()):
        for name, said in find_by_equations(problem, grads, exact, wrong).items():
            if not causes[name]:
                causes[name] += said
                known.add(name)
    factors = elsewhere.factors if problem.again else None
    with np.errstate(all="ignore"):  # numbers of any size
        explanations = explain(here, problem.lengths, factors)
        again = explain(there, (second or problem).lengths, factors)
    told = {}
    for name in wrong:
        likely = () if name in known else explanations.get(name, ())
        held = {_without_numbers(s) for s in again.get(name, ())}
        fact = _is_fact(grads[name], exact[name])
        sure = [s for s in likely if fact or _without_numbers(s) in held]
        firm = [s for s in sure if not isinstance(s, Pattern | Coincidence)]
        causes[name] += [s for s in firm if s not in causes[name]]
        causes[name] += [s for s in sure if isinstance(s, Coincidence) and not causes[name]]
        patterns = [s for s in sure if isinstance(s, Pattern)]
        pattern = patterns[0] if patterns else _pattern(next(e for e in here if e.name == name))
        told[name] = Told(tuple(causes[name]), "" if causes[name] else pattern)
    return told


def _is_fact(hand: Array | None, exact: Array) -> bool:
    """Whether what is said of a gradient needs no proof: it is absent, misshapen or not finite."""
    return hand is None or hand.shape != exact.shape or not np.isfinite(hand).all()


def _without_numbers(sentence: str) -> str:
    return re.sub(r"-?\d[\d.,e+-]*", "#", sentence)


def _evidence(
    oracle: Oracle,
    grads: Gradients,
    exact: Mapping[str, Array],
    tolerances: Mapping[str, float],
    wrong: Iterable[str],
) -> list[Evidence]:
    """All arrays with their true gradients, computed where they are unknown and not too many."""
    problem, found = oracle.problem, []
    for name, known in exact.items():
        hand, true = grads.get(name), known
        if hand is None or hand.shape != known.shape:
            continue
        if known.size <= MOST_ENTRIES and (name in wrong or np.isnan(known).all()):
            true = known.copy()
            for index in np.argwhere(np.isnan(known)):
                place = tuple(int(i) for i in index)
                true[place] = oracle.entry(name, place).value
        axes = problem.axes.get(name, ())
        rows = problem.rows if "row" in axes else None
        value = problem.arrays[name]
        found.append(Evidence(name, hand, true, value, axes, tolerances[name], rows))
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


def replayed(
    replay: Replay, grads: Gradients, wrong: Mapping[str, float], second: Problem | None
) -> dict[str, list[str]]:
    """Causes found by making each known mistake on purpose, by array name.

    One that gives the numbers of backward has to give them at the second input, too.
    """
    explains_all: list[Mistake] = []
    single: dict[str, list[Mistake]] = {name: [] for name in wrong}
    called = _called(replay)
    for mistake in CATALOGUE:
        if mistake.function not in called:
            continue
        alike, made = _made(replay, mistake, grads, wrong)
        if made and all(n in alike for n in made if grads.get(n) is not None):
            explains_all.append(mistake)
        for name in wrong:
            if name in alike:
                single[name].append(mistake)
    if second is None:
        return {}
    likeness = second.recognise() if second.recognise else None
    again = second.replay or (likeness.in_place_of if likeness else None)
    if again is None:
        return {}
    claims = second.claimed()

    def holds(mistake: Mistake, names: Iterable[str]) -> bool:
        alike, made = _made(again, mistake, claims, dict.fromkeys(wrong))
        return all(name in alike for name in names if made.get(name) is not None)

    kept = [m.cause for m in explains_all[: 2 * MOST_CAUSES] if holds(m, grads)][:MOST_CAUSES]
    if kept:
        return {name: kept for name in wrong}
    # Several mistakes at once: each array by itself, and only where a single one explains it, or
    # one that explains all that are wrong.
    common = [m for m in next(iter(single.values()), []) if all(m in s for s in single.values())]
    found = {}
    for name, mistakes in single.items():
        only = mistakes if len(mistakes) == 1 else common if len(common) == 1 else []
        if only and holds(only[0], [name]):
            found[name] = [f"perhaps {only[0].cause}"]
    return found


def _made(
    replay: Replay, mistake: Mistake, grads: Gradients, wrong: Mapping[str, float | None]
) -> tuple[list[str], Mapping[str, Array]]:
    """The arrays for which a mistake gives what backward gives, and what it gives."""
    try:
        made = replay(mistake.function, mistake.wrong)
    except Exception:  # a mistake may not even run on every shape
        return [], {}
    return [n for n in made if n in grads and _alike(grads[n], made[n], wrong.get(n))], made


def _called(replay: Replay) -> set[str]:
    """Names of the functions that a replay calls at all."""
    found: set[str] = set()
    for function in {mistake.function for mistake in CATALOGUE}:

        def note(*args: Any, function: str = function, **options: Any) -> Any:
            found.add(function)
            raise _Noted

        with suppress(_Noted):
            replay(function, note)
    return found


class _Noted(Exception):
    """Ends a replay as soon as the function in question has been called."""


def _alike(hand: Array | None, made: Array | None, off: float | None) -> bool:
    """Whether a mistake gives what backward gives, far closer than backward is to the truth."""
    if hand is None or made is None or hand.shape != made.shape:
        return False
    largest = max(float(np.abs(made).max(initial=0.0)), float(np.abs(hand).max(initial=0.0)))
    allowed = max(REPLAY_ERROR, 64 * float(np.finfo(hand.dtype).eps)) * largest
    if off is not None and np.isfinite(off):
        allowed = min(allowed, REPLAY_PART_OF_ERROR * off)
    return bool(np.abs(hand - made).max(initial=0.0) <= allowed)
