"""exp, sigmoid and tanh short enough for a vector register, and the other activations of an LSTM.
The twin of `minilstm.functional.activations`; tests state and check the error of each.

exp(t x) = 2^n e^(t r) with n = round(t x / ln 2) and |t r| <= ln(2)/2. The constants hold t, which
is 1, -1 or 2, so that a sign or a factor costs nothing. Adding and subtracting 1.5 * 2^23 + 127
(1.5 * 2^52 + 1023 in float64) rounds to the nearest whole number, and leaves n + 127 in the low
bits of the sum, from where a shift builds 2^n: no conversion that a NaN could upset. The two halves
of ln 2 and the float32 coefficients are the classic ones of the Cephes library (S. Moshier); in
float64 the Taylor series to degree 13 is exact to rounding on that interval.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, inf
from typing import Any, NamedTuple

from numba.extending import intrinsic

from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS, find_activations
from minilstm.kernels.numba.machinery.simd import Value

_CEPHES: tuple[float, ...] = (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
    5.0000001201e-1,
)  # fmt: skip
_TAYLOR = tuple(1 / factorial(n) for n in range(13, 1, -1))


def _ends(x: Value) -> tuple[float, float]:
    """Between these, 2^n is a normal number."""
    return (-87.0, 88.0) if x.is_single else (-708.0, 709.0)


def _parts(x: Value, times: float) -> tuple[Value, Value]:
    """(r, 2^n) such that exp(times x) = 2^n e^(times r), for times x between the ends."""
    if x.is_single:
        shift, halves = 12582912.0 + 127, (0.693359375, -2.12194440e-4)
    else:
        shift, halves = 6755399441055744.0 + 1023, (6.93145751953125e-1, 1.42860682030941723212e-6)
    shifted = x * (times * 1.4426950408889634) + shift
    n = shifted - shift
    for half in halves:
        x = x - n * (half / times)
    return x, shifted.low_bits_as_exponent()


def _bend(r: Value, times: float, unit: float) -> Value:
    """q such that e^(times r) = 1 + times r + unit q r^2."""
    coefficients = _CEPHES if r.is_single else _TAYLOR
    first = len(coefficients) + 1  # the highest power of times r
    scaled = [c * times ** (first - k) / unit for k, c in enumerate(coefficients)]
    q = r.of(scaled[0])
    for coefficient in scaled[1:]:
        q = q * r + coefficient
    return q


def _exp(x: Value, times: float) -> Value:
    """exp(times x) for times 1 or -1."""
    r, scale = _parts(x, times)
    q = _bend(r, times, 1.0)
    p = q * (r * r) + r if times == 1 else q * (r * r) - r  # e^(times r) - 1
    return p * scale + scale


def exp_of(x: Value) -> Value:
    """e^x; below -87 (-708 in float64) it stays at that tiny value instead of reaching 0."""
    return _exp(x.between(*_ends(x)), 1.0)


def sigmoid_of(x: Value) -> Value:
    """1 / (1 + e^-x)."""
    low, high = _ends(x)
    return 1.0 / (1.0 + _exp(x.between(-high, -low), -1.0))


def tanh_of(x: Value) -> Value:
    """m / (m + 1) with m = (e^2x - 1) / 2 without cancellation, so small x keep their digits."""
    # tanh is 1 to rounding long before these ends; beyond them e^2x would overflow.
    end = 15.0 if x.is_single else 25.0
    r, scale = _parts(x.between(-end, end), 2.0)
    p = _bend(r, 2.0, 2.0) * (r * r) + r  # (e^2r - 1) / 2
    m = p * scale + (scale * 0.5 - 0.5)
    return m / (m + 1.0)


def softsign_of(x: Value) -> Value:
    """x / (1 + |x|)."""
    return x / (x.larger(-x) + 1.0)


def relu_of(x: Value) -> Value:
    """x where it is positive, else 0."""
    return x.between(0.0, inf)


def hard_sigmoid_of(x: Value) -> Value:
    """0.2 x + 0.5 cut off at 0 and 1."""
    return (x * 0.2 + 0.5).between(0.0, 1.0)


class Activations(NamedTuple):
    """The functions of an LSTM's gates and of its state, each derivative from the output."""

    gate: Callable[[Value], Value]
    gate_slope: Callable[[Value], Value]
    state: Callable[[Value], Value]
    state_slope: Callable[[Value], Value]


USUAL = Activations(sigmoid_of, lambda y: y * (1.0 - y), tanh_of, lambda y: 1.0 - y * y)


def chosen(gate: Any, state: Any) -> Activations:
    """Those that two numbers name while the kernel runs: places in `numbers_of`'s lists.

    All are computed and one is taken; the ones that are not usual cost little beside these.
    """

    def gate_of(x: Value) -> Value:
        return hard_sigmoid_of(x).where(gate, 1, sigmoid_of(x))

    def gate_slope(y: Value) -> Value:
        return y.inside(0.0, 1.0, 0.2).where(gate, 1, USUAL.gate_slope(y))

    def state_of(x: Value) -> Value:
        return relu_of(x).where(state, 2, softsign_of(x).where(state, 1, tanh_of(x)))

    def state_slope(y: Value) -> Value:
        rest = 1.0 - y.larger(-y)
        softsign = (rest * rest).where(state, 1, USUAL.state_slope(y))
        return y.inside(0.0, inf, 1.0).where(state, 2, softsign)

    return Activations(gate_of, gate_slope, state_of, state_slope)


_GATES = {name: n for n, name in enumerate(GATE_ACTIVATIONS)}
_STATES = {name: n for n, name in enumerate(STATE_ACTIVATIONS)}


def numbers_of(gate_activation: str, state_activation: str) -> tuple[int, int]:
    """The numbers by which kernels know two activations; 0 and 0 are the usual ones."""
    return find_activations(gate_activation, state_activation, _GATES, _STATES)


def for_activations(
    kernel: Any, gate_activation: str, state_activation: str
) -> tuple[Any, tuple[int | None, int | None]]:
    """The variant of a kernel that has two activations, and what it takes in their place."""
    numbers = numbers_of(gate_activation, state_activation)
    return (kernel.chosen, numbers) if any(numbers) else (kernel, (None, None))


def _of_one_number(formula: Any) -> Any:
    @intrinsic
    def function(typing, x):
        def generate(context, builder, sig, args):
            return formula(Value(builder, args[0])).value

        return x(x), generate

    return function


exp, sigmoid, tanh = (_of_one_number(formula) for formula in (exp_of, sigmoid_of, tanh_of))
