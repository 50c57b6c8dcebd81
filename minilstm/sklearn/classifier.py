"""LSTMClassifier: one label for each sequence, or one for each of its steps.
The labels may be whatever scikit-learn takes: text, numbers, truth values.

Axes: n samples, T time, D features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from minilstm.arrays import axes_of, parts_of
from minilstm.data.labels import as_labels
from minilstm.data.sequences import Batch
from minilstm.layers import FullyConnected, Layer, Softmax
from minilstm.layers.class_weights import inverse_frequency_weights
from minilstm.losses import CrossEntropy
from minilstm.sklearn.estimator import LSTMEstimator
from minilstm.sklearn.samples import Array, Samples, spread


@dataclass(eq=False, repr=False, kw_only=True)
class LSTMClassifier(ClassifierMixin, LSTMEstimator):  # type: ignore[misc]
    """A network of LSTM layers that names the class of a sequence, or of each of its steps.

    Parameters
    ----------
    num_hidden_units : H, of each layer and direction
    num_layers : LSTM layers, one behind the other
    bidirectional : BiLSTM layers, which read each sequence both ways; they cannot stream
    dropout : share of the outputs of each LSTM layer that a training step leaves out
    layers : list of layers in the place of those that the options above and `normalization`
        describe, SequenceInput first, Softmax last
    normalization : of the features, by the training data; see `minilstm.SequenceInput`
    loss : "crossentropy", or a pair of functions, see `minilstm.train`
    solver, max_epochs, mini_batch_size, initial_learn_rate, l2_regularization, gradient_threshold \
: as in `minilstm.TrainingOptions`; the samples are shuffled anew for every epoch
    dtype : "float32" or "float64", of the network
    early_stopping : hold some samples out, stop when the loss on them does not fall any more, and
        keep the network with the lowest; weights do not count in that loss, class weights do
    validation_fraction : share of the samples that are held out, in equal shares of the classes
    n_iter_no_change : epochs to wait for a lower loss
    warm_start : `fit` goes on with the network that there is; its layers, its classes and the
        statistics of its input stay
    random_state : int, RandomState or None, from which everything random is drawn
    verbose : print a table and a progress bar
    class_weight : None; "balanced", by which all classes count the same; or a dict of a weight by
        label, where 1 is the weight of a label that is left out. Only the ratios count

    Attributes
    ----------
    network_ : the trained `minilstm.Network`, of which `network_.save` writes a model file
    classes_ : (C,) sorted labels, in the order of the scores
    n_features_in_, feature_names_in_ : D, and their names where X was a frame or a list of them
    n_iter_ : epochs of the last fit
    history_ : dict of arrays, an entry an iteration; see `minilstm.TrainingInfo`
    stop_reason_ : one sentence

    Notes
    -----
    y is (n,), a label for each sequence. A list of n arrays (T,), or (n, T) beside X (n, T, D),
    has a label for each step: `predict` and `predict_proba` give what fits then, and `score` counts
    all steps. scikit-learn's tools know no such labels; folds such as ``KFold()`` work with them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(T, 1)).cumsum(axis=0) for T in rng.integers(5, 12, size=40)]
    >>> y = ["up" if x[-1, 0] > 0 else "down" for x in X]
    >>> model = LSTMClassifier(num_hidden_units=8, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9, model.predict([np.array([[1.0], [2.0]])]).tolist()
    (True, ['up'])
    """

    loss: Any = "crossentropy"
    class_weight: Any = None

    def predict(self, X: Any) -> Any:
        """The class of the largest score: (n,), or with a label a step a list of (T,).

        Parameters
        ----------
        X : as for `fit`
        """
        return spread(lambda scores: self.classes_[scores.argmax(-1)], self._predicted(X))

    def predict_proba(self, X: Any) -> Any:
        """Scores in the order of `classes_`: (n, C), or with a label a step a list of (T, C).

        Parameters
        ----------
        X : as for `fit`
        """
        return self._predicted(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of labels that `predict` gives; with a label a step, of all steps.

        Parameters
        ----------
        X, y : as for `fit`
        sample_weight : (n,) weights, or None
        """
        labels = self.predict(X)
        if isinstance(labels, list) or labels.ndim > 1:
            lengths = [len(part) for part in labels]
            labels, y = np.concatenate(list(labels)), np.concatenate([*map(np.asarray, y)])
            sample_weight = None if sample_weight is None else np.repeat(sample_weight, lengths)
        return float(accuracy_score(y, labels, sample_weight=sample_weight))

    def _answers(self, y: Any, sequences: Any) -> list[Array]:
        parts = parts_of(y)
        if parts is not None:
            self._per_step = bool(parts) and axes_of(parts[0]) > 0
        else:
            steps = np.shape(sequences)[:2] if isinstance(sequences, np.ndarray) else (0, 0)
            self._per_step = np.shape(y) == steps and steps[1] > 1
        if self._per_step:
            labels = as_labels(y, Batch(sequences, "list"), "sequence", "y")
            check_classification_targets(np.concatenate(labels))
            return labels
        column = column_or_1d(y, warn=True)  # (n,)
        check_array(column, dtype=None, ensure_2d=False, input_name="y")
        check_consistent_length(sequences, column)
        check_classification_targets(column)
        return [column[b : b + 1] for b in range(len(column))]

    def _encoded(self, samples: Samples, goes_on: bool) -> Samples:
        """Numbers in the place of labels."""
        labels = np.concatenate(samples.answers)  # (N,)
        found = np.unique(labels)
        if not goes_on:
            self.classes_ = found  # (C,)
        elif strange := [label for label in found.tolist() if label not in self.classes_.tolist()]:
            raise ValueError(
                f"y holds the label {strange[0]!r}, which is no class of the network that "
                "warm_start goes on with; leave it out, or fit with warm_start=False."
            )
        numbers = [np.searchsorted(self.classes_, a) for a in samples.answers]
        return samples._replace(answers=numbers)

    @property
    def _names(self) -> Array:
        """The classes (C,) as the network knows them: text or whole numbers."""
        kind = self.classes_.dtype.kind
        return self.classes_.astype(np.int64 if kind in "iuf" else str)

    def _head(self, samples: Samples) -> list[Layer]:
        return [FullyConnected(len(self.classes_)), Softmax()]

    def _targets(self, samples: Samples) -> Any:
        labels = [self._names[k] for k in samples.answers]
        return labels if self._per_step else np.concatenate(labels)

    def _loss(self, samples: Samples) -> Any:
        """The cross-entropy with the weight of each class; their mean over all answers is 1."""
        if self.loss != "crossentropy":
            if self.class_weight is not None:
                raise ValueError(
                    f"class_weight is {self.class_weight!r}, but it belongs to "
                    "loss='crossentropy'; give that, or sample_weight in fit."
                )
            return self.loss
        weights: Any = None
        if self.class_weight is not None:
            numbers = np.concatenate(samples.answers)  # (N,)
            by_row = None if samples.weights is None else np.concatenate(samples.weights)
            counts = np.bincount(numbers, by_row, minlength=len(self.classes_))  # (C,)
            if isinstance(self.class_weight, str) and self.class_weight == "balanced":
                weights = inverse_frequency_weights(counts)  # (C,)
            else:
                known = {"classes": self.classes_, "y": self.classes_}
                weights = compute_class_weight(self.class_weight, **known)  # (C,)
            mean = weights @ counts / counts.sum()
            weights = tuple((weights / mean if mean > 0 else weights).tolist())
        return CrossEntropy(weights, tuple(self._names.tolist()))
