"""The layouts in which people keep the parameters of an LSTM, listed from the shapes of arrays.
Which of them is meant is decided elsewhere, by trial.

Axes: B batch, T time, D features, H hidden, four gates in an order that is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np

from minilstm.proof.causes.recognition.arrangements import Arrangement, arrangements, by_letters
from minilstm.proof.causes.recognition.lstm_weights import (
    Pick,
    Shapes,
    bias_picks,
    follow,
    weight_picks,
)
from minilstm.proof.derivatives.problem import Array

X_AXES = {
    3: ("TBD", "BTD", "DBT", "TDB", "BDT", "DTB"),
    2: ("TD", "BD", "DT", "DB"),
    1: ("D", "T"),
}
INSIDE = Pick((), "", lambda arrays, names: ())  # no array for the bias alone


class Sizes(NamedTuple):
    """Sizes that the shapes of all arrays allow."""

    T: int
    B: int
    D: int
    H: int
    biases: int  # biases added up: 0, 1 or 2
    states: int  # initial states given: 0, 1 or 2


class Parts(NamedTuple):
    """The arrays of an LSTM in one shape for all layouts; None is not given."""

    x: Array  # (T, B, D)
    W: Array  # (4, H, D) gates in the order of the user
    R: Array  # (4, H, H)
    biases: tuple[Array, ...]  # (4, H) each
    h0: Array | None  # (B, H)
    c0: Array | None  # (B, H)


class Layout(NamedTuple):
    """One way to read the user's arrays."""

    sizes: Sizes
    gates: tuple[str, ...]  # names of the arrays of the four gates; () where gates are stacked
    title: str
    build: Callable[[Mapping[str, Array]], Parts]


def layouts(shapes: Shapes, output_sizes: Sequence[int]) -> Iterator[Layout]:
    """Every layout in which the user's arrays are the arrays of an LSTM, likely ones first.

    Examples
    --------
    >>> shapes = {"x": (7, 3), "W": (8, 3), "R": (8, 2), "b": (8,)}
    >>> [layout.sizes[:4] for layout in layouts(shapes, [14])]
    [(7, 1, 3, 2), (1, 7, 3, 2)]
    """
    for name in sorted(shapes, key=lambda n: not n.lower().startswith(("x", "in"))):
        rest = {n: s for n, s in shapes.items() if n != name}
        seen: set[Arrangement] = set()
        for axes in X_AXES.get(len(shapes[name]), ()):
            length = {"T": 1, "B": 1, "D": 1} | dict(zip(axes, shapes[name], strict=True))
            x = by_letters(axes, "TBD", length)
            T, B, D = x.shape
            if x in seen:
                continue
            seen.add(x)
            for sizes in _sizes(rest, T, B, D, output_sizes):
                yield from _with_x(name, axes, x, rest, sizes)


def _sizes(rest: Shapes, T: int, B: int, D: int, output_sizes: Sequence[int]) -> Iterator[Sizes]:
    """Solutions of: entries = 4 H (D + H) + 4 H biases + B H states."""
    total = sum(int(np.prod(s)) for s in rest.values())
    for biases, states in ((1, 2), (1, 0), (2, 2), (2, 0), (0, 2), (0, 0), (1, 1), (0, 1), (2, 1)):
        half = (4 * D + 4 * biases + B * states) / 8
        H = round((half * half + total / 4) ** 0.5 - half)
        fits = 4 * H * (D + H) + 4 * H * biases + B * H * states == total
        if fits and H > 0 and all(n in (T * B * H, B * H) for n in output_sizes):
            yield Sizes(T, B, D, H, biases, states)


def _with_x(name: str, axes: str, x: Arrangement, rest: Shapes, sizes: Sizes) -> Iterator[Layout]:
    _, B, D, H, _, _ = sizes
    title = f"{name} ({', '.join(axes)})"
    likely = [n for n in rest if arrangements(rest[n], (B, H))]
    likely.sort(key=lambda n: not n.lower().startswith(("h", "c", "a", "s", "prev", "init")))
    for states in permutations(likely, sizes.states):
        left = {n: s for n, s in rest.items() if n not in states}
        for hidden, cell in _state_roles(states):
            for bias in bias_picks(left, H, sizes.biases):
                others = {n: s for n, s in left.items() if n not in bias.names}
                for weights in weight_picks(others, D, H, inside=False):
                    yield _layout(name, x, hidden, cell, bias, weights, rest, sizes, title)
            if sizes.biases == 1:
                for weights in weight_picks(left, D, H, inside=True):
                    yield _layout(name, x, hidden, cell, INSIDE, weights, rest, sizes, title)


def _state_roles(states: Sequence[str]) -> list[tuple[str | None, str | None]]:
    if len(states) == 2:
        return [(states[0], states[1])]
    return [(states[0], None), (None, states[0])] if states else [(None, None)]


def _layout(
    name: str, x: Arrangement, hidden: str | None, cell: str | None, bias: Pick,
    weights: Pick, rest: Shapes, sizes: Sizes, title: str,
) -> Layout:  # fmt: skip
    B, H = sizes.B, sizes.H
    gates = weights.names[:4] if len(weights.names) >= 4 else ()
    fours = [bias.names[k : k + 4] for k in range(0, len(bias.names) // 4 * 4, 4)]
    ordered = [follow(gates, four) if gates else four for four in fours]
    bias_names = tuple(n for four in ordered for n in four) or bias.names
    gates = gates or bias_names[:4] if fours else gates
    state = {n: arrangements(rest[n], (B, H)) for n in (hidden, cell) if n is not None}

    def build(arrays: Mapping[str, Array]) -> Parts:
        W, R, *inside = weights.build(arrays, weights.names)
        biases = (*inside, *bias.build(arrays, bias_names))
        h0, c0 = (None if n is None else state[n][0].apply(arrays[n]) for n in (hidden, cell))
        return Parts(x.apply(arrays[name]), W, R, biases, h0, c0)

    return Layout(sizes, gates, f"{title}, {weights.title}", build)
