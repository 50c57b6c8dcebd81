"""The backward pass of the LSTM as a table of equations, and the function that follows a table.
The lines are those of `minilstm.functional.lstm`; `lstm_steps` and `lstm_sums` change them.

Axes: B batch, T time, N rows, D features, H hidden units, G = 4H gate rows i, f, g, o; n sequences
run at the step at hand.

A line of `STEP` reads these values of the step: dh, the gradient of the outputs from above; dh_next
and dc_next, carried from the step after; the gates i, f, g, o; c and c_prev; tanh_c; sigmoid, tanh
and their derivatives from outputs, dsigmoid and dtanh (or what a layer uses in their place). A line
of `SUMS` reads arrays of all steps at once.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np

from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMCache, LSTMGradients, LSTMState
from minilstm.functional.ragged import (
    IntArray,
    previous_rows,
    reversed_rows,
    sequence_lengths,
    state_slots,
)
from minilstm.proof.causes.mistakes.base import Array, Backward, Table, follow, read, table

GATES = {"i": "input gate", "f": "forget gate", "g": "cell candidate", "o": "output gate"}
EACH_GATE = [{"k": k, "gate": gate} for k, gate in GATES.items()]
WORDS = {
    "dhidden": "dstate.hidden",
    "dcell": "dstate.cell",
    "last_to_first": "T - 1, ..., 0",
    # of a step
    "c": "c_t",
    "c_prev": "c_{t-1}",
    "tanh_c": "tanh(c_t)",
    "h": "h_t",
    "dsigmoid": "{0} * (1 - {0})",
    "dtanh": "(1 - {0}^2)",
    "logit": "z_{0}",
    "arctanh": "z_{0}",
    "at_end": "{0} where a sequence ends",
    # of all steps
    "outer": "sum of {0}_t {1}^T",
    "total": "sum of {0}_t",
    "x": "x_t",
    "before(x)": "x_{t-1}",
    "after(x)": "x_{t+1}",
    "h_prev": "h_{t-1}",
    "before(h_prev)": "h_{t-2}",
    "before(dz)": "dz_{t-1}",
    "after(dz)": "dz_{t+1}",
    "first_dh_t": "dh_t of the first step",
    "first_dc": "dc of the first step",
    "first_dh_next": "dh_next of the first step",
    "first_dc_next": "dc_next of the first step",
}
#: before the first step: what is carried into the last step, and the order of the steps
START: Table = table(
    WORDS,
    dh_T="dhidden",  # (B, H)
    dc_T="dcell",  # (B, H)
    steps="last_to_first",
)
#: every step
STEP: Table = table(
    WORDS,
    dh_t="dh + dh_next",  # (n, H)
    # (5) h_t = o * tanh(c_t)
    do="dh_t * tanh_c",
    dc="dc_next + dh_t * o * dtanh(tanh_c)",
    # (4) c_t = f * c_{t-1} + i * g
    df="dc * c_prev",
    di="dc * g",
    dg="dc * i",
    dc_next="dc * f",
    # (3) g = tanh(z_g), (2) i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)
    dz_i="di * dsigmoid(i)",
    dz_f="df * dsigmoid(f)",
    dz_g="dg * dtanh(g)",
    dz_o="do * dsigmoid(o)",
    dz="[dz_i, dz_f, dz_g, dz_o]",  # (n, G)
    # (1) z = W x_t + R h_{t-1} + b, the h_{t-1} part
    dh_next="dz @ R",  # (n, H)
)
#: after the last step
SUMS: Table = table(
    WORDS,
    # (1) the rest, for all steps at once
    dx="dz @ W",  # (N, D)
    dW="outer(dz, x)",  # (G, D)
    dR="outer(dz, h_prev)",  # (G, H)
    db="total(dz)",  # (G,)
    dh0="first_dh_next",  # (B, H)
    dc0="first_dc_next",  # (B, H)
)
RIGHT: Table = {**START, **STEP, **SUMS}


def lstm_backward_by(rules: Table) -> Backward:
    """The backward pass that follows a table, of the contract of `lstm_backward`."""

    def lstm_backward(
        dh: Array | None,
        dstate: LSTMState | None,
        cache: LSTMCache,
        need_dx: bool = True,
        spend_cache: bool = False,
    ) -> tuple[Array | None, LSTMGradients]:
        x, _, R, h, c, gates, active, _, gate_activation, state_activation = cache
        gate, state = GATE_ACTIVATIONS[gate_activation], STATE_ACTIVATIONS[state_activation]
        B, H = len(h) - len(x), R.shape[1]
        lengths, slots = sequence_lengths(active), state_slots(active)
        zero = np.zeros((B, H), x.dtype)  # (B, H)
        dhidden, dcell = dstate or (zero, zero)  # (B, H) each
        T = len(active)
        start = SimpleNamespace(
            dhidden=dhidden, dcell=dcell, longest=(lengths == T)[:, None],  # (B, 1)
            last_to_first=range(T - 1, -1, -1), first_to_last=range(T),
        )  # fmt: skip
        follow({name: rules[name] for name in START}, start)
        dh_next, dc_next = start.dh_T.copy(), start.dc_T.copy()  # (B, H) each
        kept = {name: np.zeros_like(h[B:]) for name in ("dh_t", "dc")}  # (N, H) each
        dz = np.zeros_like(gates)  # (N, G)
        v = SimpleNamespace(
            R=R, W=cache.W, sigmoid=gate.forward, dsigmoid=gate.derivative, tanh=state.forward,
            dtanh=state.derivative, logit=lambda y: np.log(y / (1 - y)), arctanh=np.arctanh,
            without=without, dhidden=dhidden, dcell=dcell,
        )  # fmt: skip
        step = {name: rules[name] for name in STEP}
        for t in start.steps:
            n = active[t]
            prev = slice(slots[t], slots[t] + n)
            now = slice(slots[t + 1], slots[t + 1] + n)
            rows = slice(now.start - B, now.stop - B)
            i, f, g, o = np.split(gates[rows], 4, axis=1)  # (n, H) each
            vars(v).update(
                i=i, f=f, g=g, o=o, c=c[now], c_prev=c[prev], h=h[now],
                tanh_c=state.forward(c[now]), dh=np.zeros_like(i) if dh is None else dh[rows],
                dh_next=dh_next[:n], dc_next=dc_next[:n], after_first=t > 0,
                at_end=lambda rows, n=n, t=t: rows[:n] * (lengths[:n] == t + 1)[:, None],
            )  # fmt: skip
            follow(step, v)
            dz[rows], kept["dh_t"][rows], kept["dc"][rows] = v.dz, v.dh_t, v.dc
            dh_next[:n], dc_next[:n] = v.dh_next, v.dc_next
        total = SimpleNamespace(
            R=R, W=cache.W, without=without, B=B, T=T, N=len(x), dz=dz, x=x, h=h[B:],
            h_prev=h[previous_rows(active)], first_dh_next=dh_next, first_dc_next=dc_next,
            first_dh_t=kept["dh_t"][:B], first_dc=kept["dc"][:B],
            after_first=lambda rows: rows * one_step_earlier(np.ones_like(rows), active),
            before_last=lambda rows: rows * one_step_later(np.ones_like(rows), active),
            outer=lambda dz, rows: dz.T @ rows,
            total=lambda dz: dz.sum(axis=0), copied=copied,
            before=lambda rows: one_step_earlier(rows, active),
            after=lambda rows: one_step_later(rows, active),
            turned=lambda rows: rows[reversed_rows(active)],
        )  # fmt: skip
        follow({name: rules[name] for name in SUMS}, total)
        grads = LSTMGradients(total.dW, total.dR, total.db, total.dh0, total.dc0)
        return (total.dx if need_dx else None), grads

    return lstm_backward


read_lstm = partial(read, "lstm_backward", RIGHT, lstm_backward_by)


def copied(gates: str, db: Array) -> Array:
    """db with the part of the forget gate in the place of these gates' parts."""
    parts = dict(zip("ifgo", np.split(db, 4), strict=True))  # (H,) each
    return np.concatenate([parts["f" if k in gates else k] for k in "ifgo"])


def without(gate: str, dz: Array) -> Array:
    """dz with the columns of one gate set to zero."""
    parts = dict(zip("ifgo", np.split(dz, 4, axis=1), strict=True))  # (N, H) each
    return np.concatenate([parts[k] * (k != gate) for k in parts], axis=1)


def one_step_earlier(rows: Array, active: IntArray) -> Array:
    """Each row replaced by that of the step before in its sequence; zero at the first step."""
    before = np.concatenate((np.zeros_like(rows[: active[0]]), rows))  # (B + N, ...)
    return before[previous_rows(active)]


def one_step_later(rows: Array, active: IntArray) -> Array:
    """Each row replaced by that of the step after in its sequence; zero at the last step."""
    B = int(active[0])
    out = np.zeros((B + len(rows), *rows.shape[1:]), rows.dtype)  # (B + N, ...)
    out[previous_rows(active)] = rows
    return out[B:]
