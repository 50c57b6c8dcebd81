"""From numbers to words: where an array is wrong, and why that may be.
A large array that is wrong somewhere is halved until the place is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from minilstm.proof.causes.axes import axes_by_trial
from minilstm.proof.causes.find import Told, find_causes
from minilstm.proof.checker.comparison import MOST_KINKS, Comparison
from minilstm.proof.derivatives.claims import REPEATED_CALL_ERROR, Claims
from minilstm.proof.derivatives.directional import narrow
from minilstm.proof.derivatives.kinks import slopes
from minilstm.proof.derivatives.oracle import Oracle
from minilstm.proof.derivatives.problem import one_hot
from minilstm.proof.reports.places import describe
from minilstm.proof.reports.report import ParameterError


def explained(
    oracle: Oracle, claims: Claims, found: Mapping[str, Comparison]
) -> list[ParameterError]:
    """The errors of all arrays that have a gradient, each with its place and its likely causes."""
    problem = oracle.problem
    errors = {name: comparison.error for name, comparison in found.items()}
    for name, fault in claims.faults.items():
        errors[name] = replace(errors[name], causes=(fault,))
    for name, change in claims.unsteady.items():
        errors[name] = replace(
            errors[name],
            relative_error=max(change, errors[name].relative_error),
            tolerance=min(REPEATED_CALL_ERROR, errors[name].tolerance),
            causes=(
                "backward gives another gradient when it is called again: it adds to what an "
                "earlier call left behind, or it draws random numbers",
            ),
        )
    wrong = [name for name, error in errors.items() if error.verdict == "wrong"]
    for name in wrong:
        if not errors[name].where and problem.arrays[name].ndim and not claims.faults.get(name):
            errors[name] = _placed(oracle, claims, found[name], errors[name])
    exact = {name: comparison.exact for name, comparison in found.items()}
    allowed = {name: error.tolerance for name, error in errors.items()}
    offs = {name: abs(errors[name].by_hand - errors[name].reference) for name in wrong}
    likeness = problem.recognise() if wrong and problem.recognise else None
    if likeness is not None:
        problem.notes.append(f"f was recognised as {likeness.title}")
        problem.axes = {**likeness.axes, **problem.axes}
    if wrong and problem.recognise and problem.forward:
        unknown = {n: a for n, a in problem.arrays.items() if n not in problem.axes}
        for name, words in axes_by_trial(unknown, problem.forward).items():
            problem.axes = {**problem.axes, name: words}
            shown = ", ".join(word or "?" for word in words)
            problem.notes.append(
                f"the axes of {name} are taken for ({shown}), from what they reach"
            )
    told = find_causes(oracle, claims.grads, exact, allowed, offs) if wrong else {}
    for name, error in errors.items():
        axes, one = problem.axes.get(name, ()), told.get(name, Told())
        place = describe(error.where, axes, problem.arrays[name].shape, problem.rows)
        pattern = f"the pattern: {one.pattern}" if one.pattern and not error.causes else ""
        errors[name] = replace(
            error,
            place=place.text if problem.arrays[name].ndim else "its only number",
            gate=place.gate,
            unit=place.unit,
            time_step=place.time_step,
            causes=error.causes or one.causes,
            note="; ".join(filter(None, (error.note, pattern))),
        )
    return list(errors.values())


def _placed(
    oracle: Oracle, claims: Claims, comparison: Comparison, error: ParameterError
) -> ParameterError:
    """The same error at an entry, found by halving the array, if that entry is wrong enough."""
    hand = claims.grads[error.name]
    assert hand is not None
    base = oracle.problem.value({}).real
    direction = comparison.direction.copy()
    for _ in range(MOST_KINKS):
        index = narrow(oracle, error.name, hand, direction, comparison.allowed)
        value = oracle.entry(error.name, index).value
        comparison.exact[index] = value
        off = abs(float(hand[index]) - value) / comparison.scale
        if not off > error.tolerance and not np.isnan(off):
            return error
        along = {error.name: one_hot(hand.shape, index)}
        if not slopes(oracle.problem, along, base).between(float(hand[index])):
            break
        direction[index] = 0.0  # right in its way: the mistake is elsewhere
    else:
        return error
    relative = float("inf") if np.isnan(off) else off
    return replace(
        error, relative_error=relative, where=index, by_hand=float(hand[index]), reference=value
    )
