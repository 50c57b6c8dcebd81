"""What every layer has in common: a name, sizes, learnable parameters, forward and backward.
Values live outside: parameters and states come in as arguments, caches and gradients go out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray

Array = NDArray[Any]
Parameters = Mapping[str, Any]  # arrays by name; see `Layer.prepare` for what else
Initializer = Callable[[tuple[int, ...], np.random.Generator], NDArray[np.float64]]


class Signal(NamedTuple):
    """What flows between layers: the steps of a ragged batch, time-major."""

    rows: Array  # (N, D)
    active: IntArray  # (T,) sequences still running at each step


class Parameter(NamedTuple):
    """A learnable array of a layer: how large, how it starts, how the solver treats it."""

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    learn_rate_factor: float
    l2_factor: float


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """Base of all layers.

    A layer is an immutable description. `forward` and `backward` take the backend, the layer's
    parameter values and everything else they need as arguments.
    """

    #: short kind, used in files, tables and automatic names
    kind: ClassVar[str]
    name: str = dataclasses.field(default="", kw_only=True)

    @property
    def label(self) -> str:
        """One line for tables, such as "LSTM with 200 hidden units"."""
        raise NotImplementedError

    def output_size(self, input_size: int) -> int:
        """Features of the output rows for a given number of features of the input rows."""
        return input_size

    def parameters(self, input_size: int) -> tuple[Parameter, ...]:
        """The learnable arrays of the layer, in a fixed order."""
        return ()

    def initial_state(self, batch: int, dtype: Any) -> LSTMState | None:
        """The state before the first step of B sequences, or None for a layer without state."""
        return None

    def forward(
        self, backend: Backend, p: Parameters, signal: Signal, state: LSTMState | None
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

    def used_per_row(self, input_size: int, itemsize: int) -> int:
        """Bytes a row that forward and backward of one span need at most, about."""
        return 2 * (input_size + self.output_size(input_size)) * itemsize

    def config(self) -> dict[str, Any]:
        """The options as plain values, enough to build the layer again."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


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


def check_choice(layer: str, argument: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise unless an option is one of the known names."""
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise ValueError(f"{layer}: {argument} is {value!r}; choose one of {known}.")
