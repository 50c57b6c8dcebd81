"""What both estimators have in common: their parameters, the fit, streams and the pickle.
The parameters are only stored; `fit` checks them, as scikit-learn wants it.

Axes: n samples, T time, D features, R outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from minilstm.checks import check_whole
from minilstm.layers import LSTM, BiLSTM, Dropout, Layer, SequenceInput
from minilstm.network.model_file import from_bytes, to_bytes
from minilstm.network.network import Network
from minilstm.network.stream import Stream
from minilstm.sklearn.samples import Array, Samples, merged, moments, relative, weighted
from minilstm.sklearn.sequences import read
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train


@dataclass(eq=False, repr=False, kw_only=True)
class LSTMEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator around a network; `LSTMClassifier` explains the parameters."""

    num_hidden_units: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    layers: Any = None
    normalization: Any = "zscore"
    loss: Any = None
    solver: str = "adam"
    max_epochs: int = 100
    mini_batch_size: int = 64
    initial_learn_rate: float | None = 0.005
    l2_regularization: float = 1e-4
    gradient_threshold: float = 1.0
    dtype: str = "float32"
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    warm_start: bool = False
    random_state: Any = None
    verbose: bool = False

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a network.

        Parameters
        ----------
        X : list of n arrays (T, D) of any lengths; (n, T, D); or (n, D), n sequences of one step.
            Frames by their names in the place of (T, D) and of (n, D)
        y : answers, see the class
        sample_weight : (n,) weights of the samples, in units of their mean; a list of (T,) arrays
            where every step has an answer. A sample of weight 0 counts as removed

        Returns
        -------
        The estimator itself

        Raises
        ------
        ValueError
            X, y, a weight or a parameter does not fit; nothing was trained.
        DivergedError
            The loss became NaN or infinite.
        """
        goes_on = self.warm_start and hasattr(self, "network_")
        rng = check_random_state(self.random_state)
        options = self._options(rng, goes_on)
        sequences, y = read(self, X, y, reset=not goes_on, **self._checks_of_y)
        samples = Samples(list(sequences), self._answers(y, sequences), None)
        samples = self._encoded(weighted(samples, sample_weight), goes_on)
        held_out = None
        if self.early_stopping:
            samples, held_out = self._split(samples, rng)
        samples = merged(samples, self.mini_batch_size)
        samples = samples._replace(weights=relative(samples.weights))
        net = self._resumed() if goes_on else self._layers(samples)
        if held_out is not None:
            validation = held_out.sequences, self._targets(held_out)
            options = replace(options, validation_data=validation, **self._stopping)
        loss, targets = self._loss(samples), self._targets(samples)
        weights = samples.weights
        net, info = train(samples.sequences, targets, net, loss, options, step_weights=weights)
        self.network_ = self._finished(net)
        self.history_ = dict(info.history)
        self.stop_reason_ = info.stop_reason
        self.n_iter_ = int(info.history["epoch"][-1])
        return self

    def to_stream(self, batch: int | None = None, *, threads: int = 1) -> Stream:
        """A stream of the fitted network, one time step at a time; see `Network.stream`."""
        check_is_fitted(self, "network_")
        return self.network_.stream(batch, threads=threads)

    # ---------------------------------------------------------------- what each estimator has

    _checks_of_y: ClassVar[dict[str, Any]] = {}  # for `validate_data`
    _per_step = False  # whether y had an answer for every step

    def _answers(self, y: Any, sequences: Any) -> list[Array]:
        """Checked answers: n arrays of a row for each answer."""
        raise NotImplementedError

    def _encoded(self, samples: Samples, goes_on: bool) -> Samples:
        """The samples with numbers as answers."""
        return samples

    def _head(self, samples: Samples) -> list[Layer]:
        """The layers behind the LSTM; what they need to know of the samples is learned here."""
        raise NotImplementedError

    def _targets(self, samples: Samples) -> Any:
        """The answers as `minilstm.train` takes them."""
        raise NotImplementedError

    def _loss(self, samples: Samples) -> Any:
        return self.loss

    def _finished(self, net: Network) -> Network:
        """The network that users get, from the one that was trained."""
        return net

    def _resumed(self) -> Network:
        """The reverse of `_finished`."""
        return self.network_

    # ---------------------------------------------------------------- what they share

    def _options(self, rng: np.random.RandomState, goes_on: bool) -> TrainingOptions:
        chosen = self.random_state
        return TrainingOptions(
            self.solver,
            max_epochs=self.max_epochs,
            mini_batch_size=self.mini_batch_size,
            initial_learn_rate=self.initial_learn_rate,  # type: ignore[arg-type]
            l2_regularization=self.l2_regularization,
            gradient_threshold=self.gradient_threshold,
            shuffle="every-epoch",
            # Layers that are built here come with weighted statistics, or without any.
            reset_input_normalization=self.layers is not None and not goes_on,
            dtype=self.dtype,
            verbose=bool(self.verbose),
            seed=int(chosen) if isinstance(chosen, Integral) else int(rng.randint(2**31 - 1)),
        )

    @property
    def _stopping(self) -> dict[str, Any]:
        return {
            "validation_frequency": "epoch",
            "validation_patience": self.n_iter_no_change,
            "output_network": "best-validation",
        }

    def _layers(self, samples: Samples) -> Any:
        """The layers of the user, or new ones for these samples."""
        head = self._head(samples)
        if self.layers is not None:
            return self.layers
        known: dict[str, Any] = {}
        if samples.weights is not None and self.normalization in ("zerocenter", "zscore"):
            mean, deviation = moments(samples.sequences, samples.weights)
            known = {"mean": mean, "standard_deviation": deviation}
        names = getattr(self, "feature_names_in_", None)
        names = None if names is None else names.tolist()
        shape = samples.sequences[0].shape[1:]
        size = shape[0] if len(shape) == 1 else shape
        first = SequenceInput(size, self.normalization, feature_names=names, **known)
        kind = BiLSTM if self.bidirectional else LSTM
        check_whole("num_layers", self.num_layers, 1)
        body: list[Layer] = []
        for n in range(self.num_layers):
            last = n + 1 == self.num_layers and not self._per_step
            body.append(kind(self.num_hidden_units, "last" if last else "sequence"))
            body += [Dropout(self.dropout)] if self.dropout else []
        return [first, *body, *head]

    def _split(self, samples: Samples, rng: np.random.RandomState) -> tuple[Samples, Samples]:
        """Samples to train with, and those held out for early stopping."""
        labels = None
        if is_classifier(self) and not self._per_step:
            labels = np.concatenate(samples.answers)  # (n,)
        kept, held = train_test_split(
            np.arange(len(samples.sequences)),
            test_size=self.validation_fraction,
            random_state=rng,
            stratify=labels,
        )
        return samples.of(kept), samples.of(held)

    def _predicted(self, X: Any) -> Any:
        """What the network puts out: (n, R), a list of (T, R), or (n, T, R)."""
        check_is_fitted(self, "network_")
        sequences, _ = read(self, X, reset=False)
        return self.network_.predict(sequences)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__()}
        if "network_" in state:
            state["network_"] = to_bytes(state["network_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "network_" in state:
            data = state["network_"]
            # The checksum is compared all the same.
            net = from_bytes(data, Network, self_test=False)
            state = {**state, "network_": net}
        super().__setstate__(state)
