"""Layers that join several inputs: their sum, or their channels side by side.
The equations are in `minilstm.functional.combine`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minilstm.backend import Backend
from minilstm.functional.combine import (
    addition_backward,
    addition_forward,
    concatenation_backward,
    concatenation_forward,
)
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Layer, Parameters, Shape, Signal, Training


@dataclass(frozen=True, eq=False)
class _Combine(Layer):
    """What both have in common: numbered inputs of the same steps."""

    num_inputs: int = 2

    def __post_init__(self) -> None:
        n = self.num_inputs
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 2:
            raise ValueError(
                f"{type(self).__name__}: num_inputs is {n!r}; give a whole number of at least 2."
            )

    @property
    def label(self) -> str:
        """One line for tables."""
        return f"{type(self).__name__} of {self.num_inputs} inputs"

    @property
    def input_names(self) -> tuple[str, ...]:
        """in1, in2, ..."""
        return tuple(f"in{n}" for n in range(1, self.num_inputs + 1))

    def _rows(self, inputs: Sequence[Signal]) -> list[Array]:
        """The rows of all inputs, which must be of the same steps."""
        first = inputs[0].active
        if not all(np.array_equal(first, signal.active) for signal in inputs):
            lengths = ", ".join(f"{len(s.active)} ({len(s.rows)} rows)" for s in inputs)
            raise ValueError(
                f"the layer {self.name!r} ({self.label}) got inputs of different steps: {lengths}; "
                "combine outputs that all have a time axis or all keep the last step only."
            )
        return [signal.rows for signal in inputs]

    def _mismatch(self, shapes: Sequence[Shape], wanted: str) -> ValueError:
        text = ", ".join(map(str, shapes))
        return ValueError(
            f"the layer {self.name!r} ({self.label}) has inputs of shapes {text}; {wanted}."
        )


@dataclass(frozen=True, eq=False)
class Addition(_Combine):
    """y = x_1 + x_2 + ..., for inputs of one shape.

    Parameters
    ----------
    num_inputs : at least 2; the inputs are named "in1", "in2", ...
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> Addition().label, Addition(3).input_names
    ('Addition of 2 inputs', ('in1', 'in2', 'in3'))
    """

    kind: ClassVar[str] = "addition"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """That of every input."""
        if len(set(input_shapes)) != 1 or len(input_shapes) != self.num_inputs:
            raise self._mismatch(input_shapes, f"give it {self.num_inputs} inputs of one shape")
        return (input_shapes[0],)

    def forward_ports(
        self,
        backend: Backend,
        p: Parameters,
        inputs: Sequence[Signal],
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[tuple[Signal, ...], LSTMState | None, Any]:
        """The sum of all inputs, row by row."""
        y = addition_forward(self._rows(inputs))
        return (Signal(y, inputs[0].active),), None, None

    def backward_ports(
        self,
        backend: Backend,
        douts: Sequence[Array | None],
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[tuple[Array | None, ...], dict[str, Array], LSTMState | None]:
        """The gradient of the sum for each input."""
        (dy,) = douts
        if dy is None or not need_dx:
            return (None,) * self.num_inputs, {}, None
        return addition_backward(dy, self.num_inputs), {}, None


@dataclass(frozen=True, eq=False)
class Concatenation(_Combine):
    """The channels of all inputs side by side, for inputs equal in all other axes.

    Parameters
    ----------
    num_inputs : at least 2; the inputs are named "in1", "in2", ...
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> Concatenation().output_shapes([(8, 8, 3), (8, 8, 5)])
    ((8, 8, 8),)
    """

    kind: ClassVar[str] = "concatenation"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The channels of all inputs; the other axes are equal."""
        if len({s[:-1] for s in input_shapes}) != 1 or len(input_shapes) != self.num_inputs:
            raise self._mismatch(
                input_shapes,
                f"give it {self.num_inputs} inputs that differ in the last axis only",
            )
        return ((*input_shapes[0][:-1], sum(shape[-1] for shape in input_shapes)),)

    def forward_ports(
        self,
        backend: Backend,
        p: Parameters,
        inputs: Sequence[Signal],
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[tuple[Signal, ...], LSTMState | None, Any]:
        """The channels of all inputs, row by row."""
        y, cache = concatenation_forward(self._rows(inputs))
        return (Signal(y, inputs[0].active),), None, cache

    def backward_ports(
        self,
        backend: Backend,
        douts: Sequence[Array | None],
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[tuple[Array | None, ...], dict[str, Array], LSTMState | None]:
        """The gradient of its own channels for each input."""
        (dy,) = douts
        if dy is None or not need_dx:
            return (None,) * self.num_inputs, {}, None
        return concatenation_backward(dy, cache), {}, None
