"""The flatten layer: turns images and volumes into vectors, step by step.
The order is in `minilstm.functional.flatten`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.functional.flatten import flatten_backward, flatten_forward
from minilstm.layers.base import Array, Gradients, RowLayer, Run, Shape, count


@dataclass(frozen=True, eq=False)
class Flatten(RowLayer):
    """Each step as a vector, column-major: height runs fastest, then width, depth and channel.

    Weights behind it are in the order of the reference; a row-major flattening would shuffle them.

    Examples
    --------
    >>> Flatten().output_shape((24, 24, 20))
    (11520,)
    """

    kind: ClassVar[str] = "flatten"
    label = "Flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        """All numbers of a step in one axis."""
        return (count(input_shape),)

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """Rows as vectors, (N, h w c)."""
        return flatten_forward(x)

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """Each number back where it came from."""
        return flatten_backward(dy, cache) if run.need_dx else None, {}
