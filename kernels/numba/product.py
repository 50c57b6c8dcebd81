"""Matrix products with a fixed order of summation: the inner loop of every kernel here.
A tile of outputs stays in registers over the whole sum; no tile size changes a single bit.

Each output element is ((c + a_0 b_0) + a_1 b_1) + ..., one fused multiply-add after another, in
whatever tile it happens to fall. So a row computed alone equals the same row in a batch, and
threads may split outputs as they like. The tile is written as vector instructions (a Numba
intrinsic) because plain loops over a dozen arrays do not vectorise.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minilstm.kernels.numba.compiling import jit

_HOST = llvm.get_host_cpu_features()
# One vector register in bytes, and the vectors of a tile row: 3 rows of accumulators, one row of
# loaded values and one broadcast must fit in 32 (AVX-512, NEON) or 16 registers.
if _HOST.get("avx512f", False):
    REGISTER_BYTES, VECTORS = 64, 4
elif _HOST.get("avx2", False):
    REGISTER_BYTES, VECTORS = 32, 3
elif _HOST.get("neon", False):
    REGISTER_BYTES, VECTORS = 16, 6
else:
    REGISTER_BYTES, VECTORS = 16, 3
TILE_ROWS = 3
BLOCK = 192  # rows of a weight-gradient product that stay in the cache together
FLUSH = 4096  # rows after which a partial sum joins the total: keeps float32 rounding small


def _make_tile(rows: int, vectors: int, register_bytes: int) -> Any:
    """Build C[rows, vectors * V] += A B; register_bytes 0 means single elements (V = 1)."""

    @intrinsic
    def tile(typing, a, a_at, a_row, a_k, b, b_at, b_k, c, c_at, c_row, depth):
        signature = types.void(a, a_at, a_row, a_k, b, b_at, b_k, c, c_at, c_row, depth)
        itemsize = a.dtype.bitwidth // 8
        lanes = max(1, register_bytes // itemsize)
        element = ir.FloatType() if itemsize == 4 else ir.DoubleType()
        vector = ir.VectorType(element, lanes)
        i64 = ir.IntType(64)

        def generate(context, builder, sig, args):
            def data(n):
                return context.make_array(sig.args[n])(context, builder, args[n]).data

            a_data, b_data, c_data = data(0), data(4), data(7)
            a_at, a_row, a_k = args[1:4]
            b_at, b_k = args[5:7]
            c_at, c_row, depth = args[8:11]

            def number(n):
                return ir.Constant(i64, n)

            def at(base, offset):
                return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

            grid = [(r, v) for r in range(rows) for v in range(vectors)]
            c_place = {
                (r, v): builder.add(
                    c_at, builder.add(builder.mul(c_row, number(r)), number(v * lanes))
                )
                for r, v in grid
            }
            start = {g: builder.load(at(c_data, c_place[g]), align=itemsize) for g in grid}
            a_base = [builder.add(a_at, builder.mul(a_row, number(r))) for r in range(rows)]
            entry = builder.block
            loop = builder.append_basic_block("k_loop")
            done = builder.append_basic_block("k_done")
            builder.cbranch(builder.icmp_signed(">", depth, number(0)), loop, done)

            builder.position_at_end(loop)
            k = builder.phi(i64)
            k.add_incoming(number(0), entry)
            held = {g: builder.phi(vector) for g in grid}
            b_row = builder.add(b_at, builder.mul(k, b_k))
            b_values = [
                builder.load(at(b_data, builder.add(b_row, number(v * lanes))), align=itemsize)
                for v in range(vectors)
            ]
            undefined = ir.Constant(vector, ir.Undefined)
            lane0 = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            step = {}
            for r in range(rows):
                place = builder.add(a_base[r], builder.mul(k, a_k))
                value = builder.load(builder.gep(a_data, [place]))
                first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
                spread = builder.shuffle_vector(first, undefined, lane0)
                for v in range(vectors):
                    scaled = builder.fmul(spread, b_values[v], flags=["contract"])
                    step[r, v] = builder.fadd(scaled, held[r, v], flags=["contract"])
            k_next = builder.add(k, number(1))
            k.add_incoming(k_next, loop)
            for g in grid:
                held[g].add_incoming(start[g], entry)
                held[g].add_incoming(step[g], loop)
            builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, done)

            builder.position_at_end(done)
            for g in grid:
                total = builder.phi(vector)
                total.add_incoming(start[g], entry)
                total.add_incoming(step[g], loop)
                start[g] = total
            for g in grid:
                builder.store(start[g], at(c_data, c_place[g]), align=itemsize)
            return context.get_dummy_value()

        return signature, generate

    return tile


_wide3, _wide2, _wide1 = (_make_tile(r, VECTORS, REGISTER_BYTES) for r in (3, 2, 1))
_one3, _one2, _one1 = (_make_tile(r, 1, REGISTER_BYTES) for r in (3, 2, 1))
_four3, _four2, _four1 = (_make_tile(r, 1, 16) for r in (3, 2, 1))
_single3, _single2, _single1 = (_make_tile(r, 1, 0) for r in (3, 2, 1))


@jit
def add_rows(rows, columns, depth, a, a_at, a_row, a_k, b, b_at, b_k, c, c_at, c_row):
    """C += A B for 1 to 3 rows of C.

    A[r, k] is element ``a_at + r a_row + k a_k`` of the memory of `a`; B[k, j] is
    ``b_at + k b_k + j`` of `b`; C[r, j] is ``c_at + r c_row + j`` of `c`. All are C-contiguous
    arrays of one dtype, any number of dimensions.
    """
    lanes = REGISTER_BYTES // a.itemsize
    four = 16 // a.itemsize
    j = 0
    while j + VECTORS * lanes <= columns:
        if rows == 3:
            _wide3(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        elif rows == 2:
            _wide2(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        else:
            _wide1(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        j += VECTORS * lanes
    while j + lanes <= columns:
        if rows == 3:
            _one3(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        elif rows == 2:
            _one2(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        else:
            _one1(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        j += lanes
    while j + four <= columns:
        if rows == 3:
            _four3(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        elif rows == 2:
            _four2(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        else:
            _four1(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        j += four
    while j < columns:
        if rows == 3:
            _single3(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        elif rows == 2:
            _single2(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        else:
            _single1(a, a_at, a_row, a_k, b, b_at + j, b_k, c, c_at + j, c_row, depth)
        j += 1


@jit
def add_product(a, b, c, first, last):
    """C[first:last] += A[first:last] B for A (N, K), B (K, M), C (N, M), all C-contiguous."""
    K, M = b.shape
    n = first
    while n < last:
        rows = min(TILE_ROWS, last - n)
        add_rows(rows, M, K, a, n * K, K, 1, b, 0, M, c, n * M, M)
        n += rows


@jit
def add_transposed_product(a, a_rows, b, b_rows, count, total, part, first, last):
    """total[:, first:last] += A^T B over pairs of row spans: a weight gradient.

    Span s multiplies rows ``a_rows[s]`` ... of A (.., M) by rows ``b_rows[s]`` ... of B (.., J),
    ``count[s]`` of them. `part` is scratch of the shape of `total` (M, J). Sums run over blocks
    of rows in one fixed order, whatever columns a thread owns.
    """
    M, J = total.shape
    columns = last - first
    part[:, first:last] = 0
    since_flush = 0
    for s in range(len(count)):
        n = 0
        while n < count[s]:
            depth = min(BLOCK, count[s] - n)
            a_at = (a_rows[s] + n) * M
            b_at = (b_rows[s] + n) * J + first
            i = 0
            while i < M:
                rows = min(TILE_ROWS, M - i)
                add_rows(
                    rows, columns, depth, a, a_at + i, 1, M, b, b_at, J, part, i * J + first, J
                )
                i += rows
            n += depth
            since_flush += depth
            if since_flush >= FLUSH:
                total[:, first:last] += part[:, first:last]
                part[:, first:last] = 0
                since_flush = 0
    total[:, first:last] += part[:, first:last]


def contiguous(x: Any) -> Any:
    """The array itself where it is C-contiguous, else a copy; kernels address memory directly.

    Numba would compile every kernel again for read-only arrays, so these are copied as well.
    """
    x = np.ascontiguousarray(x)
    return x if x.flags.writeable else x.copy()
