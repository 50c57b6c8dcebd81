"""One step of Adam for one array, with its L2 term and its bounds, as a single function.
The kernels fuse it into one pass over memory.

Arrays p, g, m and v are a parameter, its gradient, and Adam's two running means: one shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.gradient_norm import bounded_gradient

Array = NDArray[Any]


class AdamRule(NamedTuple):
    """The numbers of one step."""

    rate: float  # learning rate times its factor times the bias correction
    decay: float  # b1, of the mean of the gradient
    squared_decay: float  # b2, of the mean of its square
    epsilon: float
    l2: float = 0.0  # regularisation times the factor of the parameter
    scale: float = 1.0  # by which a norm's bound shrinks the gradient
    bound: float = np.inf  # largest absolute value of an entry


@gated(shapes="p (...), g (...), m (...), v (...)")
def adam_step(p: Array, g: Array, m: Array, v: Array, rule: AdamRule) -> tuple[Array, Array, Array]:
    """One step of Adam.

    ::

        g = scale (g + l2 p), then cut to [-bound, bound]         (1)
        m = b1 m + (1 - b1) g                                     (2)
        v = b2 v + (1 - b2) g^2                                   (3)
        p = p - rate m / (sqrt(v) + e)                            (4)

    Here rate = a sqrt(1 - b2^t) / (1 - b1^t) at step t with learning rate a. The bias correction
    is folded into it, so e is added to the uncorrected root; PyTorch adds it to the corrected one.

    Shapes: p, g, m, v alike, of one dtype, and none is changed; p, m and v come back new.

    Notes
    -----
    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), end of section 2.

    Examples
    --------
    >>> one, zero = np.array([1.0]), np.array([0.0])
    >>> p, m, v = adam_step(one, np.array([0.5]), zero, zero, AdamRule(0.1, 0.9, 0.999, 1e-8))
    >>> m.round(6).tolist(), v.round(6).tolist()
    ([0.05], [0.00025])
    """
    number = g.dtype.type
    g = bounded_gradient(p, g, rule.l2, rule.scale, rule.bound)  # (1)
    m = number(rule.decay) * m + number(1 - rule.decay) * g  # (2)
    v = number(rule.squared_decay) * v + number(1 - rule.squared_decay) * (g * g)  # (3)
    p = p - number(rule.rate) * m / (np.sqrt(v) + number(rule.epsilon))  # (4)
    return p, m, v
