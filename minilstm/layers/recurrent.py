"""What the LSTM and the bidirectional LSTM have in common: options, learnables, states, ports.
They alone carry a state from step to step, so they alone know spans of time.

A span is a part of the steps of a batch. Training goes through them twice: forward with `advance`,
which keeps little, and back with `restore`, which computes the cache of a span again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from minilstm.backend import Backend
from minilstm.checks import check_choice, check_flag, check_whole
from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMState
from minilstm.layers import initializers
from minilstm.layers.base import (
    Array,
    Gradients,
    Initializer,
    Layer,
    Parameters,
    Run,
    Shape,
    check_vector,
)

LEARNABLES = ("input_weights", "recurrent_weights", "bias")
Factor = float | Sequence[float]
ChosenInitializer = str | Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Recurrent(Layer):
    """Options of `LSTM` and `BiLSTM`, where they are explained."""

    num_hidden_units: int
    output_mode: str = "sequence"
    state_activation_function: str = "tanh"
    gate_activation_function: str = "sigmoid"
    input_weights_initializer: ChosenInitializer = "glorot"
    recurrent_weights_initializer: ChosenInitializer = "orthogonal"
    bias_initializer: ChosenInitializer = "unit-forget-gate"
    input_weights: ArrayLike | None = None
    recurrent_weights: ArrayLike | None = None
    bias: ArrayLike | None = None
    hidden_state: ArrayLike | None = None
    cell_state: ArrayLike | None = None
    has_state_inputs: bool = False
    has_state_outputs: bool = False
    input_weights_learn_rate_factor: Factor = 1.0
    recurrent_weights_learn_rate_factor: Factor = 1.0
    bias_learn_rate_factor: Factor = 1.0
    input_weights_l2_factor: Factor = 1.0
    recurrent_weights_l2_factor: Factor = 1.0
    bias_l2_factor: Factor = 0.0
    learnables: ClassVar[tuple[str, ...]] = LEARNABLES
    values: ClassVar[tuple[str, ...]] = LEARNABLES
    #: directions in which the layer runs, each with its own weights
    directions: ClassVar[int] = 1
    blocks: ClassVar[str] = "ifgo"

    def __post_init__(self) -> None:
        kind = type(self).__name__
        check_whole(f"{kind}: num_hidden_units", self.num_hidden_units, 1)
        check_choice(f"{kind}: output_mode", self.output_mode, ("sequence", "last"))
        for option, known in (("state", STATE_ACTIVATIONS), ("gate", GATE_ACTIVATIONS)):
            argument = f"{option}_activation_function"
            check_choice(f"{kind}: {argument}", getattr(self, argument), tuple(known))
        super().__post_init__()
        check_flag(f"{kind}: has_state_inputs", self.has_state_inputs)
        check_flag(f"{kind}: has_state_outputs", self.has_state_outputs)
        for argument in ("hidden_state", "cell_state"):
            if self.has_state_inputs and getattr(self, argument) is not None:
                raise ValueError(
                    f"{kind}: {argument} was given but has_state_inputs is True; leave out one of "
                    "them, since the state comes from the inputs."
                )
            self._take(argument, (self.width,))

    @property
    def label(self) -> str:
        """One line for tables."""
        last = ", last step only" if self.keeps_last else ""
        return f"{type(self).__name__} with {self.num_hidden_units} hidden units{last}"

    @property
    def width(self) -> int:
        """Numbers of a hidden state: H in each direction."""
        return self.directions * self.num_hidden_units

    @property
    def state_size(self) -> int:
        """The width, or 0 where the state comes from other layers."""
        return 0 if self.has_state_inputs else self.width

    @property
    def input_names(self) -> tuple[str, ...]:
        """The sequence, and the initial state where it comes from other layers."""
        return ("in", "hidden", "cell") if self.has_state_inputs else ("in",)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The output, and the final state where other layers want it."""
        return ("out", "hidden", "cell") if self.has_state_outputs else ("out",)

    @property
    def whole(self) -> bool:
        """A state that is passed between layers belongs to whole sequences."""
        return self.has_state_inputs or self.has_state_outputs

    @property
    def keeps_last(self) -> bool:
        """Whether the output is each sequence's last step only."""
        return self.output_mode == "last"

    @property
    def activations(self) -> tuple[str, str]:
        """Names for the arguments gate_activation and state_activation of a backend."""
        return self.gate_activation_function, self.state_activation_function

    def output_shape(self, input_shape: Shape) -> Shape:
        """A hidden state, whatever vectors come in."""
        check_vector(self, input_shape)
        self.check_values(input_shape)
        return (self.width,)

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The same for each output; a state that comes in must be as wide as the layer's own."""
        for port, shape in zip(self.input_names[1:], input_shapes[1:], strict=True):
            if shape != (self.width,):
                raise ValueError(
                    f"{self.title} wants shape ({self.width},) at its input {port!r}, but what "
                    f"arrives there has shape {shape}; make both layers equally wide."
                )
        return (self.output_shape(input_shapes[0]),) * len(self.output_names)

    def array_shapes(self, input_shape: Shape | None) -> dict[str, tuple[Any, ...]]:
        """input_weights (G, D), recurrent_weights (G, H), bias (G,); G = 4H in each direction."""
        G, D = 4 * self.width, "inputs" if input_shape is None else input_shape[0]
        shapes = (G, D), (G, self.num_hidden_units), (G,)
        return dict(zip(LEARNABLES, shapes, strict=True))

    def _initializer(self, name: str) -> Initializer:
        chosen = super()._initializer(name)
        # Each direction has a forget gate of its own; everything else counts the whole matrix.
        two = self.directions == 2 and chosen is initializers.unit_forget_gate
        return initializers.in_halves(chosen) if two else chosen

    def initial_state(self, batch: int, dtype: Any) -> LSTMState | None:
        """What every sequence starts from; None where that comes from other layers."""
        if self.has_state_inputs:
            return None
        return self._first_state(np.empty(0, dtype), batch, np.asarray)

    def _first_state(self, like: Array, batch: int, move: Callable[[Any], Any]) -> LSTMState:
        """What the layer was given, or zeros, in the dtype and the memory of another array."""
        shape = batch, self.width
        plain = type(like) is np.ndarray  # zeros_like takes ten times as long
        h, c = (
            np.zeros(shape, like.dtype) if plain else np.zeros_like(like, order="C", shape=shape)
            for _ in range(2)
        )  # (B, H)
        for array, given in ((h, self.hidden_state), (c, self.cell_state)):
            if given is not None:
                array[:] = move(np.asarray(given, like.dtype))
        return LSTMState(h, c)

    def _start(self, run: Run, x: Array, state: LSTMState | None) -> LSTMState:
        """The state before the first row, where the rows are."""
        if state is not None:
            return state
        return self._first_state(x, int(run.steps[0][0]), run.backend.to_device)

    def prepare(self, backend: Backend, p: Parameters) -> Parameters:
        """The parameters, and "packed": the weights as a backend arranges them for many calls."""
        raise NotImplementedError

    def _compute(self, run: Run, x: Array, start: LSTMState) -> tuple[Array | None, LSTMState, Any]:
        """Hidden states of every step, those of each sequence's end, and the cache."""
        raise NotImplementedError

    def forward(
        self, run: Run, x: Any, state: LSTMState | None
    ) -> tuple[Any, LSTMState | None, Any]:
        """Hidden states of every step (N, H), or of each sequence's last step (B, H).

        Parameters
        ----------
        run : backend, parameters and steps
        x : rows (N, D); with `has_state_inputs` a tuple of them and the state (B, H), (B, H)
        state : before the first row; None means the initial state

        Returns
        -------
        y : rows; with `has_state_outputs` a tuple of them and the state, (B, H) each
        state : after each sequence's last step; None where the state comes from inputs
        cache : for `backward`
        """
        if self.has_state_inputs:
            x, *given = x
            state = LSTMState(*given)
        h, last, cache = self._compute(run, x, self._start(run, x, state))
        y = last.hidden if self.keeps_last else h
        return (
            (y, *last) if self.has_state_outputs else y,
            None if self.has_state_inputs else last,
            cache,
        )

    def backward(
        self, run: Run, dy: Any, dstate: LSTMState | None, cache: Any, spend_cache: bool = False
    ) -> tuple[Any, Gradients, LSTMState | None]:
        """Gradients of the input, of each learnable by name, and of the initial state.

        Parameters
        ----------
        run : backend, and whether the gradient of the input is of use
        dy : gradient of each row, or of each part of y; None is a gradient of zero
        dstate : gradient of the state after the last step; None is zero
        cache : from `forward` or `restore`
        spend_cache : the cache may be overwritten, and is of no use afterwards
        """
        if self.has_state_outputs:
            dy, *more = dy
            dstate = _sum_of_states(dstate, *more)
        if self.keeps_last:
            # The output is the final hidden state: its gradient arrives there, nowhere else.
            dstate, dy = _sum_of_states(dstate, dy, None), None
        two = self.directions == 2
        backward = run.backend.bilstm_backward if two else run.backend.lstm_backward
        dx, grads = backward(dy, dstate, cache, run.need_dx, spend_cache)
        by_name = {"input_weights": grads.W, "recurrent_weights": grads.R, "bias": grads.b}
        dstate0 = LSTMState(grads.h0, grads.c0)
        if self.has_state_inputs:
            return (dx, *dstate0), by_name, None
        return dx, by_name, dstate0

    def advance(
        self, run: Run, x: Any, state: LSTMState | None, *, keep: bool, need_output: bool
    ) -> tuple[Any, LSTMState | None, Any]:
        """`forward` over a span without a cache: output if needed, state, what `restore` gets.

        Parameters
        ----------
        run, x, state : as for `forward`
        keep : give `restore` something to start from
        need_output : False leaves the output out, which is None then
        """
        y, last, _ = self.forward(run, x, state)
        return y, last, None

    def restore(self, run: Run, x: Array, state: LSTMState | None, kept: Any) -> tuple[Array, Any]:
        """The output and the cache of a span, from what `advance` kept of it."""
        raise NotImplementedError

    def kept_per_row(self, itemsize: int) -> int:
        """Bytes that `advance` keeps for one row."""
        return 0

    def config(self) -> dict[str, Any]:
        """The options as plain values; no given learnables, and no functions that initialise."""
        plain: dict[type, Callable[[Any], Any]] = {np.ndarray: np.ndarray.tolist, tuple: list}
        return {
            name: plain.get(type(value), lambda v: v)(value)
            for name, value in super().config().items()
        }


def _sum_of_states(
    state: LSTMState | None, hidden: Array | None, cell: Array | None
) -> LSTMState | None:
    """A gradient of states plus what else arrives at hidden and at cell; None is zero."""
    if hidden is None and cell is None:
        return state
    arrived = hidden if hidden is not None else cell
    if state is None:
        zero = np.zeros_like(arrived)
        return LSTMState(zero if hidden is None else hidden, zero if cell is None else cell)
    return LSTMState(
        state.hidden if hidden is None else state.hidden + hidden,
        state.cell if cell is None else state.cell + cell,
    )
