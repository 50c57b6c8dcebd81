"""The LSTM, forward and backward: the twin of `minilstm.functional.lstm`, same contract.
Each thread owns some of the sequences, or some of the units of all, through all of time.

The numbered lines are those of the twin. Threads that own sequences never wait for each other;
threads that own units meet once a time step (`machinery/division.py`). Weight gradients follow as
one product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.lstm import LSTMCache, LSTMGradients, LSTMState
from minilstm.functional.ragged import IntArray
from minilstm.kernels.numba.activations import for_activations
from minilstm.kernels.numba.lstm_cell import cell_backward, cell_forward, cell_restore
from minilstm.kernels.numba.lstm_wide import (
    FORWARD,
    WIDE_FEATURES,
    forward_wide,
    input_gradient,
    input_weight_gradient,
)
from minilstm.kernels.numba.machinery.barrier import give_up, meet
from minilstm.kernels.numba.machinery.buffers import LINE_BYTES, empty
from minilstm.kernels.numba.machinery.compiling import kernel
from minilstm.kernels.numba.machinery.division import NEAR_BYTES, shares
from minilstm.kernels.numba.machinery.hardware import lanes
from minilstm.kernels.numba.machinery.panels import (
    LSTMPanels,
    gate_vectors,
    pack_columns,
    pack_lstm,
    unpack_lstm,
)
from minilstm.kernels.numba.machinery.product import (
    BLOCK_ROWS,
    FLUSH_ROWS,
    GAP_NUMBERS,
    add_outer,
    contiguous,
    copy_numbers,
    flush,
    lines,
    product,
)
from minilstm.kernels.numba.machinery.simd import copy_part, copy_vector, prefetch
from minilstm.kernels.numba.machinery.steps import (
    first_rows,
    last_rows,
    previous_rows,
    state_slots,
    turns,
)
from minilstm.kernels.numba.machinery.threads import run, split
from minilstm.kernels.numba.machinery.tiled_rows import affine_rows, set_rows

Array = NDArray[Any]

ROWS_TOGETHER = 12  # sequences of a step that go through product and cell together


@kernel(FORWARD)
def _forward(
    me, size, counts, first, last, begin, end, x, active, starts, slots, c_slots, keep, gate,
    state, panels, gates, c, h
):  # fmt: skip
    """The time loop for units first to last of sequences begin to end.

    h of step t lies at slots[t + 1], c at c_slots.
    """
    D, H, G = x.shape[1], h.shape[1], gates.shape[1]
    K, V = panels.shape[1], panels.shape[2]
    q, q_last = first // V * 4, gate_vectors(last, V)
    width = (q_last - q) * V
    near = (q_last - q) * K * V * h.itemsize <= NEAR_BYTES
    most = min(ROWS_TOGETHER, end - begin) if near else end - begin
    memory, z_at = lines(most * width, h)
    z = memory.reshape(1, len(memory))  # (rows, Q V) from z_at on
    # Where no gates are kept, they take the place of z.
    a, a_row, a_gate = (gates, G, H) if keep else (z, width, 0)
    # x_t and h_{t-1} side by side: one sum runs over both, out of this thread's own cache.
    xh = np.empty((most, D + H), h.dtype)  # (rows, D + H)
    for t in range(len(active)):
        n, prev, now, row = min(active[t], end) - begin, slots[t], slots[t + 1], starts[t]
        if n <= 0:
            return  # longer sequences come first: none of these goes on
        parts = (n + most - 1) // most
        for part in range(parts):  # what these rows need meanwhile stays in the first-level cache
            r_first, r_last = begin + n * part // parts, begin + n * (part + 1) // parts
            for r in range(r_first, r_last):
                line = xh[r - r_first]
                for j in range(D):
                    line[j] = x[row + r, j]
                for j in range(H):
                    line[D + j] = h[prev + r, j]
            affine_rows(
                r_last - r_first, xh, 0, D + H, 1, D + H, panels, 0, K * V, q, q_last,
                z, z_at - q * V, width, V, 4 * V,
            )  # (1)  # fmt: skip
            p, s = (c_slots[t] + r_first) * H + first, (c_slots[t + 1] + r_first) * H + first
            cell_forward(
                r_last - r_first, last - first, z, z_at, width,
                a, (row + r_first) * G + first if keep else z_at, a_row, a_gate,
                c, p, c, s, h, (now + r_first) * H + first, H, gate, state,
            )  # fmt: skip
        if not meet(counts, me, size, t + 1):
            return


@kernel("void(i8, i8, i8[::1], i8[::1], i8[::1], A, F[:, ::1], F[:, ::1], F[:, ::1])")
def _restore(first, last, active, starts, slots, state, gates, c, h):
    """c and h of units first to last, from gates that were kept."""
    H = h.shape[1]
    for t in range(len(active)):
        at, p, s = starts[t] * 4 * H + first, slots[t] * H + first, slots[t + 1] * H + first
        cell_restore(
            active[t], last - first, gates, at, 4 * H, H, c, p, c, s, h, s, H, state, state
        )


@kernel(
    "void(i8, i8, i8[::1], i8, i8, i8, i8, i8[::1], i8[::1], i8[::1], A, A, F[:, :, ::1], "
    "F[:, ::1], F[:, ::1], F[:, ::1], F[:, ::1], F[:, ::1], F[:, ::1])"
)
def _backward(
    me, size, counts, first, last, begin, end, active, starts, slots, gate, state, panels, gates,
    c, dh, dh_next, dc_next, dz
):  # fmt: skip
    """The time loop in reverse for units first to last of sequences begin to end.

    dh may be (0, H) for zero.
    """
    H = c.shape[1]
    G, V = panels.shape[1], panels.shape[2]
    q, q_last = first // V, (last + V - 1) // V
    units, width = last - first, q_last * V - first
    near = (q_last - q) * G * V * c.itemsize <= NEAR_BYTES
    # The gradient of h_t from the next step, (sequences, units).
    d, d_at = lines((end - begin) * width, c)
    given = len(dh) > 0
    u = dh if given else np.zeros((1, width), c.dtype)  # (N, H), or (1, units) of nothing
    for r in range(begin, end):
        for j in range(units):
            d[d_at + (r - begin) * width + j] = dh_next[r, first + j]
    for back in range(len(active)):
        t = len(active) - 1 - back
        n, prev, now, row = min(active[t], end) - begin, slots[t], slots[t + 1], starts[t]
        if n <= 0:
            continue
        # A thread that waits for no other goes on with rows that are in its first-level cache.
        parts = (n + ROWS_TOGETHER - 1) // ROWS_TOGETHER if near and size == 1 else 1
        for part in range(parts):
            r_first, r_last = begin + n * part // parts, begin + n * (part + 1) // parts
            cell_backward(
                r_last - r_first, units, gates, (row + r_first) * G + first, dz, H,
                c, (prev + r_first) * H + first, (now + r_first) * H + first,
                u, (row + r_first) * H + first if given else 0, H if given else 0,
                d, d_at + width * (r_first - begin), width, dc_next, r_first * H + first,
                gate, state,
            )  # fmt: skip
            if not meet(counts, me, size, back + 1):
                return
            if t > 0:
                # What the next turn of the loop reads arrives while the product runs.
                for r in range(r_first, r_last):
                    at = (starts[t - 1] + r) * G + first
                    place, p = (starts[t - 1] + r) * H + first, (slots[t - 1] + r) * H + first
                    for j in range(0, units, LINE_BYTES // c.itemsize):
                        for block in range(4):
                            prefetch(gates, at + block * H + j)
                        prefetch(c, p + j)
                        if given:
                            prefetch(u, place + j)
            # (1) z = W x_t + R h_{t-1} + b, the h_{t-1} part
            set_rows(
                r_last - r_first, dz, (row + r_first) * G, G, 1, G, panels, 0, G * V, q, q_last,
                d, d_at + width * (r_first - begin) - first, width, V, 4 * V,
            )  # fmt: skip
    for r in range(begin, end):
        for j in range(units):
            dh_next[r, first + j] = d[d_at + (r - begin) * width + j]


@kernel("void(i8, i8, F[:, ::1], F[:, ::1], F[:, ::1], i8[::1], F[:, :, ::1])")
def _weight_gradient(q_first, q_last, x, h, dz, before, out):
    """(1) for panels q_first to q_last of the weights: sums over rows of dz^T (1, x, h_{t-1}).

    The h_{t-1} of row n is row before[n] of h.
    """
    D, H, V = x.shape[1], h.shape[1], out.shape[2]
    total = out[q_first:q_last]  # (vectors, 1 + D + H, V)
    total[:] = 0
    memory, at = lines(total.size, h)
    part = memory[at : at + total.size].reshape(total.shape)  # of the rows since the last flush
    full = H // V  # vectors of each gate
    rest = H - full * V
    tails = np.zeros((BLOCK_ROWS, 4 * V), h.dtype)  # (rows, 4 rest) what is left of each gate
    line = BLOCK_ROWS * V + GAP_NUMBERS
    memory, at = lines(len(total) * line, h)
    panels = memory[at : at + len(total) * line].reshape(len(total), line)  # columns of dz
    since, M = 0, 1 + D + H
    inputs = np.ones((BLOCK_ROWS, M), h.dtype)  # (rows, 1 + D + H) the factors of bias, W and R
    for n in range(0, len(dz), BLOCK_ROWS):
        depth = min(BLOCK_ROWS, len(dz) - n)
        for k in range(depth):
            for gate in range(4):
                block, end = (q_first + 3 - gate) // 4, min(full, (q_last + 3 - gate) // 4)
                at, to = ((n + k) * 4 + gate) * H, (4 * block + gate - q_first) * line
                copy_numbers(dz, at + block * V, (end - block) * V, panels, to + k * V, 4 * line)
            for j in range(D):
                inputs[k, 1 + j] = x[n + k, j]
            copy_numbers(h, before[n + k] * H, H, inputs, k * M + 1 + D, V)
        if q_last > 4 * full:
            for k in range(depth):
                for gate in range(4):
                    at = ((n + k) * 4 + gate) * H + full * V
                    copy_part(dz, at, tails, k * 4 * V + gate * rest, rest)
            for q in range(max(q_first, 4 * full), q_last):
                for k in range(depth):
                    at = k * 4 * V + (q - 4 * full) * V
                    copy_vector(tails, at, panels, (q - q_first) * line + k * V, V)
        add_outer(inputs, 0, M, M, depth, panels, part, 0)
        since += depth
        if since >= FLUSH_ROWS:
            flush(part, total)
            since = 0
    flush(part, total)


@gated(kernel=True)
def lstm_pack(W: Array, R: Array, b: Array) -> LSTMPanels:
    """Rearrange weights for many calls; see `minilstm.functional.lstm_in_spans.lstm_pack`."""
    return _pack(W, R, b, training=False)


def _pack(W: Array, R: Array, b: Array, training: bool) -> LSTMPanels:
    # What takes longest to compile comes first here, while a second process compiles the others.
    (forward_wide if W.shape[1] >= WIDE_FEATURES else _forward).of(W.dtype, training)
    return pack_lstm(W, R, b)


@gated(kernel=True)
def lstm_forward(
    x: Array,
    h0: Array,
    c0: Array,
    W: Array,
    R: Array,
    b: Array,
    active: IntArray | None = None,
    packed: Any = None,
    gate_activation: str = "sigmoid",
    state_activation: str = "tanh",
) -> tuple[Array, LSTMState, LSTMCache]:
    """Run an LSTM over a batch of sequences; see `minilstm.functional.lstm.lstm_forward`."""
    if active is None:
        active = np.ones(len(x), np.int64)  # (T,)
    packed = _pack(W, R, b, training=True) if packed is None else packed
    names = gate_activation, state_activation
    B, H = h0.shape
    h, c = _states(h0, c0, B + len(x))  # (B + N, H)
    gates = empty((len(x), 4 * H), x.dtype)  # (N, G)
    slots = state_slots(active)  # (T + 1,)
    _run_forward(x, active, slots, slots, True, names, packed, gates, c, h)
    last = B + last_rows(active)  # (B,)
    state = LSTMState(h[last], c[last])
    return h[B:], state, LSTMCache(x, W, R, h, c, gates, active, packed, *names)


@gated(kernel=True)
def lstm_advance(
    x: Array,
    h0: Array,
    c0: Array,
    active: IntArray,
    packed: LSTMPanels,
    keep: str,
    gate_activation: str = "sigmoid",
    state_activation: str = "tanh",
) -> tuple[Array | None, LSTMState, Array | None]:
    """Run forward, keeping less; see `minilstm.functional.lstm_in_spans.lstm_advance`."""
    (B, H), N, T = h0.shape, len(x), len(active)
    gates = empty((N if keep == "gates" else 0, 4 * H), x.dtype)  # (N, G) or (0, G)
    if keep == "output":
        slots, last = state_slots(active), B + last_rows(active)  # (T + 1,), (B,)
    else:
        # Only the last state goes on: two places, used in turn, hold it.
        slots, last = turns(active)  # (T + 1,), (B,)
    h = empty((B + N if keep == "output" else 2 * B, H), x.dtype)  # (B + N, H) or (2 B, H)
    h[:B] = h0
    c = np.array(c0, order="C")  # (B, H) each step in the place of the one before
    in_place = np.zeros(T + 1, np.int64)  # (T + 1,)
    names = gate_activation, state_activation
    _run_forward(x, active, slots, in_place, keep == "gates", names, packed, gates, c, h)
    output = h[B:] if keep == "output" else None
    return output, LSTMState(h[last], c), gates if keep == "gates" else None


@gated(kernel=True)
def lstm_restore(
    gates: Array, h0: Array, c0: Array, active: IntArray, state_activation: str = "tanh"
) -> tuple[Array, Array]:
    """States from kept gates; see `minilstm.functional.lstm_in_spans.lstm_restore`."""
    B, H = h0.shape
    h, c = _states(h0, c0, B + len(gates))  # (B + N, H)
    restore, (_, state) = for_activations(_restore, "sigmoid", state_activation)
    shared = (
        active,
        first_rows(active),
        state_slots(active),
        state,
        contiguous(gates),
        c,
        h,
    )
    run(restore, [(*span, *shared) for span in split(H, lanes(h.dtype))])
    return h, c


def _states(h0: Array, c0: Array, rows: int) -> tuple[Array, Array]:
    """Hidden and cell states, the first B of them set."""
    (B, H), dtype = h0.shape, h0.dtype
    h, c = empty((rows, H), dtype), empty((rows, H), dtype)  # (rows, H)
    h[:B], c[:B] = h0, c0
    return h, c


def _run_forward(
    x: Array,
    active: IntArray,
    slots: IntArray,
    c_slots: IntArray,
    keep: bool,
    names: tuple[str, str],
    packed: LSTMPanels,
    gates: Array,
    c: Array,
    h: Array,
) -> None:
    H = h.shape[1]
    starts = first_rows(active)  # (T,)
    wide = x.shape[1] >= WIDE_FEATURES
    loop, numbers = for_activations(forward_wide if wide else _forward, *names)
    shared = (
        contiguous(x), active, starts, slots, c_slots, keep, *numbers, packed.forward,
    )  # fmt: skip
    with shares(active, H, packed.forward, meet=wide) as (counts, parts):
        run(loop, [(*part, *shared, gates, c, h) for part in parts], lambda: give_up(counts))


@gated(kernel=True)
def lstm_backward(
    dh: Array | None,
    dstate: LSTMState | None,
    cache: LSTMCache,
    need_dx: bool = True,
    spend_cache: bool = False,
) -> tuple[Array | None, LSTMGradients]:
    """Gradients of an LSTM; see `minilstm.functional.lstm.lstm_backward`."""
    x, W, R, h, c, gates, active, panels, *names = cache
    N, D = x.shape
    B, H = len(h) - N, R.shape[1]
    dtype = x.dtype
    slots = state_slots(active)  # (T + 1,)
    starts = slots[1:] - B  # (T,)
    if dstate is None:
        dh_next, dc_next = np.zeros((B, H), dtype), np.zeros((B, H), dtype)  # (B, H)
    else:
        dh_next, dc_next = _states(dstate.hidden, dstate.cell, B)  # (B, H)
    upstream = np.empty((0, H), dtype) if dh is None else contiguous(dh)  # (N, H) or (0, H)
    dz = gates if spend_cache else empty(gates.shape, dtype)  # (N, G)
    loop, numbers = for_activations(_backward, *names)
    shared = (
        active, starts, slots, *numbers, panels.backward, gates, c, upstream, dh_next,
        dc_next, dz,
    )  # fmt: skip
    wide = D >= WIDE_FEATURES
    x_near = np.empty((N, 0), dtype) if wide else contiguous(x)  # what is summed beside h
    Q, _, V = panels.forward.shape
    out = empty((Q, 1 + x_near.shape[1] + H, V), dtype)  # (Q, 1 + D + H, V)
    with shares(active, H, panels.forward) as (counts, parts):
        run(loop, [(*part, *shared) for part in parts], lambda: give_up(counts))
    # (1) the rest, for all steps at once: dW = dz^T x, dR = dz^T h_{t-1}, db = dz^T 1
    before = previous_rows(active)  # (N,) rows of h_{t-1}
    sums = (x_near, h, dz, before, out)
    run(_weight_gradient, [(*span, *sums) for span in split(Q, 1)])
    dW, dR, db = unpack_lstm(out, x_near.shape[1], H)
    dx: Array | None = None  # (N, D)
    if wide:
        dW = input_weight_gradient(x, dz)
        dx = input_gradient(dz, W) if need_dx else None
    elif need_dx:
        dx = product(dz, pack_columns(W), np.zeros(D, dtype))
    return dx, LSTMGradients(dW, dR, db, dh_next, dc_next)
