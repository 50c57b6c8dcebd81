"""Weights rearranged into panels one vector wide, through which the tiles stream in order.
Done once an update; the gradient of the weights comes back in the same layout."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.kernels.numba.machinery.buffers import empty, zeros
from minilstm.kernels.numba.machinery.hardware import lanes

Array = NDArray[Any]


class LSTMPanels(NamedTuple):
    """An LSTM's weights as the kernels read them; V = lanes of a vector, Q = 4 ceil(H / V)."""

    forward: Array  # (Q, 1 + D + H, V) bias, W, R; panel q is gate q % 4 of V units
    backward: Array  # (ceil(H / V), G, V) R, V of its columns a panel


def pack_columns(matrix: Array) -> Array:
    """Panels (ceil(M / V), K, V) of a matrix (K, M); missing columns are zero."""
    K, M = matrix.shape
    V = lanes(matrix.dtype)
    panels = zeros((-(-M // V), K, V), matrix.dtype)
    full = M // V
    panels[:full] = matrix[:, : full * V].reshape(K, full, V).transpose(1, 0, 2)
    if full * V < M:
        panels[full, :, : M - full * V] = matrix[:, full * V :]
    return panels


def pack_lstm(W: Array, R: Array, b: Array) -> LSTMPanels:
    """Panels of W (G, D), R (G, H), b (G,)."""
    D, H = W.shape[1], R.shape[1]
    V = lanes(R.dtype)
    blocks, full = -(-H // V), H // V
    forward = zeros((blocks, 4, 1 + D + H, V), R.dtype)
    for rows, part in ((slice(0, 1), b[None]), (slice(1, 1 + D), W.T), (slice(1 + D, None), R.T)):
        gates = part.reshape(-1, 4, H)  # (K, 4, H); no copy of column-major weights
        units = gates[:, :, : full * V].reshape(len(gates), 4, full, V)
        forward[:full, :, rows] = units.transpose(2, 1, 0, 3)
        if full < blocks:
            forward[full, :, rows, : H - full * V] = gates[:, :, full * V :].transpose(1, 0, 2)
    return LSTMPanels(forward.reshape(4 * blocks, 1 + D + H, V), pack_columns(R))


def unpack_lstm(panels: Array, D: int, H: int) -> tuple[Array, Array, Array]:
    """W (G, D), R (G, H), b (G,) of forward panels; the inverse of `pack_lstm`."""
    Q, K, V = panels.shape
    gates = panels.reshape(Q // 4, 4, K, V).transpose(1, 2, 0, 3).reshape(4, K, -1)[:, :, :H]
    columns = empty((K, 4, H), panels.dtype)  # (1 + D + H, 4, H)
    columns[:] = gates.transpose(1, 0, 2)
    flat = columns.reshape(K, 4 * H)
    return flat[1 : 1 + D].T, flat[1 + D :].T, flat[0]


def unpack_columns(panels: Array, M: int) -> Array:
    """The matrix (K, M) of panels (Q, K, V); the inverse of `pack_columns`."""
    Q, K, V = panels.shape
    return np.ascontiguousarray(panels.transpose(1, 0, 2).reshape(K, Q * V)[:, :M])
