"""Sigmoid and tanh, and their derivatives written in terms of their outputs.
Both are analytic, so complex-step gradient checks run through them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sigmoid(z: Array) -> Array:
    """Logistic function 1 / (1 + exp(-z)).

    Computed as (1 + tanh(z / 2)) / 2, the same function, which cannot overflow.

    Parameters
    ----------
    z : array, any shape, real or complex

    Returns
    -------
    array of the same shape and dtype, in (0, 1) for real z

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    half = z.dtype.type(0.5)
    out: Array = half + half * np.tanh(half * z)
    return out


def tanh(z: Array) -> Array:
    """Hyperbolic tangent.

    Parameters
    ----------
    z : array, any shape, real or complex

    Returns
    -------
    array of the same shape and dtype, in (-1, 1) for real z

    Examples
    --------
    >>> tanh(np.array([0.0])).tolist()
    [0.0]
    """
    out: Array = np.tanh(z)
    return out


def dsigmoid_from_output(y: Array) -> Array:
    """Derivative of the sigmoid, from its output: y (1 - y).

    Parameters
    ----------
    y : array, what `sigmoid` returned (not its argument)

    Examples
    --------
    >>> dsigmoid_from_output(np.array([0.5])).tolist()
    [0.25]
    """
    return y * (1 - y)


def dtanh_from_output(y: Array) -> Array:
    """Derivative of tanh, from its output: 1 - y^2.

    Parameters
    ----------
    y : array, what `tanh` returned (not its argument)

    Examples
    --------
    >>> dtanh_from_output(np.array([0.0])).tolist()
    [1.0]
    """
    return 1 - y * y
