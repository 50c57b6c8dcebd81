"""How far two right gradients can be apart, derived from what was computed and never guessed.
Rounding of sums sets the base; only where that is exceeded is the noise of the problem measured.

The base: n numbers added in any order err by up to n u of their absolute sum, and in practice by
about sqrt(n) u, u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
chapters 3 and 4). A gradient takes its sums over the numbers of the inputs and outputs.

The noise: an ill-conditioned gradient changes by far more than u when its inputs change by u.
So the inputs are moved by one unit in the last place, and how much both gradients then change is
what rounding may do to them. A mistake does not shrink with u; it stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.checking.problem import Problem

Array = NDArray[Any]

SAFETY = 4.0
NOISE_SAFETY = 32.0
REPEATS = 3
LARGEST_NOISE = 1e-6  # of the largest gradient: noise beyond is a fault and excuses none
PROVES_NOTHING = 1e-2  # a tolerance above this would let real mistakes pass


def base_tolerance(problem: Problem) -> float:
    """Relative error that the rounding of sums explains: 4 eps sqrt(numbers that take part)."""
    return SAFETY * problem.eps * float(np.sqrt(max(problem.terms, 4)))


def rounded_anew(problem: Problem, rng: np.random.Generator) -> dict[str, Array]:
    """The arrays, each entry moved up or down by one unit in the last place, or left."""
    moved = {}
    for name, array in problem.arrays.items():
        ulp = np.spacing(np.abs(array))
        moved[name] = array + ulp * rng.integers(-1, 2, array.shape).astype(array.dtype)
    return moved


class Noise:
    """What rounding does to the gradients of a problem; measured when first asked for."""

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self._problem, self._rng = problem, rng
        self._moved: list[dict[str, Array]] = []
        self._hand: list[dict[str, Array | None]] = []

    def of(
        self,
        name: str,
        hand: Array,
        exact: Callable[[Mapping[str, Array]], float] | None,
        value: float,
    ) -> float:
        """Absolute noise of an array's gradient and of one reference value for it.

        Parameters
        ----------
        name : of the array
        hand : its gradient by backward
        exact : the reference derivative at arrays replaced; None to leave it out
        value : the reference derivative at the arrays themselves
        """
        if not self._moved:
            for _ in range(REPEATS):
                self._moved.append(rounded_anew(self._problem, self._rng))
                self._hand.append(self._problem.claimed(self._moved[-1]))
        changes = [0.0]
        for moved, other in zip(self._moved, self._hand, strict=True):
            again = other[name]
            if again is not None and again.shape == hand.shape:
                changes.append(float(np.nanmax(np.abs(again - hand), initial=0.0)))
            if exact is not None:
                changes.append(abs(exact(moved) - value))
        return NOISE_SAFETY * max(c for c in changes if np.isfinite(c))

    def limit(self, name: str, grads: Mapping[str, Array | None]) -> float:
        """Largest noise that is believed: a part of what all arrays together do to the loss."""
        sizes = [
            float(np.nanmax(np.abs(g), initial=0.0)) * self._problem.size(k)
            for k, g in grads.items()
            if g is not None
        ]
        finite = [s for s in sizes if np.isfinite(s)]
        return LARGEST_NOISE * max(finite, default=0.0) / self._problem.size(name)
