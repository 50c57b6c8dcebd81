"""The LSTM, forward and backward: the equations of the LSTM stand on this page.
Backward walks forward's numbered lines in reverse and quotes the line it reverses.

Axes: B batch, T time, N rows of a packed ragged batch (see `ragged`), D input features,
H hidden units, G = 4H gate rows in blocks i (input), f (forget), g (cell candidate), o (output)::

            D       H                    ┌ i ┐  sigmoid   H rows
          ┌───┐   ┌───┐   ┌─┐            │ f │  sigmoid   H rows
      z = │ W │ x+│ R │ h+│b│  G rows =  │ g │  tanh      H rows
          └───┘   └───┘   └─┘            └ o ┘  sigmoid   H rows

Another function may take the place of sigmoid (`gate_activation`) and of tanh, on g and on the
cell (`state_activation`); `activations` lists them.

Source of the equations: Hochreiter and Schmidhuber (1997), with the forget gate of Gers,
Schmidhuber and Cummins (2000); no peepholes; one bias.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.activations import (
    GATE_ACTIVATIONS,
    STATE_ACTIVATIONS,
    all_gates,
    find_activations,
)
from minilstm.functional.gate import gated
from minilstm.functional.ragged import IntArray, last_rows, previous_rows, state_slots

Array = NDArray[Any]


class LSTMState(NamedTuple):
    """Hidden and cell state of B sequences: what one step hands to the next."""

    hidden: Array  # (B, H)
    cell: Array  # (B, H)


class LSTMCache(NamedTuple):
    """What backward needs from forward."""

    x: Array  # (N, D)
    W: Array  # (G, D)
    R: Array  # (G, H)
    h: Array  # (B + N, H) slot 0 is the initial state
    c: Array  # (B + N, H) slot 0 is the initial state
    gates: Array  # (N, G) activated i, f, g, o
    active: IntArray  # (T,)
    packed: Any = None  # W, R and b as a backend arranges them (`lstm_in_spans.lstm_pack`)
    gate_activation: str = "sigmoid"
    state_activation: str = "tanh"


class LSTMGradients(NamedTuple):
    """Gradients of the loss with respect to the parameters and the initial state."""

    W: Array  # (G, D)
    R: Array  # (G, H)
    b: Array  # (G,)
    h0: Array  # (B, H)
    c0: Array  # (B, H)


@gated(
    shapes="x (N, D), h0 (B, H), c0 (B, H), W (4H, D), R (4H, H), b (4H,), active (T,) sums to N"
)
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
    """Run an LSTM over a batch of sequences of any lengths.

    For every step t of every sequence::

        z = W x_t + R h_{t-1} + b                       (1)
        i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)   (2)
        g = tanh(z_g)                                   (3)
        c_t = f * c_{t-1} + i * g                       (4)
        h_t = o * tanh(c_t)                             (5)

    Parameters
    ----------
    x : (N, D) float32, float64 or complex128, time-major rows; one sequence is simply (T, D)
    h0, c0 : (B, H) initial hidden and cell state, in the order of the packed batch
    W : (4H, D) input weights
    R : (4H, H) recurrent weights
    b : (4H,) bias
    active : (T,) int64 sequences running at each step; None means one sequence of N steps
    packed : W, R and b as `lstm_in_spans.lstm_pack` arranged them, for repeated calls; None means
        that this call arranges them itself
    gate_activation : "sigmoid" or "hard-sigmoid", for sigmoid in (2)
    state_activation : "tanh", "softsign" or "relu", for tanh in (3) and (5)

    Returns
    -------
    h : (N, H) hidden state after every step
    state : LSTMState, hidden and cell state after each sequence's own last step, (B, H) each

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, W, R = rng.normal(size=(7, 3)), rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    >>> h, state, cache = lstm_forward(x, np.zeros((1, 2)), np.zeros((1, 2)), W, R, np.zeros(8))
    >>> h.shape, bool((state.hidden[0] == h[-1]).all())
    ((7, 2), True)
    """
    if active is None:
        active = np.ones(len(x), np.int64)  # (T,)
    gate, state = find_activations(
        gate_activation, state_activation, GATE_ACTIVATIONS, STATE_ACTIVATIONS
    )
    B, H = h0.shape
    N = len(x)
    slots = state_slots(active).tolist()  # (T + 1,)
    h = np.empty((B + N, H), x.dtype)  # (B + N, H)
    c = np.empty((B + N, H), x.dtype)  # (B + N, H)
    h[:B], c[:B] = h0, c0
    gates = x @ W.T + b  # (N, G) the W x + b part of (1), for all steps at once
    activate = all_gates(gate, state, H, x.dtype)
    for t, n in enumerate(active.tolist()):
        prev = slice(slots[t], slots[t] + n)
        now = slice(slots[t + 1], slots[t + 1] + n)
        z = gates[now.start - B : now.stop - B]  # (n, G)
        z += h[prev] @ R.T  # (1)
        activate(z)  # (2), (3), in the place of z
        i, f, g, o = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]  # (n, H)
        c_t = np.add(f * c[prev], i * g, out=c[now])  # (n, H) (4)
        np.multiply(o, state.forward(c_t), out=h[now])  # (5)
    last = B + last_rows(active)  # (B,)
    cache = LSTMCache(x, W, R, h, c, gates, active, packed, gate_activation, state_activation)
    return h[B:], LSTMState(h[last], c[last]), cache


@gated(shapes="cache.x (N, D), cache.R (4H, H), cache.h (B+N, H), dh (N, H), dstate (B, H)")
def lstm_backward(
    dh: Array | None,
    dstate: LSTMState | None,
    cache: LSTMCache,
    need_dx: bool = True,
    spend_cache: bool = False,
) -> tuple[Array | None, LSTMGradients]:
    """Gradients of an LSTM: backpropagation through all of time.

    Shapes: dh (N, H), dstate of (B, H); dx (N, D); W (4H, D), R (4H, H), b (4H,), h0, c0 (B, H).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, W, R = rng.normal(size=(7, 3)), rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    >>> h, _, cache = lstm_forward(x, np.zeros((1, 2)), np.zeros((1, 2)), W, R, np.zeros(8))
    >>> dx, grads = lstm_backward(rng.normal(size=h.shape), None, cache)
    >>> dx.shape, grads.W.shape, grads.R.shape, grads.b.shape
    ((7, 3), (8, 3), (8, 2), (8,))
    """
    x, W, R, h, c, gates, active, _, gate_activation, state_activation = cache
    gate, state = GATE_ACTIVATIONS[gate_activation], STATE_ACTIVATIONS[state_activation]
    B, H = len(h) - len(x), R.shape[1]
    slots = state_slots(active)  # (T + 1,)
    dz = gates if spend_cache else np.empty_like(gates)  # (N, G)
    # The two paths by which gradient arrives from step t + 1; a sequence that has already ended
    # keeps its final-state gradient here until the loop reaches its last step.
    dh_next, dc_next = (
        (np.zeros((B, H), x.dtype), np.zeros((B, H), x.dtype))
        if dstate is None
        else (dstate.hidden.copy(), dstate.cell.copy())
    )  # (B, H)
    for t in range(len(active) - 1, -1, -1):
        n = active[t]
        prev = slice(slots[t], slots[t] + n)
        now = slice(slots[t + 1], slots[t + 1] + n)
        rows = slice(now.start - B, now.stop - B)
        z = gates[rows]  # (n, G)
        i, f, g, o = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]  # (n, H)
        dh_t = dh_next[:n] if dh is None else dh[rows] + dh_next[:n]  # (n, H)

        # (5) h_t = o * tanh(c_t)
        tanh_c = state.forward(c[now])  # (n, H)
        do = dh_t * tanh_c  # (n, H)
        dc = dc_next[:n] + dh_t * o * state.derivative(tanh_c)  # (n, H)
        # (4) c_t = f * c_{t-1} + i * g
        df = dc * c[prev]  # (n, H)
        di = dc * g  # (n, H)
        dg = dc * i  # (n, H)
        dc_next[:n] = dc * f
        # (3) g = tanh(z_g)
        dz[rows, 2 * H : 3 * H] = dg * state.derivative(g)
        # (2) i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)
        dz[rows, :H] = di * gate.derivative(i)
        dz[rows, H : 2 * H] = df * gate.derivative(f)
        dz[rows, 3 * H :] = do * gate.derivative(o)
        # (1) z = W x_t + R h_{t-1} + b, the h_{t-1} part
        dh_next[:n] = dz[rows] @ R
    # (1) the rest, for all steps at once
    dx = dz @ W if need_dx else None  # (N, D)
    dW = dz.T @ x  # (G, D)
    dR = dz.T @ h[previous_rows(active)]  # (G, H)
    db = dz.sum(axis=0)  # (G,)
    return dx, LSTMGradients(dW, dR, db, dh_next, dc_next)
