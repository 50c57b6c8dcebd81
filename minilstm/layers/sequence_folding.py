"""Sequence folding and unfolding: a pair of layers around those that act on every step alone.
Rows of a batch are steps already, so nothing moves; the pair is there for networks that have it.

Beside the steps themselves the number of sequences goes from the first to the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.layers.base import Array, Gradients, RowLayer, Run, Shape

COUNT = "mini_batch_size"


@dataclass(frozen=True, eq=False)
class SequenceFolding(RowLayer):
    """Treat the steps of all sequences as single images, for layers that know no time.

    Convolution here acts on every step of a sequence anyway, so the layer may be left out.

    Notes
    -----
    The output "mini_batch_size" is the number of sequences, for `SequenceUnfolding`.

    Examples
    --------
    >>> SequenceFolding().output_names
    ('out', 'mini_batch_size')
    """

    kind: ClassVar[str] = "sequence_folding"
    label = "Sequence folding"
    output_names = ("out", COUNT)

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """As it comes in, and one number."""
        return (input_shapes[0], ())

    def forward(self, run: Run, x: Array) -> tuple[tuple[Array, Array], Any]:
        """Every row as it is, and the number of sequences, (1,)."""
        return (x, run.steps[0][:1].copy()), None

    def backward(
        self, run: Run, dys: Sequence[Array | None], cache: Any
    ) -> tuple[Array | None, Gradients]:
        """The gradient as it is; a number of sequences has none."""
        return dys[0] if run.need_dx else None, {}


@dataclass(frozen=True, eq=False)
class SequenceUnfolding(RowLayer):
    """Give the steps that `SequenceFolding` treated as single images their time back.

    Notes
    -----
    The input "mini_batch_size" comes from `SequenceFolding`; it may be left unconnected.

    Examples
    --------
    >>> SequenceUnfolding().input_names
    ('in', 'mini_batch_size')
    """

    kind: ClassVar[str] = "sequence_unfolding"
    label = "Sequence unfolding"
    input_names = ("in", COUNT)
    optional_inputs = (COUNT,)

    def forward(self, run: Run, xs: tuple[Array, Array | None]) -> tuple[Array, Any]:
        """Every row as it is, once the number of sequences is right; None where it is unknown."""
        (x, number), sequences = xs, run.steps[0][0]
        if number is not None and number.tolist() != [sequences]:
            raise ValueError(
                f"{self.title} got rows of {sequences} sequences, but {number.tolist()} at its "
                f"input {COUNT!r}; connect it to the output {COUNT!r} of the SequenceFolding that "
                "the rows went through."
            )
        return x, None

    def backward(
        self, run: Run, dy: Array, cache: Any
    ) -> tuple[tuple[Array | None, None], Gradients]:
        """The gradient as it is; the number of sequences has none."""
        return (dy if run.need_dx else None, None), {}
