"""What the axes of a 3-D input are, found by moving it: no sequence reaches another, and no step
reaches an earlier one. So that a report can speak of time steps where nobody named the axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minilstm.proof.derivatives.problem import Array, Axes
from minilstm.proof.derivatives.trees import is_number, leaves

Outputs = Callable[[Mapping[str, Array]], Any]


def axes_by_trial(arrays: Mapping[str, Array], outputs: Outputs) -> dict[str, Axes]:
    """Words for the axes of 3-D arrays in which one axis is time; {} where none is."""
    try:
        with np.errstate(all="ignore"):
            found = {n: _axes(n, a, outputs) for n, a in arrays.items() if a.ndim == 3}
    except Exception:  # a function of somebody else's; words are a help and must not stop a check
        return {}
    return {name: axes for name, axes in found.items() if axes.count("time") == 1}


def _axes(name: str, array: Array, outputs: Outputs) -> tuple[str, ...]:
    before = _flat(outputs({}))
    words = [_word(name, array, axis, outputs, before) for axis in range(array.ndim)]
    if sorted(words) == ["", "sequence", "time"]:
        words[words.index("")] = "feature"
    return tuple(words)


def _word(name: str, array: Array, axis: int, outputs: Outputs, before: list[Array]) -> str:
    """The word for one axis, from what moves where its first and its last index move."""
    size, reached = array.shape[axis], []
    if size < 2:
        return ""
    for end in (0, size - 1):
        moved = array.copy()
        np.moveaxis(moved, axis, 0)[end] *= 1.25
        reached.append([np.argwhere(a != b) for a, b in zip(_flat(outputs({name: moved})), before,
                                                             strict=True)])  # fmt: skip
    for y, first, last in zip(before, *reached, strict=True):
        for k in (k for k, length in enumerate(y.shape) if length == size):
            of_first, of_last = set(first[:, k].tolist()), set(last[:, k].tolist())
            if of_last == {size - 1} and of_first == set(range(size)):
                return "time"
            if of_last == {size - 1} and of_first == {0}:
                return "sequence"
    return ""


def _flat(outputs: Any) -> list[Array]:
    return [np.asarray(y) for y in leaves(outputs) if is_number(y)]
