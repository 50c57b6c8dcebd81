"""The layouts in which people keep the weights and biases of an LSTM's four gates.
Each layout says two things: names of arrays, and how they become arrays of one shape.

Axes: D features, H hidden, four gates in the order of the user, K columns of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from minilstm.proof.causes.recognition.arrangements import Arrangement, arrangements
from minilstm.proof.derivatives.problem import Array

Shapes = Mapping[str, tuple[int, ...]]
Arrays = Mapping[str, Array]
Reading = Callable[[Array], Array]
Build = Callable[[Arrays, tuple[str, ...]], tuple[Array, ...]]


class Pick(NamedTuple):
    """Arrays that make one part of an LSTM, and how."""

    names: tuple[str, ...]
    title: str
    build: Build


def weight_picks(left: Shapes, D: int, H: int, inside: bool) -> Iterator[Pick]:
    """The layouts of W (4, H, D) and R (4, H, H) that use up all arrays that are left.

    With `inside` the bias (4, H) is a row or a column of the weights.
    """
    names = tuple(left)
    if len(names) == 1:
        for reading, text in _stacks(left[names[0]], H, D + H + inside):
            for places, letters in _columns(D, H, inside):
                width = "D + H + 1" if inside else "D + H"
                title = f"{names[0]} {text.replace('K', width)} for {letters}"
                yield Pick(names, title, _joined([reading], places))
    if inside:
        return
    if len(names) == 2:
        for pair in (names, names[::-1]):
            for of_W, text_W in _stacks(left[pair[0]], H, D):
                for of_R, text_R in _stacks(left[pair[1]], H, H):
                    W, R = text_W.replace("K", "D"), text_R.replace("K", "H")
                    yield Pick(pair, f"{pair[0]} {W}, {pair[1]} {R}", _stacked([of_W], [of_R]))
    if len(names) == 4:
        for how in _common(left, names, (1, H, D + H)):
            for places, letters in _columns(D, H, False):
                shape = "(D + H, H)" if how.turned else "(H, D + H)"
                title = f"a matrix {shape} for {letters} for each gate"
                yield Pick(names, title, _joined([how.apply] * 4, places))
    if len(names) == 8:
        for ordered in fours(names):
            for W_how in _common(left, ordered[:4], (1, H, D)):
                for R_how in _common(left, ordered[4:], (1, H, H)):
                    shape = "(D, H)" if W_how.turned else "(H, D)"
                    side = "h R" if R_how.turned else "R h"
                    title = f"two matrices for each gate, {shape} and (H, H) in {side}"
                    build = _stacked([W_how.apply] * 4, [R_how.apply] * 4)
                    yield Pick(ordered, title, build)


def bias_picks(left: Shapes, H: int, count: int) -> Iterator[Pick]:
    """Biases (4, H) by themselves, stacked or one for each gate; `count` of them are added up."""
    stacked = [n for n, s in left.items() if arrangements(s, (4 * H,)) or s == (4, H)]
    for names in combinations(stacked, count):
        yield Pick(names, "", _stacked(*[[lambda array: array.reshape(4, H)]] * count))
    if count:
        single = [n for n, s in left.items() if arrangements(s, (H,))]
        for names in combinations(single, 4 * count):
            for ordered in fours(names):
                one = _stacked(*[[lambda array: array.reshape(1, H)] * 4] * count)
                yield Pick(ordered, "", one)


def _stacks(shape: tuple[int, ...], H: int, K: int) -> list[tuple[Reading, str]]:
    """Ways to read one array as the matrices of four gates, (4, H, K)."""
    found: list[tuple[Reading, str]] = []
    for how in arrangements(shape, (4 * H, K)):
        turned = how.turned or (K == 1 and shape[0] == 1)
        found.append((how._replace(shape=(4, H, K)).apply, "(K, 4H)" if turned else "(4H, K)"))
    if len(shape) == 3:
        found += [(how.apply, "(three axes)") for how in arrangements(shape, (4, H, K))]
    return found


def _stacked(*groups: Sequence[Reading]) -> Build:
    """Each group of arrays makes one stack of four gates, (4, ...)."""

    def build(arrays: Arrays, names: tuple[str, ...]) -> tuple[Array, ...]:
        given = (arrays[n] for n in names)
        return tuple(np.concatenate([read(next(given)) for read in group]) for group in groups)

    return build


def _joined(readings: Sequence[Reading], places: Sequence[slice]) -> Build:
    """W and R (and a bias) as columns of one matrix, or of one for each gate."""
    stack = _stacked(readings)

    def build(arrays: Arrays, names: tuple[str, ...]) -> tuple[Array, ...]:
        (joined,) = stack(arrays, names)  # (4, H, K)
        W, R, *bias = (joined[:, :, place] for place in places)
        return W, R, *(b[:, :, 0] for b in bias)

    return build


def _columns(D: int, H: int, inside: bool) -> list[tuple[list[slice], str]]:
    """Where x, h and the bias stand along the axis of a joined matrix."""
    width = {"x": D, "h": H, "1": 1}
    found = []
    for order in ("xh1", "hx1", "1xh", "1hx") if inside else ("xh", "hx"):
        ends = np.cumsum([width[k] for k in order]).tolist()
        place = {k: slice(end - width[k], end) for k, end in zip(order, ends, strict=True)}
        found.append(([place[k] for k in "xh1" if k in place], f"[{', '.join(order)}]"))
    return found


def _common(shapes: Shapes, names: Sequence[str], wanted: tuple[int, ...]) -> list[Arrangement]:
    """Arrangements of arrays that must all have the same shape."""
    if len({shapes[n] for n in names}) != 1:
        return []
    return arrangements(shapes[names[0]], wanted)


def fours(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Orders of four or eight names in which the gates of both fours are the same.

    Eight names are listed four and four or in turns, and either four may come first; where names
    tell the gate (Wf, Wi, ... and Rf, Ri, ...), the second four follow the first.

    Examples
    --------
    >>> fours(("Wf", "Rf", "Wi", "Ri", "Wo", "Ro", "Wg", "Rg"))[0][:5]
    ('Wf', 'Wi', 'Wo', 'Wg', 'Rf')
    """
    if len(names) == 4:
        return [names]
    splits = [(names[:4], names[4:]), (names[::2], names[1::2])]
    by_start: dict[str, list[str]] = {}
    for name in names:
        by_start.setdefault(name[:-1], []).append(name)
    if sorted(map(len, by_start.values())) == [4, 4]:
        starts = [tuple(group) for group in by_start.values()]
        splits.insert(0, (starts[0], starts[1]))
    found = []
    for first, second in splits:
        for a, b in ((first, second), (second, first)):
            found.append((*a, *follow(a, b)))
    return list(dict.fromkeys(found))


def follow(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Four names in the order of four others, if what tells them apart is the same.

    Examples
    --------
    >>> follow(["Wf", "Wi", "Wo", "Wc"], ["bc", "bi", "bf", "bo"])
    ('bf', 'bi', 'bo', 'bc')
    """
    key = {part: name for part, name in zip(_distinct(second), second, strict=True)}
    keys = _distinct(first)
    return tuple(key[k] for k in keys) if set(keys) == set(key) else tuple(second)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names without what they have in common at either end."""
    start = _common_start(names)
    end = _common_start([n[start:][::-1] for n in names])
    return [n[start : len(n) - end] for n in names]


def _common_start(names: Sequence[str]) -> int:
    """Letters with which all names begin."""
    columns = enumerate(zip(*names, strict=False))
    return next((k for k, letters in columns if len(set(letters)) > 1), min(map(len, names)))
