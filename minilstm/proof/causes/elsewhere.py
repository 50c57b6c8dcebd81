"""The same problem at a second random input, and at other sizes: where a cause has to hold as well.
A coincidence of numbers or of lengths that looks like a cause at one input fails there.
"""

from __future__ import annotations

import time
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
LENGTHS = (3, 5, 7, 11, 13, 17, 19, 23)  # of resized axes: none is another one less or more by 1
MOST_SECONDS = 10.0  # of all that is done for causes; on most problems it takes one or two
SAME_SLOPE_ERROR = 1e-7


class Elsewhere:
    """A problem at other inputs, made where a cause is in question, for as long as time is left."""

    def __init__(self, problem: Problem, method: str) -> None:
        self.problem, self.method = problem, method
        self.end, self.cut_short = time.monotonic() + MOST_SECONDS, False
        self._slopes: dict[tuple[int, str], list[tuple[Array, float]]] = {}

    def late(self) -> bool:
        """Whether the time is over; the report says so then."""
        over = time.monotonic() > self.end
        self.cut_short |= over
        return over

    @cached_property
    def second(self) -> Problem | None:
        """The problem at random inputs of the same kind, with other upstream gradients."""
        return self._first_of(*(drawn(self.problem.inputs, reach) for reach in REACHES))

    @cached_property
    def larger(self) -> Problem | None:
        """The problem at other sizes; axes of one length that need not share it do so no more."""
        found = (self.resized(grow=True, apart=apart) for apart in (True, False))
        return self._first_of(*(drawn(inputs, REACHES[0]) for inputs in found))

    def _first_of(self, *inputs: Mapping[str, Any]) -> Problem | None:
        tried = (_tried(self.problem, some) for some in inputs)
        return next((other for other in tried if other is not None), None)

    @property
    def others(self) -> list[Problem]:
        """The second input, and the one of other sizes."""
        return [p for p in (self.second, self.larger) if p is not None]

    def slopes(self, other: Problem, name: str) -> list[tuple[Array, float]]:
        """Two random directions of an array at another input, and the true slopes along them."""
        key = id(other), name
        if key not in self._slopes:
            rng, oracle = np.random.default_rng(7), Oracle(other, self.method)
            drawn = [rng.standard_normal(other.arrays[name].shape) for _ in range(2)]
            self._slopes[key] = [(d, oracle.along({name: d}).value) for d in drawn]
        return self._slopes[key]

    def holds(self, other: Problem, name: str, gradient: Array | None) -> bool:
        """Whether a gradient is right there, along two random directions."""
        if gradient is None or gradient.shape != other.arrays[name].shape:
            return False
        pairs = [((gradient * d).sum(), true) for d, true in self.slopes(other, name)]
        room = SAME_SLOPE_ERROR * max(abs(true) for _, true in pairs)
        return all(abs(made - true) <= room for made, true in pairs)

    def factors(self, name: str) -> list[Measured]:
        """What the gradient of an array is multiplied by at other inputs, with their sizes."""
        found = []
        for other in self.others:
            hand = claimed(other)[name]
            pairs = self.slopes(other, name)
            if hand is not None and all(true for _, true in pairs):
                one, two = (float((hand * d).sum()) / true for d, true in pairs)
                if np.isclose(one, two, rtol=SAME_SLOPE_ERROR):
                    found.append(Measured(one, other.lengths))
        return found

    def resized(self, grow: bool, apart: bool = False) -> dict[str, Any]:
        """The inputs with axes of other lengths, where forward takes them.

        Axes of one length keep one length, so all are changed; four gates of H units follow H. With
        `apart` an axis that can be changed alone is. Unequal lengths stay unequal.
        """
        arrays = {n: a for n, a in self.problem.inputs.items() if isinstance(a, np.ndarray)}
        old = {(n, k): d for n, a in arrays.items() for k, d in enumerate(a.shape) if d > 1}
        new: dict[tuple[str, int], int] = {}
        found = dict(self.problem.inputs)
        for length in sorted(set(old.values()), reverse=True):
            group = [place for place, d in old.items() if d == length and place not in new]
            alone = [[place] for place in group] if apart and len(group) > 1 else []
            for places in [*alone, group]:
                free = [n for n in LENGTHS if n not in {*old.values(), *new.values()}]
                free = [n for n in free if n > length or (places is group and not alone)]
                size = free[0] if free else length
                if size == length or (size > length and not grow):
                    continue
                changes = dict.fromkeys((p for p in places if p not in new), size)
                gates = {p: m * size for p, d in old.items() for m in (2, 3, 4) if d == m * length}
                for more in ({}, gates) if places is group and gates else ({},):
                    cut = {n: _cut(n, a, {**new, **changes, **more}) for n, a in arrays.items()}
                    inputs = {**found, **cut}
                    before = None if self.late() else _outputs(self.problem, inputs)
                    if before and (places is group or self._counts(inputs, *places[0], before)):
                        new, found = {**new, **changes, **more}, inputs
                        break
        return found

    def _counts(self, inputs: Mapping[str, Any], name: str, axis: int, before: list[Array]) -> bool:
        """Whether forward uses the end of an axis that was changed alone, not its start only."""
        moved = inputs[name].copy()
        if moved.dtype.kind == "f":
            np.moveaxis(moved, axis, 0)[-1] *= 1.25
            after = _outputs(self.problem, {**inputs, name: moved})
            return any(not np.array_equal(a, b) for a, b in zip(after, before, strict=True))
        return True


def claimed(problem: Problem) -> Gradients:
    """What backward gives right after forward: an object may keep its cache to itself."""
    problem.value({})
    return problem.claimed()


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
    problem.others[-1].axes = problem.axes
    return problem.others[-1]


def _cut(name: str, a: Array, lengths: Mapping[tuple[str, int], int]) -> Array:
    for axis, length in enumerate(a.shape):
        new = lengths.get((name, axis), length)
        a = np.take(a, np.arange(new) % length, axis)
    return a.copy()


def _outputs(problem: Problem, inputs: Mapping[str, Any]) -> list[Array]:
    """What forward returns; nothing where it does not take these inputs."""
    forward: Callable[[Any], Any] | None = problem.forward
    assert forward is not None
    problem.forward_passes += 1
    try:
        out = [np.asarray(y) for y in leaves(forward(inputs))]
    except Exception:  # an axis has to be as long as it is
        return []
    return out if all(np.isfinite(y).all() for y in out if y.dtype.kind == "f") else []
