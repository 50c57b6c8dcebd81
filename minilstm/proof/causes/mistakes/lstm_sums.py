"""Known mistakes around the time loop of the LSTM's backward pass: its start, its order, the sums.
And those of public projects that are several mistakes at once, made here all together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.ragged import reversed_rows
from minilstm.proof.causes.mistakes.base import Mistake, Rule, Table, listed, maker
from minilstm.proof.causes.mistakes.lstm import (
    GATES,
    RIGHT,
    block,
    lstm_backward_by,
    one_step_earlier,
    one_step_later,
    only,
    without,
)
from minilstm.proof.causes.mistakes.lstm_steps import CELL_TWICE, twice, value

Array = NDArray[Any]

_make = maker("lstm_backward", RIGHT, lstm_backward_by)

SUMMED = ("dW", "dR", "db")  # what every step adds to


def _zero(name: str) -> Rule:
    return Rule("0", lambda v: np.zeros_like(RIGHT[name].value(v)))


def _scaled(name: str, by: str) -> Rule:
    """A sum divided by the number of sequences B, of steps T or of all rows N."""

    def divided(v: Any) -> Array:
        return RIGHT[name].value(v) / {"B": v.B, "T": v.T, "N": len(v.dz)}[by]

    return Rule(f"{RIGHT[name].text} / {by}", divided)


def _over(dz: Any) -> Table:
    """The three sums over rows of dz of which some are left out or moved: `dz` says which."""
    return {
        "dW": Rule("", lambda v: dz(v).T @ v.x),
        "dR": Rule("", lambda v: dz(v).T @ v.h_prev),
        "db": Rule("", lambda v: dz(v).sum(axis=0)),
    }


def _copied(gates: str) -> Rule:
    def copied(v: Any) -> Array:
        db: Array = v.dz.sum(axis=0)  # (G,)
        H = len(db) // 4
        for k in gates:
            db[block(k, H)] = db[block("f", H)]
        return db

    return Rule("", copied)


def _weights_of(line: str) -> Rule:
    return Rule(line[1:], lambda v: getattr(v, line[1:]))


def _moved(text: str, move: Callable[[Array, Any], Array]) -> Rule:
    return Rule(text, lambda v: v.dz.T @ move(v.x, v.active))


def _lacking(k: str) -> Rule:
    return Rule("", lambda v: without(k, v.dz) @ v.W)


def _only(which: str) -> Rule:
    return Rule("", lambda v: only(which, v.dz, v.active) @ v.W)


def _weights() -> list[Mistake]:
    """The sums over all steps: dW, dR and db."""
    zero = {name: _zero(name) for name in SUMMED}
    nothing = "no gradient arrives at"
    copied = "bias gradients are copied from the forget gate"
    haste = "lmnt-com/haste#17", "lmnt-com/haste#31"
    return [
        *(
            _make(f"{name} zero", f"{nothing} the {what}", **{name: zero[name]})
            for name, what in {"dW": "input weights", "dR": "recurrent weights"}.items()
        ),
        _make("bias forgotten", "the bias is forgotten", "tracel-ai/burn#5235", db=zero["db"]),
        _make("dW and dR zero", f"{nothing} the weights", *haste, dW=zero["dW"], dR=zero["dR"]),
        _make("dW, dR and db zero", f"{nothing} any parameter", "explosion/thinc", **zero),
        *(
            _make(
                f"gradient equal to the weights: {' and '.join(lines)}",
                "the weights themselves are returned for their gradients",
                "explosion/thinc",
                **{name: _weights_of(name) for name in lines},
            )
            for lines in (("dW",), ("dR",), ("dW", "dR"))
        ),
        *(
            _make(
                f"{' and '.join(lines)} divided by {by}",
                f"the sum over all steps and sequences is divided by the number of {of}",
                **{name: _scaled(name, by) for name in lines},
            )
            for by, of in {"B": "sequences", "T": "time steps", "N": "rows"}.items()
            for lines in (("dW",), ("dR",), ("dW", "dR"), SUMMED)
        ),
        *(
            _make(
                f"db divided by {by}",
                f"the bias gradient is a sum over steps and sequences, not a mean over the {of}",
                db=_scaled("db", by),
            )
            for by, of in {"B": "sequences", "T": "time steps", "N": "rows"}.items()
        ),
        *(
            _make(
                f"db of {' and '.join(gates)} copied from f",
                copied,
                *seen,
                fault=listed([f"db_{k} = db_f should be the sum of dz_{k}" for k in gates]),
                db=_copied(gates),
            )
            for gates, seen in {
                "i": (),
                "o": (),
                "g": (),
                "io": ("hanbt/learn_dl#53",),
                "igo": (),
            }.items()
        ),
        _make(
            "dR with h_t",
            "R meets the hidden state of the step before, not that of the same step",
            dR=Rule("sum of dz_t h_t^T", lambda v: v.dz.T @ v.h),
        ),
        _make(
            "dR with h_{t-2}",
            "R meets the hidden state of the step before, not that of two steps before",
            dR=Rule("sum of dz_t h_{t-2}^T", lambda v: v.dz.T @ _two_before(v)),
        ),
        _make(
            "initial hidden state forgotten in dR",
            "the first step has a hidden state before it too, the initial one",
            fault="the sum of dz_t h_{t-1}^T starts at the second step and should start at the "
            "first",
            dR=Rule("", lambda v: (v.dz - only("first", v.dz, v.active)).T @ v.h_prev),
        ),
        _make(
            "dR with x",
            "R meets the hidden state, not the input",
            dR=Rule(
                "sum of dz_t x_t^T",
                lambda v: v.dz.T @ (v.x if v.x.shape == v.h.shape else v.h_prev),
            ),
        ),
        _make(
            "dW with h_{t-1}",
            "W meets the input, not the hidden state",
            dW=Rule(
                "sum of dz_t h_{t-1}^T",
                lambda v: v.dz.T @ (v.h_prev if v.x.shape == v.h.shape else v.x),
            ),
        ),
        *(
            _make(
                f"dW of the step {where}",
                "W meets the input of the same step",
                dW=_moved(f"sum of dz_t x_{{t{sign}1}}^T", f),
            )
            for where, sign, f in (
                ("before", "-", one_step_earlier),
                ("after", "+", one_step_later),
            )
        ),
        *(
            _make(
                f"{title} in dW, dR and db",
                "dW, dR and db are sums over all steps",
                fault=f"{fault} and should be in them (+=)",
                **_over(dz),
            )
            for title, fault, dz in (
                (
                    "only the last step",
                    "all but each sequence's last step are left out",
                    lambda v: only("last", v.dz, v.active),
                ),
                (
                    "only the first step",
                    "each step overwrites those after it (=), which are left out",
                    lambda v: only("first", v.dz, v.active),
                ),
                (
                    "the last step missing",
                    "each sequence's last step is left out",
                    lambda v: v.dz - only("last", v.dz, v.active),
                ),
                (
                    "the first step missing",
                    "the first step is left out",
                    lambda v: v.dz - only("first", v.dz, v.active),
                ),
            )
        ),
    ]


def _two_before(v: Any) -> Array:
    return one_step_earlier(v.h_prev, v.active)


def _input() -> list[Mistake]:
    """dx, which every step has for itself."""
    same_step = "dx is out of step by one"
    return [
        _make("dx zero", "no gradient arrives at the input", dx=_zero("dx")),
        _make(
            "dx through R",
            "the way to the input goes through the input weights",
            dx=Rule("dz R", lambda v: v.dz @ (v.R if v.R.shape == v.W.shape else v.W)),
        ),
        *(
            _make(
                f"{gate} missing in dx",
                f"the {gate} is left out of the gradient of the input",
                fault=f"dx should be the sum over all four gates and lacks dz_{k} W_{k}",
                dx=_lacking(k),
            )
            for k, gate in GATES.items()
        ),
        _make(
            "dx a step late",
            same_step,
            dx=Rule("dz_{t-1} W", lambda v: one_step_earlier(v.dz, v.active) @ v.W),
        ),
        _make(
            "dx a step early",
            same_step,
            dx=Rule("dz_{t+1} W", lambda v: one_step_later(v.dz, v.active) @ v.W),
        ),
        _make(
            "dx in reversed time",
            "dx is collected from the last step to the first and never turned round",
            fault="row 0 holds the last step and should hold the first",
            dx=Rule("", lambda v: (v.dz @ v.W)[reversed_rows(v.active)]),
        ),
        *(
            _make(
                f"dx of the {which} step only",
                f"dx has a gradient in each sequence's {which} step only",
                fault="each step should have its own dx = dz W",
                dx=_only(which),
            )
            for which in ("first", "last")
        ),
    ]


def _states() -> list[Mistake]:
    """The two ends: the initial state, the final state, and the way between them."""
    zero_h, zero_c = _zero("dh0"), _zero("dc0")
    none_h = Rule("0", lambda v: np.zeros_like(v.dhidden))
    longest = "dstate arrives at step T - 1 only and should arrive at each sequence's own last step"
    return [
        _make("dh0 zero", "no gradient arrives at the initial hidden state", dh0=zero_h),
        _make("dc0 zero", "no gradient arrives at the initial cell state", dc0=zero_c),
        _make(
            "dh0 and dc0 zero", "no gradient arrives at the initial state", dh0=zero_h, dc0=zero_c
        ),
        _make(
            "dh0 and dc0 swapped",
            "the gradients of the initial hidden and cell state are interchanged",
            dh0=Rule("dc_next of the first step", lambda v: v.dc_next),
            dc0=Rule("dh_next of the first step", lambda v: v.dh_next),
        ),
        _make(
            "dh0 of the first output",
            "the gradient of h_0 is that of the first output, before it passes the first step",
            dh0=Rule("dh_t of the first step", lambda v: v.first_dh_t),
        ),
        _make(
            "dc0 without the first forget gate",
            "the gradient of c_0 is that of the first cell, before it passes the forget gate",
            dc0=Rule("dc of the first step", lambda v: v.first_dc),
        ),
        _make(
            "final state forgotten",
            "the gradient of the final state is ignored",
            dh_T=none_h,
            dc_T=none_h,
        ),
        _make(
            "final hidden state forgotten", "the gradient of the final h is ignored", dh_T=none_h
        ),
        _make("final cell state forgotten", "the gradient of the final c is ignored", dc_T=none_h),
        _make(
            "final h and c swapped",
            "the gradients of the final hidden and cell state are interchanged",
            dh_T=Rule("dstate.cell", lambda v: v.dcell),
            dc_T=Rule("dstate.hidden", lambda v: v.dhidden),
        ),
        _make(
            "final state at the longest sequence's end",
            "a sequence shorter than the longest gets no gradient of its final state",
            fault=longest,
            dh_T=Rule("", lambda v: v.dhidden * _longest(v)),
            dc_T=Rule("", lambda v: v.dcell * _longest(v)),
        ),
        _make(
            "forward order",
            "the recurrence is differentiated in forward order",
            "elixir-nx/axon#646",
            fault="the steps run from 0 to T - 1 and should run from T - 1 to 0",
            steps=Rule("", lambda v: range(v.T)),
        ),
    ]


def _longest(v: Any) -> Array:
    out: Array = (v.lengths == v.T)[:, None]  # (B, 1)
    return out


def _public() -> list[Mistake]:
    """What public projects have, several mistakes at once."""
    tanh_twice = "tanh is applied a second time to the activated g and tanh(c_t)"
    return [
        _make(
            "forget gate for its derivative, and nothing carried",
            "the forget gate itself stands where its derivative belongs, and neither dh_next nor "
            "dc_next is carried",
            "CaptainE/RNN-LSTM-in-numpy#1",
            dz_f=value("f"),
            dh_t=Rule("dh", lambda v: v.dh),
            dc=Rule("dh_t * o * (1 - tanh(c_t)^2)", lambda v: v.dh_t * v.o * v.dtanh(v.tanh_c)),
        ),
        _make(
            "tanh derivatives of activated values",
            tanh_twice,
            dz_g=twice("g"),
            dc=CELL_TWICE,
        ),
        _make(
            "derivatives of activated values, cell too",
            "all five derivatives are taken of values that are already activated",
            "nicklashansen/rnn_lstm_from_scratch#1",
            fault="they should be i * (1 - i), f * (1 - f), o * (1 - o), 1 - g^2 and "
            "1 - tanh(c_t)^2",
            dc=CELL_TWICE,
            **{f"dz_{k}": twice(k) for k in GATES},
        ),
        _make(
            "di with i, tanh twice, dR with h_t",
            f"di has i in place of g, {tanh_twice}, and R meets h_t in place of h_{{t-1}}",
            "wvabrinskas/Neuron#181",
            di=Rule("dc * i", lambda v: v.dc * v.i),
            dz_g=twice("g"),
            dc=CELL_TWICE,
            dR=Rule("sum of dz_t h_t^T", lambda v: v.dz.T @ v.h),
        ),
    ]


MISTAKES: tuple[Mistake, ...] = (*_weights(), *_input(), *_states(), *_public())
