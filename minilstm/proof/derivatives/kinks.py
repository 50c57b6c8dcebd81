"""Points at which a function has no derivative, found by the slopes on either side of them.
A check at such a point proves nothing, so the point is named, and a slope between passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from minilstm.proof.derivatives.problem import Array, Gradients, Problem, one_hot
from minilstm.proof.derivatives.randomness import generator

SLOPE_STEP = 2.0**-13  # of one-sided slopes, in units of the typical size of the array
FINEST_SLOPE_STEP = 2.0**-43
STEP_RATIO = 8.0  # of that step to a finer one, with which the slopes are taken again
# With the finer step the slopes of a smooth function come together to 1/8 of their distance. At a
# kink more than this part of it is left, at a jump it grows by more than this factor.
KINK_RATIO = 0.3
JUMP_RATIO = 4.0
JUMP_LAST_DIGITS = 1e3  # of the loss; a jump as high to both sides has to exceed them
NOISE_RATIO = 100.0  # of the change of slope at a kink to the noise in it, for the finest steps
SHOWN_CHANGE = 1e-3  # of the slope at one entry, relative; a smaller one is not reported
MOST_PAIRS = 60  # of entries at kinks that are looked at together
VISIBLE_CHANGE = 1e-6  # of a slope, relative; a smaller change is not looked at


class Slopes(NamedTuple):
    """Slopes to the left and to the right of a point along a direction, and whether they meet."""

    left: float
    right: float
    kink: bool
    jump: bool

    def between(self, slope: float) -> bool:
        """Whether a slope lies between the two, so that it is a right answer at a kink."""
        room = 1e-3 * max(abs(self.left), abs(self.right))
        low, high = sorted((self.left, self.right))
        return self.kink and not self.jump and low - room <= slope <= high + room


class Kink(NamedTuple):
    """A point at which the function has no derivative."""

    name: str  # of the array
    where: tuple[int, ...]  # index of the entry along which it shows most
    value: float  # of that entry
    left: float  # slope to the left of it
    right: float
    kind: str  # what such a kink usually is

    def __str__(self) -> str:
        index = ", ".join(map(str, self.where))
        return (
            f"{self.name}[{index}] = {self.value:.6g} is at or next to a point without a "
            f"derivative: slope {self.left:.4g} below it, {self.right:.4g} above ({self.kind})"
        )


def slopes(problem: Problem, direction: Mapping[str, Array], base: float) -> Slopes:
    """The one-sided slopes of the loss along a direction: 4 forward passes.

    Beside the edge of a domain more are needed; where there seems to be a kink as well, because a
    curve that bends within the first steps is smooth within finer ones, and a kink stays.
    """
    unit = problem.reach(direction)
    if unit == 0:
        return Slopes(0.0, 0.0, False, False)

    def around(step: float) -> tuple[float, float]:
        below, above = (problem.along(direction, t).real for t in (-step / unit, step / unit))
        with np.errstate(all="ignore"):
            return float((base - below) / step * unit), float((above - base) / step * unit)

    step, found = SLOPE_STEP, [around(SLOPE_STEP), around(SLOPE_STEP / STEP_RATIO)]
    while not np.isfinite(found).all() and step > FINEST_SLOPE_STEP:
        step /= STEP_RATIO
        found = [found[1], around(step / STEP_RATIO)]
    seen = _seen(found, problem.last_digit(direction) * unit / step)
    if seen.kink and np.isfinite(found).all():
        problem.measure_noise(direction)
        # A jump is as high at any step, and a change of slope shows as far as noise lets it.
        change = max(abs(seen.left), abs(seen.right)) if seen.jump else seen.right - seen.left
        height = abs(change) * step / unit
        clear = NOISE_RATIO * problem.last_digit(direction) / height
        fine = STEP_RATIO * FINEST_SLOPE_STEP
        fine = max(fine, 0.0 if seen.jump and clear < 1 else STEP_RATIO * clear * step)
        # Noise, or a curve on a scale of its own around a large offset, may have made it.
        if fine >= step or fine * max(problem.size(k) / problem.spread(k) for k in direction) > 0.1:
            return seen._replace(kink=False, jump=False)
        digit = problem.last_digit(direction) * unit
        stays = _seen([around(fine), around(fine / STEP_RATIO)], digit / fine)
        # The wider steps give more digits of the slopes.
        return _seen(found, digit / step) if stays.kink else stays
    return seen


def _seen(found: list[tuple[float, float]], last_digit: float) -> Slopes:
    """What the slopes at one step and at a finer one show; the last digit is that of the first."""
    steep = [min(abs(left), abs(right)) for left, right in found]
    noise = 8 * last_digit, 8 * last_digit * STEP_RATIO
    apart = [max(0.0, abs(r - b) - n) for (b, r), n in zip(found, noise, strict=True)]
    left, right = found[-1]
    if steep[1] > max(JUMP_RATIO * steep[0], JUMP_LAST_DIGITS * last_digit * STEP_RATIO):
        return Slopes(left, right, True, True)  # in the middle of a jump: as far to both sides
    visible = apart[1] > VISIBLE_CHANGE * max(abs(left), abs(right))
    kink = bool(visible and apart[1] > KINK_RATIO * apart[0])
    return Slopes(left, right, kink, bool(kink and apart[1] > JUMP_RATIO * apart[0]))


def find_kink(problem: Problem, name: str, base: float, rng: np.random.Generator) -> Kink | None:
    """Look for a kink of the loss in one array, along a random direction; if so, find the entry.

    Costs 4 forward passes where there is none, and 4 for each halving of the array where there is.
    """
    shape = problem.arrays[name].shape
    direction = rng.standard_normal(shape) * problem.size(name)
    if direction.size == 0 or not slopes(problem, {name: direction}, base).kink:
        return None
    index = halved(direction, lambda part, _: slopes(problem, {name: part}, base).kink)
    single = np.zeros(shape)
    single[index] = problem.size(name)
    found = slopes(problem, {name: single}, base)
    if not found.jump and not abs(found.right - found.left) > SHOWN_CHANGE * max(
        abs(found.left), abs(found.right)
    ):
        return None  # the two slopes would be printed as the same number
    left, right = found.left / problem.size(name), found.right / problem.size(name)
    value = float(problem.arrays[name][index])
    return Kink(name, index, value, left, right, kind_of(left, right, found.jump))


class Tie(NamedTuple):
    """Two entries at one kink, along which backward's gradient lies outside the slopes."""

    names: tuple[str, str]
    where: tuple[tuple[int, ...], tuple[int, ...]]
    hand: float  # slope along both together by backward
    slope: float  # the nearest that is right

    def __str__(self) -> str:
        both = " and ".join(f"{n}{list(i)}" for n, i in zip(self.names, self.where, strict=True))
        return (
            f"at a tie, as of equal numbers in a maximum, backward gives each the whole gradient: "
            f"along {both} together the slope is {self.slope:.4g}, and backward gives "
            f"{self.hand:.4g}"
        )


