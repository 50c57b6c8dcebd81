"""One step of Adam for one array in a single pass over memory: the twin of `functional.adam`.
The kernel has the numbered lines of that file."""

from __future__ import annotations

from typing import Any

from minilstm.functional.adam import AdamRule
from minilstm.kernels.cuda.solver_step import stepped

Array = Any  # of CuPy


def adam_step(p: Array, g: Array, m: Array, v: Array, rule: AdamRule) -> tuple[Array, Array, Array]:
    """One step of Adam; see `minilstm.functional.adam.adam_step`."""
    numbers = [
        rule.rate, rule.decay, 1 - rule.decay, rule.squared_decay, 1 - rule.squared_decay,
        rule.epsilon,
    ]  # fmt: skip
    p, m, v = stepped("adam.cu", "adam_step", (p, g, m, v), 3, numbers, rule)
    return p, m, v
