"""Arrows as chains of cubic curves: straight pieces, S-shaped ones, and corners made round.
A chain is an array (3k + 1, 2): a start, then two control points and an end for each piece.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]


def straight(start: Point, end: Point) -> Floats:
    """A straight piece, (4, 2)."""
    a, b = np.array(start), np.array(end)
    return np.array([a, a + (b - a) / 3, b - (b - a) / 3, b])


def s_curve(start: Point, end: Point) -> Floats:
    """A piece that leaves and arrives vertically and stays between the two heights, (4, 2).

    Examples
    --------
    >>> s_curve((0, 0), (8, 4)).tolist()
    [[0.0, 0.0], [0.0, 2.0], [8.0, 2.0], [8.0, 4.0]]
    """
    middle = (start[1] + end[1]) / 2
    return np.array([start, (start[0], middle), (end[0], middle), end], dtype=np.float64)


def rounded(corners: Sequence[Point], radius: float) -> Floats:
    """Straight pieces with round corners between them."""
    points = [np.array(p, dtype=np.float64) for p in corners]
    pieces = []
    start = points[0]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        back, ahead = before - corner, after - corner
        lengths = np.hypot(*back), np.hypot(*ahead)
        r = min(radius, lengths[0] / 2, lengths[1] / 2)
        if r == 0:
            continue
        enter, leave = corner + back / lengths[0] * r, corner + ahead / lengths[1] * r
        pieces.append(straight(_pair(start), _pair(enter)))
        bend = 0.45  # nearly a circle
        pieces.append(
            np.array(
                [enter, corner + (enter - corner) * bend, corner + (leave - corner) * bend, leave]
            )
        )
        start = leave
    pieces.append(straight(_pair(start), _pair(points[-1])))
    return joined(pieces)


def joined(pieces: Sequence[Floats]) -> Floats:
    """Pieces one after another, without those of no length."""
    kept = [p for p in pieces if np.abs(p - p[0]).max() > 0] or [pieces[0]]
    return np.concatenate([kept[0], *(piece[1:] for piece in kept[1:])])


def along(curve: Floats, count: int = 16) -> Floats:
    """Points on a chain, `count` of them a piece.

    Examples
    --------
    >>> along(straight((0, 0), (4, 0)), 5).round(9).tolist()
    [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]]
    """
    t = np.linspace(0, 1, count)[:, None]
    pieces = [curve[n : n + 4] for n in range(0, len(curve) - 1, 3)]
    return np.concatenate(
        [
            (1 - t) ** 3 * p[0]
            + 3 * t * (1 - t) ** 2 * p[1]
            + 3 * t**2 * (1 - t) * p[2]
            + t**3 * p[3]
            for p in pieces
        ]
    )


def _pair(point: Floats) -> Point:
    return float(point[0]), float(point[1])
