"""The softmax layer: turns each step's outputs into scores that sum to 1.
The equations are in `minilstm.functional.softmax`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Layer, Parameters, Signal, Training


@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """Softmax over the classes.

    Parameters
    ----------
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> Softmax().label
    'Softmax'
    """

    kind: ClassVar[str] = "softmax"

    @property
    def label(self) -> str:
        """One line for tables."""
        return "Softmax"

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Scores of every row, (N, C)."""
        y, cache = backend.softmax_forward(signal.rows)
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
        """The full Jacobian applied to dy."""
        return backend.softmax_backward(dy, cache), {}, None
