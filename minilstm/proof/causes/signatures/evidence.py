"""A wrong gradient beside the right one, and the test that every named cause has to pass.
A cause counts when the mistake, made on purpose to the right gradient, gives the wrong one.

Only a few entries of the right gradient may be known, the others are NaN. A mistake must then
give the wrong gradient wherever it can be computed, and explain enough entries that are wrong:
as many as make a coincidence unlikely at the tolerance, and one more for each free constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.factors import Measured
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.reports.places import Axis, one_of

# Two numbers that one mistake gives agree to this part of the largest entry.
SAME_MISTAKE_ERROR = 1e-6


class Evidence(NamedTuple):
    """What the checker knows of one array."""

    name: str
    hand: Array  # its gradient as backward gives it
    exact: Array  # its gradient from the oracle, NaN where not computed; the shape of the array
    value: Array  # the array itself
    axes: tuple[Axis, ...] = ()  # an item for each (see `proof.reports.places`); () for unknown
    tolerance: float = 1e-10  # relative to the largest entry of exact


Factors = Callable[[str], list[Measured]]  # of an array elsewhere; see `causes.elsewhere`


class Pattern(str):
    """A sentence about where and how numbers are off, which names no cause."""


class Case:
    """One array under suspicion: hand and exact in float64, and what can be asked of them.

    The hand of the evidence has the shape of its exact and is finite; `counts` are named sizes that
    may have become a factor; a gradient below `floor` counts as zero. `factors`, where given, tells
    a factor that follows these sizes from a coincidence.
    """

    def __init__(
        self,
        evidence: Evidence,
        counts: Mapping[str, float],
        floor: float = 0.0,
        factors: Factors | None = None,
    ) -> None:
        self.factors = factors
        self.name = evidence.name
        self.hand: Array = np.asarray(evidence.hand, np.float64)
        self.exact: Array = np.asarray(evidence.exact, np.float64)
        self.value: Array = np.asarray(evidence.value, np.float64)
        self.axes = evidence.axes if len(evidence.axes) == self.exact.ndim else ()
        self.tolerance = evidence.tolerance
        self.counts = {name: n for name, n in counts.items() if n > 0 and n != 1}
        self.close = max(SAME_MISTAKE_ERROR, evidence.tolerance)
        self.known: Array = np.isfinite(self.exact)
        self.largest = float(np.abs(self.exact[self.known]).max(initial=0.0))
        self.scale = self.largest if self.largest > 1e-9 * floor else floor or 1.0

    @cached_property
    def wrong(self) -> Array:
        """Where hand is known to be wrong."""
        with np.errstate(invalid="ignore"):
            return self.known & ~(np.abs(self.hand - self.exact) <= self.tolerance * self.scale)

    @property
    def zero(self) -> bool:
        """Whether the right gradient is zero wherever it is known."""
        return self.largest <= self.tolerance * self.scale

    @cached_property
    def signal(self) -> Array:
        """Where the right gradient is known and more than rounding."""
        with np.errstate(invalid="ignore"):
            return self.known & (np.abs(self.exact) > self.close * self.scale)

    @cached_property
    def worst(self) -> float:
        """The largest error of hand."""
        return float(np.abs(self.hand - self.exact)[self.known].max(initial=0.0))

    def allowed(self, size: float) -> float:
        """How far apart two numbers may be that are the same but for rounding.

        A small error is explained by what is far closer to hand than the right gradient is.
        """
        return max(min(self.close * size, 0.01 * self.worst), self.tolerance * size)

    def needed(self, constants: int = 0) -> int:
        """How many wrong entries a mistake with free constants has to explain."""
        chance = 2 * self.allowed(self.scale) / (self.worst or self.scale)
        return math.ceil(math.log(1e-5) / math.log(min(chance, 0.1))) + constants

    def explains(
        self, made: Array, at: Array | None = None, needed: int | None = None, constants: int = 0
    ) -> bool:
        """Whether a mistake made on purpose gives hand.

        `made` is the right gradient with the mistake in it, NaN where it cannot be computed; `at`
        are the entries that show it, by default those where hand is wrong; `needed` is how many of
        these have to agree, by default as many as rule out coincidence, with the free constants
        that were fitted counted in.
        """
        can = np.isfinite(made)
        if not can.any() or self.worst <= 4 * self.tolerance * self.scale:
            return False
        # Unwanted signals at a millionth of the largest entry are rounding, not evidence.
        size = max(float(np.abs(made[can]).max()), self.close * self.scale)
        if not (np.abs(self.hand - made)[can] <= self.allowed(size)).all():
            return False
        shown = (self.wrong if at is None else at) & can
        return int(shown.sum()) >= (self.needed(constants) if needed is None else needed)

    def moved(self, source: Array) -> bool:
        """Whether hand is the right gradient with its entries moved.

        `source` has for each entry the flat index of the entry it was taken from; -1 for unknown.
        """
        exact, wrong = self.exact.ravel(), self.wrong.ravel()
        made = np.where(source >= 0, exact[source], np.nan)
        # Where the right value is unknown, the entry shows a move if its source was wrong itself.
        shown = self.wrong | (~self.known & wrong[source])
        return self.explains(made, shown & (np.abs(made) > self.close * self.scale))

    def is_that_of(self, other: Case) -> bool:
        """Whether hand is the right gradient of another array."""
        if not self.wrong.any():
            return False
        if other.right:  # then its hand knows all of it
            return self.explains(other.hand)
        return self.explains(other.exact, self.wrong | (~self.known & other.wrong))

    def factor(self) -> float | None:
        """The constant c with hand = c exact; None if there is none.

        A single entry has a factor to any other; see `entrywise.name_factor` for what it is worth.
        """
        square = float((self.exact[self.known] ** 2).sum())
        if square == 0.0:
            return None
        c = float((self.hand[self.known] * self.exact[self.known]).sum()) / square
        if not np.isfinite(c) or abs(c) * self.largest <= self.close * self.scale:
            return None
        return c if self.explains(c * self.exact, needed=1) else None

    def sources(self) -> Array:
        """For each entry its flat index, to be moved and handed to `moved`."""
        return np.arange(self.hand.size).reshape(self.hand.shape)

    def part(self, index: Any) -> Case:
        """The same array, looked at in part; errors stay relative to the largest entry of all."""
        arrays = self.hand[index], self.exact[index], self.value[index]
        case = Case(Evidence(self.name, *arrays, (), self.tolerance), self.counts)
        case.scale = self.scale
        return case

    @property
    def right(self) -> bool:
        """Whether something is known of it, not only zeros, and all of that is right."""
        return not self.wrong.any() and self.largest > self.close * self.scale

    def along(self, axis: int) -> str:
        """ "along time", or "along axis 0" where its meaning is unknown."""
        word = self.word(axis)
        return f"along {'the ' + _plural(one_of(word)) if word else f'axis {axis}'}"

    def word(self, axis: int) -> str:
        """The word for an axis, "" where unknown or where it has blocks."""
        word = self.axes[axis] if self.axes else ""
        return word if isinstance(word, str) and word != "gates" else ""


def _plural(word: str) -> str:
    return word + ("es" if word.endswith("s") else "s")


def number(x: float) -> str:
    """A number in a sentence: four digits that count."""
    return f"{x:.4g}"
