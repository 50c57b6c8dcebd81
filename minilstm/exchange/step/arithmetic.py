"""exp, sigmoid, tanh and the other functions of a step, in float32 operations alone.
The constants stand here once; NumPy's evaluator is below, and every emitter writes the same lines.

exp(x) = 2^n e^r with n = x / ln 2 rounded and |r| <= ln(2)/2, as in the kernels; no operation is
fused. sigmoid(x) = 1 / (1 + exp(-x)). tanh(x) = m / (m + 2) with m = exp(2x) - 1 in two parts, so
that small arguments keep their digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
F = np.float32

LOWEST, HIGHEST = F(-87.0), F(88.0)  # between these 2^n is a normal number
PER_LN2 = F(1.44269504)
# Added, it rounds to the nearest whole number, which then stands in the low bits; a NaN stays one.
ROUNDING = F(12582912.0)  # 1.5 * 2^23
LN2_HIGH, LN2_LOW = F(0.693359375), F(-2.12194440e-4)
#: of r^2 and up, highest power first: the classic ones of the Cephes library (S. Moshier)
COEFFICIENTS = tuple(
    map(F, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
            5.0000001201e-1))
)  # fmt: skip
TANH_END = F(15.0)  # beyond it tanh is 1 to rounding


def exp_parts(x: Array) -> tuple[Array, Array]:
    """(e^r - 1, 2^n) of arguments between the ends."""
    shifted = x * PER_LN2 + ROUNDING
    n = shifted - ROUNDING
    r = x - n * LN2_HIGH
    r = r - n * LN2_LOW
    p = np.full_like(x, COEFFICIENTS[0])
    for coefficient in COEFFICIENTS[1:]:
        p = p * r + coefficient
    two_to_n = ((shifted.view(np.uint32) + np.uint32(127)) << np.uint32(23)).view(np.float32)
    return p * (r * r) + r, two_to_n


def exp(x: Array) -> Array:
    """e^x; below -87 it stays at that tiny value.

    Examples
    --------
    >>> exp(np.array([0.0, 1.0], np.float32)).tolist()
    [1.0, 2.7182817459106445]
    """
    p, scale = exp_parts(np.minimum(np.maximum(x, LOWEST), HIGHEST))
    return p * scale + scale


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return F(1) / (F(1) + exp(-x))


def tanh(x: Array) -> Array:
    """m / (m + 2) with m = e^2x - 1."""
    x = np.minimum(np.maximum(x, -TANH_END), TANH_END)
    p, scale = exp_parts(x + x)
    m = p * scale + (scale - F(1))
    return m / (m + F(2))


def hard_sigmoid(x: Array) -> Array:
    """0.2 x + 0.5, cut off at 0 and 1."""
    return np.minimum(np.maximum(x * F(0.2) + F(0.5), F(0)), F(1))


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return x / (np.abs(x) + F(1))


def relu(x: Array) -> Array:
    """x where it is positive, else 0."""
    return np.maximum(x, F(0))


def softmax(x: Array) -> Array:
    """e^(x - largest) over their sum, added up in order."""
    e = exp(x - x.max())
    total = F(0)
    for value in e:
        total = total + value
    return e / total


FUNCTIONS = {
    "sigmoid": sigmoid, "hard-sigmoid": hard_sigmoid, "tanh": tanh, "softsign": softsign,
    "relu": relu, "softmax": softmax,
}  # fmt: skip
