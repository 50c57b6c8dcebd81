"""The sigmoid as a layer, forward and backward: scores of which each stands by itself.
It acts on each number by itself, so rows may be vectors, images or volumes.

Axes: N rows, ... any shape of one row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from minilstm.functional.activations import dsigmoid_from_output, sigmoid
from minilstm.functional.gate import gated

Array = NDArray[Any]


class SigmoidCache(NamedTuple):
    """What backward needs from forward."""

    y: Array  # (N, ...)


@gated
def sigmoid_forward(z: Array) -> tuple[Array, SigmoidCache]:
    """Turn each number into a score between 0 and 1: y = 1 / (1 + exp(-z)).   (1)

    Parameters
    ----------
    z : (N, ...) logits, real or complex

    Returns
    -------
    y : (N, ...) scores

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid_forward(np.array([[-1000.0, 0.0, 1000.0]]))[0].tolist()
    [[0.0, 0.5, 1.0]]
    """
    y = sigmoid(z)  # (N, ...) (1)
    return y, SigmoidCache(y)


@gated
def sigmoid_backward(dy: Array, cache: SigmoidCache) -> Array:
    """Gradient of the sigmoid: y (1 - y) dy.

    Shapes: dy (N, ...); dz (N, ...).

    Examples
    --------
    >>> import numpy as np
    >>> _, cache = sigmoid_forward(np.array([[0.0]]))
    >>> sigmoid_backward(np.array([[2.0]]), cache).tolist()
    [[0.5]]
    """
    # (1) y = sigmoid(z)
    return dy * dsigmoid_from_output(cache.y)  # (N, ...)
