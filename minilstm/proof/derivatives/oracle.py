"""The choice of the true derivative: the complex step where f is safe for it, else differences.
Safe means tried: complex numbers come back, and they agree with differences."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.exceptions import ComplexWarning

from minilstm.proof.derivatives.complex_step import (
    CONTRADICTION,
    Derivative,
    difference_along,
    exact_along,
    slopes_on_circle,
)
from minilstm.proof.derivatives.kinks import SLOPE_STEP
from minilstm.proof.derivatives.problem import WIDE, Array, Problem, one_hot
from minilstm.proof.derivatives.randomness import generator

# Relative difference of a complex step and one plain difference that agree; and of two of which the
# first has lost a part, and noise is not the reason.
AGREEMENT_ERROR = 3e-8
LOST_PART_ERROR = 0.1
# The circle around a point, in units of how far the arrays vary. It is as wide as its fourth power
# and the rounding of its points allow, some 2^-10 and then 1e-12 of the slope may stay unseen.
WIDEST_RADIUS = 2.0**-3
FINEST_RADIUS = 2.0**-46
CIRCLE_NOISE = 8.0  # times the last digit of the loss
WELL_SEEN = 1e-9  # of a slope; where more could be lost unseen, another point is looked at
LOST = (
    "f loses the imaginary part somewhere, so differences were used; abs, max, conj and real "
    "buffers are the usual places"
)
# Relative change of slope over one small step that no smooth function's curvature gives.
KINK_CHANGE = 1e-3
# A step at which truncation and rounding of one plain difference are both far below that change.
PLAIN_STEP = SLOPE_STEP / 8


class Oracle:
    """The true derivative of a problem along any direction."""

    def __init__(self, problem: Problem, method: str) -> None:
        self.problem, self.method = problem, method
        self._wider: Problem | None = None

    def along(self, direction: Mapping[str, Array]) -> Derivative:
        """Derivative of the loss along a direction, with its error estimate."""
        if self.method == "complex":
            return exact_along(self.problem, direction)
        return difference_along(self.problem, direction)

    def entry(self, name: str, index: tuple[int, ...]) -> Derivative:
        """Derivative with respect to one entry of an array."""
        return self.along({name: one_hot(self.problem.arrays[name].shape, index)})

    def wider(self) -> Problem | None:
        """The same problem in extended precision; None where f or the machine has none."""
        if self._wider is None:
            self._wider = extended(self.problem) or self.problem
        return None if self._wider is self.problem else self._wider

    def better(self, direction: Mapping[str, Array], known: Derivative) -> Derivative:
        """A derivative by differences in extended precision, or the known one if that is better.

        Not if the first contradicts it: a bend that noise hid from the known one may show.
        """
        wider = self.wider()
        found = known if wider is None else difference_along(wider, direction)
        room = CONTRADICTION * (found.error + known.error)
        told = found.error < known.error or abs(found.value - known.value) > room
        return found if told or np.isnan(known.value) else known

    def at(self, moved: Mapping[str, Array], direction: Mapping[str, Array]) -> Derivative:
        """The same derivative with the arrays moved."""
        return Oracle(moved_to(self.problem, moved), self.method).along(direction)


def extended(problem: Problem) -> Problem | None:
    """A problem in extended precision; None where f or the machine has none."""
    wide = {k: a.astype(np.longdouble) for k, a in problem.arrays.items()}
    try:
        moved = moved_to(problem, wide)
        with np.errstate(all="ignore"):
            works = getattr(moved.value({}), "dtype", None) in WIDE
    except Exception:  # a function that computes in its own type only
        return None
    return moved if works and moved.digit < problem.digit else None


class Plain(NamedTuple):
    """The loss above and below a point along a direction."""

    above: float
    below: float
    step: float  # in units of the direction
    noise: float  # of the slope between

    @property
    def slope(self) -> float:
        """Between the two."""
        return (self.above - self.below) / (2 * self.step)

    def turns(self, base: float) -> bool:
        """Whether the slopes to both sides differ by more than a smooth function's would."""
        right, left = (self.above - base) / self.step, (base - self.below) / self.step
        seen = KINK_CHANGE * max(abs(right), abs(left))
        return abs(right - left) > seen + 4 * self.noise


class Trial(NamedTuple):
    """The complex step, tried along one direction."""

    why_not: str  # why the complex step cannot be used; "" if it can
    slope: float  # derivative along the direction by the complex step
    unseen: float = 0.0  # of the slope; a smaller part may be lost without being seen
    plain: Plain | None = None  # where it was tried beside a plain difference alone


