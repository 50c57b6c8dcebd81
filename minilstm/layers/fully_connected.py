"""The fully connected layer: acts on every time step by itself.
The equations are in `minilstm.functional.fully_connected`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers import initializers
from minilstm.layers.base import (
    Array,
    Layer,
    Parameter,
    Parameters,
    Shape,
    Signal,
    Training,
    check_factors,
    check_size,
    count,
)


@dataclass(frozen=True, eq=False)
class FullyConnected(Layer):
    """y = W x + b for each step.

    Parameters
    ----------
    num_outputs : C, outputs of the layer; for a classifier the number of classes
    name : name in the network; "" lets the network choose
    weights_learn_rate_factor, bias_learn_rate_factor : multiply the learning rate of that array
    weights_l2_factor, bias_l2_factor : multiply its L2 regularisation; the bias has none

    Notes
    -----
    Learnables: weights (C, inputs) Glorot, bias (C,) zero.

    Examples
    --------
    >>> [(p.name, p.shape) for p in FullyConnected(5).parameters((200,))]
    [('weights', (5, 200)), ('bias', (5,))]
    """

    num_outputs: int
    weights_learn_rate_factor: float = 1.0
    bias_learn_rate_factor: float = 1.0
    weights_l2_factor: float = 1.0
    bias_l2_factor: float = 0.0
    kind: ClassVar[str] = "fully_connected"

    def __post_init__(self) -> None:
        check_size("FullyConnected", "num_outputs", self.num_outputs)
        check_factors(self)

    @property
    def label(self) -> str:
        """One line for tables."""
        return f"{self.num_outputs} fully connected layer"

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,), whatever comes in."""
        return (self.num_outputs,)

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """weights (C, inputs), bias (C,)."""
        C = self.num_outputs
        return (
            Parameter(
                "weights",
                (C, count(input_shape)),
                initializers.glorot,
                self.weights_learn_rate_factor,
                self.weights_l2_factor,
            ),
            Parameter(
                "bias", (C,), initializers.zeros, self.bias_learn_rate_factor, self.bias_l2_factor
            ),
        )

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Outputs of every row, (N, C)."""
        y, cache = backend.fully_connected_forward(signal.rows, p["weights"], p["bias"])
        return Signal(y, signal.active), None, cache

    def backward(
        self,
        backend: Backend,
        dy: Array,
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[Array | None, dict[str, Array], LSTMState | None]:
        """Gradients of the input and of both learnables."""
        dx, grads = backend.fully_connected_backward(dy, cache, need_dx)
        return dx, {"weights": grads.W, "bias": grads.b}, None
