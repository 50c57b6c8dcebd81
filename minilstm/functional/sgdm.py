"""One step of gradient descent with momentum for one array, with its L2 term and its bounds.
The kernels fuse it into one pass over memory.

Arrays p, g and v are a parameter, its gradient, and its velocity: one shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.gradient_norm import bounded_gradient

Array = NDArray[Any]


class SgdmRule(NamedTuple):
    """The numbers of one step."""

    rate: float  # learning rate times its factor
    momentum: float  # what stays of the velocity
    l2: float = 0.0  # regularisation times the factor of the parameter
    scale: float = 1.0  # by which a norm's bound shrinks the gradient
    bound: float = np.inf  # largest absolute value of an entry


@gated(shapes="p (...), g (...), v (...)")
def sgdm_step(p: Array, g: Array, v: Array, rule: SgdmRule) -> tuple[Array, Array]:
    """One step of gradient descent with momentum.

    ::

        g = scale (g + l2 p), then cut to [-bound, bound]         (1)
        v = momentum v - rate g                                   (2)
        p = p + v                                                 (3)

    The rate stands inside the velocity: after a drop of the rate, the velocity of the steps before
    keeps its size. PyTorch multiplies the whole velocity by the present rate; while the rate is
    constant, both take the same steps.

    Shapes: p, g, v alike, of one dtype, and none is changed; p and v come back new.

    Notes
    -----
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" (1986),
    equation 9.

    Examples
    --------
    >>> p, v = sgdm_step(np.array([1.0]), np.array([2.0]), np.array([0.5]), SgdmRule(0.1, 0.9))
    >>> p.round(6).tolist(), v.round(6).tolist()
    ([1.25], [0.25])
    """
    number = g.dtype.type
    g = bounded_gradient(p, g, rule.l2, rule.scale, rule.bound)  # (1)
    v = number(rule.momentum) * v - number(rule.rate) * g  # (2)
    return p + v, v  # (3)
