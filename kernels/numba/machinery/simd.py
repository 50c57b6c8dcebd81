"""Numbers and vectors of numbers as expressions, from which kernels emit their instructions.
One formula, written once with + - * /, serves a single number and a whole vector register.

A `Value` is what a formula computes with; multiply and add may contract into one instruction,
nothing else may change. Because each lane does the same as a single number would, the place of a
number in an array changes none of its bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_CONTRACT = ("contract",)


class Value:
    """A number (lanes 0) or a vector of `lanes` numbers, float32 or float64."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value
        self.type = value.type
        self.lanes = self.type.count if isinstance(self.type, ir.VectorType) else 0
        element = self.type.element if self.lanes else self.type
        self.is_single = isinstance(element, ir.FloatType)

    def of(self, number: float) -> Value:
        """A constant of the same shape."""
        if self.lanes:
            constant = ir.Constant(self.type, [number] * self.lanes)
        else:
            constant = ir.Constant(self.type, number)
        return Value(self.builder, constant)

    def _other(self, other: Value | float) -> Any:
        return other.value if isinstance(other, Value) else self.of(other).value

    def __add__(self, other: Value | float) -> Value:
        return Value(
            self.builder, self.builder.fadd(self.value, self._other(other), flags=_CONTRACT)
        )

    def __radd__(self, other: float) -> Value:
        return self.of(other) + self

    def __sub__(self, other: Value | float) -> Value:
        return Value(
            self.builder, self.builder.fsub(self.value, self._other(other), flags=_CONTRACT)
        )

    def __rsub__(self, other: float) -> Value:
        return self.of(other) - self

    def __mul__(self, other: Value | float) -> Value:
        return Value(
            self.builder, self.builder.fmul(self.value, self._other(other), flags=_CONTRACT)
        )

    def __rmul__(self, other: float) -> Value:
        return self.of(other) * self

    def __truediv__(self, other: Value | float) -> Value:
        return Value(self.builder, self.builder.fdiv(self.value, self._other(other)))

    def __rtruediv__(self, other: float) -> Value:
        return self.of(other) / self

    def __neg__(self) -> Value:
        return Value(self.builder, self.builder.fneg(self.value))

    def sqrt(self) -> Value:
        """Square root."""
        shape = f"v{self.lanes}" if self.lanes else ""
        name = f"llvm.sqrt.{shape}f{32 if self.is_single else 64}"
        signature = ir.FunctionType(self.type, [self.type])
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        return Value(self.builder, self.builder.call(function, [self.value]))

    def between(self, low: Value | float, high: Value | float) -> Value:
        """Bounded on both sides; a NaN, with which every comparison is false, stays."""
        b, value = self.builder, self.value
        for bound, test in ((self._other(low), "<"), (self._other(high), ">")):
            value = b.select(b.fcmp_ordered(test, value, bound), bound, value)
        return Value(b, value)

    def larger(self, other: Value) -> Value:
        """The larger of both; this one where they cannot be compared."""
        b = self.builder
        smaller = b.fcmp_ordered("<", self.value, other.value)
        return Value(b, b.select(smaller, other.value, self.value))

    def inside(self, low: float, high: float, number: float) -> Value:
        """`number` where this lies between two bounds, and 0 where it does not."""
        b, value = self.builder, self.value
        above = b.fcmp_ordered(">", value, self.of(low).value)
        below = b.fcmp_ordered("<", value, self.of(high).value)
        return Value(b, b.select(b.and_(above, below), self.of(number).value, self.of(0.0).value))

    def where(self, number: Any, wanted: int, other: Value) -> Value:
        """This if a whole number is the wanted one, else the other, in all lanes alike."""
        b = self.builder
        equal = b.icmp_signed("==", number, ir.Constant(number.type, wanted))
        return Value(b, b.select(equal, self.value, other.value))

    def low_bits_as_exponent(self) -> Value:
        """2^n, where n + 127 (n + 1023 in float64) is what the lowest bits hold."""
        element, shift = (_I32, 23) if self.is_single else (_I64, 52)
        integers = ir.VectorType(element, self.lanes) if self.lanes else element
        places = ir.Constant(integers, [shift] * self.lanes if self.lanes else shift)
        b = self.builder
        return Value(b, b.bitcast(b.shl(b.bitcast(self.value, integers), places), self.type))


