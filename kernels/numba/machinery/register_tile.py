"""The inner loop of matrix products: a tile of outputs that stays in registers over the whole sum.
Each output is one chain of fused multiply-adds over k, in order, whatever tile it falls in.

So a row computed alone equals the same row in a batch, and threads may split outputs as they
like. The tile is written as vector instructions (a Numba intrinsic), because plain loops over a
dozen arrays do not vectorise.

The right-hand matrix comes as panels one vector wide: panel q holds its `depth` rows of `lanes`
numbers one after another, so the loop streams through memory in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minilstm.kernels.numba.machinery.simd import Lane, Value, data_of, number

_I64 = ir.IntType(64)
Grid = dict[tuple[int, int], Any]  # something for each row and vector of a tile


class Tile(Lane):
    """Emits the instructions of one tile of `rows` x `vectors` outputs."""

    def __init__(self, builder: Any, dtype: Any, rows: int, vectors: int) -> None:
        super().__init__(builder, dtype)
        self.rows, self.vectors = range(rows), range(vectors)
        self.grid = [(r, v) for r in self.rows for v in self.vectors]

    def chain(
        self,
        start: Grid,
        a_rows: list[Any],
        a_place: Callable[[Any], Any],
        panels: list[Any],
        b_row: Any,
        depth: Any,
    ) -> Grid:
        """start + sum over k of a[r][a_place(k)] panel[v][k b_row], a loop of multiply-adds."""
        b = self.builder
        entry = b.block
        loop, done = b.append_basic_block("k_loop"), b.append_basic_block("k_done")
        b.cbranch(b.icmp_signed(">", depth, number(0)), loop, done)
        b.position_at_end(loop)
        k = b.phi(_I64)
        held = {g: b.phi(self.vector) for g in self.grid}
        row, place = b.mul(k, b_row), a_place(k)
        weights = [self.load(panel, row) for panel in panels]
        step = {}
        for r in self.rows:
            value = self.spread(b.gep(a_rows[r], [place]))
            for v in self.vectors:
                step[r, v] = value * weights[v] + Value(b, held[r, v])
        k_next = b.add(k, number(1))
        k.add_incoming(number(0), entry)
        k.add_incoming(k_next, loop)
        b.cbranch(b.icmp_signed("<", k_next, depth), loop, done)
        b.position_at_end(done)
        total = {}
        for g in self.grid:
            end = b.phi(self.vector)
            for phi in (held[g], end):
                phi.add_incoming(start[g].value, entry)
                phi.add_incoming(step[g].value, loop)
            total[g] = Value(b, end)
        return total


def _places(tile: Tile, at: Any, row: Any, q: Any, gate: Any, block: Any) -> Grid:
    """Where outputs lie: vector q is gate q % 4 of block q // 4, as for the LSTM's four gates."""
    b = tile.builder
    places = {}
    for v in tile.vectors:
        index = b.add(q, number(v))
        across = b.add(
            b.mul(b.and_(index, number(3)), gate), b.mul(b.ashr(index, number(2)), block)
        )
        for r in tile.rows:
            places[r, v] = b.add(b.add(at, b.mul(row, number(r))), across)
    return places


def _panels(tile: Tile, b_data: Any, b_at: Any, b_panel: Any, q: Any) -> list[Any]:
    b = tile.builder
    return [b.gep(b_data, [b.add(b_at, b.mul(b_panel, b.add(q, number(v))))]) for v in tile.vectors]


def make_product(rows: int, widths: Sequence[int], start: str) -> Any:
    """Some rows of a product: C = A B ("zero"), C += A B ("add"), or C = bias + A B ("bias").

    They are cut into tiles of so many vectors, the widest first. With "bias" each panel begins with
    a row of biases, before the rows that A multiplies. With "more" the sum goes on from C, as if it
    had never been interrupted.
    """

    def tile(context: Any, builder: Any, sig: Any, args: Any, q: Any, vectors: int) -> None:
        t = Tile(builder, sig.args[0].dtype, rows, vectors)
        a_data, b_data, c_data = (data_of(context, builder, sig, args, n) for n in (0, 5, 10))
        a_at, a_row, a_k, depth = args[1:5]
        panels = _panels(t, b_data, args[6], args[7], q)
        # A sum that joins C starts from zero: C arrives while it runs.
        first = {v: Value(builder, ir.Constant(t.vector, None)) for v in t.vectors}
        if start == "bias":
            first = {v: t.load(panels[v], number(0)) for v in t.vectors}
            panels = [builder.gep(panel, [number(t.lanes)]) for panel in panels]
        a_rows = [
            builder.gep(a_data, [builder.add(a_at, builder.mul(a_row, number(r)))]) for r in t.rows
        ]
        places = _places(t, args[11], args[12], q, args[13], args[14])
        begin = {(r, v): first[v] for r, v in t.grid}
        if start == "more":
            begin = {g: t.load(c_data, places[g]) for g in t.grid}
        at = partial(builder.mul, a_k)
        total = t.chain(begin, a_rows, at, panels, number(t.lanes), depth)
        for g in t.grid:
            if start == "add":
                total[g] = t.load(c_data, places[g]) + total[g]
            t.store(total[g], c_data, places[g])

    # The arguments are those of `tiled_rows.set_rows`. The loop over vectors is emitted with the
    # tiles: as a function of its own, Numba would take as long for it as for a small kernel.
    # fmt: off
    @intrinsic
    def across(
        typing, a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
    ):
        signature = types.void(
            a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
        )
        # fmt: on

        def generate(context, builder, sig, args):
            q, q_last = args[8:10]
            for vectors in widths:
                entry = builder.block
                head, body, done = (builder.append_basic_block(n) for n in ("q", "tile", "q_done"))
                builder.branch(head)
                builder.position_at_end(head)
                here = builder.phi(_I64)
                here.add_incoming(q, entry)
                after = builder.add(here, number(vectors))
                fits = builder.icmp_signed("<=", after, q_last)
                if vectors > 2 and {2, 3} <= set(widths):  # a last tile of one vector is slow
                    rest = builder.icmp_signed("!=", builder.add(after, number(1)), q_last)
                    fits = builder.and_(fits, rest)
                builder.cbranch(fits, body, done)
                builder.position_at_end(body)
                tile(context, builder, sig, args, here, vectors)
                here.add_incoming(after, builder.block)
                builder.branch(head)
                builder.position_at_end(done)
                q = here
            return context.get_dummy_value()

        return signature, generate

    return across
