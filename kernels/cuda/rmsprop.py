"""One step of RMSProp for one array in a single pass: the twin of `functional.rmsprop`.
The kernel has the numbered lines of that file."""

from __future__ import annotations

from typing import Any

from minilstm.functional.rmsprop import RmspropRule
from minilstm.kernels.cuda.solver_step import stepped

Array = Any  # of CuPy


def rmsprop_step(p: Array, g: Array, v: Array, rule: RmspropRule) -> tuple[Array, Array]:
    """One step of RMSProp; see `minilstm.functional.rmsprop.rmsprop_step`."""
    numbers = [rule.rate, rule.squared_decay, 1 - rule.squared_decay, rule.epsilon]
    p, v = stepped("rmsprop.cu", "rmsprop_step", (p, g, v), 2, numbers, rule)
    return p, v
