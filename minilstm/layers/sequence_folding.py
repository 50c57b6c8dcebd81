"""Sequence folding and unfolding: a pair of layers around those that act on every step alone.
Rows of a batch are steps already, so nothing moves; the pair is there for networks that have it.

Beside the steps themselves the number of sequences goes from the first to the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers.base import Array, Layer, Parameters, Shape, Signal, Training

COUNT = "mini_batch_size"


@dataclass(frozen=True, eq=False)
class _PassThrough(Layer):
    """Rows as they come, in both directions."""

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Every row as it is."""
        return signal, None, None

    def backward(
        self,
        backend: Backend,
        dy: Array,
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[Array | None, dict[str, Array], LSTMState | None]:
        """The gradient as it is."""
        return (dy if need_dx else None), {}, None


@dataclass(frozen=True, eq=False)
class SequenceFolding(_PassThrough):
    """Treat the steps of all sequences as single images, for layers that know no time.

    Convolution here acts on every step of a sequence anyway, so the layer may be left out.

    Parameters
    ----------
    name : name in the network; "" lets the network choose

    Notes
    -----
    The output "mini_batch_size" is the number of sequences, for `SequenceUnfolding`.

    Examples
    --------
    >>> SequenceFolding().output_names
    ('out', 'mini_batch_size')
    """

    kind: ClassVar[str] = "sequence_folding"

    @property
    def label(self) -> str:
        """One line for tables."""
        return "Sequence folding"

    @property
    def output_names(self) -> tuple[str, ...]:
        """The steps, and how many sequences they belong to."""
        return ("out", COUNT)

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """As it comes in, and one number."""
        return (input_shapes[0], ())

    def forward_ports(
        self,
        backend: Backend,
        p: Parameters,
        inputs: Sequence[Signal],
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[tuple[Signal, ...], LSTMState | None, Any]:
        """Every row as it is, and the number of sequences, (1,)."""
        (signal,) = inputs
        number = Signal(signal.active[:1].copy(), np.ones(1, np.int64))
        return (signal, number), None, None

    def backward_ports(
        self,
        backend: Backend,
        douts: Sequence[Array | None],
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[tuple[Array | None, ...], dict[str, Array], LSTMState | None]:
        """The gradient as it is; a number of sequences has none."""
        return (douts[0] if need_dx else None,), {}, None


@dataclass(frozen=True, eq=False)
class SequenceUnfolding(_PassThrough):
    """Give the steps that `SequenceFolding` treated as single images their time back.

    Parameters
    ----------
    name : name in the network; "" lets the network choose

    Notes
    -----
    The input "mini_batch_size" comes from `SequenceFolding`; it may be left unconnected.

    Examples
    --------
    >>> SequenceUnfolding().input_names
    ('in', 'mini_batch_size')
    """

    kind: ClassVar[str] = "sequence_unfolding"

    @property
    def optional_inputs(self) -> tuple[str, ...]:
        """The number of sequences, which every signal carries anyway."""
        return ("mini_batch_size",)

    @property
    def label(self) -> str:
        """One line for tables."""
        return "Sequence unfolding"

    @property
    def input_names(self) -> tuple[str, ...]:
        """The steps, and how many sequences they belong to."""
        return ("in", COUNT)

    def forward_ports(
        self,
        backend: Backend,
        p: Parameters,
        inputs: Sequence[Signal | None],
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[tuple[Signal, ...], LSTMState | None, Any]:
        """Every row as it is, once the number of sequences is right."""
        signal, number = inputs[0], inputs[1] if len(inputs) > 1 else None
        assert signal is not None  # only the second input may be left unconnected
        if number is not None and number.rows.tolist() != [signal.active[0]]:
            raise ValueError(
                f"the layer {self.name!r} ({self.label}) got rows of {signal.active[0]} sequences, "
                f"but {number.rows.tolist()} at its input {COUNT!r}; connect it to the output "
                f"{COUNT!r} of the SequenceFolding that the rows went through."
            )
        return (signal,), None, None

    def backward_ports(
        self,
        backend: Backend,
        douts: Sequence[Array | None],
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[tuple[Array | None, ...], dict[str, Array], LSTMState | None]:
        """The gradient as it is; the number of sequences has none."""
        return (douts[0] if need_dx else None, None), {}, None
