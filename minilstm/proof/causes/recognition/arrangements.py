"""Ways in which one array may be another with its axes in a different order.
Axes of length 1 are left out of account, so that (H,), (H, 1) and (1, 1, H) are all the same."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.derivatives.problem import Array


class Arrangement(NamedTuple):
    """How an array becomes the array wanted: drop axes of length 1, turn, put such axes in."""

    order: tuple[int, ...]  # of the axes that are longer than 1
    shape: tuple[int, ...]  # wanted

    def apply(self, array: Array) -> Array:
        """The array in the shape wanted."""
        kept = array.reshape([n for n in array.shape if n != 1])
        return kept.transpose(self.order).reshape(self.shape)

    @property
    def turned(self) -> bool:
        """Whether axes change places."""
        return self.order != tuple(range(len(self.order)))


def arrangements(shape: tuple[int, ...], wanted: tuple[int, ...]) -> list[Arrangement]:
    """All arrangements that give the shape wanted, the untouched one first; [] where none does."""
    here, there = [n for n in shape if n != 1], [n for n in wanted if n != 1]
    if sorted(here) != sorted(there) or len(here) > 4 or 0 in here:
        return []
    orders = permutations(range(len(here)))
    return [Arrangement(o, wanted) for o in orders if [here[k] for k in o] == there]


def by_letters(axes: str, wanted: str, sizes: Mapping[str, int]) -> Arrangement:
    """The arrangement of an array whose axes are known: a letter for each.

    Examples
    --------
    >>> by_letters("BTD", "TBD", {"B": 2, "T": 5, "D": 3}).order
    (1, 0, 2)
    """
    kept = [letter for letter in axes if sizes[letter] != 1]
    order = tuple(kept.index(letter) for letter in wanted if letter in kept)
    return Arrangement(order, tuple(sizes[letter] for letter in wanted))


def numbered(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of the same shapes whose entries are numbered through, from 1 on.

    A layout only rearranges numbers, so numbered entries sent through it say where each one goes.
    """
    ends = np.cumsum([a.size for a in arrays.values()])
    return {
        name: np.arange(end - a.size + 1, end + 1).reshape(a.shape)
        for (name, a), end in zip(arrays.items(), ends, strict=True)
    }


def same(values: Any, wanted: Any, tolerance: float) -> bool:
    """Whether two arrays agree, relative to the largest entry of the one wanted."""
    values, wanted = np.asarray(values), np.asarray(wanted)
    if values.shape != wanted.shape or not values.size:
        return False
    largest = np.abs(wanted).max()
    return bool(np.abs(values - wanted).max() <= tolerance * largest) and bool(largest < np.inf)
