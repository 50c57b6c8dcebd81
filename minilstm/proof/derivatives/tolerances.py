"""How far two right gradients can be apart, derived from what was computed and never guessed.
Rounding of sums sets the base; only where that is exceeded is the noise of the problem measured.

The base: n numbers added in any order err by up to n u of their absolute sum, and in practice by
about sqrt(n) u, u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
chapters 3 and 4). A gradient takes its sums over the numbers of the inputs and outputs.

The noise: an ill-conditioned gradient changes by far more than u when its inputs change by u.
So the inputs are moved by one unit in the last place, and how much both gradients then change is
what rounding may do to them.

Where even that does not show it (a saturated sigmoid, whose 1 - y has few digits left however the
inputs move), both gradients are computed once more with a smaller u, float64 for float32 and
extended precision for float64. Rounding shrinks with u; a mistake stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minilstm.proof.derivatives.complex_step import Derivative
from minilstm.proof.derivatives.oracle import Oracle, moved_to
from minilstm.proof.derivatives.problem import Array, Gradients, Problem

BASE_SAFETY = 4.0  # factor of the rounding that sums are expected to leave
NOISE_SAFETY = 32.0  # factor of the noise that was measured
NOISE_SAMPLES = 3  # times that the arrays are rounded anew to measure it
LARGEST_NOISE = 1e-6  # part of the largest gradient: noise beyond is a fault and excuses none
# Power of eps: the largest error that can be rounding, as a change of the loss when the array
# changes by all its size, relative to the loss. 1e-4 for float64, 2e-2 for float32.
LARGEST_ROUNDING_POWER = 0.25
ROUNDING_RATIO = 512.0  # a disagreement that shrinks by it in the next wider type is rounding
WIDER_DTYPE: dict[str, Any] = {
    "float16": np.float32,
    "float32": np.float64,
    "float64": np.longdouble,
}
LARGEST_PROOF = 1e-2  # a relative tolerance above it would let real mistakes pass


def base_tolerance(problem: Problem) -> float:
    """Relative error that the rounding of sums explains: 4 eps sqrt(numbers that take part)."""
    return BASE_SAFETY * problem.eps * float(np.sqrt(max(problem.terms, 4)))


def rounded_anew(problem: Problem, rng: np.random.Generator) -> dict[str, Array]:
    """The arrays, each entry moved up or down by one unit in the last place, or left."""
    return {
        name: a + np.spacing(np.abs(a)) * rng.integers(-1, 2, a.shape).astype(a.dtype)
        for name, a in problem.arrays.items()
    }


class Noise:
    """What rounding does to the gradients of a problem; measured when first asked for."""

    def __init__(self, oracle: Oracle, rng: np.random.Generator) -> None:
        self._oracle, self._problem, self._rng = oracle, oracle.problem, rng
        self._moved: list[dict[str, Array]] = []
        self._hand: list[dict[str, Array | None]] = []
        self._wide: tuple[dict[str, Array], Mapping[str, Array | None]] | None = None

    def of(self, name: str, hand: Array, direction: Array, value: float) -> float:
        """Absolute noise of an array's gradient, and of its true derivative along a direction."""
        if not self._moved:
            for _ in range(NOISE_SAMPLES):
                self._moved.append(rounded_anew(self._problem, self._rng))
                self._hand.append(self._problem.claimed(self._moved[-1]))
        changes = [0.0]
        for moved, other in zip(self._moved, self._hand, strict=True):
            again = other[name]
            if again is not None and again.shape == hand.shape:
                changes.append(float(np.nanmax(np.abs(again - hand), initial=0.0)))
            changes.append(abs(self._oracle.at(moved, {name: direction}).value - value))
        return NOISE_SAFETY * max(c for c in changes if np.isfinite(c))

    def left_in_wider(self, name: str, direction: Array) -> Derivative | None:
        """What is left of a disagreement where both sides have more digits, and how surely.

        None where there is no wider type that works.
        """
        eps = self._problem.eps
        try:
            double = eps <= np.finfo(np.float64).eps
            wider = self._oracle.wider() if double else None
            if double and wider is None:
                return None
            if self._wide is None:
                arrays = {
                    k: a.astype(WIDER_DTYPE[a.dtype.name]) for k, a in self._problem.arrays.items()
                }
                # On some machines extended precision is none.
                works = all(np.finfo(a.dtype).eps < eps for a in arrays.values())
                self._wide = (arrays, self._problem.claimed(arrays)) if works else ({}, {})
            arrays, grads = self._wide
            hand = grads.get(name)
            if hand is None or hand.shape != direction.shape or np.finfo(hand.dtype).eps >= eps:
                return None  # backward did not follow
            there = wider or moved_to(self._problem, arrays)
            true = Oracle(there, self._oracle.method).along({name: direction})
            return Derivative(abs(float((hand * direction).sum()) - true.value), true.error)
        except Exception:  # functions that compute in their own type only
            self._wide = {}, {}
            return None

    def limit(self, name: str, grads: Gradients) -> float:
        """Largest noise that is believed: a part of what all arrays together do to the loss."""
        spread = self._problem.spread
        sizes = [
            float(np.abs(g[~np.isnan(g)]).max(initial=0.0)) * spread(k)
            for k, g in grads.items()
            if g is not None
        ]
        return LARGEST_NOISE * max(filter(np.isfinite, sizes), default=0.0) / spread(name)
