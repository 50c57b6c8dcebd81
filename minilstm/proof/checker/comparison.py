"""The comparison: every array entry by entry where it is small, at random entries and along a
random direction where it is large. What fails is measured again with the noise of the problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minilstm.proof.derivatives.complex_step import Derivative
from minilstm.proof.derivatives.kinks import slopes
from minilstm.proof.derivatives.oracle import Oracle, beside, moved_to, one_hot, two_slopes
from minilstm.proof.derivatives.problem import Array, Gradients, Problem
from minilstm.proof.derivatives.tolerances import (
    LARGEST_ROUNDING,
    NOISE_SAFETY,
    PROVES_NOTHING,
    SHRINKS,
    WIDER,
    Noise,
)
from minilstm.proof.reports.report import ParameterError, or_infinite

MOST_KINKS = 3  # that are told one by one
STAYS = 1e-3  # an error that changes by less of itself in a wider type is none of rounding
BESIDE = 1e-8  # a little way off a kink the two agree to this, relative


@dataclass
class Comparison:
    """One array: what was compared, and the known part of its true gradient.

    Attributes
    ----------
    error : the worst disagreement
    exact : true gradient, NaN where it was not computed
    scale : what errors of single entries are measured against
    direction : along which it is worst
    allowed : absolute difference of two slopes along it that passes
    """

    error: ParameterError
    exact: Array
    scale: float
    direction: Array
    allowed: float


def compare(
    oracle: Oracle,
    name: str,
    grads: Gradients,
    noise: Noise,
    base: float,
    *,
    tolerance: float,
    fixed: bool,
    max_entries: int,
    rng: np.random.Generator,
) -> Comparison:
    """Compare one array's gradient with the reference.

    Parameters
    ----------
    oracle : of the problem
    name : of the array
    grads : what backward claims, of all arrays; that of this one is not None
    noise : of the problem, measured if the tolerance is exceeded
    base : the loss
    tolerance : relative error that passes
    fixed : True where the tolerance was given and is not to be widened by noise
    max_entries : entries to compare one by one
    rng : of entries and direction
    """
    hand = grads[name]
    assert hand is not None
    exact = np.full(hand.shape, np.nan)
    if hand.size == 0:
        nothing = ParameterError(name, 0.0, (), 0.0, 0.0, 0, tolerance)
        return Comparison(nothing, exact, 1.0, exact, 0.0)
    indices = list(_indices(hand.shape, max_entries, rng))
    found = [oracle.entry(name, index) for index in indices]
    for index, derivative in zip(indices, found, strict=True):
        exact[index] = derivative.value
    scale = _scale(oracle.problem, name, grads, found)
    trials = [
        _Trial(one_hot(hand.shape, i), i, float(hand[i]), d, scale)
        for i, d in zip(indices, found, strict=True)
    ]
    if len(indices) < hand.size:
        direction = rng.standard_normal(hand.shape)
        # As many entries, each as far off as one may be, add up like a random walk.
        length = scale * float(np.sqrt(hand.size))
        slope = oracle.along({name: direction})
        trials.append(_Trial(direction, (), float((hand * direction).sum()), slope, length))
    notes, kinked = list[str](), list[str]()
    while True:
        # An entry says more than a direction, so it is named where both are wrong.
        entries = [t for t in trials if t.index and not t.beyond(tolerance) <= 1]
        worst = max(entries or trials, key=lambda t: t.beyond(tolerance))
        allowed = max(tolerance, 0.0 if fixed else worst.estimate)
        if worst.relative <= allowed:
            break
        if not fixed and np.isfinite(worst.relative):
            allowed = max(allowed, _measured(oracle, name, grads, noise, worst))
        if worst.relative <= allowed:
            break
        if not fixed and np.isfinite(worst.relative) and _is_rounding(oracle, name, noise, worst):
            allowed = worst.relative
            dtype = oracle.problem.arrays[name].dtype.name
            notes.append(f"the error of {worst.relative:.0e} is the rounding of {dtype}")
            break
        if oracle.method == "difference" and not fixed:
            # A change of branch within the wide steps spoils them and their error estimate.
            finer = two_slopes(oracle.problem, {name: worst.direction})
            room = 2 * finer.error + tolerance * worst.scale
            apart = abs(worst.reference.value - finer.value)
            if abs(worst.hand - finer.value) <= room < apart:
                allowed = worst.relative
                notes.append(f"finer differences give {finer.value:.9g}, which agrees")
                break
        around = slopes(oracle.problem, {name: worst.direction}, base)
        if not around.between(worst.hand) or not _right_beside(oracle, name, worst, tolerance):
            break
        kinked.append(
            f"no derivative at {list(worst.index) or 'some entry'} (slopes {around.left:.4g} and "
            f"{around.right:.4g}); backward's {worst.hand:.4g} lies between them and passes"
        )
        trials.remove(worst)
        if not trials:
            worst.reference, worst.relative = Derivative(worst.hand, 0.0), 0.0
            allowed = tolerance
            break
    notes += kinked[:MOST_KINKS]
    if len(kinked) > MOST_KINKS:
        notes.append(f"{len(kinked) - MOST_KINKS} more without a derivative pass likewise")
    claimed, true = _largest(hand), np.nanmax(np.abs(exact), initial=0.0)
    if not np.isfinite(worst.reference.value):
        notes.append(
            "f gives NaN or infinite numbers next to this point, so there is no derivative to "
            "compare; choose other inputs"
        )
    small = 0 < max(claimed, true) <= min(allowed, PROVES_NOTHING) * scale
    if worst.relative <= allowed and small:
        notes.append(
            f"beside the other arrays its derivatives ({true:.0e} at most) are as small as "
            "rounding, so zeros would pass as well"
        )
    if allowed > PROVES_NOTHING and not fixed:
        notes.append(f"rounding or curvature leaves {allowed:.0e} open, which proves little")
    error = ParameterError(
        name,
        worst.relative,
        worst.index,
        worst.hand,
        worst.reference.value,
        len(indices),
        allowed,
        note="; ".join(notes),
    )
    return Comparison(error, exact, scale, worst.direction, allowed * worst.scale)


def _right_beside(oracle: Oracle, name: str, worst: _Trial, tolerance: float) -> bool:
    """Whether backward is right a little way off, where there is no kink."""
    moved = beside(oracle.problem)
    hand = oracle.problem.claimed(moved)[name]
    if hand is None or hand.shape != worst.direction.shape:
        return False
    along = {name: worst.direction}
    if oracle.method == "complex":
        true = Derivative(oracle.at(moved, along), 0.0)
    else:  # wide steps would meet the kink again
        true = two_slopes(moved_to(oracle.problem, moved), along)
    off = abs(float((hand * worst.direction).sum()) - true.value)
    return off <= max(BESIDE, 10 * tolerance) * worst.scale + 2 * true.error


class _Trial:
    """One direction, often a single entry: what backward and the reference say of it."""

    def __init__(
        self,
        direction: Array,
        index: tuple[int, ...],
        hand: float,
        reference: Derivative,
        scale: float,
    ) -> None:
        self.direction, self.index = direction, index
        self.hand, self.reference, self.scale = hand, reference, scale
        off = abs(hand - reference.value)
        self.relative = or_infinite(off / scale) if off else 0.0
        # A difference cannot prove more than its own error estimate; one that failed gives none.
        self.estimate = 2 * reference.error / scale if np.isfinite(reference.error) else 0.0

    def beyond(self, tolerance: float) -> float:
        """The error in units of what is allowed."""
        return self.relative / max(tolerance, self.estimate)


def _scale(problem: Problem, name: str, grads: Gradients, found: list[Derivative]) -> float:
    """What errors of an array are measured against: its largest derivative.

    An array whose true gradient is zero (a bias before batch normalisation) has only rounding
    errors in it, so no array is measured against less than a thousandth of what the array with
    the largest effect on the loss would give it.
    """
    hand = grads[name]
    assert hand is not None
    largest = max((abs(d.value) for d in found if np.isfinite(d.value)), default=0.0)
    if len(found) < hand.size:  # the entries that were not drawn may be the large ones
        largest = max(largest, _largest(hand))
    effects = [_largest(g) * problem.size(k) for k, g in grads.items() if g is not None]
    return max(largest, 1e-3 * max(effects) / problem.size(name)) or 1.0


def _largest(gradient: Array) -> float:
    return float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))


def _measured(oracle: Oracle, name: str, grads: Gradients, noise: Noise, worst: _Trial) -> float:
    """The tolerance that the noise of the problem leaves, relative."""
    hand = grads[name]
    assert hand is not None
    size = noise.of(
        name,
        hand,
        lambda moved: oracle.at(moved, {name: worst.direction}),
        worst.reference.value,
    )
    if not worst.index:
        size *= float(np.sqrt(hand.size))
    limit = noise.limit(name, grads)
    return min(size, limit * (1 if worst.index else float(np.sqrt(hand.size)))) / worst.scale


def _is_rounding(oracle: Oracle, name: str, noise: Noise, worst: _Trial) -> bool:
    """Whether a disagreement all but vanishes when both sides have more digits.

    Or is too small to show in the last digits of the loss if the array changed by all its size,
    unless it is the same with more digits. Where a function is saturated through and through, such
    as one whose outputs are all 0, derivatives may be lost in any type.
    """
    problem = oracle.problem
    off = abs(worst.hand - worst.reference.value)
    effect = off * problem.size(name) / problem.magnitude if problem.magnitude else np.inf
    # So large an error is no rounding, whatever the same functions do in another type.
    if effect > problem.eps**LARGEST_ROUNDING:
        return False
    wider = WIDER.get(problem.arrays[name].dtype.name, np.longdouble)
    if effect <= NOISE_SAFETY * np.finfo(wider).eps:
        return True
    left = noise.left_in_wider(
        name, worst.direction, lambda wide: oracle.at(wide, {name: worst.direction})
    )
    if effect <= NOISE_SAFETY * problem.eps:
        return left is None or not abs(left - off) <= STAYS * off
    return left is not None and left * SHRINKS <= off


def _indices(
    shape: tuple[int, ...], most: int, rng: np.random.Generator
) -> Iterator[tuple[int, ...]]:
    size = int(np.prod(shape))
    flat = np.arange(size) if size <= most else np.sort(rng.choice(size, most, replace=False))
    for n in flat:
        yield tuple(int(i) for i in np.unravel_index(n, shape))
