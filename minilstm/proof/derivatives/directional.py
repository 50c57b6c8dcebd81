"""The check of large arrays: all of them at once, along a few random directions.
It costs six forward passes and one backward, whatever the sizes; only a failure costs more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minilstm.proof.derivatives.kinks import halved
from minilstm.proof.derivatives.oracle import Oracle
from minilstm.proof.derivatives.problem import Array, Gradients, Problem


def directions_of(
    problem: Problem, grads: Gradients, count: int, rng: np.random.Generator, bounded: bool
) -> list[dict[str, Array]]:
    """Random directions in which every array that has a gradient has a like share of the slope.

    With `bounded` every entry is in proportion to its array, as differences need it.
    """
    found = []
    longest = max((length(g) for g in grads.values() if g is not None), default=0.0) or 1.0
    for _ in range(count):
        direction = {}
        for name, gradient in grads.items():
            if gradient is None or gradient.size == 0:
                continue
            drawn = rng.standard_normal(gradient.shape)
            if bounded:  # one along which the slope is not small by chance
                several = [drawn, *(rng.standard_normal(gradient.shape) for _ in range(3))]
                drawn = max(several, key=lambda d: abs(float((gradient * d).sum())))
            # An array whose gradient is zero counts like the one with the longest.
            weight = problem.size(name) if bounded else 1 / (length(gradient) or longest)
            direction[name] = weight * drawn
        found.append(direction)
    return found


def slope_by_hand(grads: Gradients, direction: Mapping[str, Array]) -> tuple[float, float]:
    """Slope along a direction by backward, and the size that rounding is measured against."""
    slope, size = 0.0, 0.0
    for name, d in direction.items():
        gradient = grads[name]
        assert gradient is not None
        terms = gradient.astype(np.float64) * d
        slope += float(terms.sum())
        size += length(terms)
    return slope, size


def narrow(
    oracle: Oracle, name: str, gradient: Array, direction: Array, allowed: float
) -> tuple[int, ...]:
    """An entry of an array that is wrong along a direction, found by halving.

    Costs log2 of the array's size in passes. Rounding explains slopes that are `allowed` apart.
    """

    def is_wrong(part: Array, of: Array) -> bool:
        by_hand = float((gradient.ravel()[of] * part.ravel()[of]).sum())
        return not abs(by_hand - oracle.along({name: part}).value) <= allowed

    return halved(direction, is_wrong)


def length(array: Array) -> float:
    """Euclidean length of the finite entries, without overflow."""
    finite = array[np.isfinite(array)].astype(np.float64)
    largest = float(np.abs(finite).max(initial=0.0))
    return largest * float(np.sqrt(((finite / largest) ** 2).sum())) if largest else 0.0
