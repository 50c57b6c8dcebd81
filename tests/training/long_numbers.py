"""Numbers in long double that carry a bound of the error with which a narrower dtype has them.
Written with plain operators, an equation becomes its own oracle and its own tolerance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.rounding.lstm import SPARE, gamma

L = np.longdouble
WIDER = np.finfo(L).nmant > 53
U64 = 2.0**-53


class Number(NamedTuple):
    """Exact numbers in long double, and a bound of the error with which a dtype computes them.

    Every operation follows its own magnitude too (`size`: all terms added, none cancelled).
    """

    exact: Any
    error: Any
    size: Any
    dtype: Any

    @classmethod
    def given(cls, value: Any, dtype: Any, roundings: int = 0) -> Number:
        """An array as it is, or a constant that is rounded on its way into the dtype."""
        exact = np.asarray(value, L)
        return cls(exact, gamma(roundings, unit(dtype)) * abs(exact), abs(exact), dtype)

    def _rounded(self, exact: Any, error: Any, size: Any) -> Number:
        """One rounding: relative, and at most the smallest subnormal number where it is not."""
        tiny = np.where(exact == 0, error > 0, True) * L(np.finfo(self.dtype).smallest_subnormal)
        error = error + unit(self.dtype) * (abs(exact) + error) + tiny
        return Number(exact, error, size, self.dtype)

    def __add__(self, other: Number) -> Number:
        exact, size = self.exact + other.exact, self.size + other.size
        return self._rounded(exact, self.error + other.error, size)

    def __sub__(self, other: Number) -> Number:
        return self + Number(-other.exact, other.error, other.size, self.dtype)

    def __mul__(self, other: Number) -> Number:
        error = abs(self.exact) * other.error + self.error * (abs(other.exact) + other.error)
        return self._rounded(self.exact * other.exact, error, self.size * other.size)

    def __truediv__(self, other: Number) -> Number:
        least = abs(other.exact) - other.error
        assert (least > 0).all(), "the bound of a divisor reaches 0, which would prove nothing"
        quotient = self.exact / other.exact
        error = (self.error + abs(quotient) * other.error) / least
        return self._rounded(quotient, error, self.size / abs(other.exact))

    def root(self) -> Number:
        """Of numbers of at least 0; beside 0 the root of the error itself."""
        exact, below = np.sqrt(self.exact), np.minimum(self.error, self.exact)
        down = below / np.maximum(exact + np.sqrt(self.exact - below), np.finfo(L).tiny)
        up = np.sqrt(self.exact + self.error) - exact + np.finfo(L).eps * exact
        return self._rounded(exact, np.maximum(down, up), exact)

    def cut(self, bound: Number) -> Number:
        """To [-bound, bound]: within it the error stays, beyond it is that of the bound."""
        exact = np.clip(self.exact, -bound.exact, bound.exact)
        least, most = abs(self.exact) - self.error, abs(self.exact) + self.error
        inside, beyond = most < bound.exact - bound.error, least > bound.exact + bound.error
        error = np.where(beyond, bound.error, np.maximum(self.error, bound.error))
        error = np.where(inside, self.error, error)
        return Number(exact, error, abs(exact), self.dtype)


def unit(dtype: Any) -> float:
    return float(np.finfo(dtype).eps) / 2


def held(got, want, name=""):
    """Measured error over its bound; fails where it is above 1."""
    assert got.dtype == want.dtype and got.shape == want.exact.shape, name
    error, bound = abs(got.astype(L) - want.exact), SPARE * want.error
    assert np.isfinite(bound).all() and not np.isnan(error).any(), name
    share = np.where(error == 0, 0, error / np.maximum(bound, np.finfo(L).tiny))
    assert (error <= bound).all(), f"{name}: {share.max():.3g} of the bound"
    return share.astype(float)


def within_1e_14(got, want, name):
    error, allowed = abs(got.astype(L) - want.exact), L(1e-14) * want.size
    allowed = allowed + 4 * np.finfo(np.float64).smallest_subnormal  # nothing is relative there
    assert (error <= allowed).all(), f"{name}: {np.max(error / allowed):.3g} of 1e-14"