def try_complex(
    problem: Problem, direction: Mapping[str, Array], base: float | None = None
) -> Trial:
    """Try the complex step along a direction: 5 forward passes, more where there is a doubt.

    With `base`, the loss at the point, a plain difference is asked first, which takes 3 passes in
    all where it agrees, or contradicts clearly; then a small part of f may stay unseen.
    """
    slope, why_not = complex_along(problem, direction)
    plain = None if base is None else plain_difference(problem, direction)
    if why_not:
        why_not += (
            ", so differences were used; buffers made in the dtype of the inputs would make the "
            "check exact"
        )
        return Trial(why_not, slope, plain=plain)
    if plain is not None and base is not None:
        apart, largest = abs(slope - plain.slope), max(abs(slope), abs(plain.slope))
        if apart <= AGREEMENT_ERROR * largest + plain.noise:
            return Trial("", slope, plain=plain)
        if apart > LOST_PART_ERROR * largest + plain.noise and not plain.turns(base):
            return Trial(LOST, slope, plain=plain)
    lost, unseen = loses_a_part(problem, direction, slope)
    if lost or not unseen <= WELL_SEEN * abs(slope):
        # The two sides of a kink say nothing, and a little way off there is none. And what f does
        # to imaginary parts it does to numbers of any size, and with any number of digits.
        for arrays in (beside, balanced)[not lost :]:
            there = elsewhere(problem, arrays(problem))
            found = loses_elsewhere(problem, there, direction)
            if not found.lost and found.unseen > WELL_SEEN and (wider := extended(there)):
                found = loses_elsewhere(problem, wider, direction)
            if found.lost or found.slope:
                unseen = (
                    abs(slope) * found.unseen if lost else min(unseen, abs(slope) * found.unseen)
                )
                lost = found.lost
                break
    return Trial(LOST if lost else "", slope, unseen, plain)


def loses_a_part(
    problem: Problem, direction: Mapping[str, Array], slope: float
) -> tuple[bool, float]:
    """Whether a part of f loses the imaginary part, and how much of the slope could do so unseen.

    On a circle of complex points around this one an analytic f has one slope in the real parts of
    its values and the same in the imaginary parts, but for the fourth power of the radius. Where
    abs, conj or a real buffer drops or folds the imaginary part of a term, its slopes there differ
    whatever the radius. Costs 4 forward passes, and more where they are apart.
    """
    unit = problem.reach(direction, problem.spread)

    def look(radius: float) -> tuple[float, float]:
        real, imaginary = slopes_on_circle(problem, direction, radius / unit)
        room = CIRCLE_NOISE * problem.last_digit(direction) * unit / radius
        return max(abs(real - imaginary), abs(imaginary - slope)), room

    if not 0 < unit < np.inf:
        return False, 0.0
    offset = max(problem.size(k) / problem.spread(k) for k in direction)
    radius = min(WIDEST_RADIUS, (problem.digit * offset) ** 0.2)
    apart, room = look(radius)
    while not np.isfinite(apart) and radius > FINEST_RADIUS:  # beside the edge of a domain
        radius /= 16
        apart, room = look(radius)
    unseen = apart + room
    if apart > room:
        problem.measure_noise(direction)
        room = CIRCLE_NOISE * problem.last_digit(direction) * unit / radius
    while apart > room:
        before, radius = apart, radius / 2
        apart, room = look(radius)
        unseen = min(unseen, apart + room)
        if apart > max(room, before / 4):  # no fourth power
            # Unless a kink or a pole lies within the circle, but not within a finer one.
            radius, persists = radius / 256, apart
            apart, room = look(radius)
            unseen = min(unseen, apart + room)
            if not 4 * max(apart, room) <= persists:
                return True, unseen
    return False, unseen if np.isfinite(unseen) else np.inf


def loses_somewhere(problem: Problem) -> bool:
    """Whether f loses the imaginary part at arrays of size 1, where no part of it is small."""
    rng, there = generator(2, "moves"), elsewhere(problem, balanced(problem))
    drawn = {k: problem.size(k) * rng.standard_normal(a.shape) for k, a in there.arrays.items()}
    return bool(np.isfinite(there.magnitude)) and loses_elsewhere(problem, there, drawn).lost


class Elsewhere(NamedTuple):
    """What the complex step does at other arrays."""

    lost: bool
    unseen: float  # part of the slope that may be lost unseen
    slope: float


