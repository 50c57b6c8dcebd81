"""exp, sigmoid and tanh short enough to vectorise, in float32 and float64.
The twin of `minilstm.functional.activations`; tests state and check the error of each.

exp(x) = 2^n e^r with n = round(x / ln 2) and |r| <= ln(2)/2. Adding and subtracting 1.5 * 2^23
(2^52 in float64) rounds to the nearest whole number, and leaves n in the low bits of the sum,
from where a shift builds 2^n: no conversion that a NaN could upset. The two halves of ln 2 and
the float32 coefficients are the classic ones of the Cephes library (S. Moshier); in float64 the
Taylor series to degree 13 is exact to rounding on that interval.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from minilstm.kernels.numba.compiling import OPTIONS

f4, f8 = np.float32, np.float64
i4, i8 = np.int32, np.int64


@intrinsic
def _bits(typing, x):
    out = types.int32 if x == types.float32 else types.int64
    return out(x), lambda ctx, bd, sig, a: bd.bitcast(a[0], ir.IntType(sig.return_type.bitwidth))


@intrinsic
def _from_bits(typing, n):
    out = types.float32 if n == types.int32 else types.float64
    llvm = ir.FloatType() if n == types.int32 else ir.DoubleType()
    return out(n), lambda ctx, bd, sig, a: bd.bitcast(a[0], llvm)


def exp_parts(x):
    """(e^r - 1, 2^n) such that exp(x) = 2^n e^r."""


@overload(exp_parts, jit_options=OPTIONS)
def _exp_parts(x):
    def parts32(x):
        # Written so that a NaN stays a NaN: every comparison with it is false.
        x = f4(-87.0) if x < f4(-87.0) else x
        x = f4(88.0) if x > f4(88.0) else x
        shifted = x * f4(1.44269504) + f4(12582912.0)
        n = shifted - f4(12582912.0)
        r = x - n * f4(0.693359375)
        r = r + n * f4(2.12194440e-4)
        p = f4(1.9875691500e-4)
        p = p * r + f4(1.3981999507e-3)
        p = p * r + f4(8.3334519073e-3)
        p = p * r + f4(4.1665795894e-2)
        p = p * r + f4(1.6666665459e-1)
        p = p * r + f4(5.0000001201e-1)
        p = p * (r * r) + r
        return p, _from_bits(i4((_bits(shifted) + i4(127)) << i4(23)))

    def parts64(x):
        x = -708.0 if x < -708.0 else x
        x = 709.0 if x > 709.0 else x
        shifted = x * 1.4426950408889634 + 6755399441055744.0
        n = shifted - 6755399441055744.0
        r = x - n * 6.93145751953125e-1
        r = r - n * 1.42860682030941723212e-6
        p = 1.0 / 6227020800.0
        p = p * r + 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * (r * r) + r
        return p, _from_bits(i8((_bits(shifted) + i8(1023)) << i8(52)))

    return parts32 if x == types.float32 else parts64


def exp(x):
    """e^x; below -87 (-708 in float64) it stays at that tiny value instead of reaching 0."""


@overload(exp, jit_options=OPTIONS)
def _exp(x):
    def impl(x):
        p, scale = exp_parts(x)
        return p * scale + scale

    return impl


def sigmoid(x):
    """1 / (1 + e^-x)."""


@overload(sigmoid, jit_options=OPTIONS)
def _sigmoid(x):
    one = f4(1) if x == types.float32 else f8(1)

    def impl(x):
        return one / (one + exp(-x))

    return impl


def tanh(x):
    """m / (m + 2) with m = e^2x - 1, formed without cancellation, so small x keep their digits."""


@overload(tanh, jit_options=OPTIONS)
def _tanh(x):
    kind = f4 if x == types.float32 else f8
    one, two = kind(1), kind(2)
    # tanh is 1 to rounding long before this; beyond it e^2x would overflow.
    limit = kind(15) if x == types.float32 else kind(25)

    def impl(x):
        x = limit if x > limit else x
        x = -limit if x < -limit else x
        p, scale = exp_parts(x + x)
        m = p * scale + (scale - one)
        return m / (m + two)

    return impl
