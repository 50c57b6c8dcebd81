"""The estimators on sequences of unequal lengths, in the hands of scikit-learn's own tools.
What they give is compared with `minilstm.train` and with what each tool does elsewhere."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import minilstm as ml
from minilstm.sklearn import LSTMClassifier, LSTMRegressor

SMALL = {"num_hidden_units": 8, "max_epochs": 10, "initial_learn_rate": 0.05, "random_state": 0}


@pytest.fixture(scope="module")
def walks():
    """Walks of 4 to 9 steps, a label and a number for each, and the same for each step."""
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(T, 2)).cumsum(axis=0) for T in rng.integers(4, 10, size=40)]
    labels = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    numbers = [100 + 20 * x for x in X]  # (T, 2)
    return X, labels, numbers


def same_bits(one, other):
    a, b = one.network_.parameters, other.network_.parameters
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


# ---------------------------------------------------------------- scikit-learn's tools


def test_vowels_of_unequal_lengths_through_cross_validation(on_numpy):
    X, y, *_ = ml.datasets.japanese_vowels()  # 270 of 7 to 26 steps, of 9 speakers
    model = LSTMClassifier(**{**SMALL, "num_hidden_units": 32, "max_epochs": 30})
    scores = cross_val_score(model, X, y, cv=3)
    assert scores.min() > 0.85, scores


def test_a_grid_search_in_two_processes_finds_what_one_finds(walks, own_folder):
    X, labels, _ = walks
    y = [str(part[-1]) for part in labels]
    grid = {"num_hidden_units": [2, 8], "bidirectional": [False, True]}
    one, two = (
        GridSearchCV(LSTMClassifier(**SMALL), grid, cv=2, n_jobs=n).fit(X, y) for n in (None, 2)
    )
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    assert two.best_score_ > 0.85 and same_bits(one.best_estimator_, two.best_estimator_)
    assert two.predict(X[:1]).tolist() == y[:1]


def test_nobody_is_in_both_folds_of_groups(walks, on_numpy):
    X, labels, numbers = walks
    groups = np.arange(len(X)) % 4
    folds = LeaveOneGroupOut()
    model = LSTMClassifier(**SMALL)
    y = np.array([part[-1] for part in labels])
    found = cross_val_predict(model, X, y, cv=folds, groups=groups)
    by_hand = np.empty_like(y)
    for train, test in folds.split(X, y, groups):
        model.fit([X[b] for b in train], y[train])
        by_hand[test] = model.predict([X[b] for b in test])
    np.testing.assert_array_equal(found, by_hand)
    # Answers a step go through folds that do not look at them.
    scores = cross_val_score(LSTMRegressor(**SMALL), X, numbers, cv=GroupKFold(2), groups=groups)
    assert scores.min() > 0.5, scores
    scores = cross_val_score(LSTMClassifier(**SMALL), X, labels, cv=KFold(2))
    assert scores.min() > 0.8, scores


def test_pipelines_and_votes_take_lists(walks, on_numpy):
    X, labels, _ = walks
    y = [str(part[-1]) for part in labels]
    doubled = FunctionTransformer(lambda X: [2 * x for x in X])
    pipe = make_pipeline(doubled, LSTMClassifier(**SMALL)).fit(X, y)
    alone = LSTMClassifier(**SMALL).fit([2 * x for x in X], y)
    assert same_bits(pipe[-1], alone) and pipe.score(X, y) == alone.score([2 * x for x in X], y)
    vote = VotingClassifier([("a", LSTMClassifier(**SMALL)), ("b", pipe)], voting="soft")
    assert vote.fit(X, y).score(X, y) > 0.85


def test_weights_are_routed(walks, on_numpy):
    X, labels, _ = walks
    y, weights = [str(part[-1]) for part in labels], np.arange(len(X)) % 2
    with sklearn.config_context(enable_metadata_routing=True):
        model = LSTMClassifier(**SMALL).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"num_hidden_units": [4]}, cv=2)
        search.fit(X, y, sample_weight=weights)
    expected = clone(model).set_params(num_hidden_units=4).fit(X[1::2], y[1::2])
    assert same_bits(search.best_estimator_, expected)


# ---------------------------------------------------------------- what an estimator is


def test_the_network_is_that_of_train(walks, on_numpy):
    X, labels, _ = walks
    y = np.array([part[-1] for part in labels])
    model = LSTMClassifier(**SMALL, gradient_threshold=2, mini_batch_size=16).fit(X, y)
    layers = [
        ml.SequenceInput(2, "zscore"), ml.LSTM(8, "last"), ml.FullyConnected(2), ml.Softmax()
    ]  # fmt: skip
    options = ml.TrainingOptions(
        max_epochs=10, initial_learn_rate=0.05, gradient_threshold=2, mini_batch_size=16,
        shuffle="every-epoch", verbose=False,
    )  # fmt: skip
    net, info = ml.train(X, y, layers, options=options)
    assert all(np.array_equal(net.parameters[k], model.network_.parameters[k])
               for k in net.parameters)  # fmt: skip
    np.testing.assert_array_equal(model.history_["loss"], info.history["loss"])
    assert model.n_iter_ == 10 and model.stop_reason_ == "All 10 epochs are done."
    np.testing.assert_array_equal(model.predict_proba(X), net.predict(X))
    given = LSTMClassifier(**{**SMALL, "layers": layers, "gradient_threshold": 2})
    assert same_bits(given.set_params(mini_batch_size=16).fit(X, y), model)


@pytest.mark.parametrize("kind", [LSTMClassifier, LSTMRegressor])
def test_clone_copy_and_pickle(kind, walks, on_numpy):
    X, labels, numbers = walks
    y = labels if kind is LSTMClassifier else numbers
    model = kind(**SMALL).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    assert same_bits(model, copied)
    for one, other in zip(model.predict(X), copied.predict(X), strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(model.__getstate__()["network_"], bytes)
    cloned = clone(model)
    assert not hasattr(cloned, "network_") and same_bits(cloned.fit(X, y), model)


def test_a_random_state_is_drawn_from(walks, on_numpy):
    X, labels, _ = walks
    y = [part[-1] for part in labels]
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1})

    def fitted(state):
        return clone(model).set_params(random_state=state).fit(X, y)

    drawn = np.random.RandomState(3)
    first, second = clone(model).set_params(random_state=drawn).fit(X, y), fitted(drawn)
    assert same_bits(first, fitted(np.random.RandomState(3))) and not same_bits(first, second)
    assert not same_bits(fitted(None), fitted(None)) and same_bits(fitted(7), fitted(7))


@pytest.mark.parametrize(
    "labels", [np.array([True, False]), np.array([2.0, 10.0]), np.array(["up", "down"], object)]
)
def test_labels_come_back_as_they_are(labels, walks, on_numpy):
    X, parts, _ = walks
    y = labels[np.array([int(part[-1] == "up") for part in parts])]
    model = LSTMClassifier(**SMALL).fit(X, y)
    assert model.classes_.tolist() == sorted(labels.tolist()) and model.score(X, y) > 0.85
    assert [str(c) for c in model.network_.classes] == [
        str(int(c) if isinstance(c, float) else c) for c in model.classes_.tolist()
    ]


# ---------------------------------------------------------------- answers a step, streams


def test_labels_for_every_step(walks, on_numpy):
    X, labels, _ = walks
    model = LSTMClassifier(**{**SMALL, "max_epochs": 30}, class_weight="balanced").fit(X, labels)
    found, right = model.predict(X), np.concatenate(labels)
    assert [part.shape for part in found] == [part.shape for part in labels]
    assert model.score(X, labels) == (np.concatenate(found) == right).mean() > 0.95
    stream = model.to_stream()
    scores = model.predict_proba(X[:1])[0]
    stepped = [stream.step(row) for row in X[0]]
    np.testing.assert_allclose(stepped, model.network_.predict(X[0]), rtol=2e-6)
    np.testing.assert_allclose([*map(np.sum, scores)], 1, rtol=1e-6)
    dense = np.stack([x[:4] for x in X])  # (n, 4, 2)
    assert model.predict(dense).shape == (40, 4)
    assert same_bits(
        clone(model).fit(dense, np.stack([part[:4] for part in labels])),
        clone(model).fit([*dense], [part[:4] for part in labels]),
    )


def test_numbers_come_in_the_units_of_the_user(walks, on_numpy):
    X, _, numbers = walks
    model = LSTMRegressor(**{**SMALL, "max_epochs": 40}).fit(X, numbers)
    assert model.score(X, numbers) > 0.95
    np.testing.assert_allclose(model.to_stream().step(X[0][0]), model.predict(X[:1])[0][0])
    last = np.array([part[-1] for part in numbers])  # (40, 2)
    for y, shape in ((last, (40, 2)), ([*last], (40, 2)), (last[:, 0].tolist(), (40,))):
        assert LSTMRegressor(**SMALL).fit(X, y).predict(X).shape == shape
    one_a_step = LSTMRegressor(**SMALL).fit(X, [part[:, 0] for part in numbers])
    assert [part.shape for part in one_a_step.predict(X)] == [(len(x),) for x in X]
    unscaled = LSTMRegressor(**SMALL, target_normalization="none").fit(X, numbers)
    assert unscaled.score(X, numbers) < 0


# ---------------------------------------------------------------- parameters


def test_a_warm_start_goes_on(walks, on_numpy):
    X, labels, numbers = walks
    model = LSTMClassifier(**SMALL, warm_start=True).fit(X, labels)
    before = model.history_["loss"][-1]
    model.fit(X, labels)
    assert model.history_["loss"][0] < 1.5 * before and model.history_["loss"][-1] < before
    with pytest.raises(ValueError, match=r"^y holds the label 'left', which is no class of the "):
        model.fit(X[:1], [["left"] * len(X[0])])
    regressor = LSTMRegressor(**SMALL, warm_start=True).fit(X, numbers)
    before = regressor.history_["loss"][-1]
    assert regressor.fit(X, numbers).history_["loss"][0] < 1.5 * before


def test_early_stopping_fires_and_keeps_the_best(walks, on_numpy):
    X, labels, _ = walks
    y = np.array([part[-1] for part in labels])
    model = LSTMClassifier(
        **{**SMALL, "max_epochs": 200}, early_stopping=True, validation_fraction=0.25,
        n_iter_no_change=3,
    )  # fmt: skip
    model.fit(X, y)
    assert model.n_iter_ < 200
    reason = "the validation loss has not fallen for 3 validations."
    assert model.stop_reason_ == f"Stopped after epoch {model.n_iter_}: {reason}"
    losses = model.history_["validation_loss"]
    measured = losses[np.isfinite(losses)]
    assert np.argmin(measured) == len(measured) - 4


def test_class_weights_move_the_border(walks, on_numpy):
    X, labels, _ = walks
    y = np.array([part[-1] for part in labels])
    heavy = LSTMClassifier(**SMALL, class_weight={"up": 1000}).fit(X, y)
    assert heavy.predict_proba(X)[:, 1].mean() > 0.9 > (y == "up").mean()
    rare = np.flatnonzero((y == "down") | (np.arange(len(y)) % 4 == 0))
    few, answers = [X[b] for b in rare], y[rare]
    counts = {name: (answers == name).sum() for name in ("down", "up")}
    weights = [1 / counts[name] for name in answers]
    model = LSTMClassifier(**SMALL, dtype="float64")
    balanced = clone(model).set_params(class_weight="balanced").fit(few, answers)
    weighed = clone(model).set_params(normalization="none").fit(few, answers, weights)
    balanced.set_params(normalization="none").fit(few, answers)
    np.testing.assert_allclose(balanced.predict_proba(X), weighed.predict_proba(X), rtol=1e-6)


def test_a_step_of_weight_zero_counts_nowhere(walks, on_numpy):
    X, labels, _ = walks
    model = LSTMClassifier(**SMALL, mini_batch_size=16)
    weights = [np.arange(len(x)) % 2 for x in X]
    other = [np.where(w, part, "down") for w, part in zip(weights, labels, strict=True)]
    one = clone(model).fit(X, labels, weights)
    assert same_bits(one, clone(model).fit(X, other, weights))
    assert not same_bits(one, clone(model).fit(X, labels))
    by_sequence = np.arange(len(X)) % 3
    by_step = [np.full(len(x), w) for x, w in zip(X, by_sequence, strict=True)]
    one = clone(model).fit(X, labels, by_sequence)
    assert same_bits(one, clone(model).fit(X, labels, by_step))


def test_frames_are_taken_by_name(walks, on_numpy):
    X, labels, _ = walks
    y = [part[-1] for part in labels]
    frames = [pd.DataFrame(x, columns=["ax", "ay"]) for x in X]
    model = LSTMClassifier(**SMALL).fit(frames, y)
    assert model.feature_names_in_.tolist() == ["ax", "ay"]
    assert model.network_.layers[0].feature_names == ("ax", "ay")
    swapped = [frame[["ay", "ax"]] for frame in frames]
    np.testing.assert_array_equal(model.predict_proba(swapped), model.predict_proba(frames))
    assert not hasattr(model.fit(X, y), "feature_names_in_")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"X": []}, "Expected 2D array, got 1D array instead"),
        ({"y": None}, "LSTMClassifier requires y to be passed, but the target y is None."),
        ({"y": ["a"]}, "Found input variables with inconsistent numbers of samples: [2, 1]"),
        ({"y": np.ones((2, 2))}, "y should be a 1d array, got an array of shape (2, 2) instead."),
        ({"y": [1, np.nan]}, "Input y contains NaN."),
        ({"y": [0.5, 1.5]}, "Unknown label type: continuous"),
        ({"X": [np.ones((3, 2)), np.ones((3, 1))]}, "X[1] has shape (3, 1), but the network"),
        ({"X": [np.ones((3, 2)), np.full((3, 2), np.nan)]}, "X[1] holds nan at time step 0"),
        ({"X": np.ma.masked_less(np.ones((2, 2)), 2)}, "X has a masked value at [0, 0]"),
        ({"sample_weight": [0, 0]}, "zero"),
        ({"sample_weight": [1, -1]}, "Negative values in data passed to `sample_weight`"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"solver": "lbfgs"}, "solver is 'lbfgs'"),
        ({"loss": (max, min), "class_weight": "balanced"}, "class_weight is 'balanced', but it"),
        ({"class_weight": {"c": 1}}, "The classes"),
    ],
)
def test_what_does_not_fit_is_refused(change, sentence, on_numpy):
    data = {"X": [np.ones((3, 2)), np.zeros((2, 2))], "y": ["a", "b"], "sample_weight": None}
    options = {k: change[k] for k in change.keys() - data.keys()}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        LSTMClassifier(**{**SMALL, **options}).fit(**{k: change.get(k, data[k]) for k in data})


def test_other_features_are_refused_in_a_prediction(walks, on_numpy):
    X, labels, _ = walks
    model = LSTMClassifier(**SMALL).fit(X, labels)
    wanted = r"^X has 4 features, but LSTMClassifier is expecting 2 features as input\.$"
    with pytest.raises(ValueError, match=wanted):
        model.predict([np.ones((3, 4))])


def test_targets_far_from_zero_are_told_of(walks, on_numpy):
    X, *_ = walks
    y = [1e6 + 0.1 * x[-1, 0] for x in X]
    with pytest.warns(UserWarning, match=r"^response 0 of y lies about 1e\+06 with a deviation of"):
        LSTMRegressor(**SMALL).fit(X, y)
    assert LSTMRegressor(**SMALL, dtype="float64").fit(X, y).score(X, y) > 0.5


def test_scikit_learn_is_asked_for_where_it_is_missing():
    program = "import sys; sys.modules['sklearn'] = None; import minilstm.sklearn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: minilstm.sklearn needs scikit-learn, which is not installed: "
        "pip install 'minilstm[sklearn]'."
    )
