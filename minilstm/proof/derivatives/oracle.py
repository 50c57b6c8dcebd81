"""The choice of the true derivative: the complex step where f is safe for it, else differences.
Safe means tried: complex numbers come back, and they agree with differences."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.exceptions import ComplexWarning

from minilstm.proof.derivatives.complex_step import (
    CONTRADICTION,
    Derivative,
    difference_along,
    exact_along,
)
from minilstm.proof.derivatives.kinks import SLOPE_STEP
from minilstm.proof.derivatives.problem import WIDE, Array, Problem
from minilstm.proof.derivatives.randomness import generator

# Relative differences of two slopes. A complex step and one plain difference agree to the first;
# beyond the second a part of f has lost the imaginary part, and noise is not the reason.
AGREEMENT_ERROR = 3e-8
LOST_PART_ERROR = 0.1
CLEAR_PART = 1e-3  # of two slopes that are apart, or of one: a difference this exact tells
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
        problem = self.problem
        if self._wider is None:
            self._wider = moved_to(
                problem, {k: a.astype(np.longdouble) for k, a in problem.arrays.items()}
            )
            try:
                with np.errstate(all="ignore"):
                    wide = getattr(self._wider.value({}), "dtype", None) in WIDE
            except Exception:  # a function that computes in its own type only
                wide = False
            if not wide:
                self._wider = problem
        return None if self._wider.digit >= problem.digit else self._wider

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


def one_hot(shape: tuple[int, ...], index: tuple[int, ...]) -> Array:
    """Zeros with a one at an index."""
    out = np.zeros(shape)
    out[index] = 1.0
    return out


class Trial(NamedTuple):
    """The complex step, tried along one direction beside plain differences."""

    why_not: str  # why the complex step cannot be used; "" if it can
    slope: float  # derivative along the direction by the complex step
    above: float  # this and the next three as `plain_difference` gives them
    below: float
    step: float
    noise: float
    passes: int = 3  # forward passes that it took
    better: Derivative | None = None  # the slope by two differences, where it was needed
    unseen: float = 0.0  # relative; a smaller part of the slope may be lost

    def turns(self, base: float) -> bool:
        """Whether the slopes to both sides differ by more than a smooth function's would."""
        right, left = (self.above - base) / self.step, (base - self.below) / self.step
        seen = KINK_CHANGE * max(abs(right), abs(left))
        return abs(right - left) > seen + 4 * self.noise


def try_complex(
    problem: Problem, direction: Mapping[str, Array], base: float, thrifty: bool = False
) -> Trial:
    """Try the complex step along a direction: 3 forward passes, more where they disagree.

    With `thrifty` no passes are spent on finding out whether noise is why slopes are far apart.
    """
    before = problem.forward_passes
    trial = _tried(problem, direction, thrifty)
    if trial.why_not and trial.turns(base):
        # The slopes of a kink say nothing; a little way off there is none.
        elsewhere = moved_to(problem, beside(problem))
        trial = trial._replace(why_not=_tried(elsewhere, direction, thrifty).why_not)
    return trial._replace(passes=problem.forward_passes - before)


def beside(problem: Problem) -> dict[str, Array]:
    """The arrays, moved a little way at random: off a kink that they may lie on.

    Where that leaves the domain of f, each entry is moved by a small part of itself.
    """
    rng = generator(0, "moves")
    drawn = {k: 1e-3 * rng.standard_normal(a.shape) for k, a in problem.arrays.items()}
    moved = {k: a + (problem.size(k) * drawn[k]).astype(a.dtype) for k, a in problem.arrays.items()}
    with np.errstate(all="ignore"):
        inside = np.isfinite(problem.value(moved).real)
    return moved if inside else {k: a + a * drawn[k] for k, a in problem.arrays.items()}


def moved_to(problem: Problem, arrays: Mapping[str, Array]) -> Problem:
    """The same problem at other arrays; its forward passes are counted by the first one."""

    def loss(values: Mapping[str, Array]) -> complex:
        return problem.value({**arrays, **values})

    moved = replace(problem, arrays=dict(arrays), loss=loss)
    if any(a.dtype in WIDE for a in arrays.values()):
        moved.digit = float(np.finfo(np.longdouble).eps)
        if problem.noise is not None:
            moved.noise = problem.noise * moved.digit / problem.digit
    return moved


