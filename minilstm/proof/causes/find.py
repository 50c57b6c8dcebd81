"""Likely causes of a wrong gradient, by two kinds of evidence and never by guessing.
Known mistakes are made on purpose and compared; failing that, the numbers are held side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from minilstm.proof.causes.equations import find_by_equations
from minilstm.proof.causes.mistakes import CATALOGUE
from minilstm.proof.causes.recognition import Likeness
from minilstm.proof.causes.signatures import Evidence, explain
from minilstm.proof.derivatives.oracle import Oracle
from minilstm.proof.derivatives.problem import Array, Gradients

Replay = Callable[[str, Callable[..., Any]], Mapping[str, Array]]

# Numbers of a problem; a hundred mistakes are made, each with a forward and a backward pass.
MOST_TERMS = 50_000
# A mistake made on purpose gives the wrong numbers of backward to this part of the largest one,
# which is rounding, and to this part of the error that it explains.
REPLAY_ERROR = 1e-7
REPLAY_PART_OF_ERROR = 0.01
MOST_CAUSES = 4  # of one array
MOST_ENTRIES = 400  # of an array whose true gradient is computed at every entry, for the evidence


def find_causes(
    oracle: Oracle,
    grads: Gradients,
    exact: Mapping[str, Array],
    tolerances: Mapping[str, float],
    wrong: Mapping[str, float],
    likeness: Likeness | None,
) -> dict[str, tuple[str, ...]]:
    """Causes by array name, best first, of the arrays in `wrong`, which says how far off they are.

    `tolerances` are relative; `likeness` is what a plain function was recognised as.
    """
    problem = oracle.problem
    causes: dict[str, list[str]] = {name: [] for name in wrong}
    replay = problem.replay or (likeness.in_place_of if likeness else None)
    if replay is not None and problem.terms > MOST_TERMS:
        problem.notes.append(
            f"with {problem.terms} numbers the known mistakes were not tried one by one; check a "
            "smaller case to have the cause named"
        )
    elif replay is not None:
        for name, found in replayed(replay, grads, wrong).items():
            causes[name] += found
    # What the lines of f explain, and a second input confirms, needs no pattern of numbers.
    by_lines = {} if any(causes.values()) else find_by_equations(problem, grads, exact, wrong)
    for name, said in by_lines.items():
        causes[name] += said
    evidence = []
    for name, known in exact.items():
        hand = grads[name]
        if hand is None or hand.shape != known.shape:
            continue
        true = known
        if name in wrong and known.size <= MOST_ENTRIES:
            true = known.copy()
            for index in np.argwhere(np.isnan(known)):
                place = tuple(int(i) for i in index)
                true[place] = oracle.entry(name, place).value
        axes = problem.axes.get(name, ())
        rows = problem.rows if "row" in axes else None
        value = problem.arrays[name]
        evidence.append(Evidence(name, hand, true, value, axes, tolerances[name], rows))
    with np.errstate(all="ignore"):  # numbers of any size
        explanations = explain(evidence, problem.counts)
    for name, likely in explanations.items():
        if name in causes and name not in by_lines:
            causes[name] += [cause for cause in likely if cause not in causes[name]]
    return {name: tuple(likely) for name, likely in causes.items() if likely}


def replayed(replay: Replay, grads: Gradients, wrong: Mapping[str, float]) -> dict[str, list[str]]:
    """Causes found by making each known mistake on purpose, by array name."""
    explains_all: list[str] = []
    single: dict[str, list[str]] = {name: [] for name in wrong}
    called = _called(replay)
    for mistake in CATALOGUE:
        if mistake.function not in called:
            continue
        try:
            made = replay(mistake.function, mistake.wrong)
        except Exception:  # a mistake may not even run on every shape
            continue
        alike = [n for n in made if n in grads and _alike(grads[n], made[n], wrong.get(n))]
        if all(n in alike for n in made if grads.get(n) is not None):
            explains_all.append(mistake.cause)
        for name in wrong:
            if name in alike:
                single[name].append(f"perhaps {mistake.cause}")
    if explains_all:
        return {name: explains_all[:MOST_CAUSES] for name in wrong}
    # Several mistakes at once: each array by itself, and only where a single one explains it.
    return {name: found for name, found in single.items() if len(found) == 1}


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
    allowed = REPLAY_ERROR * largest
    if off is not None and np.isfinite(off):
        allowed = min(allowed, REPLAY_PART_OF_ERROR * off)
    return bool(np.abs(hand - made).max(initial=0.0) <= allowed)
