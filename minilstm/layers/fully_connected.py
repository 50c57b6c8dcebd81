"""The fully connected layer: acts on every time step by itself.
The equations are in `minilstm.functional.fully_connected`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from minilstm.backend import Backend
from minilstm.functional.flatten import flatten_backward, flatten_forward
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
    """y = W x + b for each step; an image counts as the vector that `Flatten` makes of it.

    Parameters
    ----------
    num_outputs : C, outputs of the layer; for a classifier the number of classes
    weights : (C, inputs) to start from or to predict with; None draws them
    bias : (C,) likewise
    weights_initializer, bias_initializer : "glorot", "he", "orthogonal", "narrow-normal", "zeros",
        "ones", or a function (shape, rng) -> array
    weights_learn_rate_factor, bias_learn_rate_factor : multiply the learning rate of that array
    weights_l2_factor, bias_l2_factor : multiply its L2 regularisation; the bias has none
    name : name in the network; "" lets the network choose

    Raises
    ------
    ValueError
        An option is none of these, or a given array does not fit the others.

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
    weights: ArrayLike | None = None
    bias: ArrayLike | None = None
    weights_initializer: str | Callable[..., Any] = "glorot"
    bias_initializer: str | Callable[..., Any] = "zeros"
    kind: ClassVar[str] = "fully_connected"
    values: ClassVar[tuple[str, ...]] = ("weights", "bias")

    def __post_init__(self) -> None:
        check_size("FullyConnected", "num_outputs", self.num_outputs)
        check_factors(self)
        for argument, axes in (("weights", 2), ("bias", 1)):
            option = f"{argument}_initializer"
            initializers.find(getattr(self, option), "FullyConnected", option)
            given = getattr(self, argument)
            if given is None:
                continue
            value = np.array(given, np.float64)
            if value.ndim != axes or len(value) != self.num_outputs or not value.size:
                shape = f"({self.num_outputs}, inputs)" if axes == 2 else f"({self.num_outputs},)"
                raise ValueError(
                    f"FullyConnected: {argument} has shape {value.shape}; give finite numbers of "
                    f"shape {shape}."
                )
            if not np.isfinite(value).all():
                raise ValueError(f"FullyConnected: {argument} holds NaN or infinity; mend it.")
            value.flags.writeable = False
            object.__setattr__(self, argument, value)

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
        shapes = {"weights": (C, count(input_shape)), "bias": (C,)}
        return tuple(
            Parameter(
                name,
                shape,
                initializers.find(
                    getattr(self, f"{name}_initializer"), "FullyConnected", f"{name}_initializer"
                ),
                getattr(self, f"{name}_learn_rate_factor"),
                getattr(self, f"{name}_l2_factor"),
            )
            for name, shape in shapes.items()
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
        rows, flat = signal.rows, None
        if rows.ndim > 2:
            rows, flat = flatten_forward(rows)  # (N, D)
        y, cache = backend.fully_connected_forward(rows, p["weights"], p["bias"])
        return Signal(y, signal.active), None, (cache, flat)

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
        dense, flat = cache
        dx, grads = backend.fully_connected_backward(dy, dense, need_dx)
        if dx is not None and flat is not None:
            dx = flatten_backward(dx, flat)
        return dx, {"weights": grads.W, "bias": grads.b}, None
