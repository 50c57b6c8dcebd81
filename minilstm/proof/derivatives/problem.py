"""What a gradient checker works on: arrays, a scalar of them, and the gradients claimed for it.
The checker makes one of a network (`networks`) or of any two functions (`functions`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Axes = tuple[Any, ...]  # a word or a tuple of block labels for each axis
Gradients = Mapping[str, Array | None]  # by array name; None where none was given


@dataclass
class Problem:
    """Arrays by name, the loss they give, and the gradients that backward claims."""

    arrays: dict[str, Array]  # floats to differentiate, in the dtype in which backward computes
    # Both take some arrays replaced: real or complex ones, for a scalar; and to run backward once.
    loss: Callable[[Mapping[str, Array]], Any]
    gradients: Callable[..., Gradients]
    backward: str  # who computes the gradients, for the report
    magnitude: float = 1.0  # sum of |what the loss adds up|, for the rounding of differences
    base: float | None = None  # the loss at the arrays, if it is known already
    terms: int = 1  # numbers that take part, for the rounding of sums
    analytic: bool = False  # the loss is known to be safe for complex arrays
    axes: Mapping[str, Axes] = field(default_factory=dict)  # for the report; see `gradcheck`
    rows: Array | None = None  # (N, 2) sequence and time step of each row of an axis called "row"
    # Sizes that could have become a factor of a gradient.
    counts: Mapping[str, int] = field(default_factory=dict)
    # Gradients with one function replaced by a wrong one, for finding causes; and, where there is
    # no replay, what finds out what the functions compute.
    replay: Callable[[str, Callable[..., Any]], Mapping[str, Array]] | None = None
    recognise: Callable[[], Any] | None = None
    # The outputs of f, or of equations given for it, where some arrays are replaced; its arrays may
    # be recorded ones (see `causes.equations`). The gradients that arrive at these outputs, and all
    # that f takes by name.
    forward: Callable[[Mapping[str, Any]], Any] | None = None
    upstream: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    noise: float | None = None  # rounding of one value of the loss, where it has been measured
    notes: list[str] = field(default_factory=list)  # sentences for the report
    spoiled: set[str] = field(default_factory=set)  # arguments into which a function wrote
    forward_passes: int = 0  # run so far
    backward_passes: int = 0

    def value(self, replaced: Mapping[str, Array]) -> complex:
        """One forward pass: the loss with some arrays replaced."""
        self.forward_passes += 1
        return complex(self.loss(replaced))

    def along(self, direction: Mapping[str, Array], step: complex) -> complex:
        """One forward pass: the loss at the arrays moved by a step along a direction.

        The step is real, or imaginary for a complex step.
        """
        wide = np.complex128 if isinstance(step, complex) else np.float64
        moved = {
            k: self.arrays[k].astype(np.result_type(self.arrays[k], wide)) + step * d
            for k, d in direction.items()
        }
        with np.errstate(all="ignore"):  # it was not the user who chose this point
            return self.value(moved)

    def claimed(
        self, replaced: Mapping[str, Array] | None = None, *upstream: Any
    ) -> dict[str, Array | None]:
        """One backward pass: the gradients that backward claims; from others, if they are given."""
        self.backward_passes += 1
        if not replaced:
            return dict(self.gradients({}))
        with np.errstate(all="ignore"):
            return dict(self.gradients(replaced, *upstream))

    def size(self, name: str) -> float:
        """Typical size of an array's entries: their root mean square, 1 for zeros."""
        array = self.arrays[name].astype(np.float64)
        return float(np.sqrt(np.mean(array * array))) or 1.0 if array.size else 1.0

    def reach(self, direction: Mapping[str, Array]) -> float:
        """How far a direction goes at most, in units of the typical sizes of its arrays."""
        return max(float(np.abs(d).max(initial=0.0)) / self.size(k) for k, d in direction.items())

    @property
    def last_digit(self) -> float:
        """How far rounding can move a value of the loss: measured, or its last digit."""
        return max(float(np.finfo(np.float64).eps) * self.magnitude, self.noise or 0.0)

    def measure_noise(self) -> None:
        """Find out how far rounding moves the loss: 7 forward passes, the first time.

        A sum's last digit is not all: a saturated function may give small numbers that have lost
        most of their digits. Values at equal small steps are those of a smooth curve plus noise;
        their third and fourth differences leave the noise alone (More and Wild, Estimating
        computational noise, 2011).
        """
        if self.noise is not None:
            return
        rng = np.random.default_rng(0)
        direction = {k: self.size(k) * rng.standard_normal(a.shape) for k, a in self.arrays.items()}
        # Not from the point itself, where a function may have a jump.
        values = np.array([self.along(direction, 1e-6 * t).real for t in range(1, 8)])
        found = []
        for order in (3, 4):
            share = factorial(order) ** 2 / factorial(2 * order)  # of the noise in a difference
            apart = np.diff(values, order)
            largest = float(np.abs(apart).max()) or 1.0
            found.append(largest * float(np.sqrt(share * np.mean((apart / largest) ** 2))))
        self.noise = 4 * max(found)

    @property
    def eps(self) -> float:
        """Spacing near 1 of the numbers in which the loss, float64, and backward are computed."""
        double = float(np.finfo(np.float64).eps)
        return max(double, *(float(np.finfo(a.dtype).eps) for a in self.arrays.values()))
