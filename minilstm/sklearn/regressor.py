"""LSTMRegressor: one or several numbers for each sequence, or for each of its steps.
It trains on targets in units of their deviation, and its network gives them in the user's units.

Axes: n samples, T time, D features, R responses.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from minilstm.arrays import axes_of, parts_of
from minilstm.checks import check_choice
from minilstm.data.sequences import Batch
from minilstm.data.targets import as_targets
from minilstm.layers import FullyConnected, Layer
from minilstm.network.network import Network
from minilstm.sklearn.estimator import LSTMEstimator
from minilstm.sklearn.samples import Array, Samples, moments, spread

HEAD = "fc"  # the layer that gives the numbers
WEIGHTS, BIAS = f"{HEAD}/weights", f"{HEAD}/bias"
MOST = 0.01  # of the spread of a response may be lost by rounding


@dataclass(eq=False, repr=False, kw_only=True)
class LSTMRegressor(RegressorMixin, LSTMEstimator):  # type: ignore[misc]
    """A network of LSTM layers that gives numbers for a sequence, or for each of its steps.

    Parameters
    ----------
    num_hidden_units, num_layers, bidirectional, dropout, layers, normalization, solver, \
max_epochs, mini_batch_size, initial_learn_rate, l2_regularization, gradient_threshold, dtype, \
early_stopping, validation_fraction, n_iter_no_change, warm_start, random_state, verbose : as for \
`LSTMClassifier`; `layers` end in FullyConnected
    loss : "mse", "mae", "huber", "half-mse", or a pair of functions, see `minilstm.train`
    target_normalization : "zscore" trains on targets less their mean, divided by their standard
        deviation, and puts both into the last layer afterwards; "none" trains on them as they are,
        as is done where `layers` are given

    Attributes
    ----------
    network_, n_features_in_, feature_names_in_, n_iter_, history_, stop_reason_ : as for \
`LSTMClassifier`; the loss in `history_` is of targets in units of their deviation

    Notes
    -----
    y is (n,) or (n, R), the numbers for each sequence. A list of n arrays (T,) or (T, R), or
    (n, T, R), has those for each step: `predict` gives what fits then, and `score` counts all
    steps.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(T, 2)) for T in rng.integers(3, 9, size=60)]
    >>> y = [1000 + 50 * x[:, 0].sum() for x in X]
    >>> model = LSTMRegressor(num_hidden_units=16, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9, model.predict(X).shape
    (True, (60,))
    """

    loss: Any = "mse"
    target_normalization: str = "zscore"

    _checks_of_y: ClassVar[dict[str, Any]] = {"multi_output": True, "y_numeric": True}

    def predict(self, X: Any) -> Any:
        """Numbers, float64: (n,) or (n, R) as y was; for each step a list of (T,) or (T, R).

        Parameters
        ----------
        X : as for `fit`
        """

        def as_y(rows: Array) -> Array:
            rows = rows.astype(np.float64)  # (..., R)
            return rows[..., 0] if self._flat else rows

        return spread(as_y, self._predicted(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 of `predict`, the mean over the responses; with numbers a step, of all steps.

        Parameters
        ----------
        X, y : as for `fit`
        sample_weight : (n,) weights, or None
        """
        numbers = self.predict(X)
        if self._per_step:
            lengths = [len(part) for part in numbers]
            numbers, y = np.concatenate(list(numbers)), np.concatenate([*map(np.asarray, y)])
            sample_weight = None if sample_weight is None else np.repeat(sample_weight, lengths)
        return float(r2_score(y, numbers, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _answers(self, y: Any, sequences: Any) -> list[Array]:
        check_choice("target_normalization", self.target_normalization, ("zscore", "none"))
        parts = parts_of(y) or []
        axes = axes_of(parts[0]) if parts else np.ndim(y) - 1
        self._per_step = axes == 2
        if parts and axes == 1:  # rows of one length are (n, R), unless each is one a step
            lengths = [*map(len, parts)]
            steps = [*map(len, sequences)]
            self._per_step = lengths == steps or len(set(lengths)) > 1
        batch = Batch(sequences, "list")
        if not self._per_step:
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
            check_consistent_length(sequences, y)
            self._flat = y.ndim == 1
            return as_targets(y, batch, True, 1 if self._flat else y.shape[1], dtype=np.float64)
        shape = np.shape(y[0])
        self._flat = len(shape) == 1
        return as_targets(y, batch, False, 1 if self._flat else shape[1], dtype=np.float64)

    def _head(self, samples: Samples) -> list[Layer]:
        """The last layer; the mean and the unit (R,) of the targets are those of the samples."""
        responses = samples.answers[0].shape[1]
        mean, unit = np.zeros(responses), np.ones(responses)
        if self.layers is None and self.target_normalization == "zscore":
            mean, unit = moments(samples.answers, samples.weights)
            unit = np.where(unit == 0, 1.0, unit)
            step = np.finfo(self.dtype if self.dtype == "float64" else "float32").eps
            if (spoiled := np.flatnonzero(step * np.abs(mean) > MOST * unit)).size:
                n = spoiled[0]
                warnings.warn(
                    f"response {n} of y lies about {mean[n]:.6g} with a deviation of {unit[n]:.3g},"
                    " of which float32 loses a part; subtract a constant from y, or give "
                    "dtype='float64'.",
                    UserWarning,
                    stacklevel=4,
                )
        self._mean, self._unit = mean, unit
        return [FullyConnected(responses, name=HEAD)]

    def _targets(self, samples: Samples) -> Any:
        rows = [(a - self._mean) / self._unit for a in samples.answers]  # (T, R) or (1, R) each
        return rows if self._per_step else np.concatenate(rows)

    def _finished(self, net: Network) -> Network:
        """The network in the user's units: unit (W h + b) + mean."""
        return self._scaled(net, self._unit, self._mean)

    def _resumed(self) -> Network:
        """The network in units of the deviation: (W h + b - mean) / unit."""
        return self._scaled(self.network_, 1 / self._unit, -self._mean / self._unit)

    def _scaled(self, net: Network, unit: Array, mean: Array) -> Network:
        if self.layers is not None or self.target_normalization == "none":
            return net
        values = dict(net.parameters)
        weights, bias = values[WEIGHTS], values[BIAS]  # (R, H), (R,)
        scaled = {WEIGHTS: weights * unit[:, None], BIAS: bias * unit + mean}
        return net.updated({**values, **{k: v.astype(net.dtype) for k, v in scaled.items()}})