def loses_elsewhere(problem: Problem, there: Problem, direction: Mapping[str, Array]) -> Elsewhere:
    """Whether a part of f loses the imaginary part at other arrays, along a like direction."""
    along = {k: d / problem.size(k) * there.size(k) for k, d in direction.items()}
    slope = complex_along(there, along)[0]
    lost, unseen = loses_a_part(there, along, slope)
    return Elsewhere(lost, unseen / (abs(slope) or unseen or 1.0), slope)


def elsewhere(problem: Problem, arrays: Mapping[str, Array]) -> Problem:
    """The same problem at arrays so far away that the noise and the loss are others."""
    there = replace(moved_to(problem, arrays), noise={})
    there.magnitude = abs(there.value({}))
    return there


def beside(problem: Problem) -> dict[str, Array]:
    """The arrays, moved a little way at random: off a kink that they may lie on.

    Where that leaves the domain of f, each entry is moved by a small part of itself.
    """
    rng, arrays = generator(0, "moves"), problem.arrays
    drawn = {k: 1e-3 * rng.standard_normal(a.shape) for k, a in arrays.items()}
    ways = (
        {k: a + (problem.size(k) * drawn[k]).astype(a.dtype) for k, a in arrays.items()},
        {k: a + a * drawn[k] for k, a in arrays.items()},
        {k: a - a * np.abs(drawn[k]) for k, a in arrays.items()},
    )
    return inside(problem, ways) or ways[1]


def balanced(problem: Problem) -> dict[str, Array]:
    """Arrays of size 1 without offsets, their signs as they are; or as near as f is finite.

    Rounding hides nothing at such a point that it shows anywhere.
    """
    rng = generator(1, "moves")
    drawn = {k: rng.standard_normal(a.shape) for k, a in problem.arrays.items()}
    signs = {k: np.where(a < 0, -1.0, 1.0) for k, a in problem.arrays.items()}
    around = {k: signs[k] * np.exp(0.5 * d) for k, d in drawn.items()}
    below = {k: signs[k] * np.exp(-1 - np.abs(d)) for k, d in drawn.items()}
    return inside(problem, (around, below)) or beside(problem)


def inside(problem: Problem, ways: Iterable[dict[str, Array]]) -> dict[str, Array] | None:
    """The first of some arrays at which f is finite; None if it is at none."""
    with np.errstate(all="ignore"):
        return next((arrays for arrays in ways if np.isfinite(problem.value(arrays).real)), None)


def moved_to(problem: Problem, arrays: Mapping[str, Array]) -> Problem:
    """The same problem at other arrays; its forward passes are counted by the first one."""

    def loss(values: Mapping[str, Array]) -> complex:
        return problem.value({**arrays, **values})

    moved = replace(problem, arrays=dict(arrays), loss=loss, noise=dict(problem.noise))
    if any(a.dtype in WIDE for a in arrays.values()):
        moved.noise = {}
        moved.digit = float(np.finfo(np.longdouble).eps)
    return moved


def complex_along(problem: Problem, direction: Mapping[str, Array]) -> tuple[float, str]:
    """The slope by one complex step, and why f takes no complex numbers, "" if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            return exact_along(problem, direction).value, ""
    except Exception as error:  # whatever a function of someone else's raises at complex numbers
        text = str(error).strip().splitlines() or ["no message"]
        return 0.0, f"f takes no complex numbers ({type(error).__name__}: {text[0][:100]})"


def plain_difference(problem: Problem, direction: Mapping[str, Array]) -> Plain:
    """One plain difference along a direction: 2 forward passes."""
    step = PLAIN_STEP / problem.reach(direction)
    above, below = (problem.along(direction, t).real for t in (step, -step))
    return Plain(above, below, step, 8 * problem.last_digit(direction) / step)


def two_slopes(
    problem: Problem, direction: Mapping[str, Array], plain: Plain | None = None
) -> Derivative:
    """Slope along a direction by two differences, one of twice the step: 4 forward passes.

    A plain difference along it saves two of them. Directions are in proportion to the arrays.
    """
    finer = plain or plain_difference(problem, direction)
    far = [problem.along(direction, t).real for t in (2 * finer.step, -2 * finer.step)]
    coarser = (far[0] - far[1]) / (4 * finer.step)
    change = finer.slope - coarser
    return Derivative(finer.slope + change / 3, abs(change) + 2 * finer.noise)
