"""The norm of a gradient with its L2 term: the twin of `functional.gradient_norm`.
Sums of squares run in float64 over four interleaved partial sums, in one fixed order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.addresses import Table, numbers_at, table_of
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Lane, Value, data_of, number

Array = NDArray[Any]

PARTIAL_SUMS = 4  # sums of squares side by side: one alone would wait for each addition
_ARRAYS = 0, 1, 2, 4  # of the arguments of `_add_squares`


@intrinsic
def _add_squares(typing, p, g, numbers, count, sums):
    """Add (factor (g + l2 p))^2 to the partial sums, `count` times an entry to each."""

    def generate(context, builder, sig, args):
        lane = Lane(builder, sig.args[0].dtype, PARTIAL_SUMS)
        wide = Lane(builder, types.float64, PARTIAL_SUMS)
        at_p, at_g, at_numbers, at_sums = (data_of(context, builder, sig, args, n) for n in _ARRAYS)

        def double(base, at):
            value = lane.load(base, at).value
            wider = value if value.type == wide.vector else builder.fpext(value, wide.vector)
            return Value(builder, wider)

        l2, factor = (wide.spread(builder.gep(at_numbers, [number(n)])) for n in (0, 1))
        total = cgutils.alloca_once_value(builder, wide.load(at_sums, number(0)).value)
        with cgutils.for_range(builder, args[3]) as loop:
            at = builder.mul(loop.index, number(PARTIAL_SUMS))
            a = factor * (double(at_g, at) + l2 * double(at_p, at))
            builder.store((Value(builder, builder.load(total)) + a * a).value, total)
        wide.store(Value(builder, builder.load(total)), at_sums, number(0))
        return context.get_dummy_value()

    return types.void(p, g, numbers, count, sums), generate


@kernel("void(i8[:, ::1], i8[::1], F[::1], f8[:, ::1], f8[::1])")
def _sums_of_squares(addresses, sizes, like, numbers, sums):
    """Sum of (factor (g + l2 p))^2 of each block; NaN or infinite if an entry is, or it overflows.

    A row of `numbers` is l2 and the factor of a block; `like` is of the dtype of p and g.
    """
    s = np.empty(PARTIAL_SUMS)
    for k in range(len(sizes)):
        n, l2, factor = sizes[k], numbers[k, 0], numbers[k, 1]
        p, g = numbers_at(addresses[k, 0], n, like), numbers_at(addresses[k, 1], n, like)
        s[:] = 0.0
        full = n // PARTIAL_SUMS
        _add_squares(p, g, numbers[k], full, s)
        for j in range(full * PARTIAL_SUMS, n):
            a = factor * (np.float64(g[j]) + l2 * np.float64(p[j]))
            s[0] += a * a
        sums[k] = (s[0] + s[1]) + (s[2] + s[3])


def norms(table: Table, l2: Sequence[float]) -> list[float]:
    """The norm of g + l2 p for each block, of which p and g come first; all in one call."""
    weights = np.array(l2, table.lines[0][0].dtype).tolist()
    sums = _sums(table, weights, [1.0] * len(weights))
    return [
        math.sqrt(total) if 1e-280 < total < math.inf or total != total else _far_off(p, g, weight)
        for (p, g, *_), weight, total in zip(table.lines, weights, sums, strict=True)
    ]


def _sums(table: Table, weights: Sequence[float], factors: Sequence[float]) -> list[float]:
    numbers, sums = np.array([*zip(weights, factors, strict=True)]), np.empty(len(weights))
    like = np.empty(0, table.lines[0][0].dtype)
    _sums_of_squares(table.addresses, table.sizes, like, numbers, sums)
    found: list[float] = sums.tolist()
    return found


def _far_off(p: Array, g: Array, weight: float) -> float:
    """The norm where squares of very large or very small entries left the range of float64."""
    largest = float(np.abs(g.astype(np.float64) + weight * p).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * math.sqrt(*_sums(table_of([(p, g)]), [weight], [1.0 / largest]))


@gated(kernel=True)
def gradient_norm(p: Array, g: Array, l2: float) -> float:
    """Norm of g + l2 p; see `minilstm.functional.gradient_norm.gradient_norm`."""
    return norms(table_of([(p, g)]), [l2])[0]
