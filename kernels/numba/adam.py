"""One step of Adam for one array in a single pass over memory: the twin of `functional.adam`.
The numbered lines are those of that file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from minilstm.functional.adam import AdamRule
from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.addresses import numbers_at
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Value
from minilstm.kernels.numba.solver_step import bounded, one_pass, stepped

Array = NDArray[Any]


def _formula(p: Value, g: Value, m: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, decay, fresh, squared_decay, squared_fresh, epsilon, l2, scale, bound = numbers
    g = bounded(p, g, l2, scale, bound)  # (1)
    m = decay * m + fresh * g  # (2)
    v = squared_decay * v + squared_fresh * (g * g)  # (3)
    return p - rate * m / (v.sqrt() + epsilon), m, v  # (4)


_pass = one_pass(_formula, inputs=4, numbers=9)


@kernel("void(i8[:, ::1], i8[::1], F[:, ::1])")
def _update(addresses, sizes, numbers):
    """p, g, m, v, new_p, new_m and new_v of each block, by their addresses."""
    for k in range(len(sizes)):
        n, at = sizes[k], addresses[k]
        arrays = (
            numbers_at(at[0], n, numbers),
            numbers_at(at[1], n, numbers),
            numbers_at(at[2], n, numbers),
            numbers_at(at[3], n, numbers),
            numbers_at(at[4], n, numbers),
            numbers_at(at[5], n, numbers),
            numbers_at(at[6], n, numbers),
        )
        _pass(arrays, numbers[k])


def adam_steps(blocks: Sequence[Sequence[Array]], rules: Sequence[AdamRule]) -> list[list[Array]]:
    """A step of each block (p, g, m, v) by its rule, all in one call: new p, m and v of each."""
    numbers = [
        (rate, decay, 1 - decay, squared, 1 - squared, *rest)
        for rate, decay, squared, *rest in rules
    ]
    return stepped(_update, blocks, 3, numbers)


@gated(kernel=True)
def adam_step(p: Array, g: Array, m: Array, v: Array, rule: AdamRule) -> tuple[Array, Array, Array]:
    """One step of Adam; see `minilstm.functional.adam.adam_step`."""
    p, m, v = adam_steps([(p, g, m, v)], [rule])[0]
    return p, m, v
