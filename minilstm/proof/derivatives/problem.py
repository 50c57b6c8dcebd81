"""What a gradient checker works on: arrays, a scalar of them, and the gradients claimed for it.
The checker makes one of a network (`networks`) or of any two functions (`functions`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.proof.derivatives.randomness import generator

Array = NDArray[Any]
WIDE = (np.longdouble, np.clongdouble)  # extended precision, on some machines the same as float64
Axes = tuple[Any, ...]  # a word or a tuple of block labels for each axis
# Of the samples for the noise, in units of the arrays: the first at which f moves, and finer ones.
# And noise that needs no finer ones, and noise that leaves few digits, in units of what the loss
# adds up.
FIRST_STEPS = (1e-6, 2.0**-12, 2.0**-8)
FINER_STEPS = (1e-9, 1e-12, 1e-14, 1e-17)
SMALL_NOISE, COARSE_NOISE = 1e-13, 1e-9
OFFSET_PART = 0.1  # of the typical size: numbers that vary by less lie around an offset
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
    # For finding causes: what finds out whether f is an LSTM, in whatever layout.
    recognise: Callable[[], Any] | None = None
    # For trying a cause elsewhere: all inputs of f by name, the same problem at other ones of any
    # sizes with other upstream gradients, and the gradients that another backward would give.
    inputs: Mapping[str, Any] = field(default_factory=dict)
    again: Callable[[Mapping[str, Any]], Problem] | None = None
    written: Callable[..., Any] | None = None  # backward as its author wrote it
    gradients_by: Callable[..., Gradients] | None = None
    # Sizes and constants that could have become a factor of a gradient, by name.
    lengths: Mapping[str, float] = field(default_factory=dict)
    # The outputs of f, or of equations given for it, where some arrays are replaced; its arrays may
    # be recorded ones (see `causes.equations`). The gradients that arrive at these outputs.
    forward: Callable[[Mapping[str, Any]], Any] | None = None
    upstream: Any = None
    noise: dict[str, float] = field(default_factory=dict)  # rounding of the loss as arrays move
    still: set[str] = field(default_factory=set)  # arrays whose small moves do not move f
    coarse: bool = False  # whether f was found to have few digits: it uses float32, or rounds
    notes: list[str] = field(default_factory=list)  # sentences for the report
    spoiled: set[str] = field(default_factory=set)  # arguments into which a function wrote
    forward_passes: int = 0  # run so far
    backward_passes: int = 0
    digit: float = float(np.finfo(np.float64).eps)  # spacing near 1 of the loss's numbers
    wrt: tuple[str, ...] = ()  # arrays whose gradients are compared; () means all
    others: list[Problem] = field(default_factory=list)  # the same elsewhere, tried for causes

    def value(self, replaced: Mapping[str, Array]) -> Any:
        """One forward pass: the loss with some arrays replaced, complex or of a wider type."""
        self.forward_passes += 1
        found = self.loss(replaced)
        return found if getattr(found, "dtype", None) in WIDE else complex(found)

    def along(self, direction: Mapping[str, Array], step: complex) -> Any:
        """One forward pass: the loss at the arrays moved by a step along a direction.

        The step is real, or imaginary for a complex step.
        """
        wide: Any = np.complex128 if isinstance(step, complex) else np.float64
        moved = {
            k: self.arrays[k].astype(np.result_type(self.arrays[k], wide)) + step * d
            for k, d in direction.items()
        }
        with np.errstate(all="ignore"):  # it was not the user who chose this point
            return self.value(moved)

    def compare_only(self, names: str | Sequence[str] | None) -> None:
        """Leave the gradients of other arrays than these out; ValueError where one is unknown."""
        self.wrt = (names,) if isinstance(names, str) else tuple(names or ())
        unknown = [name for name in self.wrt if name not in self.arrays]
        if unknown or (names is not None and not self.wrt):
            raise ValueError(
                f"wrt is {names!r}, which names {repr(unknown[0]) if unknown else 'nothing'}; the "
                f"arrays of floating-point numbers are {', '.join(self.arrays)}."
            )

    def claimed(self, replaced: Mapping[str, Array] | None = None) -> dict[str, Array | None]:
        """One backward pass: the gradients that backward claims."""
        self.backward_passes += 1
        if not replaced:
            grads = self.gradients({})
        else:
            with np.errstate(all="ignore"):
                grads = self.gradients(replaced)
        return {name: grads.get(name) for name in self.wrt or grads}

    def size(self, name: str) -> float:
        """Typical size of an array's entries: their root mean square, 1 for zeros."""
        array = self.arrays[name].astype(np.float64)
        return float(np.sqrt(np.mean(array * array))) or 1.0 if array.size else 1.0

    def spread(self, name: str) -> float:
        """How far an array's entries are from their mean, along the axis where that is least.

        Less than their typical size where they lie around an offset; else that size.
        """
        array, size = self.arrays[name].astype(np.float64), self.size(name)
        axes = range(array.ndim) if array.size else ()
        around = (float(np.std(array / size, axis).max()) * size for axis in axes)
        return min((a for a in around if 0 < a < OFFSET_PART * size), default=size)

    def reach(
        self, direction: Mapping[str, Array], unit: Callable[[str], float] | None = None
    ) -> float:
        """How far a direction goes at most, in units of the typical sizes of its arrays.

        Made a power of 2, so that a step in these units along one entry is a number exactly.
        """
        unit = unit or self.size
        far = max(float(np.abs(d).max(initial=0.0)) / unit(k) for k, d in direction.items())
        return 2.0 ** np.ceil(np.log2(far)) if 0 < far < np.inf else far

    def smallest(self, direction: Mapping[str, Array]) -> float:
        """How far a direction goes until it has moved an entry by all its size; 1 for zeros."""
        parts = [
            np.abs(np.asarray(self.arrays[k])[d != 0]).astype(np.float64) / np.abs(d[d != 0])
            for k, d in direction.items()
        ]
        return min((float(p[p > 0].min(initial=np.inf)) for p in parts), default=np.inf)

    def last_digit(self, direction: Iterable[str]) -> float:
        """How far rounding can move a value of the loss along a direction: its last digit, or more.

        More where it was measured.
        """
        return max(self.digit * self.magnitude, *(self.noise.get(k, 0.0) for k in direction))

    def measure_noise(self, names: Iterable[str]) -> None:
        """Find out how far rounding moves the loss: 7 forward passes or more for each new array.

        A sum's last digit is not all: a saturated function may give small numbers that have lost
        most of their digits, and one that computes in float32 gives values in steps. Values at
        equal small steps are those of a smooth curve plus noise; their third and fourth
        differences leave the noise alone (More and Wild, Estimating computational noise, 2011).
        Where much is left, the steps may be too wide for the curve.
        """
        for name in set(names) - set(self.noise):
            a = self.arrays[name]
            drawn = generator(0, "noise").standard_normal(a.shape)
            direction = {name: np.where(a == 0, self.size(name), a) * drawn}
            first = (self._noise_at(direction, step) for step in FIRST_STEPS)
            seen = next((found for found in first if found is not None), None)
            noise = seen or 0.0
            if seen is None:
                self.still.add(name)
            coarse = False
            for step in FINER_STEPS:
                if noise <= SMALL_NOISE * self.magnitude:
                    break
                if step >= 32 * np.finfo(a.dtype).eps:
                    finer = self._noise_at(direction, step)
                    if finer is None:  # values in steps, as of float32: wider samples show them
                        coarse = True
                        break
                    noise = min(noise, finer)
            self.noise[name] = noise if np.isfinite(noise) else 0.0
            self.coarse |= coarse and noise > COARSE_NOISE * self.magnitude

    def _noise_at(self, direction: Mapping[str, Array], step: float) -> float | None:
        """Noise in 7 values at equal steps; None where f stands still from one to the next."""
        # Not from the point itself, where a function may have a jump.
        values = np.array([self.along(direction, step * t).real for t in range(1, 8)])
        if np.count_nonzero(np.diff(values) == 0) > 2:
            return None
        found = []
        for order in (3, 4):
            share = factorial(order) ** 2 / factorial(2 * order)  # of the noise in a difference
            apart = np.diff(values, order)
            largest = float(np.abs(apart).max()) or 1.0
            found.append(largest * float(np.sqrt(share * np.mean((apart / largest) ** 2))))
        noise = 4 * max(found)
        return noise if np.isfinite(noise) else np.inf

    @property
    def eps(self) -> float:
        """Spacing near 1 of the numbers in which the loss, float64, and backward are computed."""
        double = float(np.finfo(np.float64).eps)
        return max(double, *(float(np.finfo(a.dtype).eps) for a in self.arrays.values()))


def one_hot(shape: tuple[int, ...], index: tuple[int, ...]) -> Array:
    """Zeros with a one at an index."""
    out = np.zeros(shape)
    out[index] = 1.0
    return out
