"""The batch normalisation layer: what it learns, what it carries along, and how it is trained.
The equations are in `minilstm.functional.batch_normalization`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from minilstm.backend import Backend
from minilstm.functional.batch_normalization import BatchNormalizationCache
from minilstm.functional.channel_statistics import moving_statistic
from minilstm.functional.lstm import LSTMState
from minilstm.layers import initializers
from minilstm.layers.base import (
    Array,
    Layer,
    Parameter,
    Parameters,
    Shape,
    Signal,
    Training,
    check_factors,
)


@dataclass(frozen=True, eq=False)
class BatchNormalization(Layer):
    """Normalise each channel over all steps, sequences and positions, then scale and shift it.

    Training uses the mean and variance of the batch, so it needs all steps of a batch at once;
    prediction uses the trained ones.

    Parameters
    ----------
    epsilon : added to every variance, above 0
    mean_decay, variance_decay : weight of a new batch in the running statistics, 0 to 1
    scale, offset : (C,) learnables to start from; None for ones and zeros
    trained_mean, trained_variance : (C,) statistics for prediction; None for zeros and ones until
        the network is trained
    scale_learn_rate_factor, offset_learn_rate_factor : multiply the learning rate of that array
    scale_l2_factor, offset_l2_factor : multiply its L2 regularisation
    name : name in the network; "" lets the network choose

    Notes
    -----
    C, the number of channels, is the last axis of the input.

    Examples
    --------
    >>> layer = BatchNormalization()
    >>> [(p.name, p.shape) for p in layer.parameters((24, 24, 20))]
    [('scale', (20,)), ('offset', (20,))]
    >>> [p.name for p in layer.statistics((24, 24, 20))]
    ['trained_mean', 'trained_variance']
    """

    epsilon: float = 1e-5
    mean_decay: float = 0.1
    variance_decay: float = 0.1
    scale: ArrayLike | None = None
    offset: ArrayLike | None = None
    trained_mean: ArrayLike | None = None
    trained_variance: ArrayLike | None = None
    scale_learn_rate_factor: float = 1.0
    offset_learn_rate_factor: float = 1.0
    scale_l2_factor: float = 1.0
    offset_l2_factor: float = 1.0
    kind: ClassVar[str] = "batch_normalization"
    values: ClassVar[tuple[str, ...]] = ("scale", "offset", "trained_mean", "trained_variance")

    def __post_init__(self) -> None:
        check_factors(self)
        if not _is_number(self.epsilon) or not 0 < self.epsilon < np.inf:
            raise ValueError(
                f"BatchNormalization: epsilon is {self.epsilon!r}; give a number above 0."
            )
        for argument in ("mean_decay", "variance_decay"):
            value = getattr(self, argument)
            if not _is_number(value) or not 0 <= value <= 1:
                raise ValueError(
                    f"BatchNormalization: {argument} is {value!r}; give a number from 0 to 1."
                )
        for argument in self.values:
            if getattr(self, argument) is not None:
                object.__setattr__(self, argument, self._given(argument))

    @property
    def label(self) -> str:
        """One line for tables."""
        return "Batch normalization"

    @property
    def whole(self) -> bool:
        """Training needs the statistics of all steps of a batch."""
        return True

    def output_shape(self, input_shape: Shape) -> Shape:
        """As it comes in; given arrays must have a number for each channel."""
        self._check_channels(input_shape)
        return input_shape

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """scale (C,), offset (C,)."""
        self._check_channels(input_shape)
        rates = self.scale_learn_rate_factor, self.offset_learn_rate_factor
        decays = self.scale_l2_factor, self.offset_l2_factor
        shape = input_shape[-1:]
        return (
            Parameter("scale", shape, initializers.ones, rates[0], decays[0]),
            Parameter("offset", shape, initializers.zeros, rates[1], decays[1]),
        )

    def statistics(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """trained_mean (C,), trained_variance (C,)."""
        shape = input_shape[-1:]
        return (
            Parameter("trained_mean", shape, initializers.zeros, 0.0, 0.0),
            Parameter("trained_variance", shape, initializers.ones, 0.0, 0.0),
        )

    def forward(
        self,
        backend: Backend,
        p: Parameters,
        signal: Signal,
        state: LSTMState | None,
        training: Training | None = None,
    ) -> tuple[Signal, LSTMState | None, Any]:
        """Every row normalised: by the batch in training, by the trained statistics otherwise."""
        scale, offset = p["scale"], p["offset"]
        if training is None:
            y, cache = backend.batch_normalization_apply(
                signal.rows, scale, offset, p["trained_mean"], p["trained_variance"], self.epsilon
            )
        else:
            y, cache = backend.batch_normalization_forward(signal.rows, scale, offset, self.epsilon)
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
        """Gradients of the input and of both learnables, through the statistics of a batch."""
        through_the_batch = isinstance(cache, BatchNormalizationCache)
        dx, grads = (
            backend.batch_normalization_backward(dy, cache, need_dx)
            if through_the_batch
            else backend.batch_normalization_apply_backward(dy, cache, need_dx)
        )
        return dx, {"scale": grads.scale, "offset": grads.offset}, None

    def updated_statistics(self, p: Parameters, cache: Any) -> dict[str, Array]:
        """The running statistics after one more batch of training.

        Parameters
        ----------
        p : parameters and statistics of the layer
        cache : of a forward pass in training, which holds the mean and variance of the batch

        Returns
        -------
        trained_mean and trained_variance, (C,) each, in their dtype in p; nothing after a forward
        pass of prediction, which learns no statistics
        """
        if not isinstance(cache, BatchNormalizationCache):
            return {}
        mean = moving_statistic(p["trained_mean"], cache.mean, self.mean_decay)  # (C,)
        variance = moving_statistic(p["trained_variance"], cache.variance, self.variance_decay)
        return {"trained_mean": mean, "trained_variance": variance}

    def _given(self, argument: str) -> Array:
        """A given array, checked, in float64 and read-only."""
        value = np.array(getattr(self, argument), np.float64)  # (C,)
        if value.ndim != 1 or not value.size or not np.isfinite(value).all():
            raise ValueError(
                f"BatchNormalization: {argument} has shape {value.shape}; give one finite number "
                "for each channel, shape (C,)."
            )
        if argument == "trained_variance" and (value < 0).any():
            raise ValueError(
                f"BatchNormalization: trained_variance has an entry of {value.min():g}; "
                "give variances of at least 0."
            )
        value.flags.writeable = False
        return value

    def _check_channels(self, input_shape: Shape) -> None:
        for argument in self.values:
            value = getattr(self, argument)
            if value is not None and value.shape != input_shape[-1:]:
                raise ValueError(
                    f"the layer {self.name!r} ({self.label}) has {argument} of shape "
                    f"{value.shape}, but its input has shape {input_shape}; give one number for "
                    f"each of the {input_shape[-1]} channels."
                )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