def loses_a_part(
    oracle: Oracle, direction: Mapping[str, Array], by_hand: float, slope: float, unseen: float
) -> tuple[str, bool]:
    """Why a slope of the complex step is not believed that backward disagrees with; "" if it is.

    And whether nothing can tell. Differences with an error estimate decide: 6 forward passes or
    more. `unseen` is the part of the slope that an earlier trial along the array did not see.
    """
    plain = difference_along(oracle.problem, direction)
    apart = abs(by_hand - slope)
    if not plain.error <= CLEAR_PART * apart:
        plain = oracle.better(direction, plain)
    largest = max(abs(by_hand), abs(slope))
    small = apart <= 10 * AGREEMENT_ERROR * largest
    allowed = 0.0 if small else AGREEMENT_ERROR * abs(plain.value)
    if abs(slope - plain.value) > 4 * plain.error + allowed:
        return _lost(slope, plain.value), False
    # Nor does a trial see it in data around a large offset, where differences have few digits.
    offset = any(oracle.problem.spread(k) < oracle.problem.size(k) for k in direction)
    blind = not small and (slope == 0 or (offset and apart <= unseen * largest))
    return "", blind and not abs(by_hand - plain.value) > 2 * plain.error


def _tried(problem: Problem, direction: Mapping[str, Array], thrifty: bool) -> Trial:
    slope, why_not = complex_along(problem, direction)
    if why_not:
        why_not += (
            ", so differences were used; buffers made in the dtype of the inputs would make the "
            "check exact"
        )
    above, below, step, noise = plain_difference(problem, direction)
    if not np.isfinite(above - below) and not why_not:
        # Beside the edge of a domain each entry is moved by a small part of itself.
        entries = {
            k: np.where(a == 0, problem.size(k), np.abs(a)) for k, a in problem.arrays.items()
        }
        direction = {k: d / problem.size(k) * entries[k] for k, d in direction.items()}
        slope = complex_along(problem, direction)[0]
        above, below, step, noise = plain_difference(problem, direction)
    plain = (above - below) / (2 * step)
    largest = max(abs(slope), abs(plain))
    allowed = AGREEMENT_ERROR * largest
    trial = Trial(why_not, slope, above, below, step, noise)
    if why_not or abs(slope - plain) <= allowed + noise:
        return trial._replace(unseen=(allowed + noise) / (largest or 1.0))
    # It may be curvature, or noise, or the edge of a domain.
    better = two_slopes(problem, direction, trial)
    trial = trial._replace(better=better)
    if abs(slope - better.value) <= allowed + better.error <= CLEAR_PART * largest:
        return trial._replace(unseen=(allowed + better.error) / largest)
    if thrifty and abs(slope - better.value) > LOST_PART_ERROR * largest + better.error:
        return trial._replace(why_not=_lost(slope, better.value))
    problem.measure_noise()
    trial = trial._replace(noise=8 * problem.last_digit / step)
    best = difference_along(problem, direction)
    if not best.error <= CLEAR_PART * abs(best.value):
        best = Oracle(problem, "difference").better(direction, best)
    trial = trial._replace(better=best if best.error < better.error else better)
    largest = max(abs(slope), abs(best.value)) or 1.0
    allowed = AGREEMENT_ERROR * largest + 2 * best.error
    if np.isfinite(best.error) and not abs(slope - best.value) <= allowed:
        return trial._replace(why_not=_lost(slope, best.value))
    return trial._replace(unseen=allowed / largest)


def complex_along(problem: Problem, direction: Mapping[str, Array]) -> tuple[float, str]:
    """The slope by one complex step, and why f takes no complex numbers, "" if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            return exact_along(problem, direction).value, ""
    except Exception as error:  # whatever a function of someone else's raises at complex numbers
        text = str(error).strip().splitlines() or ["no message"]
        return 0.0, f"f takes no complex numbers ({type(error).__name__}: {text[0][:100]})"


def _lost(slope: float, plain: float) -> str:
    return (
        f"f loses the imaginary part somewhere (complex step {slope:.9g}, difference "
        f"{plain:.9g}), so differences were used; abs, max, conj and real buffers are the "
        "usual places"
    )


def plain_difference(
    problem: Problem, direction: Mapping[str, Array]
) -> tuple[float, float, float, float]:
    """The loss above and below along a direction, the step, and the noise of the slope between.

    Costs two forward passes; the step is in units of the direction.
    """
    unit = problem.reach(direction)
    step = PLAIN_STEP / unit
    above, below = (problem.along(direction, t).real for t in (step, -step))
    noise = 8 * problem.last_digit / step
    return above, below, step, noise


def two_slopes(
    problem: Problem, direction: Mapping[str, Array], trial: Trial | None = None
) -> Derivative:
    """Slope along a direction by two differences, one of twice the step: 4 forward passes.

    A trial along the same direction saves two of them. Directions are in proportion to the arrays.
    """
    above, below, step, noise = trial[2:6] if trial else plain_difference(problem, direction)
    finer = (above - below) / (2 * step)
    far = [problem.along(direction, t).real for t in (2 * step, -2 * step)]
    coarser = (far[0] - far[1]) / (4 * step)
    return Derivative(finer + (finer - coarser) / 3, abs(finer - coarser) + 2 * noise)
