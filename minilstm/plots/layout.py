"""Where the boxes and arrows of a network go: ranks, order within a rank, columns, curves.
Pure NumPy; lengths are points, x grows to the right and y downwards.

Boxes stand in rows, one for each length of the longest path that leads to them. An arrow that
passes rows has a place of its own in each, kept free of boxes; between rows there are arrows only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .curves import joined, rounded, s_curve, straight

Floats = NDArray[np.float64]

BESIDE = 26.0  # between two boxes of a row
PAST = 17.0  # between a box and an arrow that passes it
TRACK = 11.0  # between two arrows side by side
BETWEEN = 27.0  # least height between two rows
BETWEEN_COLUMNS = 40.0
ROWS_IN_ONE_COLUMN = 12
SNAP = 8.0
SHAPE = 1.25  # width to height that columns aim at
SWEEPS = 24
YIELDING = 0.01  # weight of a passing arrow beside that of a box


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
    size: tuple[float, float]


class _Rows(NamedTuple):
    """Places in rows: numbers below `boxes` are boxes, the others arrows that pass."""

    boxes: int
    rank: list[int]
    rows: list[list[int]]
    chains: list[list[int]]  # for each wire the places that it goes through, with both ends


def lay_out(
    sizes: Sequence[tuple[float, float]], wires: Sequence[Wire], port_widths: Sequence[float]
) -> Layout:
    """Place boxes and route the arrows between them.

    Parameters
    ----------
    sizes : width and height of each box, in the order in which a network runs
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
    forward = [w for w in wires if w.source < w.destination]
    rows = _ranks(len(sizes), forward)
    _order(rows)
    widths = [w for w, _ in sizes] + [0.0] * (len(rows.rank) - len(sizes))
    x = _across(rows, widths)
    heights = [max(sizes[i][1] for i in row if i < rows.boxes) for row in rows.rows]
    breaks = _breaks(rows, x, widths, heights, circle=len(forward) < len(wires))
    columns = [rows.rows[a:b] for a, b in pairwise([0, *breaks, len(rows.rows)])]

    tops: list[float] = []
    left, lowest, rank = 0.0, 0.0, 0
    edges: list[tuple[float, float]] = []  # of each column, left and right
    for number, column in enumerate(columns):
        inside = [i for row in column for i in row]
        crossing = _crossing(rows, rank) if number else 0
        left += (BETWEEN_COLUMNS + TRACK * crossing) if number else 0.0
        x[inside] += left - min(x[i] - widths[i] / 2 for i in inside)
        edges.append((left, max(x[i] + widths[i] / 2 for i in inside)))
        left = edges[-1][1]
        y = 0.0
        for _ in column:
            tops.append(y)
            lowest = max(lowest, y + heights[rank])
            y += heights[rank] + _gap(rows, x, rank)
            rank += 1

    boxes = np.zeros((len(sizes), 4))
    for i, (w, h) in enumerate(sizes):
        top = tops[rows.rank[i]] + (heights[rows.rank[i]] - h) / 2
        boxes[i] = x[i] - w / 2, top, x[i] + w / 2, top + h
    ports = _ports(rows, forward, x, port_widths)
    curves: list[Floats] = []
    extent = [0.0, 0.0, left, lowest]
    turns = {b: _turns(rows, b, x) for b in breaks}
    chains = iter(zip(rows.chains, ports, strict=True))
    back = 0
    for wire in wires:
        if wire.source < wire.destination:
            chain, (leaves, enters) = next(chains)
            curve = _follow(
                chain, rows.rank, x, tops, heights, boxes, leaves, enters, edges, turns, breaks
            )
        else:
            back += 1
            start, end = boxes[wire.source], boxes[wire.destination]
            x0 = x[wire.source] + port_widths[wire.source]
            x1 = x[wire.destination] + port_widths[wire.destination]
            side, dip = left + 16.0 + TRACK * back, 9.0
            corners = [(x0, start[3]), (x0, start[3] + dip), (side, start[3] + dip)]
            corners += [(side, end[1] - dip), (x1, end[1] - dip), (x1, end[1])]
            curve = rounded(corners, 5.0)
        curves.append(curve)
    points = np.concatenate([boxes[:, :2], boxes[:, 2:], *curves])  # (n, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = [*low, *high]
    boxes = boxes - [low[0], low[1], low[0], low[1]]
    return Layout(boxes, [c - low for c in curves], (extent[2] - low[0], extent[3] - low[1]))


