"""What the solvers share: one kernel for each, which takes all places of some arrays in one pass.
The scale of a rule may be an array () on the device, which the kernel reads for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy

from minilstm.kernels.cuda.compiling import kernel, launch_each
from minilstm.kernels.cuda.layout import column_major

Array = Any  # of CuPy


def stepped(
    file: str, name: str, arrays: Sequence[Array], outputs: int, numbers: Sequence[float], rule: Any
) -> list[Array]:
    """One step of a solver: its outputs, as new arrays like the first input.

    Parameters
    ----------
    file, name : of the kernel
    arrays : the inputs, of one shape and dtype
    outputs : how many arrays the kernel writes
    numbers : of this solver alone
    rule : with l2, scale and bound, which each solver has
    """
    p = arrays[0]
    number = p.dtype.type
    new = [cupy.empty(p.shape, p.dtype, order="F") for _ in range(outputs)]  # as p each
    on_device = isinstance(rule.scale, cupy.ndarray)
    scale = (number(1), rule.scale) if on_device else (number(rule.scale), None)
    values = [number(value) for value in numbers]
    shared = number(rule.l2), *scale, number(rule.bound)
    function = kernel(file, name, p.dtype)
    launch_each(function, p.size, *map(column_major, arrays), *new, *values, *shared, p.size)
    return new
