"""The comparison: every array entry by entry where it is small, at random entries and along a
random direction where it is large. What fails is measured again with the noise of the problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minilstm.proof.derivatives.complex_step import Derivative
from minilstm.proof.derivatives.kinks import slopes
from minilstm.proof.derivatives.oracle import Oracle, beside, moved_to, two_slopes
from minilstm.proof.derivatives.problem import Array, Gradients, Problem, one_hot
from minilstm.proof.derivatives.tolerances import (
    LARGEST_NOISE,
    LARGEST_PROOF,
    LARGEST_ROUNDING_POWER,
    NOISE_SAFETY,
    ROUNDING_RATIO,
    WIDER_DTYPE,
    Noise,
    base_tolerance,
)
from minilstm.proof.reports.report import CANNOT_BE_JUDGED, ParameterError, or_infinite

NO_DERIVATIVE = (
    "f gives NaN or infinite numbers next to this point, however small the step, so there is no "
    "derivative to compare; choose inputs inside the domain of f"
)
UNCLEAR = (
    "rounding leaves {:.0e} of the derivative open; subtract the offset of the data before f, "
    "choose inputs that vary more beside it, or let both functions take float64 and longdouble"
)
INFINITE = (
    "the slope of f grows without end at this point, or f is infinite beside it, so there is no "
    "derivative to compare; choose inputs inside the domain of f"
)
ROUNDED = (
    "the values of f come in steps, because it rounds, so its slope is zero between them and no "
    "small change shows it; leave the rounding out for the check"
)
FEW_STEPS = 24  # while an entry moves by twice its size; a function of fewer is one of steps
GROWING_STEPS = 2.0 ** np.arange(-20, -45, -8)  # in units of the arrays
GROWTH = 64.0  # of a slope from the first of these at which f is finite to the last
MOST_OPEN = 3  # places that cannot be judged, after which the others are not looked at
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
    silent: bool  # whether zeros would pass as well


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
        return Comparison(nothing, exact, 1.0, exact, 0.0, False)
    most, flat = settings.max_entries, np.arange(hand.size)
    if hand.size > most:
        flat = np.sort(rng.choice(hand.size, most, replace=False))
    indices = [tuple(int(i) for i in np.unravel_index(n, hand.shape)) for n in flat]
    found = [oracle.entry(name, index) for index in indices]
    for index, derivative in zip(indices, found, strict=True):
        exact[index] = derivative.value
    own, shared = _scales(oracle.problem, name, grads, found)
    # Differences that are all within their own errors are of no size that is known.
    known = own and any(abs(d.value) > 2 * d.error or not np.isfinite(d.value) for d in found)
    # A tolerance that was given is one of what all arrays do; rounding has to be shown.
    scale = own if known and settings.tolerance is None else shared
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
    judge = _Judge(oracle, name, grads, noise, tolerance, settings.tolerance is not None, scale)
    kinked: list[str] = []
    opened: list[tuple[_Trial, float, str]] = []  # cannot be judged, and why
    while True:
        # An entry says more than a direction, so it is named where both are wrong.
        entries = [t for t in trials if t.index and not t.beyond(tolerance) <= 1]
        worst = max(entries or trials, key=lambda t: t.beyond(tolerance))
        allowed, notes, why_open = judge.allowed(worst)
        if worst.relative <= allowed and not why_open:
            # What excused this one, such as a better derivative, need not excuse the others.
            if judge.fixed or not any(t.relative > allowed for t in trials if t is not worst):
                break
            trials.remove(worst)
            continue
        around = slopes(oracle.problem, {name: worst.direction}, base)
        # Along a direction across several kinks the right slope may lie outside the two as well.
        excused = around.jump or around.between(worst.hand) or (around.kink and not worst.index)
        if excused and judge.right_beside(worst):
            sides = "a jump" if around.jump else f"slopes {around.left:.4g} and {around.right:.4g}"
            kinked.append(
                f"no derivative at {list(worst.index) or 'some entry'} ({sides}); backward's "
                f"{worst.hand:.4g} lies between them and passes"
            )
        elif why_open or (why_open := judge.has_none(worst)):
            opened.append((worst, allowed, why_open))
        else:
            break
        trials.remove(worst)
        if not trials or len(opened) == MOST_OPEN:
            worst.true, allowed = Derivative(worst.hand, 0.0), tolerance
            break
    undecided = ""
    if opened and worst.relative <= allowed:
        worst, allowed, why_open = opened[0]
        undecided, notes = CANNOT_BE_JUDGED, [why_open]
    notes += kinked[:MOST_KINKS]
    if len(kinked) > MOST_KINKS:
        notes.append(f"{len(kinked) - MOST_KINKS} more without a derivative pass likewise")
    silent = max(_largest(hand), _largest(exact)) <= 2 * allowed * scale
    silent = silent and not (undecided and hand.any())
    relative = worst.relative
    if not undecided and relative <= allowed and worst.off <= tolerance * shared:
        # Rounding errors alone are no more than what they are beside the other arrays.
        relative, allowed = relative * scale / shared, max(tolerance, allowed * scale / shared)
    elif allowed > LARGEST_NOISE and relative <= allowed and not (judge.fixed or undecided):
        notes.append(f"rounding or curvature leaves {allowed:.0e} open")
    values = worst.hand, worst.true.value
    checked, note = len(indices), "; ".join(notes)
    error = ParameterError(
        name, relative, worst.index, *values, checked, allowed, note=note, undecided=undecided
    )
    return Comparison(error, exact, scale, worst.direction, allowed * worst.scale, silent)


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
    scale: float  # of errors of entries

    def along(self, trial: _Trial) -> dict[str, Array]:
        return {self.name: trial.direction}

    def allowed(self, worst: _Trial) -> tuple[float, list[str], str]:
        """The relative error that passes, notes on what widened it, and why it cannot be judged."""
        if not np.isfinite(worst.hand):
            open_ = INFINITE if self.grows(worst) else ""
            return max(self.tolerance, worst.estimate), [], open_
        if not np.isfinite(worst.true.value) and self.oracle.method == "difference":
            worst.true = self.oracle.better(self.along(worst), worst.true)
        if not np.isfinite(worst.true.value):
            return self.tolerance, [], NO_DERIVATIVE
        if self.fixed:
            return self.tolerance, [], ""
        doubtful = worst.relative > max(self.tolerance, worst.estimate)
        if worst.estimate > LARGEST_NOISE or (doubtful and self.oracle.method == "difference"):
            worst.true = self.oracle.better(self.along(worst), worst.true)
        allowed = max(self.tolerance, worst.estimate)
        if worst.relative <= allowed <= LARGEST_NOISE:
            return allowed, [], ""
        noise, limit = self._measured(worst)
        allowed = max(allowed, min(noise, limit))
        if worst.relative <= allowed and worst.estimate <= LARGEST_NOISE:
            return allowed, [], ""
        if self._is_rounding(worst):
            dtype = self.oracle.problem.arrays[self.name].dtype.name
            note = f"the error of {worst.relative:.0e} is the rounding of {dtype}"
            return max(self.tolerance, worst.relative), [note], ""
        return self._doubtful(worst, allowed, max(noise, worst.estimate))

    def _doubtful(self, worst: _Trial, allowed: float, blur: float) -> tuple[float, list[str], str]:
        """What can still be said where rounding or curvature leaves a part `blur` open."""
        if blur <= LARGEST_NOISE:
            return allowed, [], ""
        left = self.noise.left_in_wider(self.name, worst.direction)
        if left is not None:
            room = max(2 * left.error, LARGEST_NOISE * worst.scale)
            if room <= LARGEST_PROOF * worst.scale:
                right = bool(left.value <= room or left.value * ROUNDING_RATIO <= worst.off)
                note = f"in a wider type they are {left.value / worst.scale:.0e} apart"
                if right and worst.relative > LARGEST_PROOF:  # float64 itself has no more digits
                    return worst.relative, [], UNCLEAR.format(worst.relative)
                return max(self.tolerance, worst.relative if right else 0.0), [note] * right, ""
        if worst.relative > blur:
            return allowed, [], ""
        return blur, [], "" if blur <= LARGEST_PROOF else UNCLEAR.format(blur)

    def has_none(self, worst: _Trial) -> str:
        """Why there is no derivative to compare a wrong one with; "" if there is one."""
        still = worst.true.value == 0 or self.name in self.oracle.problem.still
        if still and worst.index and worst.hand and self.steps(worst) > FEW_STEPS:
            return ROUNDED
        return INFINITE if self.grows(worst) else ""

    def grows(self, worst: _Trial) -> bool:
        """Whether the slope grows without end as the step shrinks, or f is infinite on a side."""
        problem, along = self.oracle.problem, self.along(worst)
        problem.measure_noise(along)
        far = min(1 / problem.reach(along, problem.spread), problem.smallest(along))
        noise, base = 8 * problem.last_digit(along), problem.value({}).real

        def steepest(step: float) -> float:
            sides = [abs(problem.along(along, t).real - base) for t in (step, -step)]
            return float(max(np.maximum(sides, noise) - noise) / step)

        found = [steepest(far * step) for step in GROWING_STEPS]
        first = next((slope for slope in found if np.isfinite(slope)), np.inf)
        return not found[-1] <= GROWTH * first

    def steps(self, worst: _Trial) -> int:
        """Values that the loss takes while an entry moves by all its size to both sides."""
        problem, along = self.oracle.problem, self.along(worst)
        moves = np.linspace(-1, 1, 64) * problem.size(self.name)
        return len({problem.along(along, t).real for t in moves})

    def right_beside(self, worst: _Trial) -> bool:
        """Whether backward is right a little way off, where there is no kink."""
        moved = beside(self.oracle.problem)
        hand = self.oracle.problem.claimed(moved)[self.name]
        if hand is None or hand.shape != worst.direction.shape:
            return False
        if self.oracle.method == "complex":
            true = self.oracle.at(moved, self.along(worst))
        else:  # wide steps would meet the kink again
            true = two_slopes(moved_to(self.oracle.problem, moved), self.along(worst))
        off = abs(float((hand * worst.direction).sum()) - true.value)
        scale = min(worst.scale, _largest(hand) * worst.scale / self.scale)
        return off <= max(BESIDE_KINK_ERROR, 10 * self.tolerance) * scale + 2 * true.error

    def _measured(self, worst: _Trial) -> tuple[float, float]:
        """The tolerance that the noise of the problem leaves, relative, and the most it may."""
        hand = self.grads[self.name]
        assert hand is not None
        size = self.noise.of(self.name, hand, worst.direction, worst.true.value)
        unit = worst.scale if worst.index else worst.scale / float(np.sqrt(hand.size))
        return size / unit, self.noise.limit(self.name, self.grads) / unit

    def _is_rounding(self, worst: _Trial) -> bool:
        """Whether a disagreement all but vanishes when both sides have more digits.

        Or is too small to show in the last digits of the loss if the array changed by all its
        size, unless it is the same with more digits. Where a function is saturated through and
        through, such as one whose outputs are all 0, derivatives may be lost in any type.
        """
        problem, off = self.oracle.problem, worst.off
        whole = off / problem.magnitude if problem.magnitude else np.inf
        effect = whole * problem.size(self.name)
        # So large an error is no rounding, whatever the same functions do in another type.
        if whole * problem.spread(self.name) > problem.eps**LARGEST_ROUNDING_POWER:
            return False
        wider = WIDER_DTYPE.get(problem.arrays[self.name].dtype.name, np.longdouble)
        if worst.hand == 0 and effect <= NOISE_SAFETY * np.finfo(wider).eps:
            return True  # saturated in any type
        left = self.noise.left_in_wider(self.name, worst.direction)
        if effect <= NOISE_SAFETY * problem.eps:
            return left is None or not abs(left.value - off) <= UNCHANGED_PART * off
        return left is not None and left.value * ROUNDING_RATIO <= off


def _scales(
    problem: Problem, name: str, grads: Gradients, found: list[Derivative]
) -> tuple[float, float]:
    """What errors of an array are measured against: its largest derivative; 0 where all are zero.

    And what its rounding errors are measured against. An array whose true gradient is zero (a bias
    before batch normalisation) has nothing else in it, so these are not measured against less than
    a thousandth of what the array with the largest effect on the loss would give it.
    """
    hand = grads[name]
    assert hand is not None
    largest = max((abs(d.value) for d in found if np.isfinite(d.value)), default=0.0)
    if len(found) < hand.size:  # the entries that were not drawn may be the large ones
        largest = max(largest, _largest(hand))
    effects = [_largest(g) * problem.spread(k) for k, g in grads.items() if g is not None]
    return largest, max(largest, 1e-3 * max(effects) / problem.spread(name)) or 1.0


def _largest(gradient: Array) -> float:
    return float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0))
