"""One step of Adam for one array in a single pass over memory: the twin of `functional.adam`.
Sums of squares run in float64 over four interleaved partial sums, in one fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from minilstm.functional.adam import AdamRule
from minilstm.kernels.numba.compiling import kernel
from minilstm.kernels.numba.hardware import REGISTER_BYTES
from minilstm.kernels.numba.simd import Lane, Value

Array = NDArray[Any]

PARTIAL = 4  # sums of squares side by side: one alone would wait for each addition


def _rule(p: Value, g: Value, m: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, decay, fresh, squared_decay, squared_fresh, epsilon, l2, scale, bound = numbers
    g = scale * (g + l2 * p)  # (1)
    g = g.between(-bound, bound)
    m = decay * m + fresh * g  # (2)
    v = squared_decay * v + squared_fresh * (g * g)  # (3)
    return p - rate * m / (v.sqrt() + epsilon), m, v  # (4)


def _step(lanes: int) -> Any:
    """The rule for one vector (lanes 0) or one number (lanes 1) at place `at` of each array."""

    @intrinsic
    def step(typing, at, p, g, m, v, new_p, new_m, new_v, numbers):
        signature = types.void(at, p, g, m, v, new_p, new_m, new_v, numbers)

        def generate(context, builder, sig, args):
            itemsize = sig.args[1].dtype.bitwidth // 8
            lane = Lane(builder, itemsize, lanes or REGISTER_BYTES // itemsize)
            data = [
                context.make_array(sig.args[n])(context, builder, args[n]).data for n in range(1, 9)
            ]
            values = [
                lane.spread(builder.gep(data[7], [ir.Constant(ir.IntType(64), n)]))
                for n in range(9)
            ]
            p, g, m, v = (lane.load(base, args[0]) for base in data[:4])
            for value, base in zip(_rule(p, g, m, v, values), data[4:7], strict=True):
                lane.store(value, base, args[0])
            return context.get_dummy_value()

        return signature, generate

    return step


_step_wide, _step_one = _step(0), _step(1)


@kernel("void(F[::1], F[::1], F[::1], F[::1], F[::1], F[::1], F[::1], F[::1])")
def _update(p, g, m, v, new_p, new_m, new_v, numbers):
    V = REGISTER_BYTES // p.itemsize
    j = 0
    while j + V <= len(p):
        _step_wide(j, p, g, m, v, new_p, new_m, new_v, numbers)
        j += V
    while j < len(p):
        _step_one(j, p, g, m, v, new_p, new_m, new_v, numbers)
        j += 1


@kernel("f8(F[::1], F[::1], f8, f8)")
def _sum_of_squares(p, g, l2, factor):
    """Sum of (factor (g + l2 p))^2; NaN or infinite where an entry is or squares overflow."""
    s0 = s1 = s2 = s3 = 0.0
    whole = len(g) // PARTIAL * PARTIAL
    for j in range(0, whole, PARTIAL):
        a0 = factor * (np.float64(g[j]) + l2 * np.float64(p[j]))
        a1 = factor * (np.float64(g[j + 1]) + l2 * np.float64(p[j + 1]))
        a2 = factor * (np.float64(g[j + 2]) + l2 * np.float64(p[j + 2]))
        a3 = factor * (np.float64(g[j + 3]) + l2 * np.float64(p[j + 3]))
        s0 += a0 * a0
        s1 += a1 * a1
        s2 += a2 * a2
        s3 += a3 * a3
    for j in range(whole, len(g)):
        a0 = factor * (np.float64(g[j]) + l2 * np.float64(p[j]))
        s0 += a0 * a0
    return (s0 + s1) + (s2 + s3)


def gradient_norm(p: Array, g: Array, l2: float) -> float:
    """Norm of g + l2 p; see `minilstm.functional.adam.gradient_norm`."""
    lines = _line(p), _line(g)
    weight = float(g.dtype.type(l2))
    total = _sum_of_squares(*lines, weight, 1.0)
    if 1e-280 < total < np.inf or total != total:
        return float(np.sqrt(total))
    # Squares of very large or very small entries left the range of float64.
    largest = float(np.abs(lines[1].astype(np.float64) + weight * lines[0]).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    return float(largest * np.sqrt(_sum_of_squares(*lines, weight, 1.0 / largest)))


def adam_step(p: Array, g: Array, m: Array, v: Array, rule: AdamRule) -> tuple[Array, Array, Array]:
    """One step of Adam; see `minilstm.functional.adam.adam_step`."""
    numbers = np.array(
        [
            rule.rate, rule.decay, 1 - rule.decay, rule.squared_decay, 1 - rule.squared_decay,
            rule.epsilon, rule.l2, rule.scale, rule.bound,
        ],
        p.dtype,
    )  # (9,)  # fmt: skip
    new = [np.empty(p.shape, p.dtype, order="F") for _ in range(3)]
    _update(*(_line(a) for a in (p, g, m, v, *new)), numbers)
    return new[0], new[1], new[2]


def _line(a: Array) -> Array:
    """All entries in column-major order, in which parameters are stored: no copy for them."""
    line = a.ravel(order="F")
    return line if line.flags.writeable else line.copy()
