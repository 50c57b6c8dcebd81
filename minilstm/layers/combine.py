"""Layers that join several inputs: their sum, or their channels side by side.
The equations are in `minilstm.functional.combine`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minilstm.checks import check_whole
from minilstm.functional.combine import (
    addition_backward,
    addition_forward,
    concatenation_backward,
    concatenation_forward,
)
from minilstm.layers.base import Array, Gradients, RowLayer, Run, Shape

MOST_INPUTS = 1000  # each has a name


@dataclass(frozen=True, eq=False)
class _Combine(RowLayer):
    """What both have in common: numbered inputs of the same steps."""

    num_inputs: int = 2

    def __post_init__(self) -> None:
        check_whole(f"{type(self).__name__}: num_inputs", self.num_inputs, 2, MOST_INPUTS)

    @property
    def label(self) -> str:
        """One line for tables."""
        return f"{type(self).__name__} of {self.num_inputs} inputs"

    @property
    def input_names(self) -> tuple[str, ...]:
        """in1, in2, ..."""
        return tuple(f"in{n}" for n in range(1, self.num_inputs + 1))

    def _check_steps(self, run: Run, xs: Sequence[Array]) -> None:
        """Raise unless all inputs are of the same steps."""
        first = run.steps[0]
        if not all(np.array_equal(first, active) for active in run.steps):
            pairs = zip(run.steps, xs, strict=True)
            lengths = ", ".join(f"{len(active)} ({len(x)} rows)" for active, x in pairs)
            raise ValueError(
                f"{self.title} got inputs of different steps: {lengths}; combine outputs that all "
                "have a time axis or all keep the last step only."
            )

    def _check_shapes(self, shapes: Sequence[Shape], fit: bool, wanted: str) -> None:
        """Raise unless the inputs fit, and are as many as they are to be."""
        if not fit or len(shapes) != self.num_inputs:
            raise ValueError(
                f"{self.title} has inputs of shapes {', '.join(map(str, shapes))}; give it "
                f"{self.num_inputs} inputs {wanted}."
            )


@dataclass(frozen=True, eq=False)
class Addition(_Combine):
    """y = x_1 + x_2 + ..., for inputs of one shape.

    Parameters
    ----------
    num_inputs : at least 2; the inputs are named "in1", "in2", ...

    Examples
    --------
    >>> Addition().label, Addition(3).input_names
    ('Addition of 2 inputs', ('in1', 'in2', 'in3'))
    """

    kind: ClassVar[str] = "addition"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """That of every input."""
        self._check_shapes(input_shapes, len(set(input_shapes)) == 1, "of one shape")
        return (input_shapes[0],)

    def forward(self, run: Run, xs: Sequence[Array]) -> tuple[Array, Any]:
        """The sum of all inputs, row by row."""
        self._check_steps(run, xs)
        return addition_forward(xs), None

    def backward(
        self, run: Run, dy: Array | None, cache: Any
    ) -> tuple[tuple[Array | None, ...], Gradients]:
        """The gradient of the sum for each input."""
        if dy is None or not run.need_dx:
            return (None,) * self.num_inputs, {}
        return addition_backward(dy, self.num_inputs), {}


@dataclass(frozen=True, eq=False)
class Concatenation(_Combine):
    """The channels of all inputs side by side, for inputs equal in all other axes.

    Parameters
    ----------
    num_inputs : at least 2; the inputs are named "in1", "in2", ...

    Examples
    --------
    >>> Concatenation().output_shapes([(8, 8, 3), (8, 8, 5)])
    ((8, 8, 8),)
    """

    kind: ClassVar[str] = "concatenation"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The channels of all inputs; the other axes are equal."""
        fit = len({shape[:-1] for shape in input_shapes}) == 1
        self._check_shapes(input_shapes, fit, "that differ in the last axis only")
        return ((*input_shapes[0][:-1], sum(shape[-1] for shape in input_shapes)),)

    def forward(self, run: Run, xs: Sequence[Array]) -> tuple[Array, Any]:
        """The channels of all inputs, row by row."""
        self._check_steps(run, xs)
        return concatenation_forward(xs)

    def backward(
        self, run: Run, dy: Array | None, cache: Any
    ) -> tuple[tuple[Array | None, ...], Gradients]:
        """The gradient of its channels for each input."""
        if dy is None or not run.need_dx:
            return (None,) * self.num_inputs, {}
        return concatenation_backward(dy, cache), {}