def find_tie(
    problem: Problem, grads: Gradients, kinked: Iterable[str], base: float, most: int
) -> Tie | None:
    """Look for entries that share a kink and whose gradients are right one by one, not together.

    The slopes along kinks of their own add up. Those of entries that tie do not, and a gradient
    that is one of the branches, or lies between them, gives a slope between the two sides.
    """
    found: list[tuple[str, tuple[int, ...], float, Slopes]] = []
    rng = generator(0, "entries and directions")
    for name in kinked:
        hand = grads[name]
        if hand is None:
            continue
        flat = np.arange(hand.size)
        flat = flat if hand.size <= most else np.sort(rng.choice(flat, most, replace=False))
        for index in (tuple(int(n) for n in np.unravel_index(k, hand.shape)) for k in flat):
            around = slopes(problem, {name: one_hot(hand.shape, index)}, base)
            near = min(abs(hand[index] - s) for s in (around.left, around.right))
            if around.kink and not around.jump and near <= 1e-3 * abs(hand[index]):
                found.append((name, index, float(hand[index]), around))

    def together(*several: tuple[str, tuple[int, ...], float, Slopes]) -> tuple[Slopes, bool]:
        along: dict[str, Array] = {}
        for name, index, *_ in several:
            along.setdefault(name, np.zeros(problem.arrays[name].shape))[index] = 1.0
        both = slopes(problem, along, base)
        sums = [sum(getattr(one[3], side) for one in several) for side in ("left", "right")]
        room = 1e-3 * sum(max(abs(one[3].left), abs(one[3].right)) for one in several)
        apart = max(abs(both.left - sums[0]), abs(both.right - sums[1]))
        return both, apart > room

    if len(found) < 2 or not together(*found)[1]:
        return None
    pairs = list(combinations(found, 2))
    for k in rng.permutation(len(pairs))[:MOST_PAIRS]:
        first, second = pairs[k]
        both, tied = together(first, second)
        low, high = sorted((both.left, both.right))
        hands = first[2], second[2]
        room = 1e-3 * max(map(abs, hands))
        if tied and not low - 2 * room <= sum(hands) <= high + 2 * room:
            slope = min((low, high), key=lambda s: abs(s - sum(hands)))
            # Not of several ReLUs at 0, whose slopes of zero or one need not lie between.
            if high - low <= room or min(abs(slope - hand) for hand in hands) <= room:
                return Tie((first[0], second[0]), (first[1], second[1]), sum(hands), slope)
    return None


def kind_of(left: float, right: float, jump: bool) -> str:
    """What a kink with these slopes usually is, in words."""
    flat = 1e-6 * max(abs(left), abs(right))
    if jump:
        return "a jump: a threshold, a rounding, a comparison"
    if abs(left) <= flat:
        return "flat below: a ReLU at 0 or the lower end of a clipping"
    if abs(right) <= flat:
        return "flat above: the upper end of a clipping, or a ReLU of a negated value"
    if abs(left + right) <= 1e-3 * max(abs(left), abs(right)):
        return "the sign of the slope turns: an absolute value at 0"
    return "the slope changes: a maximum of two equal values, or another change of branch"


def halved(direction: Array, shows: Callable[[Array, Array], bool]) -> tuple[int, ...]:
    """The entry of a direction in which something shows, found by halving.

    `shows` takes half of what is left of the direction, zeros elsewhere, and its flat indices.
    """
    left = np.arange(direction.size)
    while len(left) > 1:
        first, second = np.array_split(left, 2)
        part = np.zeros(direction.size)
        part[first] = direction.ravel()[first]
        left = first if shows(part.reshape(direction.shape), first) else second
    return tuple(int(i) for i in np.unravel_index(int(left[0]), direction.shape))
