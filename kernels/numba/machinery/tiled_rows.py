"""Products of a few rows with a packed matrix, cut into register tiles.
Any number of rows and columns is taken; no cut changes a single bit of a result.

All functions take the same arguments. A[r, k] is element ``a_at + r a_row + k a_k`` of the memory
of `a`, k below K. Panel q of B begins at ``b_at + q b_panel`` of `b`. Vector q of row r of C,
for q to q_last, begins at ``c_at + r c_row + q % 4 gate + q // 4 block`` of `c`. All arrays are
C-contiguous.
"""

from __future__ import annotations

from typing import Any

from minilstm.kernels.numba.machinery.compiling import inner
from minilstm.kernels.numba.machinery.hardware import TILE_ROWS, tile_vectors
from minilstm.kernels.numba.machinery.register_tile import make_product

_SIZES = range(1, TILE_ROWS + 1)

# fmt: off


def _rows(rows: int, start: str) -> Any:
    V = tile_vectors(rows)
    wide, narrow = make_product(rows, V, start), make_product(rows, 1, start)

    def across(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block):
        while q + V <= q_last:
            wide(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, c, c_at, c_row, gate, block)
            q += V
        while q < q_last:
            narrow(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, c, c_at, c_row, gate, block)
            q += 1

    return inner(across, f"{start}_{rows}_rows")


_set1, _set2, _set3, _set4, _set5, _set6 = (_rows(rows, "zero") for rows in _SIZES)
_add1, _add2, _add3, _add4, _add5, _add6 = (_rows(rows, "add") for rows in _SIZES)
_mor1, _mor2, _mor3, _mor4, _mor5, _mor6 = (_rows(rows, "more") for rows in _SIZES)
_aff1, _aff2, _aff3, _aff4, _aff5, _aff6 = (_rows(rows, "bias") for rows in _SIZES)


@inner
def set_rows(
    rows, a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
):
    """C = A B for 1 to 6 rows of C."""
    if rows == 6:
        _set6(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 5:
        _set5(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 4:
        _set4(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 3:
        _set3(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 2:
        _set2(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    else:
        _set1(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)


@inner
def add_rows(
    rows, a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
):
    """C += A B; the sum over k is complete before it joins C."""
    if rows == 6:
        _add6(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 5:
        _add5(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 4:
        _add4(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 3:
        _add3(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 2:
        _add2(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    else:
        _add1(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)


@inner
def affine_rows(
    rows, a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
):
    """C = bias + A B; each panel begins with a row of biases."""
    if rows == 6:
        _aff6(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 5:
        _aff5(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 4:
        _aff4(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 3:
        _aff3(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 2:
        _aff2(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    else:
        _aff1(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)


@inner
def more_rows(
    rows, a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block
):
    """C + A B as one sum, whose first part is in C."""
    if rows == 6:
        _mor6(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 5:
        _mor5(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 4:
        _mor4(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 3:
        _mor3(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    elif rows == 2:
        _mor2(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
    else:
        _mor1(a, a_at, a_row, a_k, K, b, b_at, b_panel, q, q_last, c, c_at, c_row, gate, block)
