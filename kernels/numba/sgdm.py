"""One step of gradient descent with momentum in a single pass: the twin of `functional.sgdm`.
The numbered lines are those of that file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.sgdm import SgdmRule
from minilstm.kernels.numba.machinery.addresses import Table, table_of
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Value
from minilstm.kernels.numba.solver_step import BLOCKS, bounded, one_pass, stepped

Array = NDArray[Any]


def _formula(p: Value, g: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, momentum, l2, scale, bound = numbers
    g = bounded(p, g, l2, scale, bound)  # (1)
    v = momentum * v - rate * g  # (2)
    return p + v, v  # (3)


_pass = one_pass(_formula, inputs=3, outputs=2, numbers=5)


@kernel(BLOCKS)
def _update(given, new, sizes, numbers):
    """p, g and v of each block, and the new p and v, by their addresses."""
    _pass(given, new, sizes, numbers)


def sgdm_steps(table: Table, rules: Sequence[SgdmRule]) -> list[list[Array]]:
    """A step of each block (p, g, v) by its rule, all in one call: new p and v of each."""
    return stepped(_update, table, 2, rules)


@gated(kernel=True)
def sgdm_step(p: Array, g: Array, v: Array, rule: SgdmRule) -> tuple[Array, Array]:
    """One step of gradient descent with momentum; see `minilstm.functional.sgdm.sgdm_step`."""
    p, v = sgdm_steps(table_of([(p, g, v)]), [rule])[0]
    return p, v
