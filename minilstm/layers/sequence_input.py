"""The sequence input layer: says how many features a step has, and how they are normalised.
With "zerocenter" it subtracts the training mean of each channel, wherever the network runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.functional.sequence_input import zerocenter_backward, zerocenter_forward
from minilstm.layers.base import (
    Array,
    Layer,
    Parameters,
    Shape,
    Signal,
    Training,
    check_choice,
    check_size,
)


@dataclass(frozen=True, eq=False)
class SequenceInput(Layer):
    """Input of sequences (T, D).

    Parameters
    ----------
    input_size : D, features of one step
    normalization : "none" or "zerocenter" (subtract `mean`)
    mean : (D,) mean of each channel; None lets training compute it over all real steps.
        Training computes it anew even if given, unless ``reset_input_normalization=False``.
    name : name in the network; "" lets the network choose

    Examples
    --------
    >>> SequenceInput(12).label
    'Sequence input with 12 dimensions'
    """

    input_size: int
    normalization: str = "none"
    mean: ArrayLike | None = None
    kind: ClassVar[str] = "sequence_input"

    def __post_init__(self) -> None:
        check_size("SequenceInput", "input_size", self.input_size)
        check_choice("SequenceInput", "normalization", self.normalization, ("none", "zerocenter"))
        if self.mean is None:
            return
        mean = np.array(self.mean, np.float64)  # (D,)
        if mean.shape != (self.input_size,) or not np.isfinite(mean).all():
            raise ValueError(
                f"SequenceInput: mean has shape {mean.shape}; give one finite number for each of "
                f"the {self.input_size} channels, shape ({self.input_size},)."
            )
        if self.normalization != "zerocenter":
            raise ValueError(
                "SequenceInput: a mean was given but normalization is 'none'; "
                "set normalization='zerocenter' to use it."
            )
        mean.flags.writeable = False
        object.__setattr__(self, "mean", mean)

    @property
    def label(self) -> str:
        """One line for tables."""
        text = f"Sequence input with {self.input_size} dimensions"
        return text if self.normalization == "none" else f"{text}, {self.normalization}"

    @property
    def input_names(self) -> tuple[str, ...]:
        """None: data come from outside."""
        return ()

    @property
    def shape(self) -> Shape:
        """Shape of one step."""
        return (self.input_size,)

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Subtract the mean where asked."""
        if self.normalization == "none":
            return signal, None, None
        if self.mean is None:
            raise ValueError(
                f"the layer {self.name!r} has normalization 'zerocenter' but no mean; train the "
                "network, or give SequenceInput its mean."
            )
        mean = np.asarray(self.mean, signal.rows.dtype)  # (D,)
        return Signal(zerocenter_forward(signal.rows, mean), signal.active), None, None

    def backward(
        self,
        backend: Backend,
        dy: Array,
        dstate: LSTMState | None,
        cache: Any,
        need_dx: bool,
        spend_cache: bool = False,
    ) -> tuple[Array | None, dict[str, Array], LSTMState | None]:
        """The gradient passes through unchanged."""
        return zerocenter_backward(dy), {}, None
