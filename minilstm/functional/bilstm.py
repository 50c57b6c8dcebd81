"""The bidirectional LSTM: one LSTM reads each sequence forward, another reads it backward.
Both are the LSTM of `minilstm.functional.lstm`; here is only how they are put together.

Axes: B batch, N rows of a packed ragged batch, D input features, H hidden units of one direction.
Arrays of both directions have the forward half first: weights 8H rows, states 2H columns.

Source: Schuster and Paliwal (1997).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.gate import gated
from minilstm.functional.lstm import (
    LSTMCache,
    LSTMGradients,
    LSTMState,
    lstm_backward,
    lstm_forward,
)
from minilstm.functional.lstm_in_spans import lstm_advance
from minilstm.functional.ragged import IntArray, reversed_rows

Array = NDArray[Any]


class BiLSTMCache(NamedTuple):
    """What backward needs from forward."""

    ahead: LSTMCache  # of the direction that reads forward
    back: LSTMCache  # of the other, whose rows are reversed in time
    order: IntArray  # (N,) from `ragged.reversed_rows`


class Parts(NamedTuple):
    """What the two directions are made of: a backend's LSTM, and how it moves rows."""

    lstm_forward: Callable[..., Any]
    lstm_advance: Callable[..., Any]
    lstm_backward: Callable[..., Any]
    #: active -> what the functions below take as order: `ragged.reversed_rows`, where rows are
    order: Callable[[IntArray], IntArray]
    #: (rows, order) -> rows[order]
    take: Callable[[Array, IntArray], Array]
    #: (a, b, order) -> a and b[order] side by side
    join: Callable[[Array, Array, IntArray], Array]
    #: (rows, order) -> the left half of rows, and the right half of rows[order]
    part: Callable[[Array, IntArray], tuple[Array, Array]]
    #: (a, b, order) -> a + b[order]; a may be overwritten
    add: Callable[[Array, Array, IntArray], Array]


def _part(rows: Array, order: IntArray) -> tuple[Array, Array]:
    H = rows.shape[1] // 2
    return rows[:, :H], rows[order, H:]


#: shapes of the arguments on every backend
FORWARD = "x (N, D), h0 (B, 2H), c0 (B, 2H), W (8H, D), R (8H, H), b (8H,), active (T,) sums to N"

NUMPY_PARTS = Parts(
    lstm_forward,
    lstm_advance,
    lstm_backward,
    reversed_rows,
    take=lambda rows, order: rows[order],
    join=lambda a, b, order: np.concatenate((a, b[order]), axis=1),
    part=_part,
    add=lambda a, b, order: a + b[order],
)


@gated(shapes=FORWARD)
def bilstm_forward(
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
    need_output: bool = True,
    keep_cache: bool = True,
) -> tuple[Array | None, LSTMState, BiLSTMCache | None]:
    """Run an LSTM in both directions over a batch of sequences of any lengths.

    With ~ for each sequence reversed in time::

        h> = LSTM(x)  with the first 4H rows of W, R and b       (1)
        h< = ~LSTM(~x)  with the last 4H rows                    (2)
        h = [h>, h<]                                             (3)

    Parameters
    ----------
    x, active, gate_activation, state_activation : as for `lstm_forward`
    h0, c0 : (B, 2H) state from which each direction starts: the forward one before the first
        step, the backward one behind each sequence's own last step
    W : (8H, D) input weights, blocks i, f, g, o forward, then i, f, g, o backward
    R : (8H, H) recurrent weights
    b : (8H,) bias
    packed : the forward and the backward half as `lstm_pack` arranged them, or None
    need_output : False skips h, for when the final state is all that is wanted
    keep_cache : False gives None in the place of the cache, and wants `packed`

    Returns
    -------
    h : (N, 2H) hidden states of both directions at every step, or None
    state : LSTMState (B, 2H): the forward direction after each sequence's own last step, beside the
        backward direction after it has read the first step

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, W, R = rng.normal(size=(7, 3)), rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
    >>> start = np.zeros((1, 4))
    >>> h, state, cache = bilstm_forward(x, start, start, W, R, np.zeros(16))
    >>> h.shape, state.hidden[0].tolist() == [*h[-1, :2], *h[0, 2:]]
    ((7, 4), True)
    """
    options = active, packed, gate_activation, state_activation, need_output, keep_cache
    return forward_with(NUMPY_PARTS, x, h0, c0, W, R, b, *options)


