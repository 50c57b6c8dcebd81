"""What every layer has in common: a name, shapes, learnable arrays, and their checks.
Values live outside: parameters and states come in as arguments, caches and gradients go out.

Shapes are those of one step, channels last: (D,) for vectors, (h, w, c) for images, (h, w, d, c)
for volumes. A layer without a state is a `RowLayer`; one with a state is in `recurrent`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.checks import as_array, as_factor
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray
from minilstm.layers import initializers

Array = NDArray[Any]
Gradients = dict[str, Array]  # of each learnable, by its name
Parameters = Mapping[str, Any]  # arrays by name; see `Recurrent.prepare` for what else
Shape = tuple[int, ...]
Initializer = Callable[[tuple[int, ...], np.random.Generator], NDArray[np.float64]]


class Signal(NamedTuple):
    """What flows between layers: the steps of a ragged batch, time-major."""

    rows: Array  # (N, *shape)
    active: IntArray  # (T,) sequences still running at each step


class Training(NamedTuple):
    """What a layer must know while a network learns."""

    key: int  # 64 random bits of this step and this layer
    row: int  # number, in the whole batch, of the first row


class Run(NamedTuple):
    """What a layer works with beside its rows; `backward` reads `backend` and `need_dx` alone."""

    backend: Backend
    p: Parameters = MappingProxyType({})  # arrays of the layer, by name
    steps: tuple[IntArray, ...] = ()  # of each input (T,): sequences still running at each step
    training: Training | None = None  # None means prediction
    need_dx: bool = True  # whether `backward` is to give the gradient of the input
    dtype: Any = None  # of the network, into which its inputs bring their data; None keeps theirs
    # Where the batch is one of several shards, gives what each of them has, in their order.
    across: Callable[[Any], list[Any]] | None = None


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
    """Base of all layers: an immutable description.

    Every layer takes a `name` as keyword, its name in the network; "" lets the network choose.

    A layer that learns names its arrays in `learnables`, and gives their shapes in `array_shapes`;
    checks and `parameters` follow. A learnable "weights" has the options `weights` (given values),
    `weights_initializer`, `weights_learn_rate_factor` and `weights_l2_factor`.
    """

    #: short kind, used in files, tables and automatic names
    kind: ClassVar[str]
    #: arrays that a solver changes, in a fixed order
    learnables: ClassVar[tuple[str, ...]] = ()
    #: fields that may hold values to start from: learnables, and what is carried beside them
    values: ClassVar[tuple[str, ...]] = ()
    #: fields that hold arrays which are saved beside the learnables
    arrays: ClassVar[tuple[str, ...]] = ()
    #: letters of equal blocks of rows, each of which may have a factor of its own
    blocks: ClassVar[str] = ""
    #: for messages: what given values are to be, and what values of a network's layer are to be
    wanted_values: ClassVar[str] = "finite numbers of shape {}"
    fitting_values: ClassVar[str] = "shape {}"
    name: str = dataclasses.field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check what concerns learnables: initialisers, factors, given values."""
        kind = type(self).__name__
        for name in self.learnables:
            self._initializer(name)
            for option in (f"{name}_learn_rate_factor", f"{name}_l2_factor"):
                factor = as_factor(f"{kind}: {option}", getattr(self, option), self.blocks)
                object.__setattr__(self, option, factor)
        shapes = self.array_shapes(None) if self.values else {}
        for name in self.values:
            self._take(name, shapes[name])

    def _take(self, argument: str, shape: tuple[int | str, ...]) -> None:
        """Keep a given array as a read-only float64 copy; a word in a shape is any size."""
        given = getattr(self, argument)
        if given is not None:
            who = f"{type(self).__name__}: {argument}"
            object.__setattr__(self, argument, as_array(who, given, shape, self.wanted_values))

    @property
    def label(self) -> str:
        """One line for tables, such as "LSTM with 200 hidden units"."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What messages about a network call the layer."""
        return f"the layer {self.name!r} ({self.label})"

    @property
    def who(self) -> str:
        """What messages about options call the layer."""
        kind = type(self).__name__
        return f"{kind} {self.name!r}" if self.name else kind

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

    def padded_shape(self, input_shape: Shape) -> Shape:
        """Shape of an input row with what a layer puts around it while it computes."""
        return input_shape

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The same for layers with several ports."""
        return (self.output_shape(input_shapes[0]),)

    def array_shapes(self, input_shape: Shape | None) -> dict[str, tuple[Any, ...]]:
        """Shape of each array of `values`; where no input is known, a word stands for its size."""
        return {}

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """The learnable arrays of the layer, in a fixed order."""
        self.output_shape(input_shape)
        shapes = self.array_shapes(input_shape)
        return tuple(
            Parameter(
                name,
                shapes[name],
                self._initializer(name),
                getattr(self, f"{name}_learn_rate_factor"),
                getattr(self, f"{name}_l2_factor"),
            )
            for name in self.learnables
        )

    def _initializer(self, name: str) -> Initializer:
        """How a learnable starts where no values are given."""
        option = f"{name}_initializer"
        return initializers.find(getattr(self, option), self.who, option)

    def check_values(self, input_shape: Shape) -> None:
        """Raise unless every given array fits the input."""
        for name, shape in self.array_shapes(input_shape).items():
            given = getattr(self, name)
            if given is not None and given.shape != shape:
                raise ValueError(
                    f"{self.title} has {name} of shape {given.shape}, but its input has shape "
                    f"{input_shape}; give {self.fitting_values.format(shape)}."
                )

    def statistics(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Arrays that are carried and saved with the learnables, but not learned."""
        return ()

    def constants(self, dtype: Any) -> dict[str, Array]:
        """Arrays that `forward` would compute anew each time, for a backend with its own memory.

        They come among the parameters then, by these names.
        """
        return {}

    @property
    def state_size(self) -> int:
        """Numbers of a sequence's hidden state; 0 for a layer without a state of its own."""
        return 0

    def initial_state(self, batch: int, dtype: Any) -> LSTMState | None:
        """The state before the first step of B sequences, or None for a layer without state."""
        return None

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


class RowLayer(Layer):
    """A layer that acts on every row by itself, or on all rows of a batch at once; no state.

    `x` and `y` are rows (N, *shape). A layer with several inputs gets a tuple of such arrays and
    gives the gradients of all of them; one with several outputs gives a tuple of them, and gets a
    tuple of gradients, where None is a gradient of zero.
    """

    def forward(self, run: Run, x: Any) -> tuple[Any, Any]:
        """The output y, and the cache for `backward`."""
        raise NotImplementedError

    def backward(self, run: Run, dy: Any, cache: Any) -> tuple[Any, Gradients]:
        """The gradient dx of the input, None where `run.need_dx` is False, and of learnables."""
        raise NotImplementedError


def count(shape: Shape) -> int:
    """Numbers in a row of a shape."""
    return math.prod(shape)


def check_vector(layer: Layer, input_shape: Shape) -> int:
    """Features of a row, which must be a vector."""
    if len(input_shape) != 1:
        raise ValueError(
            f"{layer.title} wants vectors (D,), but its input has shape {input_shape}; put "
            "Flatten() before it."
        )
    return input_shape[0]
