"""One step of gradient descent with momentum in a single pass: the twin of `functional.sgdm`.
The kernel has the numbered lines of that file."""

from __future__ import annotations

from typing import Any

from minilstm.functional.sgdm import SgdmRule
from minilstm.kernels.cuda.solver_step import stepped

Array = Any  # of CuPy


def sgdm_step(p: Array, g: Array, v: Array, rule: SgdmRule) -> tuple[Array, Array]:
    """One step of gradient descent with momentum; see `minilstm.functional.sgdm.sgdm_step`."""
    p, v = stepped("sgdm.cu", "sgdm_step", (p, g, v), 2, [rule.rate, rule.momentum], rule)
    return p, v