def number(n: int) -> ir.Constant:
    return ir.Constant(_I64, n)


def data_of(context: Any, builder: Any, sig: Any, args: Any, n: int) -> Any:
    """Where the memory of array argument n of an intrinsic begins."""
    return context.make_array(sig.args[n])(context, builder, args[n]).data


class Lane:
    """Reads and writes vectors of an array's memory: whole registers, or `lanes` numbers.

    With `count`, a whole number of the kernel, only the first so many numbers of a register are
    read and written; the others are 0.
    """

    def __init__(self, builder: Any, dtype: Any, lanes: int = 0, count: Any = None) -> None:
        self.builder, self.itemsize = builder, dtype.bitwidth // 8
        self.lanes = lanes or REGISTER_BYTES // self.itemsize
        element = ir.FloatType() if self.itemsize == 4 else ir.DoubleType()
        self.vector = ir.VectorType(element, self.lanes)
        self.mask = None if count is None else self._below(count)

    def _below(self, count: Any) -> Any:
        """A bit a lane: whether its number is below `count`."""
        b, places = self.builder, ir.VectorType(_I64, self.lanes)
        every = b.insert_element(ir.Constant(places, ir.Undefined), count, ir.Constant(_I32, 0))
        zeros = ir.Constant(ir.VectorType(_I32, self.lanes), [0] * self.lanes)
        every = b.shuffle_vector(every, every, zeros)
        return b.icmp_signed("<", ir.Constant(places, list(range(self.lanes))), every)

    def _masked(self, what: str, result: Any, *arguments: Any) -> Any:
        """Call LLVM's load or store of the lanes that the mask lets through."""
        b = self.builder
        name = f"llvm.masked.{what}.v{self.lanes}f{8 * self.itemsize}.p0"
        signature = ir.FunctionType(result, [a.type for a in arguments])
        return b.call(cgutils.get_or_insert_function(b.module, signature, name), arguments)

    def _at(self, base: Any, offset: Any) -> Any:
        b = self.builder
        return b.bitcast(b.gep(base, [offset]), self.vector.as_pointer())

    def load(self, base: Any, offset: Any) -> Value:
        place = self._at(base, offset)
        if self.mask is None:
            return Value(self.builder, self.builder.load(place, align=self.itemsize))
        align, rest = ir.Constant(_I32, self.itemsize), ir.Constant(self.vector, None)
        return Value(self.builder, self._masked("load", self.vector, place, align, self.mask, rest))

    def spread(self, address: Any) -> Value:
        """The number at an address, in every lane."""
        b, i32 = self.builder, ir.IntType(32)
        undefined = ir.Constant(self.vector, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(i32, self.lanes), [0] * self.lanes)
        first = b.insert_element(undefined, b.load(address), ir.Constant(i32, 0))
        return Value(b, b.shuffle_vector(first, undefined, zeros))

    def store(self, value: Value, base: Any, offset: Any) -> None:
        place = self._at(base, offset)
        if self.mask is None:
            self.builder.store(value.value, place, align=self.itemsize)
        else:
            align = ir.Constant(_I32, self.itemsize)
            self._masked("store", ir.VoidType(), value.value, place, align, self.mask)


def _copier(part: bool) -> Any:
    @intrinsic
    def copy(typing, source, source_at, target, target_at, count):
        def generate(context, builder, sig, args):
            source_data, target_data = (data_of(context, builder, sig, args, n) for n in (0, 2))
            lane = Lane(builder, sig.args[0].dtype, count=args[4] if part else None)
            lane.store(lane.load(source_data, args[1]), target_data, args[3])
            return context.get_dummy_value()

        return types.void(source, source_at, target, target_at, count), generate

    return copy


# From one array's memory to another's: a vector register's worth of numbers whatever the count, or
# the `count` first of them.
copy_vector, copy_part = _copier(part=False), _copier(part=True)


@intrinsic
def prefetch(typing, array, at):
    """Ask for the cache line of element `at`, which will be read soon; changes nothing else."""

    def generate(context, builder, sig, args):
        i32, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        signature = ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
        address = builder.gep(data_of(context, builder, sig, args, 0), [args[1]])
        read, second_level, not_code = (ir.Constant(i32, n) for n in (0, 2, 1))
        builder.call(function, [builder.bitcast(address, pointer), read, second_level, not_code])
        return context.get_dummy_value()

    return types.void(array, at), generate
