"""Cross-validation judges each network on what it has not seen, and all predictions together.
The pooled scores are counted here anew from what each network predicts.
"""

import numpy as np
import pytest
from builders import up_or_down

import minilstm as ml
from minilstm.evaluation import Split, cross_validate, leave_one_group_out, split_share
from minilstm.evaluation.predictions import Predictions, pool

LAYERS = [ml.SequenceInput(1), ml.LSTM(3, "last"), ml.FullyConnected(2), ml.Softmax()]


@pytest.fixture
def fitted(on_numpy):
    """Networks by the recordings that trained them, and a function that makes them."""
    made = []

    def fit(x, y):
        how = ml.TrainingOptions(max_epochs=5, verbose=False)
        made.append((len(x), ml.train(x, y, LAYERS, options=how)[0]))
        return made[-1][1]

    return made, fit


def test_every_recording_is_judged_once_by_a_network_that_has_not_seen_it(fitted):
    made, fit = fitted
    x, y = up_or_down(9)
    people = np.array(list("aabbbbccc"))
    folds = leave_one_group_out(people)
    found = cross_validate(fit, x, y, folds, groups=people, ids=[f"r{i}" for i in range(9)])
    assert [n for n, _ in made] == [7, 5, 6]
    said = np.empty(9, y.dtype)
    for (_, net), (_, test) in zip(made, folds, strict=True):
        said[test] = net.classify([x[i] for i in test])
    assert found.pooled.accuracy == (said == y).mean()
    by_group = {part.name: part.accuracy for part in found.pooled.by_group}
    assert by_group == {g: (said == y)[people == g].mean() for g in "abc"}
    assert [fold.accuracy for fold in found.folds] == [by_group[g] for g in "abc"]
    assert {part.name for part in found.pooled.by_recording} == {f"r{i}" for i in range(9)}
    lines = str(found).splitlines()
    accuracies = [by_group[g] for g in "abc"]
    assert lines[1].split() == ["fold", "accuracy", "balanced", "accuracy", "mean", "f1"]
    assert lines[5].split()[:2] == ["mean", f"{np.mean(accuracies):.4f}"]
    assert lines[6].split()[2] == f"{np.std(accuracies):.4f}"


def test_numbers_in_forms_of_their_own(on_numpy):
    layers = [ml.SequenceInput(1), ml.LSTM(2), ml.FullyConnected(1)]
    x = [np.random.default_rng(s).normal(size=(4, 1)) for s in range(4)]
    how = ml.TrainingOptions(max_epochs=2, verbose=False)
    nets = []

    def fit(x, y):
        nets.append(ml.train(x, y, layers, loss="mse", options=how)[0])
        return nets[-1]

    found = cross_validate(fit, x, x, [split_share(4, 0.5)])
    guess = np.concatenate(nets[0].predict([x[i] for i in split_share(4, 0.5).test]))
    errors = guess - np.concatenate([x[i] for i in split_share(4, 0.5).test])
    assert found.pooled.rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
    assert str(found).startswith("Scores by fold\n  fold                  rmse")
    dense = cross_validate(fit, np.stack(x), np.stack(x), [Split([0, 1], [2, 3])])
    assert len(dense.pooled.by_recording) == 2


def test_a_class_that_one_fold_lacks_has_the_score_0_there():
    def part(classes, trained, true, output):
        n = len(true)
        return Predictions(
            "sequence", np.ones(n, int), ["r"] * n, None, None, classes, trained, np.array(true),
            np.array(output, float),
        )  # fmt: skip

    both = pool([part(["b", "c", "a"], 2, [0, 2, -1], [[0.9, 0.1], [0.4, 0.6], [1, 0]]),
                 part(["a", "b"], 2, [1], [[0.3, 0.7]])])  # fmt: skip
    assert (both.classes, both.trained) == (["a", "b", "c"], 3)
    assert both.true.tolist() == [1, 0, -1, 1]
    assert both.output.tolist() == [[0, 0.9, 0.1], [0, 0.4, 0.6], [0, 1, 0], [0.3, 0.7, 0]]
