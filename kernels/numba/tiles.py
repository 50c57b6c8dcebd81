"""Products of a few rows with a packed matrix, cut into register tiles.
Any number of rows and columns is taken; no cut changes a single bit of a result."""

from __future__ import annotations

from typing import Any

from minilstm.kernels.numba.compiling import inner
from minilstm.kernels.numba.hardware import TILE_ROWS, tile_vectors
from minilstm.kernels.numba.tile import make_affine, make_product

_SIZES = range(1, TILE_ROWS + 1)


def _product(rows: int, adds: bool) -> Any:
    V = tile_vectors(rows)
    wide, narrow = make_product(rows, V, adds), make_product(rows, 1, adds)

    @inner
    def across(
        a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
    ):
        while q + V <= q_last:
            wide(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, c, c_at, c_row, gate, block)
            q += V
        while q < q_last:
            narrow(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, c, c_at, c_row, gate, block)
            q += 1

    return across


def _affine(rows: int) -> Any:
    V = tile_vectors(rows)
    wide, narrow = make_affine(rows, V), make_affine(rows, 1)

    @inner
    def across(
        x,
        x_at,
        x_row,
        D,
        a,
        a_at,
        a_row,
        H,
        b,
        b_at,
        b_panel,
        q,
        q_last,
        c,
        c_at,
        c_row,
        gate,
        block,
    ):
        while q + V <= q_last:
            wide(
                x,
                x_at,
                x_row,
                D,
                a,
                a_at,
                a_row,
                H,
                b,
                b_at,
                b_panel,
                q,
                c,
                c_at,
                c_row,
                gate,
                block,
            )
            q += V
        while q < q_last:
            narrow(
                x,
                x_at,
                x_row,
                D,
                a,
                a_at,
                a_row,
                H,
                b,
                b_at,
                b_panel,
                q,
                c,
                c_at,
                c_row,
                gate,
                block,
            )
            q += 1

    return across


_set1, _set2, _set3, _set4, _set5, _set6 = (_product(rows, False) for rows in _SIZES)
_add1, _add2, _add3, _add4, _add5, _add6 = (_product(rows, True) for rows in _SIZES)
_aff1, _aff2, _aff3, _aff4, _aff5, _aff6 = (_affine(rows) for rows in _SIZES)


@inner
def set_rows(
    rows, a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
):
    """C = A B for 1 to 6 rows of C, vectors q to q_last of its columns.

    A[r, k] is element ``a_at + r a_row + k a_k`` of the memory of `a`. Panel q of B begins at
    ``b_at + q b_panel`` of `b`. Vector q of row r of C begins at
    ``c_at + r c_row + q % 4 gate + q // 4 block`` of `c`. All arrays are C-contiguous.
    """
    if rows == 6:
        _set6(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 5:
        _set5(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 4:
        _set4(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 3:
        _set3(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 2:
        _set2(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    else:
        _set1(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)


@inner
def add_rows(
    rows, a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
):
    """C += A B, as `set_rows`; the sum over k is complete before it joins C."""
    if rows == 6:
        _add6(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 5:
        _add5(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 4:
        _add4(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 3:
        _add3(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 2:
        _add2(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    else:
        _add1(a, a_at, a_row, a_k, depth, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)


@inner
def affine_rows(
    rows,
    x,
    x_at,
    x_row,
    D,
    a,
    a_at,
    a_row,
    H,
    b,
    b_at,
    b_panel,
    q,
    q_last,
    c,
    c_at,
    c_row,
    gate,
    block,
):
    """C = bias + X W + A R for 1 to 6 rows; each panel holds bias, D rows of W, H rows of R."""
    if rows == 6:
        _aff6(
            x,
            x_at,
            x_row,
            D,
            a,
            a_at,
            a_row,
            H,
            b,
            b_at,
            b_panel,
            q,
            q_last,
            c,
            c_at,
            c_row,
            gate,
            block,
        )
    elif rows == 5:
        _aff5(
            x,
            x_at,
            x_row,
            D,
            a,
            a_at,
            a_row,
            H,
            b,
            b_at,
            b_panel,
            q,
            q_last,
            c,
            c_at,
            c_row,
            gate,
            block,
        )
    elif rows == 4:
        _aff4(
            x,
            x_at,
            x_row,
            D,
            a,
            a_at,
            a_row,
            H,
            b,
            b_at,
            b_panel,
            q,
            q_last,
            c,
            c_at,
            c_row,
            gate,
            block,
        )
    elif rows == 3:
        _aff3(
            x,
            x_at,
            x_row,
            D,
            a,
            a_at,
            a_row,
            H,
            b,
            b_at,
            b_panel,
            q,
            q_last,
            c,
            c_at,
            c_row,
            gate,
            block,
        )
    elif rows == 2:
        _aff2(
            x,
            x_at,
            x_row,
            D,
            a,
            a_at,
            a_row,
            H,
            b,
            b_at,
            b_panel,
            q,
            q_last,
            c,
            c_at,
            c_row,
            gate,
            block,
        )
    else:
        _aff1(
            x,
            x_at,
            x_row,
            D,
            a,
            a_at,
            a_row,
            H,
            b,
            b_at,
            b_panel,
            q,
            q_last,
            c,
            c_at,
            c_row,
            gate,
            block,
        )
