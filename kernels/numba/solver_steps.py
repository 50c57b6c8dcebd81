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
from minilstm.kernels.numba.rmsprop import rmsprop_step, rmsprop_steps
from minilstm.kernels.numba.sgdm import sgdm_step, sgdm_steps

Array = NDArray[Any]
SOLVERS: dict[type, tuple[Callable[..., Any], Callable[..., Any]]] = {
    AdamRule: (adam_steps, adam_step),
    SgdmRule: (sgdm_steps, sgdm_step),
    RmspropRule: (rmsprop_steps, rmsprop_step),
}


def gradient_norms(blocks: Sequence[Sequence[Array]], l2: Sequence[float]) -> list[float]:
    """The norm of g + l2 p for each block of arrays, of which p and g come first."""
    pairs = [block[:2] for block in blocks]
    if _alike(pairs):
        return norms(pairs, l2)
    return [gradient_norm(p, g, weight) for (p, g), weight in zip(pairs, l2, strict=True)]


def solver_steps(blocks: Sequence[Sequence[Array]], rules: Sequence[Any]) -> list[Sequence[Array]]:
    """A step of a solver for each block of arrays by its rule, whose type tells the solver.

    What comes in and goes out for a block is as for `adam_step` and its like.
    """
    if not rules:
        return []
    together, alone = SOLVERS[type(rules[0])]
    if _alike(blocks):
        steps: list[Sequence[Array]] = together(blocks, rules)
        return steps
    return [alone(*block, rule) for block, rule in zip(blocks, rules, strict=True)]


def _alike(blocks: Sequence[Sequence[Array]]) -> bool:
    """Whether all arrays are of one dtype that kernels know, and those of a block of one shape."""
    dtype = blocks[0][0].dtype if blocks else None
    return dtype in SINGLE_DOUBLE and all(
        type(a) is np.ndarray and a.dtype == dtype and a.shape == block[0].shape
        for block in blocks
        for a in block
    )
