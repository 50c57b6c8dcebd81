"""One step of Adam for one array in a single pass over memory: the twin of `functional.adam`.
The numbered lines are those of that file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from minilstm.functional.adam import AdamRule
from minilstm.functional.gate import gated
from minilstm.kernels.numba.machinery.addresses import Table, table_of
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Value
from minilstm.kernels.numba.solver_step import BLOCKS, bounded, one_pass, stepped

Array = NDArray[Any]


def _formula(p: Value, g: Value, m: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, decay, fresh, squared_decay, squared_fresh, epsilon, l2, scale, bound = numbers
    g = bounded(p, g, l2, scale, bound)  # (1)
    m = decay * m + fresh * g  # (2)
    v = squared_decay * v + squared_fresh * (g * g)  # (3)
    return p - rate * m / (v.sqrt() + epsilon), m, v  # (4)


_pass = one_pass(_formula, inputs=4, outputs=3, numbers=9)


@kernel(BLOCKS)
def _update(given, new, sizes, numbers):
    """p, g, m and v of each block, and the new p, m and v, by their addresses."""
    _pass(given, new, sizes, numbers)


def adam_steps(table: Table, rules: Sequence[AdamRule]) -> list[list[Array]]:
    """A step of each block (p, g, m, v) by its rule, all in one call: new p, m and v of each."""
    numbers = [
        (rate, decay, 1 - decay, squared, 1 - squared, *rest)
        for rate, decay, squared, *rest in rules
    ]
    return stepped(_update, table, 3, numbers)


@gated(kernel=True)
def adam_step(p: Array, g: Array, m: Array, v: Array, rule: AdamRule) -> tuple[Array, Array, Array]:
    """One step of Adam; see `minilstm.functional.adam.adam_step`."""
    p, m, v = adam_steps(table_of([(p, g, m, v)]), [rule])[0]
    return p, m, v
