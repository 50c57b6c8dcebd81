"""One update of all parameters of a network: a call for their norms, and one for their steps.
Each array is treated as by the functions for one array, which take over where a dtype is unusual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.adam import AdamRule
from minilstm.functional.gate import SINGLE_DOUBLE
from minilstm.functional.rmsprop import RmspropRule
from minilstm.functional.sgdm import SgdmRule
from minilstm.kernels.numba.adam import adam_step, adam_steps
from minilstm.kernels.numba.gradient_norm import gradient_norm, norms
from minilstm.kernels.numba.machinery.addresses import table_of
from minilstm.kernels.numba.rmsprop import rmsprop_step, rmsprop_steps
from minilstm.kernels.numba.sgdm import sgdm_step, sgdm_steps

Array = NDArray[Any]
SOLVERS: dict[type, tuple[Callable[..., Any], Callable[..., Any]]] = {
    AdamRule: (adam_steps, adam_step),
    SgdmRule: (sgdm_steps, sgdm_step),
    RmspropRule: (rmsprop_steps, rmsprop_step),
}


def solver_steps(
    blocks: Sequence[Sequence[Array]],
    l2: Sequence[float],
    rules_of: Callable[[list[float]], Sequence[Any]],
) -> list[Sequence[Array]]:
    """A step of a solver for each block of arrays.

    Parameters
    ----------
    blocks : arrays as `adam_step` and its like take them
    l2 : weight of the L2 term of each block
    rules_of : from the norms of g + l2 p of the blocks to their rules, whose type tells the solver

    Returns
    -------
    for each block what `adam_step` and its like return
    """
    if _alike(blocks):
        table = table_of(blocks)
        rules = rules_of(norms(table, l2))
        steps: list[Sequence[Array]] = SOLVERS[type(rules[0])][0](table, rules)
        return steps
    rules = rules_of([gradient_norm(b[0], b[1], w) for b, w in zip(blocks, l2, strict=True)])
    return [SOLVERS[type(r)][1](*block, r) for block, r in zip(blocks, rules, strict=True)]


def _alike(blocks: Sequence[Sequence[Array]]) -> bool:
    """Whether all arrays are of one dtype that kernels know, and those of a block of one shape."""
    if not blocks:
        return False
    dtype = blocks[0][0].dtype
    every = [a for block in blocks for a in block]
    return (
        {np.ndarray}.issuperset(map(type, every))
        and dtype in SINGLE_DOUBLE
        and {a.dtype for a in every} == {dtype}
        and all(len({a.shape for a in block}) == 1 for block in blocks)
    )
