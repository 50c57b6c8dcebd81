"""The same problem at a second random input, and at other sizes: where a cause has to hold as well.
A coincidence of numbers or of lengths that looks like a cause at one input fails there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from minilstm.proof.derivatives.oracle import Oracle
from minilstm.proof.derivatives.problem import Problem

REACHES = (0.4, 0.05)  # how far entries are moved, in units of themselves
MOST_SIZES = 4  # problems of other sizes for one length
MOST_AXES = 6  # of one length; every choice of them is tried


class Elsewhere:
    """A problem's factors at other inputs, computed where a factor is in question."""

    def __init__(self, problem: Problem, method: str) -> None:
        self.problem, self.method = problem, method
        self.second = second_input(problem)
        self._sizes: dict[int, list[Problem]] = {}
        self._factors: dict[tuple[int, str], float] = {}

    def factors(self, name: str, used: list[str]) -> list[tuple[Mapping[str, float], float]]:
        """(sizes and constants by name, factor of an array) at other inputs.

        At a second random input, and at other sizes of those lengths that are `used`; [] where
        these sizes cannot be changed, so that nothing can be said of them.
        """
        if self.second is None:
            return []
        others = [self.second]
        for length in {int(self.problem.lengths[n]) for n in used if n.startswith("the ")}:
            if length not in self._sizes:
                self._sizes[length] = list(other_sizes(self.problem, length))
            others += self._sizes[length]
        found = [(other.lengths, self._factor(other, name)) for other in others]
        found = [(lengths, c) for lengths, c in found if np.isfinite(c)]
        for n in used:
            if all(lengths.get(n) == self.problem.lengths[n] for lengths, _ in found):
                return []
        return found

    def _factor(self, other: Problem, name: str) -> float:
        """What the gradient of an array is multiplied by there; NaN if it is no multiple."""
        key = id(other), name
        if key not in self._factors:
            rng = np.random.default_rng(7)
            hand, oracle = other.claimed()[name], Oracle(other, self.method)
            found = []
            for _ in range(2):
                direction = rng.standard_normal(other.arrays[name].shape)
                true = oracle.along({name: direction}).value
                by_hand = np.nan if hand is None else float((hand * direction).sum())
                found.append(by_hand / true if true else np.nan)
            one, two = found
            self._factors[key] = one if np.isclose(one, two, rtol=1e-6) else np.nan
        return self._factors[key]


def second_input(problem: Problem) -> Problem | None:
    """The problem at random inputs of the same kind, with other upstream gradients.

    None where none is found at which both passes give finite numbers.
    """
    rng = np.random.default_rng([19, 2])
    for reach in REACHES:
        moved = {name: _another(v, reach, rng) for name, v in problem.inputs.items()}
        moved = moved or {name: _another(v, reach, rng) for name, v in problem.arrays.items()}
        other = _tried(problem, moved)
        if other is not None:
            return other
    return None


def other_sizes(problem: Problem, length: int) -> Iterator[Problem]:
    """The problem with one more along axes of a length, at every choice of axes where it runs."""
    if problem.again is None:
        return
    rng = np.random.default_rng([19, 3])
    arrays = {n: v for n, v in problem.inputs.items() if isinstance(v, np.ndarray)}
    axes = [(n, k) for n, v in arrays.items() for k, d in enumerate(v.shape) if d == length]
    axes, found = axes[:MOST_AXES], 0
    for many in range(1, len(axes) + 1):
        for chosen in combinations(axes, many):
            grown = dict(arrays)
            for name, axis in chosen:
                grown[name] = np.take(grown[name], [*range(length), 0], axis)
            moved = {n: _another(grown[n], REACHES[0], rng) for n, _ in chosen}
            other = _tried(problem, moved)
            if other is not None:
                found += 1
                yield other
            if found == MOST_SIZES:
                return


def _another(value: Any, reach: float, rng: np.random.Generator) -> Any:
    """Random numbers of the same kind: signs, zeros and sizes stay; integers change places."""
    if isinstance(value, float):
        return value * (1 + reach * float(rng.uniform(0.2, 0.6)))
    if not isinstance(value, np.ndarray) or not value.size:
        return value
    if value.dtype.kind in "iub" and reach == REACHES[0]:
        return rng.permutation(value.ravel()).reshape(value.shape)
    if value.dtype.kind != "f":
        return value
    near = value if value.any() else np.full_like(value, 0.3)
    drawn = near * (1 + reach * rng.uniform(-1, 1, value.shape))
    return np.asarray(drawn, value.dtype)


def _tried(problem: Problem, moved: Mapping[str, Any]) -> Problem | None:
    """The problem at other inputs, if both passes run there and give finite numbers."""
    other = None
    assert problem.again is not None
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = problem.again(moved)
            value, grads = other.value({}), other.claimed()
    except Exception:  # a function need not take every size
        return None
    finally:
        if other is not None:
            problem.others.append(other)
    shapes = all(g is None or g.shape == other.arrays[n].shape for n, g in grads.items())
    finite = all(np.isfinite(g).all() for g in grads.values() if g is not None)
    return other if shapes and finite and np.isfinite(value) else None
