"""What every solver does to a gradient first: its norm, the L2 term, and the bounds.
The kernels fuse all of it into the step; the tests say it in separate steps.

Arrays p and g are a parameter and its gradient, of one shape and dtype.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError
from minilstm.functional.gate import gated

Array = NDArray[Any]


@gated(shapes="p (...), g (...)")
def gradient_norm(p: Array, g: Array, l2: float) -> float:
    """Euclidean norm of g + l2 p, summed in float64.

    Parameters
    ----------
    p, g : arrays of one shape
    l2 : weight of the L2 term

    Returns
    -------
    float; infinite or NaN where an entry is

    Examples
    --------
    >>> gradient_norm(np.array([1.0, 1.0]), np.array([2.0, 3.0]), 1.0)
    5.0
    """
    wide = g.astype(np.float64)
    if l2:
        wide += np.float64(g.dtype.type(l2)) * p
    largest = float(np.abs(wide).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    wide /= largest  # squares of large or tiny entries would overflow or vanish
    return largest * float(np.sqrt(np.sum(wide * wide)))


def gradient_scale(norms: Sequence[float], threshold: float) -> tuple[float, float]:
    """Norm of a whole from the norms of its parts, and the scale that brings it within a bound.

    Parameters
    ----------
    norms : of the parts, from `gradient_norm` or from here
    threshold : bound of the norm; inf means none

    Returns
    -------
    norm : float
    scale : float, threshold / norm where the norm exceeds the threshold, else 1

    Examples
    --------
    >>> gradient_scale([3.0, 4.0], 2.5)
    (5.0, 0.5)
    """
    if not threshold >= 0:
        raise DataError(f"threshold is {threshold!r}; give a number of at least 0.")
    norm = math.hypot(*norms)
    return norm, threshold / norm if norm > threshold else 1.0


@gated(shapes="p (...), g (...)")
def bounded_gradient(p: Array, g: Array, l2: float, scale: float, bound: float) -> Array:
    """scale (g + l2 p), each entry cut to [-bound, bound].

    Parameters
    ----------
    p, g : arrays of one shape and dtype; none is changed
    l2 : weight of the L2 term
    scale : by which a norm's bound shrinks the gradient
    bound : largest absolute value of an entry; inf cuts none

    Returns
    -------
    new array of the same shape and dtype; NaN stays NaN

    Examples
    --------
    >>> bounded_gradient(np.array([1.0, 1.0]), np.array([2.0, -9.0]), 1.0, 0.5, 2.5).tolist()
    [1.5, -2.5]
    """
    number = g.dtype.type
    g = number(scale) * (g + number(l2) * p)
    return np.clip(g, -number(bound), number(bound)) if bound < np.inf else g
