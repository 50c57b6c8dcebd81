"""One step of RMSProp for one array, with its L2 term and its bounds, as a single function.
The kernels fuse it into one pass over memory.

Arrays p, g and v are a parameter, its gradient, and the running mean of its square: one shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.gradient_norm import bounded_gradient

Array = NDArray[Any]


class RmspropRule(NamedTuple):
    """The numbers of one step."""

    rate: float  # learning rate times its factor
    squared_decay: float  # b2, of the mean of the square of the gradient
    epsilon: float
    l2: float = 0.0  # regularisation times the factor of the parameter
    scale: float = 1.0  # by which a norm's bound shrinks the gradient
    bound: float = np.inf  # largest absolute value of an entry


@gated(shapes="p (...), g (...), v (...)")
def rmsprop_step(p: Array, g: Array, v: Array, rule: RmspropRule) -> tuple[Array, Array]:
    """One step of RMSProp.

    ::

        g = scale (g + l2 p), then cut to [-bound, bound]         (1)
        v = b2 v + (1 - b2) g^2                                   (2)
        p = p - rate g / (sqrt(v) + e)                            (3)

    There is no bias correction: v starts at zero, so the first steps are about
    rate / sqrt(1 - b2) long.

    Shapes: p, g, v alike, of one dtype, and none is changed; p and v come back new.

    Notes
    -----
    Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5 (2012).

    Examples
    --------
    >>> rule = RmspropRule(0.1, 0.75, 0.0)
    >>> p, v = rmsprop_step(np.array([1.0]), np.array([2.0]), np.array([0.0]), rule)
    >>> p.round(6).tolist(), v.tolist()
    ([0.8], [1.0])
    """
    number = g.dtype.type
    g = bounded_gradient(p, g, rule.l2, rule.scale, rule.bound)  # (1)
    v = number(rule.squared_decay) * v + number(1 - rule.squared_decay) * (g * g)  # (2)
    return p - number(rule.rate) * g / (np.sqrt(v) + number(rule.epsilon)), v  # (3)
