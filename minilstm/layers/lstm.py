"""The LSTM layer: its size, what it puts out, and how its three learnable arrays start.
The equations are in `minilstm.functional.lstm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMCache, LSTMState
from minilstm.functional.ragged import IntArray, last_rows
from minilstm.layers import initializers
from minilstm.layers.base import (
    Array,
    Layer,
    Parameter,
    Parameters,
    Shape,
    Signal,
    Training,
    check_choice,
    check_factors,
    check_size,
    check_vector,
    count,
)


@dataclass(frozen=True, eq=False)
class LSTM(Layer):
    """Long short-term memory layer, gates in blocks i, f, g, o, one bias.

    Parameters
    ----------
    num_hidden_units : H
    output_mode : "sequence" gives the hidden state of every step, "last" that of each sequence's
        own last step (never of a padded one)
    name : name in the network; "" lets the network choose
    input_weights_learn_rate_factor, recurrent_weights_learn_rate_factor, \
bias_learn_rate_factor : multiply the learning rate of that array
    input_weights_l2_factor, recurrent_weights_l2_factor, bias_l2_factor : multiply the L2
        regularisation of that array; the bias has none by default

    Notes
    -----
    Learnables: input_weights (4H, D) Glorot, recurrent_weights (4H, H) orthogonal, bias (4H,)
    zero but 1 for the forget gate.

    Examples
    --------
    >>> [(p.name, p.shape) for p in LSTM(200).parameters((3,))]
    [('input_weights', (800, 3)), ('recurrent_weights', (800, 200)), ('bias', (800,))]
    """

    num_hidden_units: int
    output_mode: str = "sequence"
    input_weights_learn_rate_factor: float = 1.0
    recurrent_weights_learn_rate_factor: float = 1.0
    bias_learn_rate_factor: float = 1.0
    input_weights_l2_factor: float = 1.0
    recurrent_weights_l2_factor: float = 1.0
    bias_l2_factor: float = 0.0
    kind: ClassVar[str] = "lstm"

    def __post_init__(self) -> None:
        check_size("LSTM", "num_hidden_units", self.num_hidden_units)
        check_choice("LSTM", "output_mode", self.output_mode, ("sequence", "last"))
        check_factors(self)

    @property
    def label(self) -> str:
        """One line for tables."""
        last = ", last step only" if self.output_mode == "last" else ""
        return f"LSTM with {self.num_hidden_units} hidden units{last}"

    @property
    def keeps_last(self) -> bool:
        """Whether the output is each sequence's last step only."""
        return self.output_mode == "last"

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H,), whatever vectors come in."""
        check_vector(self, input_shape)
        return (self.num_hidden_units,)

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """input_weights (4H, D), recurrent_weights (4H, H), bias (4H,)."""
        H, D = self.num_hidden_units, check_vector(self, input_shape)
        return (
            Parameter(
                "input_weights",
                (4 * H, D),
                initializers.glorot,
                self.input_weights_learn_rate_factor,
                self.input_weights_l2_factor,
            ),
            Parameter(
                "recurrent_weights",
                (4 * H, H),
                initializers.orthogonal,
                self.recurrent_weights_learn_rate_factor,
                self.recurrent_weights_l2_factor,
            ),
            Parameter(
                "bias",
                (4 * H,),
                initializers.unit_forget_gate,
                self.bias_learn_rate_factor,
                self.bias_l2_factor,
            ),
        )

    def initial_state(self, batch: int, dtype: Any) -> LSTMState:
        """Zero hidden and cell state, (B, H) each."""
        shape = (batch, self.num_hidden_units)
        return LSTMState(np.zeros(shape, dtype), np.zeros(shape, dtype))

    def prepare(self, backend: Backend, p: Parameters) -> Parameters:
        """The parameters, and the weights as the backend arranges them."""
        packed = backend.lstm_pack(p["input_weights"], p["recurrent_weights"], p["bias"])
        return {**p, "packed": packed}

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Hidden states of every step (N, H), or of each last step (B, H)."""
        rows, active = signal
        h, last, cache = backend.lstm_forward(
            rows,
            *self._start(state, signal),
            p["input_weights"],
            p["recurrent_weights"],
            p["bias"],
            active,
            p.get("packed"),
        )
        return self._output(h, last, active), last, cache

    def advance(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        *,
        keep: bool,
        need_output: bool,
    ) -> tuple[Signal | None, LSTMState | None, Any]:
        """The state after a span; of its gates, from which the rest follows, what is asked for."""
        rows, active = signal
        start = self._start(state, signal)
        packed = p["packed"] if "packed" in p else self.prepare(backend, p)["packed"]
        if keep and need_output:
            output, last, cache = self.forward(backend, {**p, "packed": packed}, signal, state)
            return output, last, cache.gates
        what = "gates" if keep else "output" if need_output else "state"
        if self.output_mode == "last" and not keep:
            what = "state"
        h, last, gates = backend.lstm_advance(rows, *start, active, packed, what)
        return self._output(h, last, active) if need_output else None, last, gates

    def restore(
        self, backend: Backend, p: Parameters, signal: Signal, state: LSTMState | None, kept: Any
    ) -> tuple[Signal, Any]:
        """The output and the cache of a span from its gates, without a matrix product."""
        rows, active = signal
        start = self._start(state, signal)
        h, c = backend.lstm_restore(kept, *start, active)
        W, R = p["input_weights"], p["recurrent_weights"]
        cache = LSTMCache(rows, W, R, h, c, kept, active, p.get("packed"))
        B = len(start.hidden)
        last = B + last_rows(active)  # (B,)
        return self._output(h[B:], LSTMState(h[last], c[last]), active), cache

    def kept_per_row(self, itemsize: int) -> int:
        """Four activated gates."""
        return 4 * self.num_hidden_units * itemsize

    def used_per_row(self, input_shape: Shape, itemsize: int) -> int:
        """Gates, in whose place their gradient goes, states, the gradients of output and input."""
        return (7 * self.num_hidden_units + 2 * count(input_shape)) * itemsize

    def _start(self, state: LSTMState | None, signal: Signal) -> LSTMState:
        if state is not None:
            return state
        return self.initial_state(int(signal.active[0]), signal.rows.dtype)

    def _output(self, h: Array | None, last: LSTMState, active: IntArray) -> Signal:
        if self.output_mode == "last":
            return Signal(last.hidden, _one_step(last.hidden))
        assert h is not None  # the backend was asked for it
        return Signal(h, active)

    def backward(
        self,
        backend: Backend,
        dy: Array,
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[Array | None, dict[str, Array], LSTMState | None]:
        """Gradients from the output dy and, if given, from the final state."""
        dh: Array | None = dy  # (N, H)
        if self.output_mode == "last":
            # The output is the final hidden state: its gradient arrives there, nowhere else.
            dh = None
            dstate = (
                LSTMState(dy, np.zeros_like(dy))
                if dstate is None
                else LSTMState(dstate.hidden + dy, dstate.cell)
            )
        dx, grads = backend.lstm_backward(dh, dstate, cache, need_dx, spend_cache)
        by_name = {"input_weights": grads.W, "recurrent_weights": grads.R, "bias": grads.b}
        return dx, by_name, LSTMState(grads.h0, grads.c0)


def _one_step(rows: Array) -> IntArray:
    """A batch of B vectors is a batch of B sequences of one step."""
    return np.array([len(rows)], np.int64)  # (1,)
