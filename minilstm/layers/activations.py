"""The layers that change each row by a fixed function: rectifier, sigmoid, softmax.
The equations are in `minilstm.functional`, in a file of the same name for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.layers.base import Array, Gradients, RowLayer, Run


@dataclass(frozen=True, eq=False)
class ReLU(RowLayer):
    """y = max(0, x) for each number, whatever the shape of a step.

    Examples
    --------
    >>> ReLU().label, ReLU().output_shape((24, 24, 20))
    ('ReLU', (24, 24, 20))
    """

    kind: ClassVar[str] = "relu"
    label = "ReLU"

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """The positive part of every row."""
        return run.backend.relu_forward(x)

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """The gradient where the input was positive."""
        return run.backend.relu_backward(dy, cache) if run.need_dx else None, {}


@dataclass(frozen=True, eq=False)
class Sigmoid(RowLayer):
    """y = 1 / (1 + exp(-x)) for each number: scores of which several may be high at once.

    The loss for it is "binary-crossentropy".

    Examples
    --------
    >>> Sigmoid().label, Sigmoid().output_shape((5,))
    ('Sigmoid', (5,))
    """

    kind: ClassVar[str] = "sigmoid"
    label = "Sigmoid"

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """A score for every number of every row."""
        return run.backend.sigmoid_forward(x)

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """The gradient times the slope of each score."""
        return run.backend.sigmoid_backward(dy, cache) if run.need_dx else None, {}


@dataclass(frozen=True, eq=False)
class Softmax(RowLayer):
    """Softmax over the classes: each step's outputs become scores that sum to 1.

    Examples
    --------
    >>> Softmax().label
    'Softmax'
    """

    kind: ClassVar[str] = "softmax"
    label = "Softmax"

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """Scores of every row, (N, C)."""
        return run.backend.softmax_forward(x)

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """The full Jacobian applied to dy."""
        return run.backend.softmax_backward(dy, cache) if run.need_dx else None, {}
