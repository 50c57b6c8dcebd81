"""What the solvers share: one formula, applied to every place of some arrays in a single pass.
A vector register at a time, and the rest one by one; both give each entry the same bits.

One call takes any number of blocks, each a few arrays of one size: all parameters of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from minilstm.kernels.numba.machinery.addresses import Table, new_blocks
from minilstm.kernels.numba.machinery.compiling import inner
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES
from minilstm.kernels.numba.machinery.simd import Lane, Value, data_of, number

Array = NDArray[Any]


def bounded(p: Value, g: Value, l2: Value, scale: Value, bound: Value) -> Value:
    """The gradient that a solver uses; see `minilstm.functional.gradient_norm.bounded_gradient`."""
    return (scale * (g + l2 * p)).between(-bound, bound)


# The types of the arguments of a solver's kernel: addresses, sizes and numbers of each block.
BLOCKS = "void(i8[:, ::1], i8[:, ::1], i8[::1], F[:, ::1])"


def one_pass(
    formula: Callable[..., tuple[Value, ...]], inputs: int, outputs: int, numbers: int
) -> Any:
    """A part of kernels that applies a formula at every place of the arrays of some blocks.

    It takes the addresses of each block's inputs and of its outputs, its size and its numbers.

    Parameters
    ----------
    formula : (values of the inputs, numbers) -> values of the outputs
    inputs, outputs : how many arrays a block has of each
    numbers : how many numbers the formula needs
    """
    places = _places(inputs, outputs)
    wide, one = (_at_one_place(formula, inputs, numbers, lanes) for lanes in (0, 1))

    def run(given, new, sizes, numbers):
        V = REGISTER_BYTES // numbers.itemsize
        for k in range(len(sizes)):
            n, arrays, j = sizes[k], places(given[k], new[k]), 0
            while j + V <= n:
                wide(j, arrays, numbers[k])
                j += V
            while j < n:
                one(j, arrays, numbers[k])
                j += 1

    return inner(run, f"pass_of_{formula.__module__.rpartition('.')[2]}")


def _places(inputs: int, outputs: int) -> Any:
    """The addresses of a block's arrays, read once."""

    @intrinsic
    def places(typing, given, new):
        def generate(context, builder, sig, args):
            found = []
            for n, count in enumerate((inputs, outputs)):
                base = data_of(context, builder, sig, args, n)
                found += [builder.load(builder.gep(base, [number(i)])) for i in range(count)]
            return context.make_tuple(builder, sig.return_type, found)

        return types.UniTuple(types.int64, inputs + outputs)(given, new), generate

    return places


def _at_one_place(formula: Any, inputs: int, numbers: int, lanes: int) -> Any:
    """The formula for one vector (lanes 0) or one number (lanes 1) at place `at` of each array."""

    @intrinsic
    def step(typing, at, arrays, values):
        def generate(context, builder, sig, args):
            lane = Lane(builder, values.dtype, lanes)
            pointer = lane.vector.element.as_pointer()
            bases = [builder.inttoptr(a, pointer) for a in cgutils.unpack_tuple(builder, args[1])]
            first = data_of(context, builder, sig, args, 2)
            spread = [lane.spread(builder.gep(first, [number(n)])) for n in range(numbers)]
            read = [lane.load(base, args[0]) for base in bases[:inputs]]
            for value, base in zip(formula(*read, spread), bases[inputs:], strict=True):
                lane.store(value, base, args[0])
            return context.get_dummy_value()

        return types.void(at, arrays, values), generate

    return step


def stepped(
    kernel: Any, table: Table, outputs: int, numbers: Sequence[Sequence[float]]
) -> list[list[Array]]:
    """Call a compiled pass over some blocks: the outputs of each, new arrays like its first input.

    Parameters
    ----------
    kernel : takes the addresses of inputs and of outputs, the sizes, and the numbers of each block
    table : of the inputs
    outputs : how many arrays the kernel writes for a block
    numbers : for the formula, of each block
    """
    new, addresses = new_blocks(table, outputs)
    kernel(table.addresses, addresses, table.sizes, np.array(numbers, new[0][0].dtype))
    return new