def _ranks(count: int, wires: Sequence[Wire]) -> _Rows:
    """The longest path to each box is its row; arrows get a place in each row they pass."""
    rank = [0] * count
    for i in range(count):
        rank[i] = max((rank[w.source] + 1 for w in wires if w.destination == i), default=0)
    rows: list[list[int]] = [[] for _ in range(max(rank) + 1)]
    for i in range(count):
        rows[rank[i]].append(i)
    chains = []
    for w in wires:
        chain = [w.source]
        for r in range(rank[w.source] + 1, rank[w.destination]):
            chain.append(len(rank))
            rows[r].append(len(rank))
            rank.append(r)
        chains.append([*chain, w.destination])
    return _Rows(count, rank, rows, chains)


def _neighbours(rows: _Rows) -> tuple[list[list[int]], list[list[int]]]:
    """For each place those it is joined to in the row above, and below."""
    above: list[list[int]] = [[] for _ in rows.rank]
    below: list[list[int]] = [[] for _ in rows.rank]
    for chain in rows.chains:
        for a, b in pairwise(chain):
            below[a].append(b)
            above[b].append(a)
    return above, below


def _order(rows: _Rows) -> None:
    """Order each row by the mean place of its neighbours, up and down, and keep the best."""
    above, below = _neighbours(rows)
    best, fewest = [list(row) for row in rows.rows], _crossings(rows, above)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        downwards = sweep % 2 == 0
        near = above if downwards else below
        for row in rows.rows if downwards else reversed(rows.rows):
            place = {i: n for other in rows.rows for n, i in enumerate(other)}
            key = {i: float(np.mean([place[j] for j in near[i] or [i]])) for i in row}
            row.sort(key=key.__getitem__)
        crossed = _crossings(rows, above)
        if crossed < fewest:
            best, fewest = [list(row) for row in rows.rows], crossed
    rows.rows[:] = best


def _crossings(rows: _Rows, above: list[list[int]]) -> int:
    total = 0
    for upper, lower in pairwise(rows.rows):
        place = {i: n for n, i in enumerate(upper)}
        ends = [(place[j], n) for n, i in enumerate(lower) for j in above[i]]
        total += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a in ends for b in ends) // 2
    return total


def _across(rows: _Rows, widths: list[float]) -> Floats:
    """The middle of each place: under and over its nearest neighbours, as far as there is room."""
    above, below = _neighbours(rows)
    apart = [_apart(rows, row, widths) for row in rows.rows]
    x = np.zeros(len(rows.rank))
    for row, offsets in zip(rows.rows, apart, strict=True):
        first = next(n for n, i in enumerate(row) if i < rows.boxes)
        x[row] = offsets - offsets[first]
    for sweep in range(SWEEPS + 1):
        downwards = sweep % 2 == 0
        near = above if downwards else below
        order = list(zip(rows.rows, apart, strict=True))
        for row, offsets in order if downwards else reversed(order):
            wanted = []
            for i in row:
                # A box follows boxes, a passing arrow itself, so that both run straight.
                same = [j for j in near[i] if (j < rows.boxes) == (i < rows.boxes)]
                if i >= rows.boxes and sweep <= SWEEPS // 2:
                    same = same or near[i]  # first of all close to its ends
                wanted.append(float(np.mean(x[same])) if same else x[i])
            firm = np.where(np.array(row) < rows.boxes, 1.0, YIELDING)
            x[row] = _spread(np.array(wanted), offsets, firm)
    return x


def _apart(rows: _Rows, row: list[int], widths: list[float]) -> Floats:
    offsets = [0.0]
    for a, b in pairwise(row):
        passing = (a >= rows.boxes) + (b >= rows.boxes)
        offsets.append(offsets[-1] + (widths[a] + widths[b]) / 2 + (BESIDE, PAST, TRACK)[passing])
    return np.array(offsets)