def forward_with(
    parts: Parts,
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
    need_output: bool = True,
    keep_cache: bool = True,
) -> tuple[Array | None, LSTMState, BiLSTMCache | None]:
    """`bilstm_forward` on the LSTM of any backend."""
    if active is None:
        active = np.ones(len(x), np.int64)  # (T,)
    H = R.shape[1]
    packs = (None, None) if packed is None else packed
    names = gate_activation, state_activation
    order = parts.order(active)  # (N,)

    def direction(x: Array, n: int) -> Any:
        rows, half = slice(4 * H * n, 4 * H * (n + 1)), slice(H * n, H * (n + 1))
        start = h0[:, half], c0[:, half]  # (B, H) each
        if keep_cache:
            learned = W[rows], R[rows], b[rows]
            return parts.lstm_forward(x, *start, *learned, active, packs[n], *names)
        keep = "output" if need_output else "state"
        return parts.lstm_advance(x, *start, active, packs[n], keep, *names)

    h, last, ahead = direction(x, 0)  # (1)
    h_back, last_back, back = direction(parts.take(x, order), 1)  # (2)
    state = LSTMState(*(np.concatenate(s, axis=1) for s in zip(last, last_back, strict=True)))
    both = parts.join(h, h_back, order) if need_output else None  # (3) (N, 2H)
    return both, state, BiLSTMCache(ahead, back, order) if keep_cache else None


@gated
def bilstm_backward(
    dh: Array | None,
    dstate: LSTMState | None,
    cache: BiLSTMCache,
    need_dx: bool = True,
    spend_cache: bool = False,
) -> tuple[Array | None, LSTMGradients]:
    """Gradients of a bidirectional LSTM.

    Shapes: dh (N, 2H), dstate of (B, 2H); dx (N, D); W (8H, D), R (8H, H), b (8H,), h0, c0 (B, 2H).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, W, R = rng.normal(size=(7, 3)), rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
    >>> start = np.zeros((1, 4))
    >>> h, _, cache = bilstm_forward(x, start, start, W, R, np.zeros(16))
    >>> dx, grads = bilstm_backward(rng.normal(size=h.shape), None, cache)
    >>> dx.shape, grads.W.shape, grads.R.shape, grads.h0.shape
    ((7, 3), (16, 3), (16, 2), (1, 4))
    """
    return backward_with(NUMPY_PARTS, dh, dstate, cache, need_dx, spend_cache)


def backward_with(
    parts: Parts,
    dh: Array | None,
    dstate: LSTMState | None,
    cache: BiLSTMCache,
    need_dx: bool = True,
    spend_cache: bool = False,
) -> tuple[Array | None, LSTMGradients]:
    """`bilstm_backward` on the LSTM of any backend."""
    ahead, back, order = cache
    H = ahead.R.shape[1]
    # (3) h = [h>, h<]
    dh_ahead, dh_back = (None, None) if dh is None else parts.part(dh, order)  # (N, H) each
    states: list[LSTMState | None] = [None, None]
    if dstate is not None:
        states = [LSTMState(*(s[:, half] for s in dstate)) for half in (slice(H), slice(H, None))]
    # (2) h< = ~LSTM(~x)
    dx_back, second = parts.lstm_backward(dh_back, states[1], back, need_dx, spend_cache)
    # (1) h> = LSTM(x)
    dx, first = parts.lstm_backward(dh_ahead, states[0], ahead, need_dx, spend_cache)
    if need_dx:
        dx = parts.add(dx, dx_back, order)  # (N, D)
    pairs = zip(LSTMGradients._fields, first, second, strict=True)
    grads = (np.concatenate(pair, axis=0 if name in "WRb" else 1) for name, *pair in pairs)
    return dx, LSTMGradients(*grads)
