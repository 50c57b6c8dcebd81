"""One step of gradient descent with momentum in a single pass: the twin of `functional.sgdm`.
The numbered lines are those of that file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.sgdm import SgdmRule
from minilstm.kernels.numba.machinery.addresses import numbers_at
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Value
from minilstm.kernels.numba.solver_step import bounded, one_pass, stepped

Array = NDArray[Any]


def _formula(p: Value, g: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, momentum, l2, scale, bound = numbers
    g = bounded(p, g, l2, scale, bound)  # (1)
    v = momentum * v - rate * g  # (2)
    return p + v, v  # (3)


_pass = one_pass(_formula, inputs=3, numbers=5)


@kernel("void(i8[:, ::1], i8[::1], F[:, ::1])")
def _update(addresses, sizes, numbers):
    """p, g, v, new_p and new_v of each block, by their addresses."""
    for k in range(len(sizes)):
        n, at = sizes[k], addresses[k]
        arrays = (
            numbers_at(at[0], n, numbers),
            numbers_at(at[1], n, numbers),
            numbers_at(at[2], n, numbers),
            numbers_at(at[3], n, numbers),
            numbers_at(at[4], n, numbers),
        )
        _pass(arrays, numbers[k])


def sgdm_steps(blocks: Sequence[Sequence[Array]], rules: Sequence[SgdmRule]) -> list[list[Array]]:
    """A step of each block (p, g, v) by its rule, all in one call: new p and v of each."""
    return stepped(_update, blocks, 2, rules)


@gated(kernel=True)
def sgdm_step(p: Array, g: Array, v: Array, rule: SgdmRule) -> tuple[Array, Array]:
    """One step of gradient descent with momentum; see `minilstm.functional.sgdm.sgdm_step`."""
    p, v = sgdm_steps([(p, g, v)], [rule])[0]
    return p, v
