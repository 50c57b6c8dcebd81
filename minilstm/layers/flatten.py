"""The flatten layer: turns images and volumes into vectors, step by step.
The order is in `minilstm.functional.flatten`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.backend import Backend
from minilstm.functional.flatten import flatten_backward, flatten_forward
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Layer, Parameters, Shape, Signal, Training, count


@dataclass(frozen=True, eq=False)
class Flatten(Layer):
    """Each step as a vector, column-major: height runs fastest, then width, depth and channel.

    Weights behind it are in the order of the reference; a row-major flattening would shuffle them.

    Parameters
    ----------
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> Flatten().output_shape((24, 24, 20))
    (11520,)
    """

    kind: ClassVar[str] = "flatten"

    @property
    def label(self) -> str:
        """One line for tables."""
        return "Flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        """All numbers of a step in one axis."""
        return (count(input_shape),)

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Rows as vectors, (N, h w c)."""
        y, cache = flatten_forward(signal.rows)
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
        """Each number back where it came from."""
        return (flatten_backward(dy, cache) if need_dx else None), {}, None
