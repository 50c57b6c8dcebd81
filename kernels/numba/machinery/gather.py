"""A register tile whose left matrix is gathered from memory by two tables of places.
Neither a convolution nor its weight gradient then needs the matrix of all windows laid out.

A[r, k] is element ``rows[r] + steps[k]`` of the memory of `a`. For a convolution `rows`
are the windows' first corners and `steps` the places inside a window; for its weight gradient the
two change roles. Each output is one chain of fused multiply-adds over k, in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from minilstm.kernels.numba.machinery.buffers import zeros
from minilstm.kernels.numba.machinery.compiling import inner
from minilstm.kernels.numba.machinery.hardware import lanes
from minilstm.kernels.numba.machinery.register_tile import Tile
from minilstm.kernels.numba.machinery.simd import Value, data_of, number

Array = NDArray[Any]

GATHERED_ROWS = 12  # of a block: two tiles of 6 x 2 (or 1) vectors, or three of 4 x 3


def _make(rows: int, vectors: int, start: str) -> Any:
    """One tile: C = A B with biases in B's first row ("bias"), or C += A B ("add")."""

    @intrinsic
    def tile(typing, a, rows_, rows_at, steps, steps_at, depth, b, b_at, b_row, c, c_at, c_row):
        signature = types.void(
            a, rows_, rows_at, steps, steps_at, depth, b, b_at, b_row, c, c_at, c_row
        )

        def generate(context, builder, sig, args):
            t = Tile(builder, a.dtype, rows, vectors)
            a_data, rows_data, steps_data, b_data, c_data = (
                data_of(context, builder, sig, args, n) for n in (0, 1, 3, 6, 9)
            )
            rows_at, steps_at, depth = args[2], args[4], args[5]
            b_at, b_row, c_at, c_row = args[7], args[8], args[10], args[11]
            panels = [
                builder.gep(b_data, [builder.add(b_at, number(v * t.lanes))]) for v in t.vectors
            ]
            first = {v: Value(builder, ir.Constant(t.vector, None)) for v in t.vectors}
            if start == "bias":
                b_row = number(vectors * t.lanes)
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


_bias_pair, _bias_triple = _make(6, 2, "bias"), _make(4, 3, "bias")
_bias_single = _make(6, 1, "bias")
_add_pair, _add_triple, _add_single = _make(6, 2, "add"), _make(4, 3, "add"), _make(6, 1, "add")
_sum_triple, _sum_single = _make(1, 3, "add"), _make(1, 1, "add")


@inner
def bias_block(a, rows, steps, panels, Q, V, out, out_at, out_row):
    """out = bias + A B for 12 rows; `panels` as `pack_for_blocks` makes them."""
    K = len(steps)
    line, q = (K + 1) * V, Q
    # From the last vectors to the first, since the last may reach over into the next row.
    if Q == 1:
        for r in range(0, GATHERED_ROWS, 6):
            at = out_at + r * out_row
            _bias_single(a, rows, r, steps, 0, K, panels, 0, 0, out, at, out_row)
        return
    if Q % 2 == 1:
        q -= 3
        for r in range(0, GATHERED_ROWS, 4):
            at = out_at + r * out_row + q * V
            _bias_triple(a, rows, r, steps, 0, K, panels, q * line, 0, out, at, out_row)
    while q > 0:
        q -= 2
        for r in range(0, GATHERED_ROWS, 6):
            at = out_at + r * out_row + q * V
            _bias_pair(a, rows, r, steps, 0, K, panels, q * line, 0, out, at, out_row)


@inner
def add_block(count, a, rows, rows_at, steps, depth, b, b_at, b_row, Q, V, out, out_at):
    """out += A B for `count` of 12 rows at least; row k of B is at ``b_at + k b_row`` of `b`.

    `out` is (12, Q V).
    """
    q, M = Q, Q * V
    if Q == 1:
        for r in range(0, count, 6):
            at = out_at + r * M
            _add_single(a, rows, rows_at + r, steps, 0, depth, b, b_at, b_row, out, at, M)
        return
    if Q % 2 == 1:
        q -= 3
        for r in range(0, count, 4):
            at = out_at + r * M + q * V
            _add_triple(a, rows, rows_at + r, steps, 0, depth, b, b_at + q * V, b_row, out, at, M)
    while q > 0:
        q -= 2
        for r in range(0, count, 6):
            at = out_at + r * M + q * V
            _add_pair(a, rows, rows_at + r, steps, 0, depth, b, b_at + q * V, b_row, out, at, M)


@inner
def sum_block(one, zeros, depth, b, b_at, b_row, Q, V, out, out_at):
    """out += the sum of `depth` rows of B."""
    q = 0
    while q + 3 <= Q:
        at = out_at + q * V
        _sum_triple(one, zeros, 0, zeros, 0, depth, b, b_at + q * V, b_row, out, at, 0)
        q += 3
    while q < Q:
        at = out_at + q * V
        _sum_single(one, zeros, 0, zeros, 0, depth, b, b_at + q * V, b_row, out, at, 0)
        q += 1


def pack_for_blocks(bias: Array, matrix: Array) -> Array:
    """A bias (M,) and a matrix (K, M) as `bias_block` reads them: Q (1 + K) V numbers.

    The vectors of a tile lie side by side, row after row; missing columns are zero.
    """
    (K, M), V = matrix.shape, lanes(matrix.dtype)
    Q = -(-M // V)
    padded = zeros((1 + K, Q * V), matrix.dtype)  # (1 + K, M and what fills the last vector)
    padded[0, :M], padded[1:, :M] = bias, matrix
    odd = min(Q, 3) * (Q % 2)
    even = padded[:, : (Q - odd) * V].reshape(1 + K, -1, 2 * V).transpose(1, 0, 2)
    return np.concatenate([even.reshape(-1), padded[:, (Q - odd) * V :].reshape(-1)])
