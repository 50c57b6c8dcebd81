"""Sigmoid and tanh of the Numba kernels for every float32 there is: all 2^32 bit patterns.
The largest error of each is asserted, and so is what `proof/rounding` says of both backends.

The reference is the C library's exp and tanh in float64, whose own error is some 2^-29 of a
float32 unit in the last place. Nothing is left out by symmetry or by a stride: NaN, infinities,
subnormal numbers and both zeros are among the patterns. A NaN must stay a NaN.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

numba = pytest.importorskip("numba")
from minilstm.functional import activations as plain  # noqa: E402
from minilstm.kernels.numba import activations  # noqa: E402
from minilstm.kernels.numba.machinery.compiling import OPTIONS  # noqa: E402
from minilstm.proof.rounding.lstm import EXP, SIGMOID, TANH  # noqa: E402

# Largest error in units in the last place of the true value. Measured over all patterns: 2.481,
# 2.499 and 1.01; a machine without fused multiply-adds rounds a little otherwise.
ULP = {"sigmoid": 2.6, "tanh": 2.6, "exp": 1.2}
BLOCK, PIECE = 2**26, 2**12
SINGLE, TINY = 2.0**-24, 2.0**-126
# Below this a sigmoid is under the normal numbers, where the kernel stops at e^-88.
LEAST = -87.0


def checker(kernel, exact):
    """A loop over bit patterns that returns the worst error of a kernel, and where it is."""

    @numba.njit(**OPTIONS)
    def check(first, last, low, y_least, y_most):
        x, y = np.empty(PIECE, np.float32), np.empty(PIECE, np.float32)
        want, error, relative = np.empty(PIECE), np.empty(PIECE), np.empty(PIECE)
        bits = x.view(np.uint32)
        worst, place, far, worst_relative, nans, outside = 0.0, np.float32(0), 0.0, 0.0, 0, 0
        for start in range(first, last, PIECE):
            for n in range(PIECE):
                bits[n] = start + n
            for n in range(PIECE):
                y[n] = kernel(x[n])
            if x[0] != x[0] or x[PIECE - 1] != x[PIECE - 1]:
                # Infinity and its neighbours; all NaNs lie in pieces that begin or end with one.
                for n in range(PIECE):
                    if x[n] != x[n]:
                        nans += y[n] != y[n]
                        x[n], y[n] = 0, kernel(np.float32(0))
            for n in range(PIECE):
                outside += not y_least <= y[n] <= y_most  # a NaN too
            exact(x, want)
            powers = want.view(np.int64)
            for n in range(PIECE):
                error[n] = abs(np.float64(y[n]) - want[n])
                relative[n] = error[n] / max(abs(want[n]), TINY)
            if x[0] < low or x[PIECE - 1] < low:
                for n in range(PIECE):
                    if x[n] < low:
                        far = max(far, error[n])
                        error[n] = relative[n] = 0
            for n in range(PIECE):
                # One over the unit in the last place, built from the exponent of the true value.
                power = max((powers[n] >> 52) & 2047, 1023 - 126)
                powers[n] = (2046 + 23 - power) << 52
                error[n] *= want[n]
            # Numbers of at least 0 are in the order of their bits, which compare faster.
            most = error.view(np.int64).max()
            if most > np.float64(worst).view(np.int64):
                n = error.view(np.int64).argmax()
                worst, place = error[n], x[n]
            most = relative.view(np.int64).argmax()
            worst_relative = max(worst_relative, relative[most])
        return worst, place, far, worst_relative, nans, outside

    return check


# Where a limit or a line has all digits of float64, it is taken for a whole piece at once, which is
# most of them. The sizes in a piece lie between those at its ends: bits are in the order of sizes,
# and a piece with NaNs has 0 in their places, at its last one too.


@numba.njit(**OPTIONS)
def exact_sigmoid(x, want):
    if abs(x[0]) < 2.0**-27 and abs(x[-1]) < 2.0**-27:  # the next term, x^3 / 48, is below 2^-86
        for n in range(PIECE):
            want[n] = 0.5 + 0.25 * np.float64(x[n])
    elif abs(x[0]) > 200 and abs(x[-1]) > 200:
        want[:] = 1.0 if x[0] > 0 else 0.0
    else:
        for n in range(PIECE):
            want[n] = 1 / (1 + math.exp(-np.float64(x[n])))


@numba.njit(**OPTIONS)
def exact_tanh(x, want):
    if abs(x[0]) < 2.0**-27 and abs(x[-1]) < 2.0**-27:  # the next term, x^3 / 3, is below 2^-82
        for n in range(PIECE):
            want[n] = x[n]
    elif abs(x[0]) > 20 and abs(x[-1]) > 20:
        want[:] = math.copysign(1.0, x[0])
    else:
        for n in range(PIECE):
            want[n] = math.tanh(np.float64(x[n]))


@numba.njit(**OPTIONS)
def exact_exp(x, want):
    for n in range(PIECE):
        want[n] = math.exp(np.float64(x[n]))


def over(first, last, check, *limits):
    """Results of a check for blocks of bit patterns, on two threads."""
    check(first, first + PIECE, *limits)  # compiled once, before threads ask for it
    with ThreadPoolExecutor(2) as pool:
        starts = range(first, last, BLOCK)
        return list(pool.map(lambda n: check(n, min(n + BLOCK, last), *limits), starts))


def report(name, results):
    """The worst errors in units in the last place and relative, in u; printed and returned."""
    worst, place, *_ = max(results, key=lambda r: r[0])
    relative = max(r[3] for r in results) / SINGLE
    print(f"{name}: {worst:.4f} ulp at {place!r}, relative {relative:.4f} u")
    assert worst <= ULP[name], f"{worst:.4f} ulp at {place!r}"
    assert not sum(r[5] for r in results), "a value is outside the limits, or NaN"
    return relative


@pytest.mark.parametrize(
    ("name", "exact", "limits"),
    [("sigmoid", exact_sigmoid, (LEAST, 0.0, 1.0)), ("tanh", exact_tanh, (-np.inf, -1.0, 1.0))],
    ids=["sigmoid", "tanh"],
)
def test_every_float32(name, exact, limits):
    results = over(0, 2**32, checker(getattr(activations, name), exact), *limits)
    assert report(name, results) <= {"sigmoid": SIGMOID, "tanh": TANH}[name].relative
    assert sum(r[4] for r in results) == 2 * (2**23 - 1), "a NaN was lost"
    assert max(r[2] for r in results) <= TINY  # so far left, nothing beside any rounding


def test_exp_of_every_float32_that_a_softmax_takes():
    """From -0 down to -87: the largest logit has been taken away, and e^-88 is below the normal."""
    first, last = (int(np.float32(x).view(np.uint32)) for x in (-0.0, LEAST))
    results = over(first, last, checker(activations.exp, exact_exp), LEAST, 0.0, 1.0)
    assert report("exp", results) <= EXP.relative


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "exp"])
def test_numpy_keeps_what_is_said_of_it(name):
    """Every 29th float32 of those that are neither trivial nor saturated."""
    function, stated, wide = {
        "sigmoid": (plain.sigmoid, SIGMOID, lambda x: 1 / (1 + np.exp(-x))),
        "tanh": (plain.tanh, TANH, np.tanh),
        "exp": (np.exp, EXP, np.exp),
    }[name]
    first, last = (int(np.float32(x).view(np.uint32)) for x in (2.0**-30, 87.0))
    x = np.arange(first, last, 29, np.uint32).view(np.float32)
    for signed in (-x,) if name == "exp" else (x, -x):
        want = wide(signed.astype(np.float64))
        error = abs(function(signed) - want) / SINGLE
        print(f"{name}: relative {(error / want).max():.3f} u, {error.max():.3f} u")
        assert (error <= stated.relative * abs(want) + stated.absolute).all()
