"""One step of gradient descent with momentum in a single pass: the twin of `functional.sgdm`.
The numbered lines are those of that file."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.sgdm import SgdmRule
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.simd import Value
from minilstm.kernels.numba.solver_step import bounded, one_pass, stepped

Array = NDArray[Any]


def _formula(p: Value, g: Value, v: Value, numbers: list[Value]) -> tuple[Value, ...]:
    rate, momentum, l2, scale, bound = numbers
    g = bounded(p, g, l2, scale, bound)  # (1)
    v = momentum * v - rate * g  # (2)
    return p + v, v  # (3)


_pass = one_pass(_formula, inputs=3, numbers=5)


@kernel("void(F[::1], F[::1], F[::1], F[::1], F[::1], F[::1])")
def _update(p, g, v, new_p, new_v, numbers):
    _pass((p, g, v, new_p, new_v), numbers)


@gated(kernel=True)
def sgdm_step(p: Array, g: Array, v: Array, rule: SgdmRule) -> tuple[Array, Array]:
    """One step of gradient descent with momentum; see `minilstm.functional.sgdm.sgdm_step`."""
    p, v = stepped(_update, (p, g, v), 2, rule)
    return p, v
