"""One step of Adam for one array in a single pass over memory: the twin of `functional.adam`.
The numbered lines are those of that file."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from minilstm.functional.adam import AdamRule
from minilstm.functional.gate import gated
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


@kernel("void(F[::1], F[::1], F[::1], F[::1], F[::1], F[::1], F[::1], F[::1])")
def _update(p, g, m, v, new_p, new_m, new_v, numbers):
    _pass((p, g, m, v, new_p, new_m, new_v), numbers)


@gated(kernel=True)
def adam_step(p: Array, g: Array, m: Array, v: Array, rule: AdamRule) -> tuple[Array, Array, Array]:
    """One step of Adam; see `minilstm.functional.adam.adam_step`."""
    numbers = [
        rule.rate, rule.decay, 1 - rule.decay, rule.squared_decay, 1 - rule.squared_decay,
        rule.epsilon, rule.l2, rule.scale, rule.bound,
    ]  # fmt: skip
    p, m, v = stepped(_update, (p, g, m, v), 3, numbers)
    return p, m, v