def _spread(wanted: Floats, offsets: Floats, firm: Floats) -> Floats:
    """Nearest to the wanted places (weighted squares) with at least the offsets between them."""
    blocks: list[list[float]] = []  # sum, weight and number of each run that moves as one
    for value, weight in zip(wanted - offsets, firm, strict=True):
        blocks.append([float(value * weight), float(weight), 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            blocks[-2:] = [[a + b for a, b in zip(*blocks[-2:], strict=True)]]
    level = np.concatenate([np.full(int(n), total / weight) for total, weight, n in blocks])
    return level + offsets


def _gap(rows: _Rows, x: Floats, rank: int) -> float:
    """Height between a row and the next: the further its arrows go sideways, the more."""
    steps = [
        abs(x[a] - x[b]) for chain in rows.chains for a, b in pairwise(chain)
        if rows.rank[a] == rank
    ]  # fmt: skip
    return BETWEEN + min(34.0, 0.13 * max(steps, default=0.0))


def _crossing(rows: _Rows, rank: int) -> int:
    """From how many places of the row above arrows enter a row."""
    return len({a for chain in rows.chains for a, b in pairwise(chain) if rows.rank[b] == rank})


def _breaks(
    rows: _Rows, x: Floats, widths: list[float], heights: list[float], circle: bool
) -> list[int]:
    """The rows that start a new column, so that the picture is about as wide as high."""
    count = len(rows.rows)
    if count <= ROWS_IN_ONE_COLUMN or circle:
        return []
    inside = [i for row in rows.rows for i in row]
    width = max(x[i] + widths[i] / 2 for i in inside) - min(x[i] - widths[i] / 2 for i in inside)
    height = sum(heights) + BETWEEN * count

    def misfit(columns: int) -> float:
        ratio = columns * (width + BETWEEN_COLUMNS) / (height / columns)
        return abs(math.log(ratio / SHAPE))

    columns = min(range(1, count), key=misfit)
    found: list[int] = []
    for k in range(1, columns):
        ideal = math.ceil(k * count / columns)
        slack = max(1, count // columns // 4)
        near = range(max(ideal - slack, (found or [0])[-1] + 1), min(ideal + slack, count - 1) + 1)
        found.append(min(near, key=lambda r: (_crossing(rows, r), abs(r - ideal))))
    return found


def _turns(rows: _Rows, rank: int, x: Floats) -> dict[int, int]:
    """Tracks of the arrows from one column to the next by where they leave, rightmost first."""
    leaving = {a for c in rows.chains for a, b in pairwise(c) if rows.rank[b] == rank}
    return {a: n for n, a in enumerate(sorted(leaving, key=lambda a: -x[a]))}


def _ports(
    rows: _Rows, wires: Sequence[Wire], x: Floats, port_widths: Sequence[float]
) -> list[tuple[float, float]]:
    """Where each wire leaves and enters: ports beside one another, the straightest centred."""
    toward: dict[tuple[bool, int], dict[int, list[float]]] = {}
    for wire, chain in zip(wires, rows.chains, strict=True):
        toward.setdefault((True, wire.source), {}).setdefault(wire.out, []).append(x[chain[1]])
        toward.setdefault((False, wire.destination), {}).setdefault(wire.into, []).append(
            x[chain[-2]]
        )
    place: dict[tuple[bool, int, int], float] = {}
    for (leaving, box), ports in toward.items():
        order = sorted(ports, key=lambda p: (float(np.mean(ports[p])), p))
        off = [abs(float(np.mean(ports[p])) - x[box]) for p in order]
        centre = (len(order) - 1) / 2
        if len(order) <= 3 and min(off) < 2.0:
            centre = off.index(min(off))
        for n, port in enumerate(order):
            place[leaving, box, port] = x[box] + (n - centre) * port_widths[box]
    found = []
    for w, chain in zip(wires, rows.chains, strict=True):
        leaves, enters = place[True, w.source, w.out], place[False, w.destination, w.into]
        if len(chain) > 2:
            leaves = _snap(leaves, float(x[chain[1]]))
        found.append((leaves, _snap(enters, leaves if len(chain) == 2 else float(x[chain[-2]]))))
    return found


def _snap(place: float, to: float) -> float:
    """A place so near to another that the arrow had better run straight."""
    return to if abs(place - to) < SNAP else place


def _follow(
    chain: list[int], rank: list[int], x: Floats, tops: list[float], heights: list[float],
    boxes: Floats, leaves: float, enters: float, edges: list[tuple[float, float]],
    turns: dict[int, dict[int, int]], breaks: list[int],
) -> Floats:  # fmt: skip
    """The curve of a wire through its places."""
    pieces = []
    for n, (a, b) in enumerate(pairwise(chain)):
        x0 = leaves if n == 0 else float(x[a])
        x1 = enters if n == len(chain) - 2 else float(x[b])
        y0 = float(boxes[a][3]) if n == 0 else tops[rank[a]]
        bottom, top = tops[rank[a]] + heights[rank[a]], tops[rank[b]]
        y1 = float(boxes[b][1]) if n == len(chain) - 2 else top
        if rank[b] in turns:
            column = breaks.index(rank[b]) + 1
            track, tracks = turns[rank[b]][a], len(turns[rank[b]])
            low = bottom + 12.0 + TRACK * track
            side = edges[column][0] - BETWEEN_COLUMNS / 2 - TRACK * (tracks - 1 - track)
            high = top - 14.0 - TRACK * (tracks - 1 - track)
            corners = [(x0, y0), (x0, low), (side, low), (side, high), (x1, high), (x1, y1)]
            pieces.append(rounded(corners, 6.0))
        else:
            pieces += [straight((x0, y0), (x0, bottom)), s_curve((x0, bottom), (x1, top))]
            pieces.append(straight((x1, top), (x1, y1)))
    return joined(pieces)
