"""The norm of a gradient with its L2 term: the twin of `functional.gradient_norm`.
Sums of squares run in float64 over four interleaved partial sums, in one fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.compiling import kernel

Array = NDArray[Any]

PARTIAL_SUMS = 4  # sums of squares side by side: one alone would wait for each addition


@kernel("f8(F[::1], F[::1], f8, f8)")
def _sum_of_squares(p, g, l2, factor):
    """Sum of (factor (g + l2 p))^2; NaN or infinite where an entry is or squares overflow."""
    s0 = s1 = s2 = s3 = 0.0
    full = len(g) // PARTIAL_SUMS * PARTIAL_SUMS
    for j in range(0, full, PARTIAL_SUMS):
        a0 = factor * (np.float64(g[j]) + l2 * np.float64(p[j]))
        a1 = factor * (np.float64(g[j + 1]) + l2 * np.float64(p[j + 1]))
        a2 = factor * (np.float64(g[j + 2]) + l2 * np.float64(p[j + 2]))
        a3 = factor * (np.float64(g[j + 3]) + l2 * np.float64(p[j + 3]))
        s0 += a0 * a0
        s1 += a1 * a1
        s2 += a2 * a2
        s3 += a3 * a3
    for j in range(full, len(g)):
        a0 = factor * (np.float64(g[j]) + l2 * np.float64(p[j]))
        s0 += a0 * a0
    return (s0 + s1) + (s2 + s3)


@gated(kernel=True)
def gradient_norm(p: Array, g: Array, l2: float) -> float:
    """Norm of g + l2 p; see `minilstm.functional.gradient_norm.gradient_norm`."""
    lines = line(p), line(g)
    weight = float(g.dtype.type(l2))
    total = _sum_of_squares(*lines, weight, 1.0)
    if 1e-280 < total < np.inf or total != total:
        return float(np.sqrt(total))
    # Squares of very large or very small entries left the range of float64.
    largest = float(np.abs(lines[1].astype(np.float64) + weight * lines[0]).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    return float(largest * np.sqrt(_sum_of_squares(*lines, weight, 1.0 / largest)))


def line(a: Array) -> Array:
    """All entries in column-major order, in which parameters are stored: no copy for them."""
    entries = a.ravel(order="F")
    return entries if entries.flags.writeable else entries.copy()
