"""The same problem at a second random input, and at other sizes: where a cause has to hold as well.
A coincidence of numbers or of lengths that looks like a cause at one input fails there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from minilstm.proof.causes.factors import Measured
from minilstm.proof.derivatives.oracle import Oracle
from minilstm.proof.derivatives.problem import Array, Gradients, Problem
from minilstm.proof.derivatives.trees import leaves

REACHES = (0.4, 0.05)  # how far entries are moved, in units of themselves
LENGTHS = (3, 5, 7, 11, 13, 17, 19)  # of resized axes: none is another one less or more by 1


class Elsewhere:
    """A problem's factors at other inputs, computed where a factor is in question."""

    def __init__(self, problem: Problem, method: str) -> None:
        self.problem, self.method = problem, method
        self.second = second_input(problem)
        self._factors: dict[tuple[int, str], float] = {}

    @cached_property
    def others(self) -> list[Problem]:
        """The second input, and one of other sizes."""
        larger = _tried(self.problem, drawn(resized(self.problem, grow=True), REACHES[0]))
        return [p for p in (self.second, larger) if p is not None]

    def factors(self, name: str) -> list[Measured]:
        """What the gradient of an array is multiplied by at other inputs, with their sizes."""
        found = [Measured(self._factor(p, name), p.lengths) for p in self.others]
        return [m for m in found if np.isfinite(m.factor)]

    def _factor(self, other: Problem, name: str) -> float:
        """What the gradient of an array is multiplied by there; NaN if it is no multiple."""
        key = id(other), name
        if key not in self._factors:
            rng = np.random.default_rng(7)
            hand, oracle = claimed(other)[name], Oracle(other, self.method)
            found = []
            for _ in range(2):
                direction = rng.standard_normal(other.arrays[name].shape)
                true = oracle.along({name: direction}).value
                by_hand = np.nan if hand is None else float((hand * direction).sum())
                found.append(by_hand / true if true else np.nan)
            one, two = found
            self._factors[key] = one if np.isclose(one, two, rtol=1e-6) else np.nan
        return self._factors[key]


def claimed(problem: Problem) -> Gradients:
    """What backward gives right after forward: an object may keep its cache to itself."""
    problem.value({})
    return problem.claimed()


def second_input(problem: Problem) -> Problem | None:
    """The problem at random inputs of the same kind, with other upstream gradients.

    None where none is found at which both passes give finite numbers.
    """
    tried = (_tried(problem, drawn(problem.inputs or problem.arrays, r)) for r in REACHES)
    return next((other for other in tried if other is not None), None)


def drawn(inputs: Mapping[str, Any], reach: float) -> dict[str, Any]:
    """Random inputs of the same kind: signs, zeros and sizes stay; integers change places."""
    rng = np.random.default_rng([19, 2])
    return {name: _another(value, reach, rng) for name, value in inputs.items()}


def _another(value: Any, reach: float, rng: np.random.Generator) -> Any:
    if isinstance(value, float):
        return value * (1 + reach * float(rng.uniform(0.2, 0.6)))
    if not isinstance(value, np.ndarray) or not value.size:
        return value
    if value.dtype.kind in "iub" and reach == REACHES[0]:
        return rng.permutation(value.ravel()).reshape(value.shape)
    if value.dtype.kind != "f":
        return value
    near = value if value.any() else np.full_like(value, 0.3)
    return np.asarray(near * (1 + reach * rng.uniform(-1, 1, value.shape)), value.dtype)


def _tried(problem: Problem, inputs: Mapping[str, Any]) -> Problem | None:
    """The problem at other inputs, if both passes run there and give finite numbers."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = again(problem, inputs)
            value, grads = other.value({}), other.claimed()
    except Exception:  # a function need not take every size
        return None
    shapes = all(g is None or g.shape == other.arrays[n].shape for n, g in grads.items())
    finite = all(np.isfinite(g).all() for g in grads.values() if g is not None)
    return other if shapes and finite and np.isfinite(value) else None


def again(problem: Problem, inputs: Mapping[str, Any]) -> Problem:
    """The problem made at other inputs; its passes are counted."""
    assert problem.again is not None
    problem.others.append(problem.again(inputs))
    return problem.others[-1]


def resized(problem: Problem, grow: bool) -> dict[str, Any]:
    """The inputs with axes of other lengths, where forward takes them; unequal lengths stay so.

    An axis that several arrays share has the same length in all of them, so all are changed; four
    gates of H units follow H.
    """
    arrays = {n: a for n, a in problem.inputs.items() if isinstance(a, np.ndarray)}
    lengths = sorted({d for a in arrays.values() for d in a.shape if d > 1}, reverse=True)
    kept: dict[int, int] = {}
    found = dict(problem.inputs)
    for length in lengths:
        taken = {*kept.values(), *(n for n in lengths if n not in kept)}
        new = next((n for n in LENGTHS if n not in taken), length)
        if length in kept or (new >= length and not grow):
            continue
        together = {m * length: m * new for m in (2, 3, 4) if m * length in lengths}
        for more in ({}, together) if together else ({},):
            trial = {**kept, length: new, **more}
            inputs = {**problem.inputs, **{n: _cut(a, trial) for n, a in arrays.items()}}
            if _runs(problem, inputs):
                kept, found = trial, inputs
                break
    return found


def _cut(a: Array, lengths: Mapping[int, int]) -> Array:
    for axis, length in enumerate(a.shape):
        if length in lengths:
            a = np.take(a, np.arange(lengths[length]) % length, axis)
    return a.copy()


def _runs(problem: Problem, inputs: Mapping[str, Any]) -> bool:
    forward: Callable[[Any], Any] | None = problem.forward
    assert forward is not None
    problem.forward_passes += 1
    try:
        out = leaves(forward(inputs))
    except Exception:  # an axis has to be as long as it is
        return False
    return all(np.isfinite(y).all() for y in out if np.asarray(y).dtype.kind == "f")
