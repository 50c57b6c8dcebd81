"""The comparison: every array entry by entry where it is small, at random entries and along a
random direction where it is large. What fails is measured again with the noise of the problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minilstm.proof.derivatives.complex_step import Derivative
from minilstm.proof.derivatives.kinks import slopes
from minilstm.proof.derivatives.oracle import Oracle, beside, moved_to, one_hot, two_slopes
from minilstm.proof.derivatives.problem import Array, Gradients, Problem
from minilstm.proof.derivatives.tolerances import (
    LARGEST_PROOF,
    LARGEST_ROUNDING_POWER,
    NOISE_SAFETY,
    ROUNDING_RATIO,
    WIDER_DTYPE,
    Noise,
    base_tolerance,
)
from minilstm.proof.reports.report import ParameterError, or_infinite

MOST_KINKS = 3  # points without a derivative that a note lists one by one
# An error that changes by a smaller part of itself in a wider type is not a rounding error.
UNCHANGED_PART = 1e-3
BESIDE_KINK_ERROR = 1e-8  # relative; a little way off a kink a right gradient is as near as this


class Settings(NamedTuple):
    """How to check; see `minilstm.gradcheck.gradcheck`."""

    method: str
    tolerance: float | None
    max_entries: int
    directions: int
    seed: int


@dataclass
class Comparison:
    """One array: what was compared, and the known part of its true gradient."""

    error: ParameterError  # the worst disagreement
    exact: Array  # true gradient, NaN where it was not computed
    scale: float  # what errors of single entries are measured against
    direction: Array  # along which it is worst
    allowed: float  # absolute difference of two slopes along it that passes


def compare(
    oracle: Oracle,
    name: str,
    grads: Gradients,
    noise: Noise,
    base: float,
    settings: Settings,
    rng: np.random.Generator,
) -> Comparison:
    """Compare one array's gradient with the true derivative.

    A tolerance that was given is kept; any other is widened by the noise of the problem.
    """
    hand = grads[name]
    assert hand is not None
    tolerance = settings.tolerance or base_tolerance(oracle.problem)
    exact = np.full(hand.shape, np.nan)
    if hand.size == 0:
        nothing = ParameterError(name, 0.0, (), 0.0, 0.0, 0, tolerance)
        return Comparison(nothing, exact, 1.0, exact, 0.0)
    most, flat = settings.max_entries, np.arange(hand.size)
    if hand.size > most:
        flat = np.sort(rng.choice(hand.size, most, replace=False))
    indices = [tuple(int(i) for i in np.unravel_index(n, hand.shape)) for n in flat]
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
    judge = _Judge(oracle, name, grads, noise, tolerance, settings.tolerance is not None)
    kinked: list[str] = []
    while True:
        # An entry says more than a direction, so it is named where both are wrong.
        entries = [t for t in trials if t.index and not t.beyond(tolerance) <= 1]
        worst = max(entries or trials, key=lambda t: t.beyond(tolerance))
        allowed, notes = judge.allowed(worst)
        if worst.relative <= allowed:
            break
        around = slopes(oracle.problem, {name: worst.direction}, base)
        if not around.between(worst.hand) or not judge.right_beside(worst):
            break
        kinked.append(
            f"no derivative at {list(worst.index) or 'some entry'} (slopes {around.left:.4g} and "
            f"{around.right:.4g}); backward's {worst.hand:.4g} lies between them and passes"
        )
        trials.remove(worst)
        if not trials:
            worst.true, allowed = Derivative(worst.hand, 0.0), tolerance
            break
    notes += kinked[:MOST_KINKS]
    if len(kinked) > MOST_KINKS:
        notes.append(f"{len(kinked) - MOST_KINKS} more without a derivative pass likewise")
    if not np.isfinite(worst.true.value):
        notes.append(
            "f gives NaN or infinite numbers next to this point, so there is no derivative to "
            "compare; choose other inputs"
        )
    claimed, true = _largest(hand), np.nanmax(np.abs(exact), initial=0.0)
    small = 0 < max(claimed, true) <= min(allowed, LARGEST_PROOF) * scale
    if worst.relative <= allowed and small:
        notes.append(
            f"beside the other arrays its derivatives ({true:.0e} at most) are as small as "
            "rounding, so zeros would pass as well"
        )
    if allowed > LARGEST_PROOF and not judge.fixed:
        notes.append(f"rounding or curvature leaves {allowed:.0e} open, which proves little")
    values = worst.hand, worst.true.value
    checked, note = len(indices), "; ".join(notes)
    error = ParameterError(name, worst.relative, worst.index, *values, checked, allowed, note=note)
    return Comparison(error, exact, scale, worst.direction, allowed * worst.scale)


@dataclass(eq=False)
class _Trial:
    """One direction, often a single entry: what backward and the true derivative say of it."""

    direction: Array
    index: tuple[int, ...]
    hand: float
    true: Derivative
    scale: float

    @property
    def off(self) -> float:
        return abs(self.hand - self.true.value)

    @property
    def relative(self) -> float:
        """The error in units of the scale."""
        return or_infinite(self.off / self.scale) if self.off else 0.0

    @property
    def estimate(self) -> float:
        """The error that a difference cannot get below; one that failed estimates none."""
        return 2 * self.true.error / self.scale if np.isfinite(self.true.error) else 0.0

    def beyond(self, tolerance: float) -> float:
        """The error in units of what is allowed."""
        return self.relative / max(tolerance, self.estimate)


class _Judge(NamedTuple):
    """What may excuse an error of one array: rounding, a poor difference, a kink."""

    oracle: Oracle
    name: str
    grads: Gradients
    noise: Noise
    tolerance: float
    fixed: bool  # the tolerance was given and is not to be widened

    def along(self, trial: _Trial) -> dict[str, Array]:
        return {self.name: trial.direction}

    def allowed(self, worst: _Trial) -> tuple[float, list[str]]:
        """The relative error that passes, and notes on what widened it."""
        if self.fixed:
            return self.tolerance, []
        allowed = max(self.tolerance, worst.estimate)
        if worst.relative <= allowed:
            return allowed, []
        if np.isfinite(worst.relative):
            allowed = max(allowed, self._measured(worst))
            if worst.relative <= allowed:
                return allowed, []
            if self._is_rounding(worst):
                dtype = self.oracle.problem.arrays[self.name].dtype.name
                note = f"the error of {worst.relative:.0e} is the rounding of {dtype}"
                return worst.relative, [note]
        if self.oracle.method == "difference":
            # A change of branch within the wide steps spoils them and their error estimate.
            finer = two_slopes(self.oracle.problem, self.along(worst))
            room = 2 * finer.error + self.tolerance * worst.scale
            if abs(worst.hand - finer.value) <= room < abs(worst.true.value - finer.value):
                return worst.relative, [f"finer differences give {finer.value:.9g}, which agrees"]
        return allowed, []

    def right_beside(self, worst: _Trial) -> bool:
        """Whether backward is right a little way off, where there is no kink."""
        moved = beside(self.oracle.problem)
        hand = self.oracle.problem.claimed(moved)[self.name]
        if hand is None or hand.shape != worst.direction.shape:
            return False
        if self.oracle.method == "complex":
            true = Derivative(self.oracle.at(moved, self.along(worst)), 0.0)
        else:  # wide steps would meet the kink again
            true = two_slopes(moved_to(self.oracle.problem, moved), self.along(worst))
        off = abs(float((hand * worst.direction).sum()) - true.value)
        return off <= max(BESIDE_KINK_ERROR, 10 * self.tolerance) * worst.scale + 2 * true.error

    def _measured(self, worst: _Trial) -> float:
        """The tolerance that the noise of the problem leaves, relative."""
        hand = self.grads[self.name]
        assert hand is not None
        along = self.along(worst)
        size = self.noise.of(
            self.name, hand, lambda moved: self.oracle.at(moved, along), worst.true.value
        )
        limit = self.noise.limit(self.name, self.grads)
        entries = 1 if worst.index else float(np.sqrt(hand.size))
        return min(size * entries, limit * entries) / worst.scale

    def _is_rounding(self, worst: _Trial) -> bool:
        """Whether a disagreement all but vanishes when both sides have more digits.

        Or is too small to show in the last digits of the loss if the array changed by all its
        size, unless it is the same with more digits. Where a function is saturated through and
        through, such as one whose outputs are all 0, derivatives may be lost in any type.
        """
        problem, off = self.oracle.problem, worst.off
        effect = off * problem.size(self.name) / problem.magnitude if problem.magnitude else np.inf
        # So large an error is no rounding, whatever the same functions do in another type.
        if effect > problem.eps**LARGEST_ROUNDING_POWER:
            return False
        wider = WIDER_DTYPE.get(problem.arrays[self.name].dtype.name, np.longdouble)
        if effect <= NOISE_SAFETY * np.finfo(wider).eps:
            return True
        along = self.along(worst)
        left = self.noise.left_in_wider(
            self.name, worst.direction, lambda wide: self.oracle.at(wide, along)
        )
        if effect <= NOISE_SAFETY * problem.eps:
            return left is None or not abs(left - off) <= UNCHANGED_PART * off
        return left is not None and left * ROUNDING_RATIO <= off


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
