"""Arrows between boxes: the ports where they leave and arrive, and their curves.
A curve is an array (3k + 1, 2): a start, then two control points and an end for each cubic piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]

CORNER_RADIUS_POINTS = 6.0
STRAIGHTENED_POINTS = 8.0  # an arrow that would run less far to the side runs straight


def ports(
    ends: Sequence[tuple[int, int]], toward: Sequence[float], x: Floats, widths: Sequence[float]
) -> list[float]:
    """Where wires meet their box and port: ports beside one another, the straightest centred."""
    aims: dict[tuple[int, int], list[float]] = {}
    for end, aim in zip(ends, toward, strict=True):
        aims.setdefault(end, []).append(aim)
    mean = {end: float(np.mean(found)) for end, found in aims.items()}
    place: dict[tuple[int, int], float] = {}
    for box in {box for box, _ in ends}:
        order = sorted((end for end in mean if end[0] == box), key=lambda e: (mean[e], e))
        off = [abs(mean[end] - x[box]) for end in order]
        centred = len(order) <= 3 and min(off) < 2.0
        centre = off.index(min(off)) if centred else (len(order) - 1) / 2
        place |= {end: x[box] + (n - centre) * widths[box] for n, end in enumerate(order)}
    return [float(place[end]) for end in ends]


def straightened(place: float, to: float) -> float:
    """A place so near to another that the arrow had better run straight is that other one."""
    return to if abs(place - to) < STRAIGHTENED_POINTS else place


def downwards(*points: Point) -> Floats:
    """S-curves that leave and arrive vertically at each point; equal neighbours are one point.

    Examples
    --------
    >>> downwards((0, 0), (8, 4), (8, 4)).tolist()
    [[0.0, 0.0], [0.0, 2.0], [8.0, 2.0], [8.0, 4.0]]
    """
    curve = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        if (x0, y0) != (x1, y1):
            middle = (y0 + y1) / 2
            curve += [(x0, middle), (x1, middle), (x1, y1)]
    return np.array(curve, dtype=np.float64)


def around_corners(start: Point, low: float, side: float, high: float, end: Point) -> Floats:
    """From the start down to a height, over to a side, up to a height, and over and down again."""
    corners = [start, (start[0], low), (side, low), (side, high), (end[0], high), end]
    points = np.array(corners, dtype=np.float64)
    curve = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        back, ahead = before - corner, after - corner
        r = min(CORNER_RADIUS_POINTS, np.hypot(*back) / 2, np.hypot(*ahead) / 2)
        enter, leave = corner + back / np.hypot(*back) * r, corner + ahead / np.hypot(*ahead) * r
        middle = (curve[-1] + enter) / 2
        # Controls at 0.45 of the way from the corner make nearly a circle.
        curve += [middle, middle, enter, 0.55 * corner + 0.45 * enter, 0.55 * corner + 0.45 * leave]
        curve.append(leave)
    middle = (curve[-1] + points[-1]) / 2
    return np.array([*curve, middle, middle, points[-1]])
