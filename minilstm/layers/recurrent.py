"""What the LSTM and the bidirectional LSTM have in common: options, learnables, states, ports.
The layers themselves, each with its forward and backward, are in `lstm` and `bilstm`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from minilstm.backend import Backend
from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray
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
    check_size,
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
    values: ClassVar[tuple[str, ...]] = LEARNABLES
    #: directions in which the layer runs, each with its own weights
    directions: ClassVar[int] = 1

    def __post_init__(self) -> None:
        kind = type(self).__name__
        check_size(kind, "num_hidden_units", self.num_hidden_units)
        check_choice(kind, "output_mode", self.output_mode, ("sequence", "last"))
        for option, known in (("state", STATE_ACTIVATIONS), ("gate", GATE_ACTIVATIONS)):
            argument = f"{option}_activation_function"
            check_choice(kind, argument, getattr(self, argument), tuple(known))
        width, G = self.width, 4 * self.width
        shapes = {"recurrent_weights": (G, self.num_hidden_units), "bias": (G,)}
        for argument in LEARNABLES:
            initializers.find(
                getattr(self, f"{argument}_initializer"), kind, f"{argument}_initializer"
            )
            self._take_array(argument, shapes.get(argument, (G, None)))
            for factor in (f"{argument}_learn_rate_factor", f"{argument}_l2_factor"):
                self._take_factor(factor)
        for argument in ("has_state_inputs", "has_state_outputs"):
            value = getattr(self, argument)
            if not isinstance(value, (bool, np.bool_)):
                raise ValueError(f"{kind}: {argument} is {value!r}; give True or False.")
        for argument in ("hidden_state", "cell_state"):
            if self.has_state_inputs and getattr(self, argument) is not None:
                raise ValueError(
                    f"{kind}: {argument} was given but has_state_inputs is True; leave out one of "
                    "them, since the state comes from the inputs."
                )
            self._take_array(argument, (width,))

    def _take_array(self, argument: str, shape: tuple[int | None, ...]) -> None:
        """Keep a given array as a read-only copy; None in a shape is any size."""
        given = getattr(self, argument)
        if given is None:
            return
        try:
            value = np.array(given, np.float64)
        except (TypeError, ValueError):
            value = np.full((), np.nan)
        same = len(value.shape) == len(shape) and all(
            b in (None, a) for a, b in zip(value.shape, shape, strict=True)
        )
        if not same or not np.isfinite(value).all():
            wanted = str(shape).replace("None", "inputs")
            raise ValueError(
                f"{type(self).__name__}: {argument} has shape {value.shape}; give finite numbers "
                f"of shape {wanted}."
            )
        value.flags.writeable = False
        object.__setattr__(self, argument, value)

    def _take_factor(self, argument: str) -> None:
        """Keep a factor as a number, or as a tuple of one for each gate."""
        given, gates = getattr(self, argument), 4 * self.directions
        kind = type(self).__name__
        several = isinstance(given, (list, tuple, np.ndarray))
        for value in given if several else (given,):
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if not number or not 0 <= value < np.inf:
                raise ValueError(f"{kind}: {argument} is {given!r}; give a number of at least 0.")
        if several and len(given) != gates:
            raise ValueError(
                f"{kind}: {argument} has {len(given)} numbers; give one number, or {gates}, one "
                f"for each block of rows ({', '.join('ifgo' * self.directions)})."
            )
        kept = tuple(float(v) for v in given) if several else given
        object.__setattr__(self, argument, kept)

    @property
    def width(self) -> int:
        """Numbers of a hidden state: H in each direction."""
        return self.directions * self.num_hidden_units

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
        self._features(input_shape)
        return (self.width,)

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The same for each output; a state that comes in must be as wide as the layer's own."""
        for port, shape in zip(self.input_names[1:], input_shapes[1:], strict=True):
            if shape != (self.width,):
                raise ValueError(
                    f"the layer {self.name!r} ({self.label}) wants shape ({self.width},) at its "
                    f"input {port!r}, but what arrives there has shape {shape}; make both layers "
                    "equally wide."
                )
        return (self.output_shape(input_shapes[0]),) * len(self.output_names)

    def _features(self, input_shape: Shape) -> int:
        D, W = check_vector(self, input_shape), self.input_weights
        if W is not None and np.shape(W)[1] != D:
            raise ValueError(
                f"the layer {self.name!r} ({self.label}) was given input_weights of shape "
                f"{np.shape(W)}, but its input has shape {input_shape}; give shape "
                f"({4 * self.width}, {D})."
            )
        return D

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """input_weights (G, D), recurrent_weights (G, H), bias (G,); G = 4H in each direction."""
        G, D = 4 * self.width, self._features(input_shape)
        shapes = ((G, D), (G, self.num_hidden_units), (G,))
        kind = type(self).__name__
        layer = f"{kind} {self.name!r}" if self.name else kind
        return tuple(
            Parameter(
                name,
                shape,
                self._initializer(layer, f"{name}_initializer"),
                getattr(self, f"{name}_learn_rate_factor"),
                getattr(self, f"{name}_l2_factor"),
            )
            for name, shape in zip(LEARNABLES, shapes, strict=True)
        )

    def _initializer(self, layer: str, argument: str) -> initializers.Initializer:
        chosen = initializers.find(getattr(self, argument), layer, argument)
        # Each direction has a forget gate of its own; everything else counts the whole matrix.
        two = self.directions == 2 and chosen is initializers.unit_forget_gate
        return initializers.in_halves(chosen) if two else chosen

    def initial_state(self, batch: int, dtype: Any) -> LSTMState | None:
        """What every sequence starts from; None where that comes from other layers."""
        if self.has_state_inputs:
            return None
        return self._own_state(np.empty(0, dtype), batch, np.asarray)

    def _start(self, backend: Backend, state: LSTMState | None, signal: Signal) -> LSTMState:
        """The state before the first row, where the rows are."""
        if state is not None:
            return state
        return self._own_state(signal.rows, int(signal.active[0]), backend.to_device)

    def _own_state(self, like: Array, batch: int, move: Callable[[Any], Any]) -> LSTMState:
        """What the layer was given, or zeros, in the dtype and the memory of another array."""
        shape = batch, self.width
        own = LSTMState(*(np.zeros_like(like, order="C", shape=shape) for _ in range(2)))  # (B, H)
        for array, given in zip(own, (self.hidden_state, self.cell_state), strict=True):
            if given is not None:
                array[:] = move(np.asarray(given, like.dtype))
        return own

    def _output(self, h: Array | None, last: LSTMState, active: IntArray) -> Signal:
        if self.keeps_last:
            return vectors(last.hidden)
        assert h is not None  # the backend was asked for it
        return Signal(h, active)

    def forward_ports(
        self,
        backend: Backend,
        p: Parameters,
        inputs: Sequence[Signal],
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[tuple[Signal, ...], LSTMState | None, Any]:
        """`forward`, with the state taken from inputs and given to outputs as the options say."""
        if self.has_state_inputs:
            state = LSTMState(inputs[1].rows, inputs[2].rows)
        output, last, cache = self.forward(backend, p, inputs[0], state, training)
        assert last is not None  # every recurrent layer has one
        outputs = (output, *map(vectors, last)) if self.has_state_outputs else (output,)
        return outputs, None if self.has_state_inputs else last, cache

    def backward_ports(
        self,
        backend: Backend,
        douts: Sequence[Array | None],
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[tuple[Array | None, ...], dict[str, Array], LSTMState | None]:
        """`backward`, with the gradients of the state ports; None is a gradient of zero."""
        if self.has_state_outputs:
            dstate = _sum_of_states(dstate, douts[1], douts[2])
        dx, grads, dstate0 = self._backward(backend, douts[0], dstate, cache, need_dx, spend_cache)
        if self.has_state_inputs:
            return (dx, *dstate0), grads, None
        return (dx,), grads, dstate0

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
        return self._backward(backend, dy, dstate, cache, need_dx, spend_cache)

    def _backward(
        self,
        backend: Backend,
        dy: Array | None,
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool,
    ) -> tuple[Array | None, dict[str, Array], LSTMState]:
        if self.keeps_last:
            # The output is the final hidden state: its gradient arrives there, nowhere else.
            dstate, dy = _sum_of_states(dstate, dy, None), None
        run = backend.bilstm_backward if self.directions == 2 else backend.lstm_backward
        dx, grads = run(dy, dstate, cache, need_dx, spend_cache)
        by_name = {"input_weights": grads.W, "recurrent_weights": grads.R, "bias": grads.b}
        return dx, by_name, LSTMState(grads.h0, grads.c0)

    def config(self) -> dict[str, Any]:
        """The options as plain values; no given learnables, and no functions that initialise."""
        options = super().config()
        for name, value in list(options.items()):
            if name.endswith("_initializer") and callable(value):
                del options[name]
            elif isinstance(value, np.ndarray):
                options[name] = value.tolist()
            elif isinstance(value, tuple):
                options[name] = list(value)
        return options


def vectors(rows: Array) -> Signal:
    """A batch of B vectors (B, H) is a batch of B sequences of one step."""
    return Signal(rows, np.array([len(rows)], np.int64))


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
