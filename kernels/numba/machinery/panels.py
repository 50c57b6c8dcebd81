"""Weights rearranged into panels one vector wide, through which the tiles stream in order.
Done once an update; the gradient of the weights comes back in the same layout."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.kernels.numba.machinery.buffers import empty
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.hardware import lanes
from minilstm.kernels.numba.machinery.simd import copy_vector

Array = NDArray[Any]


class LSTMPanels(NamedTuple):
    """An LSTM's weights as the kernels read them; V = lanes of a vector, Q = `gate_vectors`.

    Panel q of `forward` is gate q % 4 of V units. The units that fill no whole vector share the
    last panels: i of all of them, then f, g and o, side by side.
    """

    forward: Array  # (Q, 1 + D + H, V) bias, W, R
    backward: Array  # (ceil(H / V), G, V) R, V of its columns a panel


@kernel("void(F[::1], i8, i8, i8, F[:, :, ::1])")
def _pack_columns(flat, k_step, m_step, M, panels):
    """Panels of a matrix (K, M) whose element (k, m) is number ``k k_step + m m_step``."""
    Q, K, V = panels.shape
    for q in range(Q):
        count = min(V, M - q * V)
        for k in range(K):
            line, at = panels[q, k], k * k_step + q * V * m_step
            for j in range(count):
                line[j] = flat[at + j * m_step]
            for j in range(count, V):
                line[j] = 0


def pack_columns(matrix: Array) -> Array:
    """Panels (ceil(M / V), K, V) of a matrix (K, M); missing columns are zero."""
    K, M = matrix.shape
    V = lanes(matrix.dtype)
    panels = empty((-(-M // V), K, V), matrix.dtype)
    if matrix.flags.f_contiguous:
        _pack_columns(_lines(matrix.T).reshape(-1), 1, K, M, panels)
    else:
        _pack_columns(_lines(matrix).reshape(-1), M, 1, M, panels)
    return panels


@inner
def gate_vectors(H, V):
    """Vectors that hold all gates of H units."""
    return H // V * 4 + (H % V * 4 + V - 1) // V


@kernel("void(F[:, ::1], F[:, ::1], F[::1], F[:, :, ::1], F[:, :, ::1])")
def _pack(W, R, b, forward, backward):
    """Panels of W (D, G), R (H, G), b (G,), which is what column-major weights look like."""
    (D, G), H, V = W.shape, len(R), forward.shape[2]
    full, panel = H // V, (1 + D + H) * V
    rest = H - full * V
    for gate in range(4):
        for block in range(full):
            to, at = (4 * block + gate) * panel, gate * H + block * V
            copy_vector(b, at, forward, to, V)
            for k in range(D):
                copy_vector(W, k * G + at, forward, to + (1 + k) * V, V)
            for k in range(H):
                copy_vector(R, k * G + at, forward, to + (1 + D + k) * V, V)
        for j in range(rest):
            place, g = gate * rest + j, gate * H + full * V + j
            line, lane = forward[4 * full + place // V], place % V
            line[0, lane] = b[g]
            for k in range(D):
                line[1 + k, lane] = W[k, g]
            for k in range(H):
                line[1 + D + k, lane] = R[k, g]
    if 4 * rest % V > 0:
        line = forward[len(forward) - 1]
        for k in range(1 + D + H):
            for lane in range(4 * rest % V, V):
                line[k, lane] = 0
    for block in range(len(backward)):
        first = block * V
        for g in range(G):
            line = backward[block, g]
            for lane in range(min(V, H - first)):
                line[lane] = R[first + lane, g]
            for lane in range(H - first, V):
                line[lane] = 0


def pack_lstm(W: Array, R: Array, b: Array) -> LSTMPanels:
    """Panels of W (G, D), R (G, H), b (G,)."""
    (G, D), H, V = W.shape, R.shape[1], lanes(R.dtype)
    forward = empty((H // V * 4 + -(-(H % V * 4) // V), 1 + D + H, V), R.dtype)
    backward = empty((-(-H // V), G, V), R.dtype)
    _pack(*(_lines(a) for a in (W.T, R.T, b)), forward, backward)
    return LSTMPanels(forward, backward)


def _lines(a: Array) -> Array:
    """Contiguous, as a kernel takes it; Numba would compile anew for what is read-only."""
    a = np.ascontiguousarray(a)
    return a if a.flags.writeable else a.copy()


@kernel("void(F[:, :, ::1], F[:, ::1])")
def _unpack(panels, columns):
    """Rows (1 + D + H, G) of forward panels: the inverse of `_pack`."""
    K, V = panels.shape[1:]
    G = columns.shape[1]
    H = G // 4
    full, rest = H // V, H % V
    for q in range(4 * full):
        for k in range(K):
            copy_vector(panels, (q * K + k) * V, columns, k * G + q % 4 * H + q // 4 * V, V)
    for place in range(4 * rest):
        q, lane, g = 4 * full + place // V, place % V, place // rest * H + full * V + place % rest
        for k in range(K):
            columns[k, g] = panels[q, k, lane]


def unpack_lstm(panels: Array, D: int, H: int) -> tuple[Array, Array, Array]:
    """W (G, D), R (G, H), b (G,) of forward panels; the inverse of `pack_lstm`."""
    columns = empty((panels.shape[1], 4 * H), panels.dtype)  # (1 + D + H, G)
    _unpack(panels, columns)
    return columns[1 : 1 + D].T, columns[1 + D :].T, columns[0]


def unpack_columns(panels: Array, M: int) -> Array:
    """The matrix (K, M) of panels (Q, K, V); the inverse of `pack_columns`."""
    Q, K, V = panels.shape
    return np.ascontiguousarray(panels.transpose(1, 0, 2).reshape(K, Q * V)[:, :M])
