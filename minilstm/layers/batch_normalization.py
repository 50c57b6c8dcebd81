"""The batch normalisation layer: what it learns, what it carries along, and how it is trained.
The equations are in `minilstm.functional.batch_normalization`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from numpy.typing import ArrayLike

from minilstm.checks import check_positive, check_share
from minilstm.functional.batch_normalization import (
    BatchNormalizationApplyCache,
    BatchNormalizationCache,
    batch_normalization_through_statistics,
)
from minilstm.functional.channel_statistics import moving_statistic, pool_statistics
from minilstm.layers import initializers
from minilstm.layers.base import (
    Array,
    Gradients,
    Initializer,
    Parameter,
    Parameters,
    RowLayer,
    Run,
    Shape,
)


class ShardCache(NamedTuple):
    """What backward needs from the forward pass of one shard of a batch."""

    whole: BatchNormalizationCache  # with the statistics of all shards
    size: int  # numbers of one channel in all shards
    across: Callable[[Any], list[Any]]  # see `Run`


@dataclass(frozen=True, eq=False)
class BatchNormalization(RowLayer):
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
    label = "Batch normalization"
    whole = True  # training needs the statistics of all steps of a batch
    learnables: ClassVar[tuple[str, ...]] = ("scale", "offset")
    values: ClassVar[tuple[str, ...]] = ("scale", "offset", "trained_mean", "trained_variance")
    wanted_values: ClassVar[str] = "one finite number for each channel, shape {}"
    fitting_values: ClassVar[str] = "one number for each of the {0[0]} channels"

    def __post_init__(self) -> None:
        check_positive("BatchNormalization: epsilon", self.epsilon)
        check_share("BatchNormalization: mean_decay", self.mean_decay)
        check_share("BatchNormalization: variance_decay", self.variance_decay)
        for option in ("epsilon", "mean_decay", "variance_decay"):
            # A number of NumPy would widen what it is added to, until the network is saved.
            object.__setattr__(self, option, float(getattr(self, option)))
        super().__post_init__()
        variance: Any = self.trained_variance
        if variance is not None and (variance < 0).any():
            raise ValueError(
                f"BatchNormalization: trained_variance has an entry of {variance.min():g}; "
                "give variances of at least 0."
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        """As it comes in; given arrays must have a number for each channel."""
        self.check_values(input_shape)
        return input_shape

    def array_shapes(self, input_shape: Shape | None) -> dict[str, tuple[Any, ...]]:
        """(C,) each."""
        return dict.fromkeys(self.values, ("C",) if input_shape is None else input_shape[-1:])

    def _initializer(self, name: str) -> Initializer:
        return initializers.ones if name in ("scale", "trained_variance") else initializers.zeros

    def statistics(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """trained_mean (C,), trained_variance (C,)."""
        shape = input_shape[-1:]
        return tuple(
            Parameter(name, shape, self._initializer(name), 0.0, 0.0)
            for name in ("trained_mean", "trained_variance")
        )

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """Every row normalised: by the batch in training, by the trained statistics otherwise."""
        p, backend = run.p, run.backend
        if run.training is None:
            trained = p["trained_mean"], p["trained_variance"]
            return backend.batch_normalization_apply(
                x, p["scale"], p["offset"], *trained, self.epsilon
            )
        y, cache = backend.batch_normalization_forward(x, p["scale"], p["offset"], self.epsilon)
        across = run.across
        if across is None:
            return y, cache
        whole = None
        for of_shard in across((cache.size, cache.mean, cache.variance)):
            whole = pool_statistics(whole, *of_shard)
        assert whole is not None  # this shard is one of them
        y, apply = backend.batch_normalization_apply(
            x, p["scale"], p["offset"], whole.mean, whole.variance, self.epsilon
        )
        return y, ShardCache(BatchNormalizationCache(*apply), whole.size, across)

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """Gradients of the input and of both learnables, through the statistics of a batch."""
        if isinstance(cache, ShardCache):
            held = BatchNormalizationApplyCache(*cache.whole)
            dx, grads = run.backend.batch_normalization_apply_backward(dy, held, run.need_dx)
            if dx is not None:
                sums = (sum(of_shards) for of_shards in zip(*cache.across(grads), strict=True))
                dx = batch_normalization_through_statistics(dx, cache.whole, cache.size, *sums)
            return dx, {"scale": grads.scale, "offset": grads.offset}
        through_the_batch = isinstance(cache, BatchNormalizationCache)
        dx, grads = (
            run.backend.batch_normalization_backward(dy, cache, run.need_dx)
            if through_the_batch
            else run.backend.batch_normalization_apply_backward(dy, cache, run.need_dx)
        )
        return dx, {"scale": grads.scale, "offset": grads.offset}

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
        cache = cache.whole if isinstance(cache, ShardCache) else cache
        if not isinstance(cache, BatchNormalizationCache):
            return {}
        mean = moving_statistic(p["trained_mean"], cache.mean, self.mean_decay)  # (C,)
        variance = moving_statistic(p["trained_variance"], cache.variance, self.variance_decay)
        return {"trained_mean": mean, "trained_variance": variance}
