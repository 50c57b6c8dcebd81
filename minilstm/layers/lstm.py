"""The LSTM layer: its size, what it puts out, and how its three learnable arrays start.
The equations are in `minilstm.functional.lstm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMCache, LSTMState
from minilstm.functional.ragged import last_rows
from minilstm.layers.base import Array, Parameters, Run, Shape, count
from minilstm.layers.recurrent import LEARNABLES, Recurrent


@dataclass(frozen=True, eq=False)
class LSTM(Recurrent):
    """Long short-term memory layer, gates in blocks i, f, g, o, one bias.

    Parameters
    ----------
    num_hidden_units : H
    output_mode : "sequence" gives the hidden state of every step, "last" that of each sequence's
        own last step (never of a padded one)
    state_activation_function : "tanh", "softsign" or "relu", on g and on the cell
    gate_activation_function : "sigmoid" or "hard-sigmoid", on i, f and o
    input_weights_initializer, recurrent_weights_initializer, bias_initializer : a name of
        `minilstm.layers.initializers`, or a function (shape, rng) -> array, which is not saved
    input_weights, recurrent_weights, bias : (4H, D), (4H, H), (4H,) values to start from instead
    hidden_state, cell_state : (H,) state before the first step, to which a reset returns; None
        means zero. It is not learned
    has_state_inputs : True adds the inputs "hidden" and "cell", from which sequences start
    has_state_outputs : True adds the outputs "hidden" and "cell", the state after the last step
    input_weights_learn_rate_factor, recurrent_weights_learn_rate_factor, \
bias_learn_rate_factor : multiply the learning rate of that array; a number, or four, one for each
        gate in the order i, f, g, o
    input_weights_l2_factor, recurrent_weights_l2_factor, bias_l2_factor : multiply the L2
        regularisation of that array, in the same way; the bias has none by default

    Notes
    -----
    Learnables: input_weights (4H, D) Glorot, recurrent_weights (4H, H) orthogonal, bias (4H,)
    zero but 1 for the forget gate.

    Examples
    --------
    >>> [(p.name, p.shape) for p in LSTM(200).parameters((3,))]
    [('input_weights', (800, 3)), ('recurrent_weights', (800, 200)), ('bias', (800,))]
    """

    kind: ClassVar[str] = "lstm"

    def prepare(self, backend: Backend, p: Parameters) -> Parameters:
        """The parameters, and the weights as the backend arranges them."""
        return {**p, "packed": backend.lstm_pack(*(p[name] for name in LEARNABLES))}

    def _compute(self, run: Run, x: Array, start: LSTMState) -> tuple[Array | None, LSTMState, Any]:
        p = run.p
        learned = p["input_weights"], p["recurrent_weights"], p["bias"]
        return run.backend.lstm_forward(
            x, *start, *learned, run.steps[0], p.get("packed"), *self.activations
        )

    def advance(
        self, run: Run, x: Any, state: LSTMState | None, *, keep: bool, need_output: bool
    ) -> tuple[Any, LSTMState | None, Any]:
        """The state after a span; of its gates, from which the rest follows, what is asked for."""
        if self.whole:  # states come or go through ports
            return super().advance(run, x, state, keep=keep, need_output=need_output)
        if keep and need_output:
            y, last, cache = self.forward(run, x, state)
            return y, last, cache.gates
        what = "gates" if keep else "output" if need_output and not self.keeps_last else "state"
        start, packed = self._start(run, x, state), run.p["packed"]
        h, last, gates = run.backend.lstm_advance(
            x, *start, run.steps[0], packed, what, *self.activations
        )
        y = last.hidden if self.keeps_last else h
        return y if need_output else None, last, gates

    def restore(self, run: Run, x: Array, state: LSTMState | None, kept: Any) -> tuple[Array, Any]:
        """The output and the cache of a span from its gates, without a matrix product."""
        p, active, backend = run.p, run.steps[0], run.backend
        start = self._start(run, x, state)
        h, c = backend.lstm_restore(kept, *start, active, self.state_activation_function)
        W, R = p["input_weights"], p["recurrent_weights"]
        cache = LSTMCache(x, W, R, h, c, kept, active, p.get("packed"), *self.activations)
        B = len(start.hidden)
        if self.keeps_last:
            return h[backend.to_device(B + last_rows(active))], cache  # (B, H)
        return h[B:], cache  # (N, H)

    def kept_per_row(self, itemsize: int) -> int:
        """Four activated gates."""
        return 4 * self.num_hidden_units * itemsize

    def used_per_row(self, input_shape: Shape, itemsize: int) -> int:
        """Gates, in whose place their gradient goes, states, the gradients of output and input."""
        return (7 * self.num_hidden_units + 2 * count(input_shape)) * itemsize
