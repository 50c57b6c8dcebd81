"""The dropout layer: a random part of the numbers is zero while the network learns.
The mask and its scale are in `minilstm.functional.dropout`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Layer, Parameters, Signal, Training


@dataclass(frozen=True, eq=False)
class Dropout(Layer):
    """Set each number to zero with a probability and scale the others up, in training only.

    Every number of every time step is drawn by itself. The mask follows from the seed of the
    training, the iteration, the layer and the place of the number in the batch: it is the same
    for every backend, number of threads, and cut of the batch into spans. Prediction passes
    everything through.

    Parameters
    ----------
    probability : of dropping a number, at least 0 and below 1
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> Dropout(0.2).label
    'Dropout, 20 %'
    """

    probability: float = 0.5
    kind: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        p = self.probability
        number = isinstance(p, (int, float, np.number)) and not isinstance(p, bool)
        if not number or not 0 <= p < 1:
            raise ValueError(
                f"Dropout: probability is {p!r}; give a number of at least 0 and below 1."
            )

    @property
    def label(self) -> str:
        """One line for tables."""
        return f"Dropout, {100 * self.probability:.4g} %"

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """A random part of every row in training; every row as it is in prediction."""
        if training is None:
            return signal, None, None
        y, cache = backend.dropout_forward(
            signal.rows, self.probability, training.key, training.row
        )
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
        """The gradient where the mask kept; all of it after a prediction."""
        if not need_dx:
            return None, {}, None
        return (dy if cache is None else backend.dropout_backward(dy, cache)), {}, None
