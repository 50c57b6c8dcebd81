"""An LSTM over one span of time when memory is short: run on and keep little, restore later.
What is restored has the bits of what was computed first, so no gradient depends on the memory.

Axes as in `minilstm.functional.lstm`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.activations import STATE_ACTIVATIONS
from minilstm.functional.gate import gated
from minilstm.functional.lstm import LSTMState, lstm_forward
from minilstm.functional.ragged import IntArray, state_slots

Array = NDArray[Any]


@gated(shapes="W (4H, D), R (4H, H), b (4H,)")
def lstm_pack(W: Array, R: Array, b: Array) -> Any:
    """Arrange weights as a backend likes to read them, once for many calls.

    Parameters
    ----------
    W, R, b : (4H, D), (4H, H), (4H,), as for `lstm_forward`

    Returns
    -------
    something for the argument `packed` of the same backend's functions; here simply (W, R, b)

    Examples
    --------
    >>> len(lstm_pack(np.zeros((8, 3)), np.zeros((8, 2)), np.zeros(8)))
    3
    """
    return W, R, b


@gated(shapes="x (N, D), h0 (B, H), c0 (B, H), active (T,) sums to N")
def lstm_advance(
    x: Array,
    h0: Array,
    c0: Array,
    active: IntArray,
    packed: Any,
    keep: str,
    gate_activation: str = "sigmoid",
    state_activation: str = "tanh",
) -> tuple[Array | None, LSTMState, Array | None]:
    """`lstm_forward` for a span of time, without the cache.

    Parameters
    ----------
    x : (N, D) rows of the span
    h0, c0 : (B, H) state before it
    packed : from `lstm_pack`
    keep : "state" keeps nothing else, "output" also h, "gates" also the activated gates, from
        which `lstm_restore` makes the rest
    active, gate_activation, state_activation : as for `lstm_forward`

    Returns
    -------
    h : (N, H), or None
    state : LSTMState after each sequence's own last step of the span, (B, H) each
    gates : (N, 4H) activated i, f, g, o, or None

    Examples
    --------
    >>> packed = lstm_pack(np.ones((4, 1)), np.ones((4, 1)), np.zeros(4))
    >>> start, active = np.zeros((1, 1)), np.ones(5, np.int64)
    >>> h, state, gates = lstm_advance(np.ones((5, 1)), start, start, active, packed, "gates")
    >>> h is None, gates.shape
    (True, (5, 4))
    """
    W, R, b = packed
    names = gate_activation, state_activation
    h, state, cache = lstm_forward(x, h0, c0, W, R, b, active, None, *names)
    return h if keep == "output" else None, state, cache.gates if keep == "gates" else None


@gated(shapes="gates (N, 4H), h0 (B, H), c0 (B, H), active (T,) sums to N")
def lstm_restore(
    gates: Array, h0: Array, c0: Array, active: IntArray, state_activation: str = "tanh"
) -> tuple[Array, Array]:
    """Lines (4) and (5) of the forward pass again: states from gates, with no matrix product.

    Parameters
    ----------
    gates : (N, 4H) activated i, f, g, o, from `lstm_advance`
    h0, c0 : (B, H) state before the span
    active, state_activation : as for `lstm_forward`

    Returns
    -------
    h, c : (B + N, H) states as `lstm_forward` keeps them in its cache, slot 0 the initial state

    Examples
    --------
    >>> start, active = np.zeros((1, 2)), np.ones(5, np.int64)
    >>> h, c = lstm_restore(np.full((5, 8), 0.5), start, start, active)
    >>> h.shape, c[1].tolist()
    ((6, 2), [0.25, 0.25])
    """
    state = STATE_ACTIVATIONS[state_activation]
    B, H = h0.shape
    slots = state_slots(active)  # (T + 1,)
    h = np.empty((B + len(gates), H), gates.dtype)  # (B + N, H)
    c = np.empty((B + len(gates), H), gates.dtype)  # (B + N, H)
    h[:B], c[:B] = h0, c0
    for t, n in enumerate(active):
        prev = slice(slots[t], slots[t] + n)
        now = slice(slots[t + 1], slots[t + 1] + n)
        i, f, g, o = np.split(gates[now.start - B : now.stop - B], 4, axis=1)  # (n, H)
        c[now] = f * c[prev] + i * g  # (4)
        h[now] = o * state.forward(c[now])  # (5)
    return h, c
