"""Hints: each is given where the history shows it, word for word, and nowhere else.
Whoever follows one is not told the same again.
"""

import re

import numpy as np
import pytest

import minilstm as ml
from minilstm.training.batches import TrainingData
from minilstm.training.hints import find_hints

X = np.zeros((9, 1))


def hints(losses, per_epoch=4, classes=None, targets=None, held=None, **more):
    """The hints of a history of one row an epoch; options and other columns are in `more`."""
    n = len(losses)
    epochs = np.arange(1, n + 1)
    columns = {k: np.array(more.pop(k)) for k in [*more] if re.search("accuracy|_loss|rmse", k)}
    history = {"iteration": epochs, "epoch": epochs, "loss": np.array(losses), **columns}
    data = [
        None if t is None else TrainingData([[X] * len(t)], [t], [None], [None])
        for t in (targets or [np.zeros(9, int)] * 16, held)
    ]
    options = ml.TrainingOptions(**{"max_epochs": n, **more})
    return [*find_hints(options, history, per_epoch, classes, *data)]


FLAT, FALLING = [0.7] * 20, [*np.linspace(1, 0.5, 20)]
AB, ROWS = np.array(["a", "b"]), [np.array([0, 0, 1, -1])] * 3
ONE = (
    "Every epoch was one update, as the mini-batch takes all 16 sequences; set mini_batch_size=2 "
    "for more updates an epoch."
)
STILL = (
    "The loss was still falling at the end, from 0.579 to 0.5 over the last 4 epochs; set a larger "
    "max_epochs."
)
PLATEAU = (
    "The loss has not fallen since epoch {} of 20; fewer epochs do, or try a lower "
    "initial_learn_rate or learn_rate_schedule='piecewise'."
)
MAJORITY = (
    "The {} is {:.3f}, but always to say 'a' gives 0.667; train for more epochs, or try another "
    "initial_learn_rate or normalization='zscore'."
)
BEST = (
    "The validation loss was lowest after iteration 2, 0.3, and is 0.4 at the end; set "
    "output_network='best-validation' to keep that network."
)
NAN = np.nan
NUMBERS = [np.array([[10.0], [12.0]])] * 2  # of deviation 1
MEAN = (
    "The {} numbers are predicted no better than by their mean (R2 {:.3f}); train for more epochs, "
    "or try another initial_learn_rate or normalization='zscore'."
)


@pytest.mark.parametrize(
    ("losses", "how", "said"),
    [
        (FLAT, {}, [PLATEAU.format(1)]),
        (FALLING, {}, [STILL]),
        (FALLING, {"per_epoch": 1}, [ONE, STILL]),
        (FALLING, {"per_epoch": 1, "max_epochs": 1000}, []),  # stopped before, and many updates
        (FALLING, {"accuracy": [1.0] * 20}, []),  # nothing is left to learn
        (FALLING[:9], {}, []),  # too short to tell
        ([*FALLING, *FALLING[::-1]][8:28], {}, [PLATEAU.format(12)]),
        ([0.5 + 0.3 * 0.5**n for n in range(20)], {}, []),  # falls, then hardly
        (FLAT[:9], {"classes": AB, "targets": ROWS, "accuracy": [NAN] * 8 + [0.6]}, [
            MAJORITY.format("accuracy", 0.6)]),
        (FLAT[:9], {"classes": AB, "targets": ROWS, "accuracy": [0.7] * 9}, []),
        (FLAT[:9], {"classes": AB, "targets": ROWS, "accuracy": [0.9] * 9, "held": ROWS,
                    "validation_accuracy": [0.9] * 8 + [2 / 3]}, [
            MAJORITY.format("validation accuracy", 2 / 3)]),
        (FLAT[:4], {"validation_loss": [0.5, 0.3, NAN, 0.4]}, [BEST]),
        (FLAT[:9], {"targets": NUMBERS, "rmse": [3.0] * 8 + [1.2]}, [
            MEAN.format("training", -0.44)]),
        (FLAT[:9], {"targets": NUMBERS, "rmse": [3.0] * 8 + [0.9]}, []),
        (FLAT[:9], {"targets": NUMBERS, "held": NUMBERS, "rmse": [0.1] * 9,
                    "validation_rmse": [1.0] * 9}, [MEAN.format("validation", 0.0)]),
        (FLAT[:4], {"validation_loss": [0.5, 0.3, NAN, 0.32]}, []),
        (FLAT[:4], {"validation_loss": [0.5, 0.3, NAN, 0.4], "validation_data": ([X], [X]),
                    "output_network": "best-validation"}, []),
        ([], {"max_epochs": 3}, []),
    ],
)  # fmt: skip
def test_what_a_history_shows(losses, how, said):
    assert hints(losses, **how) == said


def test_a_training_has_its_hints():
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(9, 1)) for _ in range(16)]
    y = [np.where(rng.random(9) < 0.7, "a", "b") for _ in x]
    layers = [ml.SequenceInput(1), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    how = {"metrics": "accuracy", "verbose": False, "max_epochs": 2, "initial_learn_rate": 1e-6}
    _, info = ml.train(x, y, layers, options=ml.TrainingOptions(**how))
    assert info.hints[-1] == ONE
    *_, info = ml.train(x, y, layers, options=ml.TrainingOptions(mini_batch_size=2, **how))
    assert ONE not in info.hints


def test_what_nothing_normalizes_is_told_by_its_name():
    x, y = [np.array([[0.0, 9.0], [0.0, 11.0]])] * 2, [np.array(["a", "b"])] * 2
    options = ml.TrainingOptions(max_epochs=1, verbose=False)
    for kind, names, said in (
        ("none", ["ax", "az"], "'az'"), ("none", None, "2"), ("zscore", None, None),
    ):  # fmt: skip
        first = ml.SequenceInput(2, kind, feature_names=names)
        layers = [first, ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
        told = [h for h in ml.train(x, y, layers, options=options)[1].hints if "feature" in h]
        assert told == [
            f"The feature {said} has the mean 10 and the standard deviation 1, and nothing "
            "normalizes it; train with normalization='zscore'."
        ] * (said is not None)
