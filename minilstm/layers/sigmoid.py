"""The sigmoid layer: scores between 0 and 1, of which several may be high at once.
The equation is in `minilstm.functional.sigmoid`; the loss for it is "binary-crossentropy"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Layer, Parameters, Signal, Training


@dataclass(frozen=True, eq=False)
class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)) for each number, whatever the shape of a step.

    Parameters
    ----------
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> Sigmoid().label, Sigmoid().output_shape((5,))
    ('Sigmoid', (5,))
    """

    kind: ClassVar[str] = "sigmoid"

    @property
    def label(self) -> str:
        """One line for tables."""
        return "Sigmoid"

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """A score for every number of every row."""
        y, cache = backend.sigmoid_forward(signal.rows)
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
        """The gradient times the slope of each score."""
        return (backend.sigmoid_backward(dy, cache) if need_dx else None), {}, None
