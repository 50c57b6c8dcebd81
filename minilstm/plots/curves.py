"""Arrows as chains of cubic curves: S-shaped ones, and straight pieces with round corners.
A chain is an array (3k + 1, 2): a start, then two control points and an end for each piece.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Point = tuple[float, float]

CORNER_RADIUS_POINTS = 6.0


def downwards(*points: Point) -> Floats:
    """S-curves that leave and arrive vertically at each point; equal neighbours are one point.

    Examples
    --------
    >>> downwards((0, 0), (8, 4), (8, 4)).tolist()
    [[0.0, 0.0], [0.0, 2.0], [8.0, 2.0], [8.0, 4.0]]
    """
    chain = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        if (x0, y0) != (x1, y1):
            middle = (y0 + y1) / 2
            chain += [(x0, middle), (x1, middle), (x1, y1)]
    return np.array(chain, dtype=np.float64)


def around_corners(start: Point, low: float, side: float, high: float, end: Point) -> Floats:
    """From the start down to a height, over to a side, up to a height, and over and down again."""
    corners = [start, (start[0], low), (side, low), (side, high), (end[0], high), end]
    points = np.array(corners, dtype=np.float64)
    chain = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        back, ahead = before - corner, after - corner
        r = min(CORNER_RADIUS_POINTS, np.hypot(*back) / 2, np.hypot(*ahead) / 2)
        enter, leave = corner + back / np.hypot(*back) * r, corner + ahead / np.hypot(*ahead) * r
        middle = (chain[-1] + enter) / 2
        # Controls at 0.45 of the way from the corner make nearly a circle.
        chain += [middle, middle, enter, 0.55 * corner + 0.45 * enter, 0.55 * corner + 0.45 * leave]
        chain.append(leave)
    middle = (chain[-1] + points[-1]) / 2
    return np.array([*chain, middle, middle, points[-1]])
