"""The shapes of arguments, which a function declares in one line, and the sentence if one is wrong.
A letter is an axis of the same size wherever it stands, and shapes that fitted once are known.

A declaration is a list of names with shapes, such as ``x (N, D), W (4H, D), b (4H,)``. In a shape
``...`` stands for any axes, the same everywhere, and ``h (B+N, H)`` is a sum of two sizes. A part
of a cache is ``cache.W (C, D)``. Two shapes may be joined by ``or``. Behind the shape of an index
array ``< C`` says that it holds classes, and ``sums to N`` that it counts running sequences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.errors import DataError

_ARGUMENT = re.compile(
    r"([\w.]+) (\([^)]*\)(?: or \([^)]*\))*)(?: < (\w)| sums (to) N)?(?:, |$)", re.DOTALL
)
_SIZE = re.compile(r"(\d*)([A-Z])(?:\+([A-Z]))?")
Sizes = dict[str, Any]
_lowest, _highest = np.minimum.reduce, np.maximum.reduce  # without the slow step of a method
#: (counts, N, B) of short batches that are as they should be
_right: set[Any] = set()
#: how many combinations of shapes are known at most
MOST = 512


class Declared(NamedTuple):
    """What a declaration says of one argument."""

    name: str
    shapes: tuple[tuple[str, ...], ...]  # any of these
    text: str
    values: Callable[[str, Any, Sizes], None] | None  # raises for a value that is impossible


def declaration(text: str) -> tuple[Declared, ...]:
    """Read a declaration.

    Examples
    --------
    >>> [(d.name, d.text) for d in declaration("x (N, D), cache.W (4H, D), w (N,) or (N, 1)")]
    [('x', '(N, D)'), ('cache.W', '(4H, D)'), ('w', '(N,) or (N, 1)')]
    """
    found, end = [], 0
    for match in _ARGUMENT.finditer(text):
        name, shapes, classes, counts = match.groups()
        sizes = [tuple(re.findall(r"[^\s,()]+", shape)) for shape in shapes.split(" or ")]
        values = check_classes if classes else check_active if counts else None
        found.append(Declared(name, tuple(sizes), shapes, values))
        assert match.start() == end, text
        end = match.end()
    assert end == len(text), text
    return tuple(found)


def fitted(declared: Sequence[Declared], value_of: Callable[[str], Any]) -> Sizes:
    """The size of each axis by its letter, or a DataError.

    Parameters
    ----------
    declared : from `declaration`
    value_of : an argument or a part of a cache by its name: an array, several, or None
    """
    sizes: Sizes = {}
    before: list[str] = []
    for name, shapes, text, _ in declared:
        value = value_of(name)
        several = isinstance(value, (tuple, list))
        for n, array in enumerate(value if several else () if value is None else (value,)):
            shown = f"{name}[{n}]" if several else name
            tried = [_bound(shape, array.shape, sizes) for shape in shapes]
            bound = next((b for b in tried if b is not None), None)
            if bound is None:
                said = _wanted(shapes[0], sizes)
                here = f", which is {said} beside {', '.join(before)}" if said != text else ""
                raise DataError(f"{shown} has shape {array.shape}; give shape {text}{here}.")
            sizes = bound
            before.append(f"{shown} {array.shape}")
    return sizes


def _bound(shape: Sequence[str], found: tuple[int, ...], sizes: Sizes) -> Sizes | None:
    """The sizes with those of one more array, or None where it does not fit."""
    sizes = dict(sizes)
    if "..." in shape:
        place, rest = shape.index("..."), len(found) - len(shape) + 1
        if rest < 0 or sizes.setdefault("...", found[place : place + rest]) != (
            middle := found[place : place + rest]
        ):
            return None
        shape = [*shape[:place], *map(str, middle), *shape[place + 1 :]]
    if len(shape) != len(found):
        return None
    for size, n in zip(shape, found, strict=True):
        if size.isdigit():
            fits = int(size) == n
        else:
            factor, letter, more = _SIZE.fullmatch(size).groups()  # type: ignore[union-attr]
            one, rest = divmod(n - (sizes[more] if more else 0), int(factor or 1))
            fits = one >= 0 and not rest and sizes.setdefault(letter, one) == one
        if not fits:
            return None
    return sizes


def _wanted(shape: Sequence[str], sizes: Sizes) -> str:
    """A shape with the sizes that are known in the place of their letters."""

    def said(size: str) -> str:
        if size == "...":
            return ", ".join(map(str, sizes[size])) if size in sizes else size
        match = _SIZE.fullmatch(size)
        if not match or any(letter and letter not in sizes for letter in match.groups()[1:]):
            return size
        factor, letter, more = match.groups()
        return str(int(factor or 1) * sizes[letter] + (sizes[more] if more else 0))

    words = [word for word in map(said, shape) if word]
    text = ", ".join(words)
    return f"({text})" if "," in text or text == "..." else f"({text},)"


def check_classes(name: str, targets: Any, sizes: Sizes) -> None:
    """Class numbers from 0 to C - 1, or -1 for a row without a class."""
    if type(targets) is not np.ndarray or not targets.size:
        return
    low, high, C = _lowest(targets), _highest(targets), sizes["C"]
    if low < -1 or high >= C:
        raise DataError(
            f"{name} holds {low if low < -1 else high}; give numbers of classes from 0 to "
            f"{C - 1}, or -1 for a row without a class."
        )


def check_active(name: str, active: Any, sizes: Sizes) -> None:
    """Running sequences at each step: never more than before, at least 1, together N rows."""
    N, B = sizes.get("N"), sizes.get("B")
    if active is None and B not in (None, 1):
        raise DataError(
            f"{name} is None, so the rows are one sequence, but the state has {B} rows; give "
            "active, or one row of the state."
        )
    if type(active) is not np.ndarray:
        return
    steps = len(active)
    key = (active.tobytes(), N, B) if steps < 1024 else None
    if key in _right:
        return
    falls = steps < 2 or (active[1:] <= active[:-1]).all()
    if steps and (not falls or active[-1] < 1):
        raise DataError(
            f"{name} is to count the sequences that still run at each step; give whole numbers of "
            "at least 1 that never rise, as active_counts makes them of the lengths."
        )
    if N is not None and (total := int(active.sum())) != N:
        raise DataError(
            f"{name} counts {total} steps of all sequences, but there are {N} rows; give one row "
            "for each step of each sequence."
        )
    if B is not None and steps and active[0] != B:
        raise DataError(
            f"{name} begins with {active[0]} sequences, but the state has {B} rows; give one row "
            "of the state for each sequence."
        )
    if key is not None:
        if len(_right) >= MOST:
            _right.clear()
        _right.add(key)
