"""The dropout layer: a random part of the numbers is zero while the network learns.
The mask and its scale are in `minilstm.functional.dropout`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.checks import check_number
from minilstm.layers.base import Array, Gradients, RowLayer, Run


@dataclass(frozen=True, eq=False)
class Dropout(RowLayer):
    """Set each number to zero with a probability and scale the others up, in training only.

    Every number of every time step is drawn by itself. The mask follows from the seed of the
    training, the iteration, the layer and the place of the number in the batch: it is the same
    for every backend, number of threads, and cut of the batch into spans. Prediction passes
    everything through.

    Parameters
    ----------
    probability : of dropping a number, at least 0 and below 1

    Examples
    --------
    >>> Dropout(0.2).label
    'Dropout, 20 %'
    """

    probability: float = 0.5
    kind: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        wanted = "of at least 0 and below 1"
        check_number("Dropout: probability", self.probability, wanted, lambda v: 0 <= v < 1)

    @property
    def label(self) -> str:
        """One line for tables."""
        return f"Dropout, {100 * self.probability:.4g} %"

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """A random part of every row in training; every row as it is in prediction."""
        if run.training is None:
            return x, None
        return run.backend.dropout_forward(x, self.probability, *run.training)

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """The gradient where the mask kept; all of it after a prediction."""
        if not run.need_dx:
            return None, {}
        return (dy if cache is None else run.backend.dropout_backward(dy, cache)), {}
