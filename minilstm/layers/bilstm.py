"""The bidirectional LSTM layer: each step knows what comes before it and what comes after it.
The equations are in `minilstm.functional.bilstm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Parameters, Run, Shape, count
from minilstm.layers.recurrent import LEARNABLES, Recurrent


@dataclass(frozen=True, eq=False)
class BiLSTM(Recurrent):
    """Two LSTM layers over the same sequences, one forward in time and one backward.

    Whole sequences are needed: a carried state of the backward direction has no meaning, so such
    a network is trained and used on complete sequences only.

    Parameters
    ----------
    num_hidden_units : H, of each direction; the layer has 2H outputs, the forward half first
    output_mode : "sequence" gives the hidden states of every step; "last" gives the forward one
        after each sequence's own last step beside the backward one after it has read the first
    state_activation_function, gate_activation_function : as for `LSTM`
    input_weights_initializer, recurrent_weights_initializer, bias_initializer : as for `LSTM`;
        each draws both directions as one matrix of 8H rows, but "unit-forget-gate" opens the forget
        gates of both
    input_weights, recurrent_weights, bias : (8H, D), (8H, H), (8H,) values to start from instead;
        blocks i, f, g, o forward, then i, f, g, o backward
    hidden_state, cell_state : (2H,) state from which each direction starts; None means zero
    has_state_inputs, has_state_outputs : as for `LSTM`, with states of 2H numbers
    input_weights_learn_rate_factor, recurrent_weights_learn_rate_factor, \
bias_learn_rate_factor : multiply the learning rate of that array; a number, or eight, one for each
        block of rows
    input_weights_l2_factor, recurrent_weights_l2_factor, bias_l2_factor : multiply the L2
        regularisation of that array, in the same way; the bias has none by default

    Examples
    --------
    >>> [(p.name, p.shape) for p in BiLSTM(100).parameters((12,))]
    [('input_weights', (800, 12)), ('recurrent_weights', (800, 100)), ('bias', (800,))]
    >>> BiLSTM(100).output_shape((12,))
    (200,)
    """

    kind: ClassVar[str] = "bilstm"
    directions: ClassVar[int] = 2
    blocks: ClassVar[str] = "ifgoifgo"
    whole = True  # the backward direction begins at the end

    def prepare(self, backend: Backend, p: Parameters) -> Parameters:
        """The parameters, and the weights of each direction as the backend arranges them."""
        G = 4 * self.num_hidden_units
        halves = (slice(0, G), slice(G, 2 * G))
        packed = tuple(backend.lstm_pack(*(p[n][half] for n in LEARNABLES)) for half in halves)
        return {**p, "packed": packed}

    def _compute(
        self, run: Run, x: Array, start: LSTMState, keep_cache: bool = True
    ) -> tuple[Array | None, LSTMState, Any]:
        p = run.p
        learned = p["input_weights"], p["recurrent_weights"], p["bias"]
        options = p.get("packed"), *self.activations, not self.keeps_last, keep_cache
        return run.backend.bilstm_forward(x, *start, *learned, run.steps[0], *options)

    def advance(
        self, run: Run, x: Any, state: LSTMState | None, *, keep: bool, need_output: bool
    ) -> tuple[Any, LSTMState | None, Any]:
        """The output and the state of whole sequences; neither gates nor cells stay."""
        if self.has_state_inputs or self.has_state_outputs:
            return super().advance(run, x, state, keep=keep, need_output=need_output)
        y, last, _ = self._compute(run, x, self._start(run, x, state), keep_cache=False)
        return last.hidden if self.keeps_last else y, last, None

    def used_per_row(self, input_shape: Shape, itemsize: int) -> int:
        """Gates and states of both directions, what moves between them, and the gradients."""
        return (18 * self.num_hidden_units + 4 * count(input_shape)) * itemsize
