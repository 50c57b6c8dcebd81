"""scikit-learn's own checks of an estimator: every one passes, none is expected to fail.
Each check is a test; small networks keep all of them below half a minute."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from minilstm.sklearn import LSTMClassifier, LSTMRegressor

SMALL = {"num_hidden_units": 8, "max_epochs": 10, "initial_learn_rate": 0.05}
EXACT = {**SMALL, "dtype": "float64", "num_layers": 2, "bidirectional": True, "dropout": 0.1}


@parametrize_with_checks(
    [
        LSTMClassifier(**SMALL),
        LSTMRegressor(**SMALL),
        LSTMClassifier(**EXACT),
        LSTMRegressor(**EXACT),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_what_scikit_learn_asks_of_an_estimator(estimator, check, on_numpy):
    check(estimator)


@pytest.mark.parametrize("kind", [LSTMClassifier, LSTMRegressor])
def test_a_weight_of_two_is_the_sample_twice_and_none_is_a_sample_less(kind, on_numpy):
    """In bits, also for sequences of several lengths, classes that weigh, and dropout."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(T, 2)) for T in (3, 5, 2, 4, 6, 3, 5, 4)]
    y, weights = np.array([0, 1, 1, 2, 0, 1, 2, 0]), np.array([2, 1, 3, 0, 1, 2, 1, 4])
    balanced = {"class_weight": "balanced"} if kind is LSTMClassifier else {}
    model = kind(**SMALL, **balanced, dropout=0.2, random_state=0)
    places = np.repeat(np.arange(8), weights)
    repeated = model.fit([X[b] for b in places], y[places]).network_.parameters
    weighted = model.fit(X, y, sample_weight=weights).network_.parameters
    assert all(np.array_equal(weighted[k], repeated[k]) for k in repeated)
    # A weight of 0 is a sample less however many mini-batches there are.
    model.set_params(mini_batch_size=2)
    kept = np.flatnonzero(weights)
    removed = model.fit([X[b] for b in kept], y[kept]).network_.parameters
    weighted = model.fit(X, y, sample_weight=3.0 * (weights > 0)).network_.parameters
    assert all(np.array_equal(weighted[k], removed[k]) for k in removed)
