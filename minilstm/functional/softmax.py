"""The softmax over classes, forward and backward.
Backward is the full Jacobian; the shortcut through the cross-entropy is in `cross_entropy`.

Axes: N rows, C classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated

Array = NDArray[Any]


class SoftmaxCache(NamedTuple):
    """What backward needs from forward."""

    y: Array  # (N, C)


@gated
def softmax_forward(z: Array) -> tuple[Array, SoftmaxCache]:
    """Turn each row of logits into scores that are positive and sum to 1.

    ::

        e_c = exp(z_c - max z)       (1)   the shift changes nothing and prevents overflow
        y_c = e_c / sum_k e_k        (2)

    Parameters
    ----------
    z : (N, C) logits, real or complex (the shift uses the real part, so it stays analytic)

    Returns
    -------
    y : (N, C) scores

    Examples
    --------
    >>> softmax_forward(np.array([[0.0, 0.0], [1000.0, 0.0]]))[0].tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    e = np.exp(z - z.real.max(axis=1, keepdims=True))  # (N, C) (1)
    y = e / e.sum(axis=1, keepdims=True)  # (N, C) (2)
    return y, SoftmaxCache(y)


@gated
def softmax_backward(dy: Array, cache: SoftmaxCache) -> Array:
    """Gradient of the softmax: the Jacobian diag(y) - y y^T applied to dy.

    Shapes: dy (N, C); dz (N, C).

    Examples
    --------
    >>> _, cache = softmax_forward(np.array([[0.0, 0.0]]))
    >>> softmax_backward(np.array([[1.0, 0.0]]), cache).tolist()
    [[0.25, -0.25]]
    """
    y = cache.y  # (N, C)
    # (2), (1) y_c = e_c / sum_k e_k
    inner = (dy * y).sum(axis=1, keepdims=True)  # (N, 1)
    return y * (dy - inner)  # (N, C)
