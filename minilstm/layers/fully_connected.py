"""The fully connected layer: acts on every time step by itself.
The equations are in `minilstm.functional.fully_connected`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from minilstm.checks import check_whole
from minilstm.functional.flatten import flatten_backward, flatten_forward
from minilstm.layers.base import Array, Gradients, Initializer, RowLayer, Run, Shape, count


@dataclass(frozen=True, eq=False)
class FullyConnected(RowLayer):
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
    weights_initializer: str | Initializer = "glorot"
    bias_initializer: str | Initializer = "zeros"
    kind: ClassVar[str] = "fully_connected"
    learnables: ClassVar[tuple[str, ...]] = ("weights", "bias")
    values: ClassVar[tuple[str, ...]] = ("weights", "bias")

    def __post_init__(self) -> None:
        check_whole("FullyConnected: num_outputs", self.num_outputs, 1)
        super().__post_init__()

    @property
    def label(self) -> str:
        """One line for tables."""
        return f"{self.num_outputs} fully connected layer"

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,), whatever comes in."""
        return (self.num_outputs,)

    def array_shapes(self, input_shape: Shape | None) -> dict[str, tuple[Any, ...]]:
        """weights (C, inputs), bias (C,)."""
        inputs = "inputs" if input_shape is None else count(input_shape)
        return {"weights": (self.num_outputs, inputs), "bias": (self.num_outputs,)}

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """Outputs of every row, (N, C)."""
        flat = None
        if x.ndim > 2:
            x, flat = flatten_forward(x)  # (N, D)
        y, cache = run.backend.fully_connected_forward(x, run.p["weights"], run.p["bias"])
        return y, (cache, flat)

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """Gradients of the input and of both learnables."""
        dense, flat = cache
        dx, grads = run.backend.fully_connected_backward(dy, dense, run.need_dx)
        if dx is not None and flat is not None:
            dx = flatten_backward(dx, flat)
        return dx, {"weights": grads.W, "bias": grads.b}
