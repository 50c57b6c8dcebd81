"""Products of rows with a packed matrix, cut into register tiles.
Any number of rows and columns is taken; no cut changes a single bit of a result.

All functions take the same arguments. C has `rows` rows. A[r, k] is element
``a_at + r a_row + k a_k`` of the memory of `a`, k below K. Panel q of B begins at
``b_at + q b_panel`` of `b`. Vector q of row r of C, for q to q_last, begins at
``c_at + r c_row + q % 4 gate + q // 4 block`` of `c`. All arrays are C-contiguous.
"""

from __future__ import annotations

from typing import Any

from minilstm.kernels.numba.machinery.compiling import inner
from minilstm.kernels.numba.machinery.hardware import TILE_ROWS, tile_widths
from minilstm.kernels.numba.machinery.register_tile import make_product

PANELS = 24  # which every width of a tile divides
CACHED_NUMBERS = 1 << 17  # numbers of the panels that rows go through before the next ones come

# fmt: off


def _product(name: str, start: str) -> Any:
    """A part of kernels: rows are shared out evenly among as few tiles as can hold them."""
    one, two, three, four, five, six = (
        make_product(rows, tile_widths(rows), start) for rows in range(1, TILE_ROWS + 1)
    )

    def tile(n, a, at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, to, c_row, gate, block):
        if n == 6:
            six(a, at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, to, c_row, gate, block)
        elif n == 5:
            five(a, at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, to, c_row, gate, block)
        elif n == 4:
            four(a, at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, to, c_row, gate, block)
        elif n == 3:
            three(a, at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, to, c_row, gate, block)
        elif n == 2:
            two(a, at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, to, c_row, gate, block)
        else:
            one(a, at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, to, c_row, gate, block)

    tile = inner(tile, f"{name}_tile")

    def product(
        rows, a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
    ):
        tiles = (rows + TILE_ROWS - 1) // TILE_ROWS
        panels = max(1, CACHED_NUMBERS // b_panel // PANELS) * PANELS
        while q < q_last:  # a few panels at a time, which all rows find in the cache
            q_end = q_last if q + panels >= q_last else q + panels
            r = 0
            for n in range(1, tiles + 1):
                end = rows if n == tiles else rows * n // tiles
                tile(
                    end - r, a, a_at + r * a_row, a_row, a_k, K, b, b_at, b_panel, q, q_end,
                    c, c_at + r * c_row, c_row, gate, block,
                )
                r = end
            q = q_end

    return inner(product, name)


set_rows = _product("set_rows", "zero")  # C = A B
add_rows = _product("add_rows", "add")  # C += A B; the sum over k is complete before it joins C
affine_rows = _product("affine_rows", "bias")  # C = bias + A B; a panel begins with its biases
more_rows = _product("more_rows", "more")  # C + A B as one sum, whose first part is in C
