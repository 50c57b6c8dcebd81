"""What this processor's registers allow: the shape of the tiles of every matrix product.
A tile's outputs, one row of weights and one spread value must all stay in registers together."""

from __future__ import annotations

import os

import llvmlite.binding as llvm
import numpy as np

TILE_ROWS = 6  # rows of the largest tile: six sequences, or six rows of a weight gradient

_cpu_features = llvm.get_host_cpu_features()
_cpu_name = llvm.get_host_cpu_name()


def _registers() -> tuple[int, int]:
    """(bytes of one vector register, how many registers)."""
    forced = os.environ.get("MINILSTM_VECTOR_BYTES", "")
    if forced in ("16", "32", "64"):  # to test here what another processor will run
        return int(forced), 32 if forced == "64" else 16
    if _cpu_features.get("avx512vl", False):
        # Zen 4 computes a 64-byte vector in two halves; halves of their own split work finer.
        return (32, 32) if _cpu_name == "znver4" else (64, 32)
    if _cpu_features.get("avx2", False):
        return 32, 16
    if _cpu_features.get("neon", False):
        return 16, 32
    return 16, 16


REGISTER_BYTES, REGISTERS = _registers()


def lanes(dtype: np.dtype | type) -> int:
    """Numbers of one dtype in a vector register."""
    return REGISTER_BYTES // np.dtype(dtype).itemsize


def tile_widths(rows: int) -> tuple[int, ...]:
    """Vectors across a tile of 1 to 6 rows, the widest first, then those for what is left.

    Enough independent sums to fill two multiply-add pipes of latency 4 (at least 8), as few loads
    a multiply-add as the registers allow. One row streams the weights and is bound by that.
    """
    if REGISTERS == 32:
        return (8, 4, 3, 2, 1) if rows == 1 else (4, 3, 2, 1)
    return {1: (4, 1), 2: (4, 2, 1), 3: (3, 1), 4: (3, 1), 5: (2, 1), 6: (2, 1)}[rows]
