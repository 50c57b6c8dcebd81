"""Derivatives of a scalar function, computed without any backward pass.
The complex step is exact to rounding; central differences serve where a function takes
no complex numbers.

For an analytic f and a tiny h, f(p + ih) = f(p) + ih f'(p) - h^2 f''(p)/2 ..., so
Im f(p + ih) / h is the derivative with no subtraction, hence no cancellation, whatever h
(Squire and Trapp, 1998). h = 1e-30 leaves nothing of the second-order term.

A central difference (f(p + h) - f(p - h)) / 2h errs by c h^2 + d h^4 ...; halving h and combining
the two removes c, once more d (Richardson, 1911), and how much the last combination changed says
how far off it can be (Ridders, 1982).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.exceptions import ComplexWarning
from numpy.typing import NDArray

from minilstm.arrays import as_numbers
from minilstm.proof.derivatives.problem import Array, Problem

COMPLEX_STEP = 1e-30  # imaginary; its square is lost beside 1
SMALLEST_STEP = 1e-307
SINE = math.sqrt(0.75)  # of 60 degrees
# Steps of differences, in units of the typical size of the array: the first is the widest, and
# each is half the one before. Numbers around a large offset vary on a scale of their own, and the
# edge of a domain may be near, so the finest is a few last digits of the array.
WIDEST_STEP = 2.0**-9
FINEST_STEP = 2.0**-50
COARSE_STEP = 2.0**-6  # the widest where f has few digits, as of float32
EXTRAPOLATED_STEPS = 3
FLOAT64_EPS = float(np.finfo(np.float64).eps)
CONTRADICTION = 4.0  # of two slopes: the factor of both errors by which they are apart
STRUCTURE = 4.0  # times the noise: slopes that change by more from step to step are no noise
GOOD_ERROR = 1e-8  # relative; with so small an error no finer step is tried


class Derivative(NamedTuple):
    """A true derivative as it was computed, and how far off it can be."""

    value: float
    error: float  # absolute, beyond the rounding of a sum


def complex_step(f: Callable[[Array], Any], p: Array) -> NDArray[np.float64]:
    """Derivative of a scalar function with respect to every entry of an array.

    Parameters
    ----------
    f : takes an array of the shape of p, complex128, and returns a scalar; analytic in p
    p : real numbers, any shape

    Returns
    -------
    float64 array of the shape of p

    Examples
    --------
    >>> complex_step(lambda p: (p**3).sum(), np.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """
    p = as_numbers(p, "p").astype(np.float64)
    out = np.empty(p.shape)
    for index in np.ndindex(p.shape):
        shifted = p.astype(np.complex128)
        shifted[index] += 1j * COMPLEX_STEP
        out[index] = float(np.imag(f(shifted)) / COMPLEX_STEP)
    return out


def difference(
    g: Callable[[float], float],
    noise: float,
    floor: float = 0.0,
    finest: float = FINEST_STEP,
    widest: float = WIDEST_STEP,
) -> Derivative:
    """Derivative at 0 of a smooth function of one number, by central differences and extrapolation.

    g is called at 6 points, and at as many again with steps eight times finer for as long as the
    error estimate is poor and rounding alone would not make it worse. `noise` is the absolute
    rounding error of one of its values, `floor` the least that it can be. The error is estimated
    from the noise and the last extrapolation; the derivative is NaN where g is finite at no step.
    """
    step, best = widest, Derivative(np.nan, np.inf)
    while step >= finest:
        table = [[(g(h) - g(-h)) / (2 * h)] for h in step * 0.5 ** np.arange(EXTRAPOLATED_STEPS)]
        for row in range(1, EXTRAPOLATED_STEPS):
            for order in range(1, row + 1):
                finer, coarser = table[row][order - 1], table[row - 1][order - 1]
                table[row].append(finer + (finer - coarser) / (4**order - 1))
        last = table[-1][-1]
        change = max(abs(last - table[-1][-2]), abs(last - table[-2][-1]))
        found = Derivative(last, change + 2 * noise / (step * 0.5 ** (EXTRAPOLATED_STEPS - 1)))
        # Steps much wider than f's own scale may agree on a slope that finer ones contradict; so do
        # those that are not good yet for a reason other than noise.
        apart = abs(found.value - best.value)
        doubt = best.error + (found.error if change < STRUCTURE * (found.error - change) else 0)
        if found.error < best.error or apart > CONTRADICTION * doubt:
            best = found
        step /= 8
        least = 2 * floor / (step * 0.5 ** (EXTRAPOLATED_STEPS - 1))  # error of the next, by noise
        if best.error <= max(GOOD_ERROR * abs(best.value), least):
            break
    return Derivative(float(best.value), float(best.error))


def exact_along(
    problem: Problem, direction: Mapping[str, Array], step: float = COMPLEX_STEP
) -> Derivative:
    """Derivative of the loss along a direction by one complex step: one forward pass."""
    unit = problem.reach(direction)
    if np.isfinite(unit) and unit > 0:
        # Tiny beside the arrays, however small they are; a power of 2 costs no digit.
        step *= 2.0 ** -min(900, max(0, math.ceil(math.log2(unit))))
        step = max(SMALLEST_STEP, min(step, 1e-8 * problem.smallest(direction)))
    return Derivative(problem.along(direction, 1j * step).imag / step, 0.0)


def slopes_on_circle(
    problem: Problem, direction: Mapping[str, Array], radius: float
) -> tuple[float, float]:
    """Slopes of the loss in the real and in the imaginary parts of its values on a small circle.

    The six corners of a regular hexagon, two of them real: 4 forward passes, as the values at
    conjugate points are conjugate.
    """
    corner = complex(0.5, SINE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ComplexWarning)
            values = [problem.along(direction, radius * w) for w in (1.0, corner, corner - 1, -1.0)]
    except Exception:  # whatever a function of someone else's raises at complex numbers
        return np.nan, np.nan
    real = values[0].real - values[3].real + values[1].real - values[2].real
    imaginary = 2 * SINE * (values[1].imag + values[2].imag)
    return float(real / (3 * radius)), float(imaginary / (3 * radius))


def difference_along(problem: Problem, direction: Mapping[str, Array]) -> Derivative:
    """Derivative of the loss along a direction by differences: 6 forward passes or more.

    The direction's entries are in units of the arrays; the step is in units of their typical
    sizes, so that no array is moved by more than a small part of itself.
    """
    unit = problem.reach(direction)
    if unit == 0:
        return Derivative(0.0, 0.0)
    problem.measure_noise(direction)
    with np.errstate(all="ignore"):
        slope = difference(
            lambda t: problem.along(direction, t / unit).real,
            problem.last_digit(direction),
            problem.digit * problem.magnitude,
            FINEST_STEP
            * min(1.0, problem.smallest(direction) * unit)
            * problem.digit
            / FLOAT64_EPS,
            COARSE_STEP if problem.coarse else WIDEST_STEP,
        )
    return Derivative(slope.value * unit, slope.error * unit)
