"""The rectifier layer: passes what is positive and sets the rest to zero.
The equation is in `minilstm.functional.relu`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Layer, Parameters, Signal, Training


@dataclass(frozen=True, eq=False)
class ReLU(Layer):
    """y = max(0, x) for each number, whatever the shape of a step.

    Parameters
    ----------
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> ReLU().label, ReLU().output_shape((24, 24, 20))
    ('ReLU', (24, 24, 20))
    """

    kind: ClassVar[str] = "relu"

    @property
    def label(self) -> str:
        """One line for tables."""
        return "ReLU"

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """The positive part of every row."""
        y, cache = backend.relu_forward(signal.rows)
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
        """The gradient where the input was positive."""
        return (backend.relu_backward(dy, cache) if need_dx else None), {}, None
