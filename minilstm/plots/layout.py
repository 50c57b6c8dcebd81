"""Where the boxes and arrows of a network go: rows, order within a row, columns, curves.
Lengths are points; x grows to the right and y downwards.

Boxes stand in rows, one for each length of the longest path that leads to them. An arrow that
passes rows has a place of its own in each, kept free of boxes; between rows there are arrows only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .arrows import Floats, Point, around_corners, downwards, ports, straightened

# Least distances in points: between two boxes of a row, between a box and an arrow that passes
# it, between two arrows side by side, between two rows, and between two columns.
BETWEEN_BOXES, BOX_TO_ARROW, BETWEEN_ARROWS = 26.0, 17.0, 11.0
BETWEEN_ROWS, BETWEEN_COLUMNS = 27.0, 40.0
MOST_ROWS_IN_ONE_COLUMN = 12
WIDTH_TO_HEIGHT = 1.25  # the shape of picture that columns aim at
SWEEPS = 24
ARROW_WEIGHT = 0.01  # how firmly a passing arrow holds its place, beside 1 for a box


class Wire(NamedTuple):
    """An arrow from a port of one box to a port of another; ports are numbers."""

    source: int
    out: int
    destination: int
    into: int


class Layout(NamedTuple):
    """Boxes (n, 4) as left, top, right, bottom; for each wire a curve; the size of all."""

    boxes: Floats
    curves: list[Floats]
    size: Point


class _Places(NamedTuple):
    """Places in rows: numbers below `boxes` are boxes, the others arrows that pass."""

    boxes: int
    row: list[int]  # of each place
    rows: list[list[int]]
    above: list[list[int]]  # for each place those in the row above that lead to it
    below: list[list[int]]
    chains: list[list[int]]  # for each wire the places that it goes through, with both ends

    def entering(self, row: int) -> set[int]:
        """The places of the row above from which arrows enter a row."""
        return {a for b in self.rows[row] for a in self.above[b]}

    def sweep(self, number: int) -> tuple[list[list[int]], list[list[int]]]:
        """The rows from the top, or from the bottom, with the neighbours that were met before."""
        return (self.rows[::-1], self.below) if number % 2 else (self.rows, self.above)


def lay_out(sizes: Sequence[Point], wires: Sequence[Wire], port_widths: Sequence[float]) -> Layout:
    """Place boxes and route the arrows between them.

    Parameters
    ----------
    sizes : width and height of each of n boxes, in the order in which a network runs
    wires : arrows; one that leads back to an earlier box is part of a circle
    port_widths : for each box how far apart its ports have to be

    Returns
    -------
    Layout, whose boxes do not touch and whose arrows cross no box

    Examples
    --------
    >>> layout = lay_out([(80, 40)] * 3, [Wire(0, 0, 1, 0), Wire(1, 0, 2, 0)], [0] * 3)
    >>> layout.boxes[:, 1].tolist()
    [0.0, 67.0, 134.0]
    """
    n = len(sizes)
    forward = [w for w in wires if w.source < w.destination]
    places = _places(n, forward)
    _order(places)
    size = np.zeros((len(places.row), 2))  # (P, 2) of P places; an arrow that passes has none
    size[:n] = sizes
    half, height = size[:, 0] / 2, size[:, 1]
    x = _across(places, half)  # (P,)
    heights = np.array([height[row].max() for row in places.rows])
    starts = _column_starts(places, x, half, heights) if len(forward) == len(wires) else [0]
    tops, turns, right = _stack(places, x, half, heights, starts)
    row_top = np.array(tops)[places.row]  # (P,)
    row_bottom = row_top + heights[places.row]
    # A box stands in the middle of its row; an arrow that passes goes on at the top.
    arrive = row_top + np.where(height > 0, (heights[places.row] - height) / 2, 0.0)
    leave = arrive + height
    outs = ports([w[:2] for w in forward], [x[c[1]] for c in places.chains], x, port_widths)
    intos = ports([w[2:] for w in forward], [x[c[-2]] for c in places.chains], x, port_widths)

    def route(chain: list[int], out: float, into: float) -> Floats:
        passed = x[chain[1:-1]].tolist()
        xs = [straightened(out, passed[0]), *passed] if passed else [out]
        xs.append(straightened(into, xs[-1]))
        pieces = []
        for (a, b), x0, x1 in zip(pairwise(chain), xs, xs[1:], strict=False):
            start, end = (x0, leave[a]), (x1, arrive[b])
            if a in turns:
                pieces.append(around_corners(start, *turns[a], end))
            else:
                pieces.append(downwards(start, (x0, row_bottom[a]), (x1, row_top[b]), end))
        return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])

    routes = map(route, places.chains, outs, intos)
    curves = []
    for wire in wires:
        if wire.source < wire.destination:
            curves.append(next(routes))
            continue
        right = right + BETWEEN_ARROWS
        a, b = wire.source, wire.destination
        start, end = (x[a] + port_widths[a], leave[a]), (x[b] + port_widths[b], arrive[b])
        curves.append(around_corners(start, start[1] + 9.0, right + 16.0, end[1] - 9.0, end))
    boxes = np.stack([x - half, arrive, x + half, leave], axis=1)[:n]
    points = np.concatenate([boxes[:, :2], boxes[:, 2:], *curves])
    low, high = points.min(axis=0), points.max(axis=0)
    width, depth = (high - low).tolist()
    return Layout(boxes - [*low, *low], [curve - low for curve in curves], (width, depth))


def _places(count: int, wires: Sequence[Wire]) -> _Places:
    """The longest path to each box is its row; arrows get a place in each row they pass."""
    row: list[int] = []
    for i in range(count):
        row.append(max((row[w.source] + 1 for w in wires if w.destination == i), default=0))
    chains = []
    for w in wires:
        passed = range(row[w.source] + 1, row[w.destination])
        chains.append([w.source, *range(len(row), len(row) + len(passed)), w.destination])
        row += passed
    rows = [[i for i, r in enumerate(row) if r == k] for k in range(max(row) + 1)]
    above: list[list[int]] = [[] for _ in row]
    below: list[list[int]] = [[] for _ in row]
    for a, b in (pair for chain in chains for pair in pairwise(chain)):
        below[a].append(b)
        above[b].append(a)
    return _Places(count, row, rows, above, below, chains)


def _order(places: _Places) -> None:
    """Order each row by the mean place of its neighbours, up and down, and keep the best."""
    best, fewest = [list(row) for row in places.rows], _crossings(places)
    for number in range(SWEEPS):
        if fewest == 0:
            break
        rows, near = places.sweep(number)
        for row in rows:
            rank = {i: n for other in rows for n, i in enumerate(other)}
            row.sort(key=lambda i: float(np.mean([rank[j] for j in near[i] or [i]])))
        if (crossed := _crossings(places)) < fewest:
            best, fewest = [list(row) for row in places.rows], crossed
    places.rows[:] = best


def _crossings(places: _Places) -> int:
    total = 0
    for upper, lower in pairwise(places.rows):
        ends = [(upper.index(a), n) for n, b in enumerate(lower) for a in places.above[b]]
        total += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a in ends for b in ends) // 2
    return total


def _across(places: _Places, half: Floats) -> Floats:
    """The middle of each place: under and over its nearest neighbours, as far as there is room."""
    boxes = places.boxes
    offsets, x = np.zeros((2, len(half)))
    for row in places.rows:
        for a, b in pairwise(row):
            apart = (BETWEEN_BOXES, BOX_TO_ARROW, BETWEEN_ARROWS)[(a >= boxes) + (b >= boxes)]
            offsets[b] = offsets[a] + half[a] + half[b] + apart
        x[row] = offsets[row] - offsets[min(row)]
    for number in range(SWEEPS + 1):
        rows, near = places.sweep(number)
        for row in rows:
            wanted = x[row]
            for n, i in enumerate(row):
                # A box follows boxes, a passing arrow itself, so that both run straight.
                same = [j for j in near[i] if (j < boxes) == (i < boxes)]
                if i >= boxes and number <= SWEEPS // 2:
                    same = same or near[i]  # first of all close to its ends
                wanted[n] = np.mean(x[same]) if same else x[i]
            weights = np.where(np.array(row) < boxes, 1.0, ARROW_WEIGHT)
            x[row] = offsets[row] + _rising(wanted - offsets[row], weights)
    return x


def _rising(wanted: Floats, weights: Floats) -> Floats:
    """The numbers nearest to the wanted ones (weighted squares) of which none is below the last."""
    blocks: list[list[float]] = []  # sum, weight and number of each run of equal numbers
    for value, weight in zip(wanted, weights, strict=True):
        blocks.append([value * weight, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            blocks[-2:] = [[a + b for a, b in zip(*blocks[-2:], strict=True)]]
    return np.concatenate([np.full(int(n), total / weight) for total, weight, n in blocks])


def _column_starts(places: _Places, x: Floats, half: Floats, heights: Floats) -> list[int]:
    """The rows that start a column, so that the picture is about as wide as high."""
    count, starts = len(heights), [0]
    if count <= MOST_ROWS_IN_ONE_COLUMN:
        return starts
    width = (x + half).max() - (x - half).min() + BETWEEN_COLUMNS
    height = heights.sum() + BETWEEN_ROWS * count
    columns = min(
        range(1, count), key=lambda n: abs(math.log(n * n * width / height / WIDTH_TO_HEIGHT))
    )
    slack = max(1, count // columns // 4)
    for k in range(1, columns):
        even = math.ceil(k * count / columns)
        near = range(max(even - slack, starts[-1] + 1), min(even + slack, count - 1) + 1)
        starts.append(min(near, key=lambda r: (len(places.entering(r)), abs(r - even))))
    return starts


def _stack(
    places: _Places, x: Floats, half: Floats, heights: Floats, starts: list[int]
) -> tuple[list[float], dict[int, tuple[float, float, float]], float]:
    """Move columns beside one another; give the top of each row, turns, and the right edge.

    A turn is how an arrow comes from one column to the next: down to a height, over to a side and
    up to a height. It is found by the place that the arrow leaves.
    """
    tops: list[float] = []  # of each row
    turns: dict[int, tuple[float, float, float]] = {}
    right = -BETWEEN_COLUMNS
    for first, stop in pairwise([*starts, len(heights)]):
        leaving = sorted(places.entering(first), key=lambda a: -x[a]) if first else []
        left = right + BETWEEN_COLUMNS + BETWEEN_ARROWS * len(leaving)
        for k, a in enumerate(leaving):
            before, after = BETWEEN_ARROWS * k, BETWEEN_ARROWS * (len(leaving) - 1 - k)
            low = tops[-1] + heights[first - 1] + 12.0 + before
            turns[a] = low, left - BETWEEN_COLUMNS / 2 - after, -14.0 - after
        inside = [i for row in places.rows[first:stop] for i in row]
        x[inside] += left - (x - half)[inside].min()
        right = (x + half)[inside].max()
        tops.append(0.0)
        for row in range(first + 1, stop):
            # The further arrows go sideways, the higher the gap between the rows.
            aside = max(abs(x[a] - x[b]) for b in places.rows[row] for a in places.above[b])
            tops.append(tops[-1] + (heights[row - 1] + (BETWEEN_ROWS + min(34.0, 0.13 * aside))))
    return tops, turns, right
