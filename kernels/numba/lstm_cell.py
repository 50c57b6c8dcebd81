"""The pointwise part of an LSTM step for some sequences: lines (2) to (5), and in reverse.
Vector after vector of units goes through all lines in registers; memory is read and written once.

The lines are those of `minilstm.functional.lstm`. Rows are addressed as offsets into arrays, from
one sequence to the next by `row` numbers, so that nothing is copied to be computed. Gate blocks lie
`gate` numbers apart; 0 means that a row lies as the panels of weights do (`machinery/panels.py`):
vectors of i, f, g, o of the same units, then what is left of each gate. Last come two numbers that
say which activations the gates and the state have (`activations.numbers_of`), or None and None for
the usual ones, which are then all that is compiled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minilstm.kernels.numba.activations import USUAL, Activations, chosen
from minilstm.kernels.numba.machinery.compiling import inner
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES
from minilstm.kernels.numba.machinery.simd import Lane, Value, data_of


class Gates(NamedTuple):
    """A vector of units of each gate."""

    i: Value
    f: Value
    g: Value
    o: Value


def _activate(z: Gates, of: Activations) -> Gates:
    i, f, o = of.gate(z.i), of.gate(z.f), of.gate(z.o)  # (2)
    return Gates(i, f, of.state(z.g), o)  # (3)


def _state(a: Gates, c_prev: Value, of: Activations) -> tuple[Value, Value]:
    c = a.f * c_prev + a.i * a.g  # (4)
    return c, a.o * of.state(c)  # (5)


def _reverse(
    a: Gates, c_prev: Value, c: Value, dh: Value, dc: Value, of: Activations
) -> tuple[Gates, Value]:
    tanh_c = of.state(c)
    # (5) h_t = o * tanh(c_t)
    do = dh * tanh_c * of.gate_slope(a.o)
    dc = dc + dh * a.o * of.state_slope(tanh_c)
    # (4) c_t = f * c_{t-1} + i * g, (3) g = tanh(z_g), (2) sigmoid
    di = dc * a.g * of.gate_slope(a.i)
    dg = dc * a.i * of.state_slope(a.g)
    df = dc * c_prev * of.gate_slope(a.f)
    return Gates(di, df, dg, do), dc * a.f


class _Emit:
    """Turns intrinsic arguments into vectors at ``at + gate * distance``."""

    def __init__(self, context: Any, builder: Any, sig: Any, args: Any, part: bool) -> None:
        self.context, self.builder, self.sig, self.args = context, builder, sig, args
        self.lane = Lane(builder, sig.args[0].dtype, count=args[-3] if part else None)

    def data(self, n: int) -> Any:
        return data_of(self.context, self.builder, self.sig, self.args, n)

    def load(self, n: int) -> Value:
        """The vector of array argument n at the offset that follows it."""
        return self.lane.load(self.data(n), self.args[n + 1])

    def store(self, value: Value, n: int) -> None:
        self.lane.store(value, self.data(n), self.args[n + 1])

    def places(self, n: int) -> list[Any]:
        at, distance = self.args[n + 1], self.args[n + 2]
        b = self.builder
        return [b.add(at, b.mul(distance, ir.Constant(at.type, gate))) for gate in range(4)]

    def load_gates(self, n: int) -> Gates:
        return Gates(*(self.lane.load(self.data(n), place) for place in self.places(n)))

    def store_gates(self, gates: Gates, n: int) -> None:
        for value, place in zip(gates, self.places(n), strict=True):
            self.lane.store(value, self.data(n), place)


# fmt: off


def _activations(sig: Any, args: Any) -> Activations:
    return USUAL if isinstance(sig.args[-1], types.NoneType) else chosen(*args[-2:])


def _cells(part: bool) -> tuple[Any, Any, Any]:
    """The three cell functions for a whole vector, or for the `units` first numbers of one."""

    @intrinsic
    def activate(typing, z, z_at, z_gate, a, a_at, a_gate, units, gate, state):
        def generate(context, builder, sig, args):
            emit = _Emit(context, builder, sig, args, part)
            emit.store_gates(_activate(emit.load_gates(0), _activations(sig, args)), 3)
            return context.get_dummy_value()

        return types.void(z, z_at, z_gate, a, a_at, a_gate, units, gate, state), generate

    @intrinsic
    def restore(typing, a, a_at, a_gate, p, p_at, c, c_at, h, h_at, units, gate, state):
        def generate(context, builder, sig, args):
            emit = _Emit(context, builder, sig, args, part)
            new_c, new_h = _state(emit.load_gates(0), emit.load(3), _activations(sig, args))
            emit.store(new_c, 5)
            emit.store(new_h, 7)
            return context.get_dummy_value()

        signature = types.void(a, a_at, a_gate, p, p_at, c, c_at, h, h_at, units, gate, state)
        return signature, generate

    @intrinsic
    def backward(
        typing, a, a_at, a_gate, p, p_at, c, c_at, u, u_at, dh, dh_at, dc, dc_at, dz, dz_at,
        dz_gate, units, gate, state
    ):
        def generate(context, builder, sig, args):
            emit = _Emit(context, builder, sig, args, part)
            arrived = emit.load(9) + emit.load(7)
            dz_gates, dc_prev = _reverse(
                emit.load_gates(0), emit.load(3), emit.load(5), arrived, emit.load(11),
                _activations(sig, args),
            )
            emit.store_gates(dz_gates, 13)
            emit.store(dc_prev, 11)
            return context.get_dummy_value()

        signature = types.void(
            a, a_at, a_gate, p, p_at, c, c_at, u, u_at, dh, dh_at, dc, dc_at, dz, dz_at, dz_gate,
            units, gate, state
        )
        return signature, generate

    return activate, restore, backward


_activate_wide, _restore_wide, _backward_wide = _cells(part=False)
_activate_part, _restore_part, _backward_part = _cells(part=True)


@inner
def cell_forward(
    rows, units, z, z_at, z_row, a, a_at, a_row, a_gate, p, p_at, c, c_at, h, h_at, row, gate, state
):
    """Lines (2) to (5): z becomes the activated gates a, with c_{t-1} at p come c_t and h_t.

    z lies as the panels do.
    """
    # Two loops: the processor overlaps neighbouring vectors only while their chains are short.
    V = REGISTER_BYTES // c.itemsize
    step, apart = (1, a_gate) if a_gate > 0 else (4, V)
    for r in range(rows):
        j, at, to = 0, z_at + r * z_row, a_at + r * a_row
        while j + V <= units:
            _activate_wide(z, at + 4 * j, V, a, to + step * j, apart, V, gate, state)
            j += V
        if j < units:
            rest = units - j
            apart_rest = a_gate if a_gate > 0 else rest
            _activate_part(
                z, at + 4 * j, rest, a, to + step * j, apart_rest, rest, gate, state
            )
    cell_restore(
        rows, units, a, a_at, a_row, a_gate, p, p_at, c, c_at, h, h_at, row, gate, state
    )


@inner
def cell_restore(
    rows, units, a, a_at, a_row, a_gate, p, p_at, c, c_at, h, h_at, row, gate, state
):
    """Lines (4) and (5) again, from activated gates that were kept."""
    V = REGISTER_BYTES // c.itemsize
    step, apart = (1, a_gate) if a_gate > 0 else (4, V)
    for r in range(rows):
        j, at = 0, a_at + r * a_row
        before, now, out = p_at + r * row, c_at + r * row, h_at + r * row
        while j + V <= units:
            _restore_wide(
                a, at + step * j, apart, p, before + j, c, now + j, h, out + j, V, gate, state
            )
            j += V
        if j < units:
            rest = units - j
            apart_rest = a_gate if a_gate > 0 else rest
            _restore_part(
                a, at + step * j, apart_rest, p, before + j, c, now + j, h, out + j, rest, gate,
                state,
            )


@inner
def cell_backward(
    rows, units, a, a_at, dz, H, c, p_at, c_at, u, u_at, u_row, dh, dh_at, dh_row, dc, dc_at, gate,
    state
):
    """Lines (5) to (2) in reverse; u and dh hold the two gradients of h_t, from above and later.

    dz lies as a does, and dc as c does.
    """
    V = REGISTER_BYTES // c.itemsize
    for r in range(rows):
        j, at, before, now = 0, a_at + r * 4 * H, p_at + r * H, c_at + r * H
        above, later, cell = u_at + r * u_row, dh_at + r * dh_row, dc_at + r * H
        while j + V <= units:
            _backward_wide(
                a, at + j, H, c, before + j, c, now + j, u, above + j, dh, later + j,
                dc, cell + j, dz, at + j, H, V, gate, state,
            )
            j += V
        if j < units:
            _backward_part(
                a, at + j, H, c, before + j, c, now + j, u, above + j, dh, later + j,
                dc, cell + j, dz, at + j, H, units - j, gate, state,
            )
