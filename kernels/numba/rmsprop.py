"""One step of RMSProp for one array in a single pass: the twin of `functional.rmsprop`.
The numbered lines are those of that file."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.rmsprop import RmspropRule
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Value
from minilstm.kernels.numba.solver_step import bounded, one_pass, stepped

Array = NDArray[Any]


def _formula(p: Value, g: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, squared_decay, squared_fresh, epsilon, l2, scale, bound = numbers
    g = bounded(p, g, l2, scale, bound)  # (1)
    v = squared_decay * v + squared_fresh * (g * g)  # (2)
    return p - rate * g / (v.sqrt() + epsilon), v  # (3)


_pass = one_pass(_formula, inputs=3, numbers=7)


@kernel("void(F[::1], F[::1], F[::1], F[::1], F[::1], F[::1])")
def _update(p, g, v, new_p, new_v, numbers):
    _pass((p, g, v, new_p, new_v), numbers)


@gated(kernel=True)
def rmsprop_step(p: Array, g: Array, v: Array, rule: RmspropRule) -> tuple[Array, Array]:
    """One step of RMSProp; see `minilstm.functional.rmsprop.rmsprop_step`."""
    rate, decay, *rest = rule
    p, v = stepped(_update, (p, g, v), 2, [rate, decay, 1 - decay, *rest])
    return p, v
