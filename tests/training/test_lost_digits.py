"""Data far from zero lose their differences in float32: training says so, and what keeps them.
Nothing is said of data that keep them, nor where nothing differs."""

import warnings

import numpy as np
import pandas as pd
import pytest

import minilstm as ml

FIRST, SECOND = np.array([[0.0, 1], [1, 5], [2, 3]]), np.array([[4.0, 2], [3, 6]])
X, Y = [FIRST, SECOND], [FIRST[:, :1], SECOND[:, 1]]
FAR = [a + np.array([0, 1e9]) for a in X]
LAYERS = [ml.SequenceInput(2), ml.LSTM(2), ml.FullyConnected(1)]
INPUT = (
    "{} holds feature {} from {} to {}, but float32 loses its differences, as it has steps of {} "
    "there; set normalization='zscore' in SequenceInput, or train with dtype='float64'."
)
FAR_SAYS = INPUT.format("x", 1, 1000000001, 1000000006, 64)
TARGETS = (
    "y holds response 0 from 1000000000 to 1000000006, but float32 loses its differences, as it "
    "has steps of 64 there; subtract the mean of the targets first, or train with dtype='float64'."
)


def said(x, y=Y, first=None, **options):
    """What a training warns of, in the place of the call."""
    options = ml.TrainingOptions(max_epochs=1, verbose=False, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ml.train(x, y, [first or LAYERS[0], *LAYERS[1:]], "mse", options)
    assert all(w.filename == __file__ and w.category is UserWarning for w in caught)
    return [str(w.message) for w in caught]


FRAMES = [pd.DataFrame(a, columns=["t", "v"])[["v", "t"]] for a in FAR]
STAMPS = [(a * 10).astype(int) + 2**40 for a in X]


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (FAR, Y, FAR_SAYS),
        ([-a for a in FAR], Y, INPUT.format("x", 1, -1000000006, -1000000001, 64)),
        ([a.tolist() for a in FAR], Y, FAR_SAYS),
        ([a.astype(object) for a in FAR], Y, FAR_SAYS),
        (FAR[0], Y[0], FAR_SAYS.replace("006", "005")),
        (np.stack([FAR[0], FAR[0]]), [Y[0], Y[0]], FAR_SAYS.replace("006", "005")),
        (FRAMES, Y, FAR_SAYS.replace("feature 1", "feature 'v'")),
        (STAMPS, Y, INPUT.format("x", 0, 2**40, "1.09951162782e+12", "1.31e+05").replace(
            str(2**40), "1.09951162778e+12")),
        (X, [y + 1e9 for y in Y], TARGETS),
    ],
)  # fmt: skip
def test_lost_differences_are_told_and_the_advice_keeps_them(x, y, sentence):
    assert said(x, y) == [sentence]
    assert said(x, y, dtype="float64") == []
    if sentence != TARGETS:
        assert said(x, y, ml.SequenceInput(2, "zscore")) == []


@pytest.mark.parametrize(
    "x",
    [
        X,
        [a.astype(np.float32) for a in FAR],  # lost before they came
        [a * [0, 1] + [1e9, 0] for a in X],  # nothing differs
        [np.nextafter(0.1, 0.1 + a) for a in X],  # by rounding errors alone
        [a * 2.0**30 + 2.0**33 for a in X],
        [a * 64 + 2.0**29 for a in X],  # each one a number of float32
        [a * 100 + 1e6 for a in X],
    ],
)
def test_nothing_is_said_where_nothing_is_lost(x):
    assert said(x) == []
