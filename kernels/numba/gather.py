"""A register tile whose left matrix is gathered from memory by two tables of places.
Neither a convolution nor its weight gradient then needs the matrix of all windows laid out.

A[r, k] is element ``a_at + rows[r] + steps[k]`` of the memory of `a`. For a convolution `rows`
are the windows' first corners and `steps` the places inside a window; for its weight gradient the
two change roles. Each output is one chain of fused multiply-adds over k, in order.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minilstm.kernels.numba.compiling import inner
from minilstm.kernels.numba.simd import Value
from minilstm.kernels.numba.tile import Tile, data_of, number

ROWS = 12  # of a block: two tiles of 6 x 2 (or 1) vectors, or three of 4 x 3


def _make(rows: int, vectors: int, start: str) -> Any:
    """One tile: C = A B with biases in B's first row ("bias"), or C += A B ("add")."""

    @intrinsic
    def tile(
        typing, a, rows_, rows_at, steps, steps_at, depth, b, b_at, b_row, b_vector, c, c_at, c_row
    ):
        signature = types.void(
            a, rows_, rows_at, steps, steps_at, depth, b, b_at, b_row, b_vector, c, c_at, c_row
        )

        def generate(context, builder, sig, args):
            t = Tile(builder, a.dtype.bitwidth // 8, rows, vectors)
            a_data, rows_data, steps_data, b_data, c_data = (
                data_of(context, builder, sig, args, n) for n in (0, 1, 3, 6, 10)
            )
            rows_at, steps_at, depth = args[2], args[4], args[5]
            b_at, b_row, b_vector = args[7:10]
            c_at, c_row = args[11:13]
            panels = [
                builder.gep(b_data, [builder.add(b_at, builder.mul(b_vector, number(v)))])
                for v in t.vectors
            ]
            first = {v: Value(builder, ir.Constant(t.vector, None)) for v in t.vectors}
            if start == "bias":
                first = {v: t.load(panels[v], number(0)) for v in t.vectors}
                panels = [builder.gep(panel, [b_row]) for panel in panels]
            corners = [builder.gep(rows_data, [builder.add(rows_at, number(r))]) for r in t.rows]
            steps_data = builder.gep(steps_data, [steps_at])
            total = t.chain(
                {(r, v): first[v] for r, v in t.grid},
                [builder.gep(a_data, [builder.load(corner)]) for corner in corners],
                lambda k: builder.load(builder.gep(steps_data, [k])),
                panels,
                b_row,
                depth,
            )
            # Row by row: what a row's last vector writes beyond its end, the next one overwrites.
            for r, v in t.grid:
                place = builder.add(
                    builder.add(c_at, builder.mul(c_row, number(r))), number(v * t.lanes)
                )
                value = total[r, v]
                t.store(t.load(c_data, place) + value if start == "add" else value, c_data, place)
            return context.get_dummy_value()

        return signature, generate

    return tile


_bias_pair, _bias_triple, _bias_single = (
    _make(6, 2, "bias"),
    _make(4, 3, "bias"),
    _make(6, 1, "bias"),
)
_add_pair, _add_triple, _add_single = _make(6, 2, "add"), _make(4, 3, "add"), _make(6, 1, "add")
_sum_pair, _sum_triple, _sum_single = _make(1, 2, "add"), _make(1, 3, "add"), _make(1, 1, "add")


@inner
def bias_block(a, rows, steps, panels, out, out_at, out_row):
    """out = bias + A B for 12 rows; `panels` (Q, 1 + K, V) begin with a row of biases."""
    Q, K, V = panels.shape[0], panels.shape[1] - 1, panels.shape[2]
    line, q = (K + 1) * V, Q
    # From the last vectors to the first, since the last may reach over into the next row.
    if Q % 2 == 1:
        if Q == 1:
            for r in range(0, ROWS, 6):
                _bias_single(
                    a, rows, r, steps, 0, K, panels, 0, V, line, out, out_at + r * out_row, out_row
                )
            return
        q -= 3
        for r in range(0, ROWS, 4):
            _bias_triple(
                a,
                rows,
                r,
                steps,
                0,
                K,
                panels,
                q * line,
                V,
                line,
                out,
                out_at + r * out_row + q * V,
                out_row,
            )
    while q > 0:
        q -= 2
        for r in range(0, ROWS, 6):
            _bias_pair(
                a,
                rows,
                r,
                steps,
                0,
                K,
                panels,
                q * line,
                V,
                line,
                out,
                out_at + r * out_row + q * V,
                out_row,
            )


@inner
def add_block(a, rows, rows_at, steps, depth, b, b_at, b_row, Q, V, out, out_at):
    """out += A B for 12 rows; row k of B begins at ``b_at + k b_row`` of `b`; `out` is (12, Q V)."""
    q, M = Q, Q * V
    if Q % 2 == 1:
        if Q == 1:
            for r in range(0, ROWS, 6):
                _add_single(
                    a, rows, rows_at + r, steps, 0, depth, b, b_at, b_row, V, out, out_at + r * M, M
                )
            return
        q -= 3
        for r in range(0, ROWS, 4):
            _add_triple(
                a,
                rows,
                rows_at + r,
                steps,
                0,
                depth,
                b,
                b_at + q * V,
                b_row,
                V,
                out,
                out_at + r * M + q * V,
                M,
            )
    while q > 0:
        q -= 2
        for r in range(0, ROWS, 6):
            _add_pair(
                a,
                rows,
                rows_at + r,
                steps,
                0,
                depth,
                b,
                b_at + q * V,
                b_row,
                V,
                out,
                out_at + r * M + q * V,
                M,
            )


@inner
def sum_block(one, zeros, depth, b, b_at, b_row, Q, V, out, out_at):
    """out += the sum of `depth` rows of B."""
    q = Q
    if Q % 2 == 1:
        if Q == 1:
            _sum_single(one, zeros, 0, zeros, 0, depth, b, b_at, b_row, V, out, out_at, 0)
            return
        q -= 3
        _sum_triple(
            one, zeros, 0, zeros, 0, depth, b, b_at + q * V, b_row, V, out, out_at + q * V, 0
        )
    while q > 0:
        q -= 2
        _sum_pair(one, zeros, 0, zeros, 0, depth, b, b_at + q * V, b_row, V, out, out_at + q * V, 0)
