"""The LSTM on the device, forward and backward: the twin of `minilstm.functional.lstm`.
One launch runs all of time (`lstm.cu`); what reaches over all steps at once is a product each.

Where the recurrent weights find no room in the blocks of the device, or there are hardly any steps,
each step is a product and a launch (`lstm_steps.cu`). The numbered lines are those of the twin.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMCache, LSTMGradients, LSTMState
from minilstm.functional.lstm_in_spans import lstm_pack
from minilstm.functional.ragged import IntArray, last_rows, sequence_lengths, state_slots
from minilstm.kernels.cuda.compiling import kernel, launch, launch_each
from minilstm.kernels.cuda.layout import dense, element_strides, row_major
from minilstm.kernels.cuda.lstm_plan import Plan, constants, device, make_plan
from minilstm.kernels.cuda.product import outer_sum, sum_rows
from minilstm.kernels.cuda.transfer import kept

Array = Any  # a CuPy array

__all__ = ["lstm_advance", "lstm_backward", "lstm_forward", "lstm_pack", "lstm_restore"]

COUNTER_GAP = 32  # counters of two groups lie in different lines of the cache


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
    names = gate_activation, state_activation
    (B, H), N = h0.shape, len(x)
    h, c = _states(h0, c0, B + N)  # (B + N, H)
    gates = cupy.empty((N, 4 * H), x.dtype)  # (N, G)
    cupy.matmul(x, W.T, out=gates)  # (1) the W x part
    plan = _plan(active, H, x.dtype)
    if plan is None:
        _forward_by_steps(gates, b, R, active, h, c, names)
    else:
        R = dense(R)
        arguments = gates, dense(b), R, *element_strides(R), _lengths(active), B, N
        _launch("lstm_forward", plan, H, names, (*arguments, plan.rows_of_group, h, c))
    state = LSTMState(*_last_states((h, c), active))
    return h[B:], state, LSTMCache(x, W, R, h, c, gates, active, packed, *names)


def lstm_backward(
    dh: Array | None,
    dstate: LSTMState | None,
    cache: LSTMCache,
    need_dx: bool = True,
    spend_cache: bool = False,
) -> tuple[Array | None, LSTMGradients]:
    """Gradients of an LSTM; see `minilstm.functional.lstm.lstm_backward`."""
    x, W, R, h, c, gates, active, _, *activations = cache
    names = activations[0], activations[1]
    B, H = len(h) - len(x), R.shape[1]
    dz = gates if spend_cache else cupy.empty_like(gates)  # (N, G)
    dh = None if dh is None else row_major(dh)  # (N, H)
    plan = _plan(active, H, x.dtype)
    if plan is None:
        dh0, dc0 = _backward_by_steps(dz, gates, c, dh, dstate, R, active, names)
    else:
        dh0, dc0 = cupy.empty((2, B, H), x.dtype)  # (B, H) each
        last = (None, None) if dstate is None else map(row_major, dstate)
        R = dense(R)
        arguments = dz, gates, c, dh, *last, R, *element_strides(R), _lengths(active), B
        _launch("lstm_backward", plan, H, names, (*arguments, plan.rows_of_group, dh0, dc0))
    # (1) the rest, for all steps at once
    dx = dz @ W if need_dx else None  # (N, D)
    dW = outer_sum(x, dz).T  # (G, D)
    dR = outer_sum(_previous_states(h, active), dz).T  # (G, H)
    db = sum_rows(dz).astype(dz.dtype)  # (G,)
    return dx, LSTMGradients(dW, dR, db, dh0, dc0)


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
    """Run forward, keeping less; see `minilstm.functional.lstm_in_spans.lstm_advance`."""
    names = gate_activation, state_activation
    W, R, b = packed
    h, state, cache = lstm_forward(x, h0, c0, W, R, b, active, None, *names)
    return h if keep == "output" else None, state, cache.gates if keep == "gates" else None


def lstm_restore(
    gates: Array, h0: Array, c0: Array, active: IntArray, state_activation: str = "tanh"
) -> tuple[Array, Array]:
    """States from kept gates; see `minilstm.functional.lstm_in_spans.lstm_restore`."""
    B, H = h0.shape
    h, c = _states(h0, c0, B + len(gates))  # (B + N, H)
    restore = _step_kernel("lstm_restore", gates.dtype, ("sigmoid", state_activation))
    launch_each(restore, B * H, row_major(gates), _lengths(active), B, H, h, c)
    return h, c


# ---------------------------------------------------------------- step by step


def _forward_by_steps(
    gates: Array, b: Array, R: Array, active: IntArray, h: Array, c: Array, names: tuple[str, str]
) -> None:
    """Lines (1) to (5), a product and a launch a step."""
    (B, H), slots = (len(h) - len(gates), h.shape[1]), state_slots(active)  # (T + 1,)
    step = _step_kernel("lstm_step_forward", h.dtype, names)
    b = dense(b)
    for t, n in enumerate(active.tolist()):
        now = slice(slots[t + 1], slots[t + 1] + n)
        product = h[slots[t] : slots[t] + n] @ R.T  # (1) (n, G) the R h_{t-1} part
        rows = gates[now.start - B : now.stop - B]  # (n, G)
        launch_each(step, n * H, rows, product, b, c[slots[t] :], c[now], h[now], n, H)


def _backward_by_steps(
    dz: Array,
    gates: Array,
    c: Array,
    dh: Array | None,
    dstate: LSTMState | None,
    R: Array,
    active: IntArray,
    names: tuple[str, str],
) -> tuple[Array, Array]:
    """Lines (5) to (1) for the steps in reverse; returns the gradients of the initial state."""
    B, H = len(c) - len(gates), c.shape[1]
    slots = state_slots(active)  # (T + 1,)
    step = _step_kernel("lstm_step_backward", c.dtype, names)
    if dstate is None:
        dh_next, dc_next = cupy.zeros((2, B, H), c.dtype)  # (B, H) each
    else:
        dh_next, dc_next = (cupy.array(part, order="C") for part in dstate)  # (B, H) each
    for t in range(len(active) - 1, -1, -1):
        n = int(active[t])
        now = slice(slots[t + 1], slots[t + 1] + n)
        rows = slice(now.start - B, now.stop - B)
        above = None if dh is None else dh[rows]  # (n, H)
        arguments = dz[rows], gates[rows], c[slots[t] :], c[now], above, dh_next, dc_next
        launch_each(step, n * H, *arguments, n, H)
        dh_next[:n] = dz[rows] @ R  # (1) z = W x_t + R h_{t-1} + b, the h_{t-1} part
    return dh_next, dc_next


# ---------------------------------------------------------------- parts


def _plan(active: IntArray, H: int, dtype: Any) -> Plan | None:
    here = device(cupy.cuda.Device().id)
    return make_plan(here, H, int(active[0]), len(active), dtype)


def _launch(
    name: str, plan: Plan, H: int, names: tuple[str, str], arguments: tuple[Any, ...]
) -> None:
    """Run a kernel of `lstm.cu`; the counters of the groups are its last argument."""
    function = kernel(
        "lstm.cu",
        name,
        arguments[0].dtype,
        **constants(plan, H),
        **_numbers_of(names),
    )
    shared = plan.shared if name == "lstm_forward" else plan.shared_back
    arrived = cupy.zeros(COUNTER_GAP * plan.groups, np.uint32)
    blocks = plan.groups * plan.blocks
    together = plan.exchange == 2
    sizes = blocks, plan.threads
    launch(function, *sizes, *arguments, arrived, shared=shared, cooperative=together)


def _step_kernel(name: str, dtype: Any, names: tuple[str, str]) -> Any:
    return kernel("lstm_steps.cu", name, dtype, **_numbers_of(names))


def _numbers_of(names: tuple[str, str]) -> dict[str, int]:
    """Places of the activations in the tables of `functional.activations`."""
    gate, state = names
    return {
        "GATE_ACTIVATION": list(GATE_ACTIVATIONS).index(gate),
        "STATE_ACTIVATION": list(STATE_ACTIVATIONS).index(state),
    }


def _states(h0: Array, c0: Array, rows: int) -> tuple[Array, Array]:
    """Hidden and cell states (rows, H), the first B of them set."""
    (B, H), dtype = h0.shape, h0.dtype
    h, c = cupy.empty((rows, H), dtype), cupy.empty((rows, H), dtype)
    h[:B], c[:B] = h0, c0
    return h, c


# (B,) lengths of the sequences, longest first: all that a kernel asks about their times.
_lengths = kept(sequence_lengths)


def _last_states(arrays: tuple[Array, ...], active: IntArray) -> list[Array]:
    """(B, H) the states after each sequence's last step."""
    B = int(active[0])
    if active[-1] == B:  # all end together
        return [a[-B:].copy() for a in arrays]
    places = _last_slots(active)
    return [a[places] for a in arrays]


@kept
def _last_slots(active: IntArray) -> IntArray:
    """(B,) places in a state array of each sequence's last step."""
    return active[0] + last_rows(active)


def _previous_states(h: Array, active: IntArray) -> Array:
    """(N, H) the hidden state before each row: `functional.ragged.previous_rows` of h."""
    N, H = int(active.sum()), h.shape[1]
    changes = _changes(active)
    if not len(changes):
        return h[:N]
    out = cupy.empty((N, H), h.dtype)
    previous = _step_kernel("lstm_previous", h.dtype, ("sigmoid", "tanh"))
    launch_each(previous, N * H, h, changes, len(changes), N, H, out)
    return out


@kept
def _changes(active: IntArray) -> IntArray:
    """Rows from which one slot more is skipped to find the state before: at most B of them."""
    starts = np.cumsum(active) - active  # (T,)
    steps = sequence_lengths(active)[::-1] + 1  # (B,) ascending, the second step after each end
    return starts[steps[steps < len(active)]]
