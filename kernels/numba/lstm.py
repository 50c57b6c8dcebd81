"""The LSTM, forward and backward: the twin of `minilstm.functional.lstm`, same contract.
Each thread carries a few sequences through all of time; the weight gradients follow as products.

The numbered lines are those of the twin. Backward keeps, for each sequence, the two gradients
that arrive from the next step, exactly as the twin does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.lstm import LSTMCache, LSTMGradients, LSTMState
from minilstm.functional.ragged import IntArray, last_rows, state_slots
from minilstm.kernels.numba.activations import sigmoid, tanh
from minilstm.kernels.numba.compiling import jit
from minilstm.kernels.numba.product import (
    REGISTER_BYTES,
    TILE_ROWS,
    VECTORS,
    add_product,
    add_rows,
    add_transposed_product,
    contiguous,
)
from minilstm.kernels.numba.threads import get_num_threads, run, split

Array = NDArray[Any]


@jit
def _cell_forward(z, c_prev, c, h):
    """Lines (2) to (5) for one sequence; z (G,) holds (1) and becomes the activated gates."""
    H = len(h)
    # Slices, and loops from 0: an index that might be negative keeps a loop from vectorising.
    i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]  # (H,)
    for j in range(H):
        i[j] = sigmoid(i[j])  # (2)
    for j in range(H):
        f[j] = sigmoid(f[j])
    for j in range(H):
        o[j] = sigmoid(o[j])
    for j in range(H):
        g[j] = tanh(g[j])  # (3)
    for j in range(H):
        c[j] = f[j] * c_prev[j] + i[j] * g[j]  # (4)
    for j in range(H):
        h[j] = o[j] * tanh(c[j])  # (5)


@jit
def _forward(first, count, x, active, slots, Wt, Rt, b, gates, c, h):
    """The time loop for `count` (1 to 3) neighbouring sequences, the first at place `first`."""
    D, G = Wt.shape
    H = Rt.shape[0]
    B = slots[1]
    for t in range(len(active)):
        n = min(count, active[t] - first)
        if n <= 0:
            break
        prev = slots[t] + first
        now = slots[t + 1] + first
        row = now - B
        for r in range(n):
            gates[row + r] = b
        add_rows(n, G, D, x, row * D, D, 1, Wt, 0, G, gates, row * G, G)  # (1) W x
        add_rows(n, G, H, h, prev * H, H, 1, Rt, 0, G, gates, row * G, G)  # (1) R h
        for r in range(n):
            _cell_forward(gates[row + r], c[prev + r], c[now + r], h[now + r])


@jit
def _cell_backward(z, c_prev, c, dh, dc, tanh_c, dz):
    """Lines (5) to (2) in reverse for one sequence; dc (H,) becomes the gradient of c_{t-1}."""
    H = len(c)
    i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]  # (H,)
    di, df, dg, do = dz[:H], dz[H : 2 * H], dz[2 * H : 3 * H], dz[3 * H :]  # (H,)
    one = c.dtype.type(1)
    for j in range(H):
        tanh_c[j] = tanh(c[j])
    # (5) h_t = o * tanh(c_t)
    for j in range(H):
        do[j] = dh[j] * tanh_c[j] * (o[j] * (one - o[j]))
    for j in range(H):
        dc[j] += dh[j] * o[j] * (one - tanh_c[j] * tanh_c[j])
    # (4) c_t = f * c_{t-1} + i * g, (3) g = tanh(z_g), (2) sigmoid
    for j in range(H):
        di[j] = dc[j] * g[j] * (i[j] * (one - i[j]))
    for j in range(H):
        dg[j] = dc[j] * i[j] * (one - g[j] * g[j])
    for j in range(H):
        df[j] = dc[j] * c_prev[j] * (f[j] * (one - f[j]))
    for j in range(H):
        dc[j] *= f[j]


@jit
def _backward(first, count, active, slots, R, gates, c, dh, dh_next, dc_next, dz):
    """The time loop in reverse for `count` neighbouring sequences; dh may be (0, H) for zero."""
    G, H = R.shape
    B = slots[1]
    scratch = np.empty(H, R.dtype)  # (H,)
    for t in range(len(active) - 1, -1, -1):
        n = min(count, active[t] - first)
        if n <= 0:
            continue
        prev = slots[t] + first
        now = slots[t + 1] + first
        row = now - B
        for r in range(n):
            s = first + r
            if len(dh) > 0:
                dh_next[s] += dh[row + r]
            _cell_backward(
                gates[row + r],
                c[prev + r],
                c[now + r],
                dh_next[s],
                dc_next[s],
                scratch,
                dz[row + r],
            )
            dh_next[s] = 0
        # (1) z = W x_t + R h_{t-1} + b, the h_{t-1} part
        add_rows(n, H, G, dz, row * G, G, 1, R, 0, H, dh_next, first * H, H)


def lstm_forward(
    x: Array,
    h0: Array,
    c0: Array,
    W: Array,
    R: Array,
    b: Array,
    active: IntArray | None = None,
) -> tuple[Array, LSTMState, LSTMCache]:
    """Run an LSTM over a batch of sequences; see `minilstm.functional.lstm.lstm_forward`."""
    if active is None:
        active = np.ones(len(x), np.int64)  # (T,)
    B, H = h0.shape
    N = len(x)
    slots = state_slots(active)  # (T + 1,)
    h = np.empty((B + N, H), x.dtype)  # (B + N, H)
    c = np.empty((B + N, H), x.dtype)  # (B + N, H)
    h[:B], c[:B] = h0, c0
    gates = np.empty((N, 4 * H), x.dtype)  # (N, G)
    Wt, Rt = contiguous(W.T), contiguous(R.T)  # (D, G), (H, G)
    shared = (contiguous(x), active, slots, Wt, Rt, contiguous(b), gates, c, h)
    run(_forward, [(first, count, *shared) for first, count in _groups(B)])
    last = B + last_rows(active)  # (B,)
    return h[B:], LSTMState(h[last], c[last]), LSTMCache(x, W, R, h, c, gates, active)


def lstm_backward(
    dh: Array | None,
    dstate: LSTMState | None,
    cache: LSTMCache,
    need_dx: bool = True,
) -> tuple[Array | None, LSTMGradients]:
    """Gradients of an LSTM; see `minilstm.functional.lstm.lstm_backward`."""
    x, W, R, h, c, gates, active = cache
    N, D = x.shape
    B, H = len(h) - N, R.shape[1]
    dtype = x.dtype
    slots = state_slots(active)  # (T + 1,)
    if dstate is None:
        dh_next, dc_next = np.zeros((B, H), dtype), np.zeros((B, H), dtype)  # (B, H)
    else:
        dh_next, dc_next = dstate.hidden.copy(), dstate.cell.copy()  # (B, H)
    upstream = np.empty((0, H), dtype) if dh is None else contiguous(dh)  # (N, H) or (0, H)
    dz = np.empty_like(gates)  # (N, G)
    shared = (active, slots, contiguous(R), gates, c, upstream, dh_next, dc_next, dz)
    run(_backward, [(first, count, *shared) for first, count in _groups(B)])

    # (1) the rest, for all steps at once: dW = dz^T x, dR = dz^T h_{t-1}, db = dz^T 1
    h_rows, z_rows, counts = _row_spans(active, slots)
    whole = np.array([0]), np.array([0]), np.array([N])
    dWt = _weight_gradient(contiguous(x), whole[0], dz, *whole[1:])  # (D, G)
    dRt = _weight_gradient(h, h_rows, dz, z_rows, counts)  # (H, G)
    db = _weight_gradient(np.ones((N, 1), dtype), whole[0], dz, *whole[1:])[0]  # (G,)
    dx = None
    if need_dx:
        dx = np.zeros((N, D), dtype)  # (N, D)
        W_rows = contiguous(W)  # (G, D)
        run(add_product, [(dz, W_rows, dx, *span) for span in split(N, TILE_ROWS)])
    return dx, LSTMGradients(dWt.T, dRt.T, db, dh_next, dc_next)


def _groups(B: int) -> list[tuple[int, int]]:
    """(first, count) of the sequences that travel together: a register tile's rows at most."""
    size = max(1, min(TILE_ROWS, -(-B // get_num_threads())))
    return [(first, min(size, B - first)) for first in range(0, B, size)]


def _row_spans(active: IntArray, slots: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Spans in which row k of the previous states pairs with row k of dz.

    Both advance together while no sequence ends; the step right after an end stands alone, since
    the slot before it still holds the states of the sequences that ended.
    """
    T = len(active)
    ends = np.flatnonzero(np.diff(active)) + 1  # steps at which the count falls
    cuts = np.unique(np.concatenate(([0], ends, ends + 1)))
    firsts = cuts[cuts < T].astype(np.int64)
    lasts = np.append(firsts[1:], T).astype(np.int64)
    return slots[firsts], slots[firsts + 1] - slots[1], active[firsts] * (lasts - firsts)


def _weight_gradient(
    a: Array, a_rows: IntArray, dz: Array, z_rows: IntArray, counts: IntArray
) -> Array:
    """Sum over rows of a^T dz, (M, G); threads split the columns."""
    total = np.zeros((a.shape[1], dz.shape[1]), dz.dtype)  # (M, G)
    part = np.empty_like(total)  # (M, G)
    tile = VECTORS * REGISTER_BYTES // dz.itemsize
    arguments = (a, a_rows, dz, z_rows, counts, total, part)
    run(add_transposed_product, [(*arguments, *span) for span in split(dz.shape[1], tile)])
    return total
