"""The gradient checker: proves a backward pass against derivatives it cannot have got wrong.
The oracle is the complex step, exact to rounding, so no tolerance has to be forgiving.

For an analytic f and a tiny h, f(p + ih) = f(p) + ih f'(p) - h^2 f''(p)/2 ..., so
Im f(p + ih) / h is the derivative with no subtraction, hence no cancellation, whatever h
(Squire and Trapp, 1998). h = 1e-30 leaves nothing of the second-order term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import GradientError

Array = NDArray[Any]

STEP = 1e-30
# Whole networks through a few hundred steps, in float64: the rounding of two different orders of
# summation stays well below this, and no real mistake does.
TOLERANCE = 1e-10


class ParameterError(NamedTuple):
    """The worst disagreement found in one array."""

    name: str
    relative_error: float  # |difference| over the largest true derivative of the array
    where: tuple[int, ...]  # index; () for the check along a random direction
    by_hand: float  # derivative from backward
    reference: float  # derivative from the complex step
    checked: int  # entries compared one by one


@dataclass(frozen=True)
class GradientReport:
    """Errors of a gradient check, array by array.

    Attributes
    ----------
    errors : list of ParameterError
    tolerance : largest relative error that passes
    backend : whose backward pass was checked
    """

    errors: list[ParameterError]
    tolerance: float
    backend: str

    @property
    def max_error(self) -> float:
        """The largest relative error of all; NaN counts as infinite."""
        return max(_or_infinite(e.relative_error) for e in self.errors)

    @property
    def passed(self) -> bool:
        """Whether every array is within the tolerance; NaN never is."""
        return all(e.relative_error <= self.tolerance for e in self.errors)

    def __str__(self) -> str:
        width = max(len(e.name) for e in self.errors)
        lines = [f"{'array':<{width}}  {'checked':>7}  {'relative error':>14}"]
        lines += [
            f"{e.name:<{width}}  {e.checked:>7}  {e.relative_error:>14.1e}"
            + ("" if e.relative_error <= self.tolerance else "  WRONG")
            for e in self.errors
        ]
        lines.append(
            f"backward on {self.backend} against the complex step: largest relative error "
            f"{self.max_error:.1e}, allowed {self.tolerance:.0e}"
        )
        return "\n".join(lines)


def complex_step(f: Callable[[Array], Any], p: Array) -> NDArray[np.float64]:
    """Derivative of a scalar function with respect to every entry of an array.

    Parameters
    ----------
    f : takes an array of the shape of p, complex128, and returns a scalar; analytic in p
    p : float64, any shape

    Returns
    -------
    float64 array of the shape of p

    Examples
    --------
    >>> complex_step(lambda p: (p**3).sum(), np.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """
    out = np.empty(p.shape)
    for index in np.ndindex(p.shape):
        out[index] = _entry(f, p, index)
    return out


def gradcheck(
    net: Any,
    x: Any,
    y: Any,
    *,
    tolerance: float = TOLERANCE,
    max_entries: int = 40,
    seed: int = 0,
) -> GradientReport:
    """Check every gradient of a network, as the backend in force computes it in float64.

    Each learnable and the input are compared entry by entry where they are small, at
    `max_entries` random entries where they are large, and always along one random direction,
    which every entry takes part in.

    Parameters
    ----------
    net : minilstm Network
    x : (T, D), a list of (T_b, D), or (B, T, D); a few dozen steps are enough
    y : labels among ``net.classes``; or class numbers 0 to C - 1 if the network has no classes
    tolerance : largest error allowed, relative to the largest derivative of the array (or to a
        thousandth of the largest of all arrays, if that is more)
    max_entries : entries of one array to compare one by one
    seed : of the choice of entries and directions

    Returns
    -------
    GradientReport

    Raises
    ------
    GradientError
        A gradient is wrong; the message names the array, the index and both values.

    Examples
    --------
    >>> import minilstm as ml
    >>> layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    >>> rng = np.random.default_rng(0)
    >>> net = ml.Network(layers, rng=rng)
    >>> report = gradcheck(net, rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1]))
    >>> report.max_error < 1e-12
    True
    """
    rng = np.random.default_rng(seed)
    problem = net.gradient_problem(x, y)
    grads = problem.gradients()
    errors = []
    # An array whose true gradient is zero (a bias before batch normalisation) has only rounding
    # errors in it, so no array is measured against less than a thousandth of the largest gradient.
    floor = 1e-3 * max(float(np.abs(grads[name]).max()) for name in problem.arrays)
    for name, value in problem.arrays.items():

        def loss(p: Array, name: str = name) -> Any:
            return problem.loss({name: p})

        indices = list(_indices(value.shape, max_entries, rng))
        exact = [_entry(loss, value, index) for index in indices]
        hand = [float(grads[name][index]) for index in indices]
        direction = rng.standard_normal(value.shape)
        along = np.imag(loss(value + 1j * STEP * direction)) / STEP
        hand_along = float((grads[name] * direction).sum())
        errors.append(
            _worst(name, indices, hand, exact, hand_along, float(along), tolerance, floor)
        )
    report = GradientReport(errors, tolerance, problem.backend)
    if not report.passed:
        raise GradientError(_message(report))
    return report


def _entry(f: Callable[[Array], Any], p: Array, index: tuple[int, ...]) -> float:
    shifted = p.astype(np.complex128)
    shifted[index] += 1j * STEP
    return float(np.imag(f(shifted)) / STEP)


def _indices(
    shape: tuple[int, ...], most: int, rng: np.random.Generator
) -> Iterator[tuple[int, ...]]:
    size = int(np.prod(shape))
    flat = np.arange(size) if size <= most else np.sort(rng.choice(size, most, replace=False))
    for n in flat:
        yield tuple(int(i) for i in np.unravel_index(n, shape))


def _worst(
    name: str,
    indices: list[tuple[int, ...]],
    hand: list[float],
    exact: list[float],
    hand_along: float,
    exact_along: float,
    tolerance: float,
    floor: float,
) -> ParameterError:
    """The worst entry; the random direction only where it finds what no compared entry shows."""
    largest = max(*map(abs, exact), floor) or 1.0
    errors = [abs(a - b) / largest for a, b in zip(hand, exact, strict=True)]
    n = int(np.argmax([_or_infinite(e) for e in errors]))
    entry = ParameterError(name, errors[n], indices[n], hand[n], exact[n], len(indices))
    along = abs(hand_along - exact_along) / max(abs(exact_along), largest)
    whole = ParameterError(name, along, (), hand_along, exact_along, len(indices))
    if not entry.relative_error <= tolerance:
        return entry
    worse = _or_infinite(whole.relative_error) > entry.relative_error
    return whole if worse else entry


def _or_infinite(error: float) -> float:
    """An error that is NaN must lose every comparison."""
    return np.inf if error != error else error


def _message(report: GradientReport) -> str:
    wrong = [e for e in report.errors if not e.relative_error <= report.tolerance]
    first = wrong[0]
    where = f"at index {first.where}" if first.where else "along a random direction"
    names = ", ".join(e.name for e in wrong)
    return (
        f"the gradient of {first.name} is wrong {where}: backward gives {first.by_hand:.12g}, the "
        f"complex step {first.reference:.12g} (relative error {first.relative_error:.1e}, allowed "
        f"{report.tolerance:.0e}); wrong arrays: {names}."
    )
