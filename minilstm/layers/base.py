"""What every layer has in common: a name, shapes, learnable parameters, forward and backward.
Values live outside: parameters and states come in as arguments, caches and gradients go out.

Shapes are those of one step, channels last: (D,) for vectors, (h, w, c) for images, (h, w, d, c)
for volumes. Most layers have one input and one output and define `forward` and `backward`; those
with several ports define `forward_ports` and `backward_ports` instead.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray

Array = NDArray[Any]
Parameters = Mapping[str, Any]  # arrays by name; see `Layer.prepare` for what else
Shape = tuple[int, ...]
Initializer = Callable[[tuple[int, ...], np.random.Generator], NDArray[np.float64]]


class Signal(NamedTuple):
    """What flows between layers: the steps of a ragged batch, time-major."""

    rows: Array  # (N, *shape)
    active: IntArray  # (T,) sequences still running at each step


class Training(NamedTuple):
    """What forward is told while a network learns; None in its place means prediction."""

    key: int  # 64 random bits of this step and this layer
    row: int  # number, in the whole batch, of the first row of the signal


class Parameter(NamedTuple):
    """A learnable array of a layer: how large, how it starts, how the solver treats it.

    A factor is a number, or one number for each of equal blocks of rows (the gates of an LSTM).
    """

    name: str
    shape: Shape
    initializer: Initializer
    learn_rate_factor: float | tuple[float, ...]
    l2_factor: float | tuple[float, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """Base of all layers.

    A layer is an immutable description. `forward` and `backward` take the backend, the layer's
    parameter values and everything else they need as arguments.
    """

    #: short kind, used in files, tables and automatic names
    kind: ClassVar[str]
    #: fields that may hold learnable values to start from instead of an initialiser
    values: ClassVar[tuple[str, ...]] = ()
    #: fields that hold arrays which are saved beside the learnables
    arrays: ClassVar[tuple[str, ...]] = ()
    name: str = dataclasses.field(default="", kw_only=True)

    @property
    def label(self) -> str:
        """One line for tables, such as "LSTM with 200 hidden units"."""
        raise NotImplementedError

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return ("in",)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return ("out",)

    @property
    def optional_inputs(self) -> tuple[str, ...]:
        """Names of inputs that nothing needs to feed."""
        return ()

    @property
    def whole(self) -> bool:
        """Whether training needs all steps of a batch at once, so that time cannot be cut."""
        return False

    @property
    def keeps_last(self) -> bool:
        """Whether the output is each sequence's last step only, without a time axis."""
        return False

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of an output row for that of an input row; a ValueError says what does not fit."""
        return input_shape

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The same for layers with several ports."""
        return (self.output_shape(input_shapes[0]),)

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """The learnable arrays of the layer, in a fixed order."""
        return ()

    def statistics(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Arrays that are carried and saved with the learnables, but not learned."""
        return ()

    def constants(self, dtype: Any) -> dict[str, Array]:
        """Arrays that `forward` would compute anew each time, for a backend with its own memory.

        They come among the parameters then, by these names.
        """
        return {}

    def initial_state(self, batch: int, dtype: Any) -> LSTMState | None:
        """The state before the first step of B sequences, or None for a layer without state."""
        return None

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Output, state after the last step, and the cache for `backward`."""
        raise NotImplementedError

    def backward(
        self,
        backend: Backend,
        dy: Array,
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[Array | None, dict[str, Array], LSTMState | None]:
        """Gradients of the input, of each parameter by name, and of the initial state.

        With `spend_cache` the cache may be overwritten and is of no use afterwards.
        """
        raise NotImplementedError

    def forward_ports(
        self,
        backend: Backend,
        p: Parameters,
        inputs: Sequence[Signal],
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[tuple[Signal, ...], LSTMState | None, Any]:
        """`forward` for any number of inputs and outputs."""
        output, after, cache = self.forward(backend, p, inputs[0], state, training)
        return (output,), after, cache

    def backward_ports(
        self,
        backend: Backend,
        douts: Sequence[Array | None],
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[tuple[Array | None, ...], dict[str, Array], LSTMState | None]:
        """`backward` for any number of inputs and outputs; None is a gradient of zero."""
        (dy,) = douts
        assert dy is not None  # a layer whose only output is not used does not run
        dx, grads, dstate0 = self.backward(backend, dy, dstate, cache, need_dx, spend_cache)
        return (dx,), grads, dstate0

    def prepare(self, backend: Backend, p: Parameters) -> Parameters:
        """The parameters with what a backend computes from them once, for many calls."""
        return p

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
        """Forward over a span of time: output if needed, state, and what `restore` is to get.

        A layer without state keeps nothing: its output is cheap to compute again.
        """
        if not need_output:
            return None, None, None
        return self.forward(backend, p, signal, state)[0], None, None

    def restore(
        self, backend: Backend, p: Parameters, signal: Signal, state: LSTMState | None, kept: Any
    ) -> tuple[Signal, Any]:
        """The output and the cache of a span, from what `advance` kept of it."""
        output, _, cache = self.forward(backend, p, signal, state)
        return output, cache

    def kept_per_row(self, itemsize: int) -> int:
        """Bytes that `advance` keeps for one row."""
        return 0

    def used_per_row(self, input_shape: Shape, itemsize: int) -> int:
        """Bytes a row that forward and backward of one span need at most, about."""
        return 2 * (count(input_shape) + count(self.output_shape(input_shape))) * itemsize

    def config(self) -> dict[str, Any]:
        """The options as plain values, enough to build the layer again.

        Given values are left out, since a network holds them, and so are functions that a user
        gave as initialisers, since they have done their work.
        """
        names = [f.name for f in dataclasses.fields(self) if f.name not in self.values]
        options = {name: getattr(self, name) for name in names}
        return {name: value for name, value in options.items() if not callable(value)}

    def without_values(self) -> Layer:
        """The layer without given values, for when a network holds them."""
        given: dict[str, Any] = {n: None for n in self.values if getattr(self, n) is not None}
        return dataclasses.replace(self, **given) if given else self


def count(shape: Shape) -> int:
    """Numbers in a row of a shape."""
    return math.prod(shape)


def check_size(layer: str, argument: str, value: Any) -> None:
    """Raise unless a size is a whole number of at least 1."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"{layer}: {argument} is {value!r}; give a whole number of at least 1.")


def check_factors(layer: Layer) -> None:
    """Raise unless every learning-rate and L2 factor of a layer is a number of at least 0."""
    for field in dataclasses.fields(layer):
        value = getattr(layer, field.name)
        if not field.name.endswith("_factor"):
            continue
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not 0 <= value < np.inf:
            raise ValueError(
                f"{type(layer).__name__}: {field.name} is {value!r}; give a number of at least 0."
            )


def check_vector(layer: Layer, input_shape: Shape) -> int:
    """Features of a row, which must be a vector."""
    if len(input_shape) != 1:
        raise ValueError(
            f"the layer {layer.name!r} ({layer.label}) wants vectors (D,), but its input has shape "
            f"{input_shape}; put Flatten() before it."
        )
    return input_shape[0]


def check_choice(layer: str, argument: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise unless an option is one of the known names."""
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise ValueError(f"{layer}: {argument} is {value!r}; choose one of {known}.")
