"""One step of RMSProp for one array in a single pass: the twin of `functional.rmsprop`.
The numbered lines are those of that file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.rmsprop import RmspropRule
from minilstm.kernels.numba.machinery.addresses import Table, table_of
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Value
from minilstm.kernels.numba.solver_step import BLOCKS, bounded, one_pass, stepped

Array = NDArray[Any]


def _formula(p: Value, g: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, squared_decay, squared_fresh, epsilon, l2, scale, bound = numbers
    g = bounded(p, g, l2, scale, bound)  # (1)
    v = squared_decay * v + squared_fresh * (g * g)  # (2)
    return p - rate * g / (v.sqrt() + epsilon), v  # (3)


_pass = one_pass(_formula, inputs=3, outputs=2, numbers=7)


@kernel(BLOCKS)
def _update(given, new, sizes, numbers):
    """p, g and v of each block, and the new p and v, by their addresses."""
    _pass(given, new, sizes, numbers)


def rmsprop_steps(table: Table, rules: Sequence[RmspropRule]) -> list[list[Array]]:
    """A step of each block (p, g, v) by its rule, all in one call: new p and v of each."""
    return stepped(_update, table, 2, [(rate, b, 1 - b, *rest) for rate, b, *rest in rules])


@gated(kernel=True)
def rmsprop_step(p: Array, g: Array, v: Array, rule: RmspropRule) -> tuple[Array, Array]:
    """One step of RMSProp; see `minilstm.functional.rmsprop.rmsprop_step`."""
    p, v = rmsprop_steps(table_of([(p, g, v)]), [rule])[0]
    return p, v
