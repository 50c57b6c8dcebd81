"""What users hand in by mistake: the whole sentence of every error, word for word.
Each comes before anything is computed, printed or written, and is one sentence."""

import math
import os
import re

import numpy as np
import pytest
from agreement import refuses, refuses_data

import minilstm as ml

WANTED = "but the network wants (T, 3), T time steps of 3 features"
ARRAY = "but an array was wanted; pass a NumPy array or a list."
REAL = "but sequences are real numbers; convert it to a float or integer array."
KINDS = "but labels are all strings or all whole numbers; convert them, and remove missing ones."
LABELS = "but labels are strings or whole numbers; round it, or train on numbers with loss='mse'."
TWO_AXES = f"{WANTED}; give each sequence two axes, time then features."
NO_STEP = f"no time step at all, {WANTED}, T at least 1; remove it or give it a step."
NO_SEQUENCE = (
    "x is an empty list, but at least one sequence is wanted; pass one or more arrays (T, 3)."
)
FINITE = "but every value must be finite; remove or fill them first."
TOO_FAR = "beyond the range of float32; scale the data or train with dtype='float64'."
SEVERAL = "but there are 2 sequences; give a list with one array of labels for each."
EACH = "but there are 2; give one array of labels for each sequence."
FOR_LAST = "for output_mode='last' give one label for each sequence."
ONE_CLASS = "but a classifier needs at least two; check that the right labels were read."
A_STEP = "for output_mode='sequence' give one label a step, shape"


def layers(output_mode="sequence", classes=2):
    return [ml.SequenceInput(3), ml.LSTM(4, output_mode), ml.FullyConnected(classes), ml.Softmax()]


def good_x(lengths=(5, 4)):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((T, 3)) for T in lengths]


def good_y(lengths=(5, 4)):
    return [np.array(["walk", "run"] * T)[:T] for T in lengths]


@pytest.fixture(autouse=True)
def nothing_else_happens(tmp_path, monkeypatch, capfd):
    """Run in an empty folder; afterwards it is still empty and nothing was printed."""
    monkeypatch.chdir(tmp_path)
    with ml.use_backend("numpy"):
        yield
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


def train(x, y, net=None, **options):
    """Train with everything on that could print or write."""
    options = {"max_epochs": 1, "verbose": True, "plots": "training-progress", **options}
    return ml.train(x, y, net or layers(), options=ml.TrainingOptions(**options))


def changed(value, at=(2, 1), dtype=np.float64):
    """Good sequences with one value of the second replaced."""
    first, second = good_x()
    second = second.astype(dtype)
    second[at] = value
    return [first, second]


# ---------------------------------------------------------------- sequences

BAD_X = [
    (
        [good_x()[0], np.zeros((4, 2))],
        f"x[1] has shape (4, 2), {WANTED}; check the number of features, or build the network "
        "with SequenceInput(2).",
    ),
    (
        [good_x()[0], np.zeros((4, 0))],
        f"x[1] has shape (4, 0), {WANTED}; check the number of features.",
    ),
    (
        [a.T for a in good_x()],
        f"x[0] has shape (3, 5), {WANTED}; it looks transposed: pass x[0].T.",
    ),
    ([a[:, 0] for a in good_x()], f"x[0] has shape (5,), {TWO_AXES}"),
    ([1.0, 2.0], f"x[0] has shape (), {TWO_AXES}"),
    (np.zeros((2, 2, 2, 3)), f"x has shape (2, 2, 2, 3), {TWO_AXES}"),
    (changed(np.nan), f"x[1] holds nan at time step 2, feature 1 (1 such values), {FINITE}"),
    (
        changed(-np.inf, at=(slice(0, 2), 2)),
        f"x[1] holds -inf at time step 0, feature 2 (2 such values), {FINITE}",
    ),
    (changed(-1e39), f"x[1] holds -1e+39 at time step 2, feature 1, {TOO_FAR}"),
    ([good_x()[0], np.zeros((0, 3))], f"x[1] has shape (0, 3), {NO_STEP}"),
    ([], NO_SEQUENCE),
    (np.array([], dtype=object), NO_SEQUENCE),
    (np.zeros((0, 4, 3)), "x has shape (0, 4, 3), a batch of no sequences; pass at least one."),
    (np.zeros((2, 0, 3)), f"x[0] has shape (0, 3), {NO_STEP}"),
    (
        [["1", "2", "3"]],
        "x has dtype <U1, but sequences are real numbers; if it is numbers, "
        "np.asarray(x).astype(float) reads them.",
    ),
    (
        changed(1j, dtype=complex),
        "x[1] has dtype complex128, but sequences are real numbers; take the real part, "
        "np.real(x[1]), or the size, np.abs(x[1]).",
    ),
    ([a > 0 for a in good_x()], f"x[0] has dtype bool, {REAL}"),
    ([good_x()[0], None], f"x[1] is None, {ARRAY}"),
    (None, f"x is None, {ARRAY}"),
    (
        {"a": 1},
        "x is a dict of ['a'], but the network's inputs are ['input']; give one entry for each.",
    ),
    ({"input": None}, f"x['input'] is None, {ARRAY}"),
    (
        [[[1, 2, 3], [4, 5]]],
        "x[0] holds rows of different lengths, but one sequence is a full array (T, D); pass a "
        "list of arrays for sequences of different lengths.",
    ),
]


@pytest.mark.parametrize(("x", "message"), BAD_X)
def test_sequences(x, message):
    with refuses_data(message):
        train(x, good_y())
    net = ml.Network(layers(), rng=np.random.default_rng(0), classes=["run", "walk"])
    with refuses_data(message):
        net.predict(x)
    with refuses_data(message):
        net.evaluate(x, good_y())
    with refuses_data(re.sub(r"(?<!\()\bx\b", "validation x", message)):
        train(good_x(), good_y(), validation_data=(x, good_y()))


def test_one_feature_given_as_vectors():
    net = ml.Network([ml.SequenceInput(1), ml.LSTM(2)], rng=np.random.default_rng(0))
    with refuses_data(
        "x has shape (9,), but the network wants (T, 1), T time steps of 1 features; pass "
        "x[:, None] if it is one feature over time."
    ):
        net.predict(np.zeros(9))


def test_values_beyond_float32_are_fine_in_float64():
    net = ml.Network(layers(), rng=np.random.default_rng(0), dtype="float64")
    assert np.isfinite(net.predict(changed(-1e39))[1]).all()


# ---------------------------------------------------------------- labels


TEXT_OR_WHOLE, AS = "but labels are strings or whole numbers;", "np.asarray(y[0])"
NO_LABEL = (
    "at [1] as a label (1 in all), a missing one; remove it, or put '?' in its place and list that "
    "in minilstm.CrossEntropy(ignored_labels=...)."
)


def mixed(labels, kinds):
    return [good_y()[0], labels], f"y[1] holds labels of type {kinds}, {KINDS}"


BAD_Y = [
    (good_y((5, 3)), f"y[1] has shape (3,), but its sequence has 4 time steps; {A_STEP} (4,)."),
    (
        [y[None] for y in good_y()],
        f"y[0] has shape (1, 5), but its sequence has 5 time steps; {A_STEP} (5,).",
    ),
    (["walk", "run"], f"y[0] has shape (), but its sequence has 5 time steps; {A_STEP} (5,)."),
    (good_y((5, 4, 4)), f"y has labels for 3 sequences, {EACH}"),
    ([], f"y has labels for 0 sequences, {EACH}"),
    (None, f"y is NoneType, {SEVERAL}"),
    ("ab", f"y is str, {SEVERAL}"),
    (np.array("ab"), f"y is ndarray, {SEVERAL}"),
    ([np.full(5, 1.5), np.zeros(4)], f"y[0] holds the label 1.5, {LABELS}"),
    (
        [np.ones(5, bool), np.zeros(4, bool)],
        f"y[0] has dtype bool, {TEXT_OR_WHOLE} pass {AS}.astype(int).",
    ),
    (
        [good_y()[0].astype("S"), good_y()[1]],
        f"y[0] has dtype |S4, {TEXT_OR_WHOLE} pass {AS}.astype(str).",
    ),
    ([good_y()[0], ["walk", None, "run", "run"]], f"y[1] holds None {NO_LABEL}"),
    ([good_y()[0], ["walk", math.nan, "run", "run"]], f"y[1] holds nan {NO_LABEL}"),
    mixed(["walk", 1, "run", "run"], "int and str"),
    ([good_y()[0], [1, 2.5, 1, 1]], f"y[1] holds the label 2.5, {LABELS}"),
    mixed([1, True, 1, 1], "bool and int"),
    (
        [good_y()[0], np.array(["walk", None, "run", "run"], object)],
        f"y[1] holds None {NO_LABEL}",
    ),
    (
        [good_y()[0], np.array([0, 1, 0, 1])],
        "y mixes text and whole numbers as labels; use one kind for all sequences.",
    ),
    ([["walk"] * 5, ["walk"] * 4], f"y holds one class only, 'walk', {ONE_CLASS}"),
    ([[3] * 5, [3] * 4], f"y holds one class only, 3, {ONE_CLASS}"),
    (
        [[2**63] * 5, [1, 2, 3, 4]],
        "y[0] holds the label 9223372036854775808, beyond 64-bit integers; use smaller numbers, "
        "or strings.",
    ),
]


@pytest.mark.parametrize(("y", "message"), BAD_Y)
def test_labels_of_every_step(y, message):
    with refuses_data(message):
        train(good_x(), y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            good_y(),
            "y has a label for every step (the first sequence has shape (5,)), but the layer "
            "'lstm' keeps the last step only, so one label a sequence is wanted, shape (2,); set "
            "output_mode='sequence' in 'lstm', or give one label a sequence.",
        ),
        (
            good_y((5, 3)),
            "y holds label arrays of different lengths, but one array was wanted; check "
            "output_mode: 'sequence' takes a label a step, 'last' a label a sequence.",
        ),
        (
            good_y((4, 4)),
            "y has shape (2, 4), but for output_mode='last' labels are (B,); give one label for "
            "each sequence.",
        ),
        (["walk", "run", "run"], f"y has 3 labels, but there are 2 sequences; {FOR_LAST}"),
        ([], f"y has 0 labels, but there are 2 sequences; {FOR_LAST}"),
        ("walk", f"y has 1 labels, but there are 2 sequences; {FOR_LAST}"),
        (["walk", None], f"y holds None {NO_LABEL}"),
        (None, f"y is None, {ARRAY}"),
        ([0.5, 1.0], f"y holds the label 0.5, {LABELS}"),
        ([np.array(0), np.array(1)], f"y holds labels of type ndarray, {KINDS}"),
        (np.array([0.0, 1.5]), f"y holds the label 1.5, {LABELS}"),
        (["walk", "walk"], f"y holds one class only, 'walk', {ONE_CLASS}"),
    ],
)
def test_labels_of_whole_sequences(y, message):
    with refuses_data(message):
        train(good_x(), y, layers("last"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            [["walk"] * 5, ["walk", "run", "sit", "hop"]],
            "y holds the label 'sit' (sequence 1), which is not among the network's 2 classes "
            "'run', 'walk'; remove it, or train with it.",
        ),
        (
            [[0] * 5, [0] * 4],
            "y holds whole numbers as labels, such as 0 (sequence 0), but the network's classes "
            "'run', 'walk' are text; use one kind for both.",
        ),
    ],
)
def test_labels_that_the_network_does_not_know(y, message):
    net = ml.Network(layers(), rng=np.random.default_rng(0), classes=["run", "walk"])
    with refuses_data(message):
        net.evaluate(good_x(), y)
    with refuses_data(message):
        train(good_x(), y, net)
    with refuses_data(f"validation {message}"):
        train(good_x(), good_y(), validation_data=(good_x(), y))


def test_validation_labels_that_do_not_fit():
    message = f"validation y[1] has shape (3,), but its sequence has 4 time steps; {A_STEP} (4,)."
    with refuses_data(message):
        train(good_x(), good_y(), validation_data=(good_x(), good_y((5, 3))))


def test_scores_and_classes_that_do_not_fit():
    with refuses_data(
        "scores has shape (4, 3), but there are 2 classes; pass scores whose last axis is 2, and "
        "the classes of the same network."
    ):
        ml.scores_to_labels(np.zeros((4, 3)), ["run", "walk"])
    with refuses_data(
        "classes is None, but one name for each score is wanted; pass the classes of a trained "
        "network."
    ):
        ml.scores_to_labels(np.zeros((4, 2)), None)
    with refuses_data("scores holds NaN, so no class is the largest; check the network's input."):
        ml.scores_to_labels(np.array([0.5, np.nan]), ["run", "walk"])


# ---------------------------------------------------------------- layers, loss, picture


def test_layers_that_are_no_classifier_for_the_labels():
    with refuses(
        "the network puts out 7 scores a step ('fc' is FullyConnected(7)), but the labels have 2 "
        "classes; use FullyConnected(2)."
    ):
        train(good_x(), good_y(), layers(classes=7))
    with refuses(
        "the last layer is 'fc' (2 fully connected layer), but loss='crossentropy' wants scores "
        "that sum to 1; end the network with Softmax()."
    ):
        train(good_x(), good_y(), layers()[:-1])


def test_the_loss_and_the_options_are_known_ones():
    with refuses(
        "loss is 'hinge'; choose one of 'crossentropy', 'binary-crossentropy', 'mse', 'mae', "
        "'huber', 'half-mse', 'index-crossentropy', 'mean-squared-error', 'l2loss', "
        "'mean-absolute-error', 'l1loss', or give a pair of functions (value, gradient)."
    ):
        ml.train(good_x(), good_y(), layers(), loss="hinge")
    with refuses_data(
        "y[0] has dtype <U4, but targets of this loss are real numbers; convert them, or train on "
        "labels with loss='crossentropy'."
    ):
        ml.train(good_x(), good_y(), layers(), loss="mse")
    with refuses("options is dict; give TrainingOptions('adam', max_epochs=60).", TypeError):
        ml.train(good_x(), good_y(), layers(), options={})
    message = "the backend is 'torch'; choose one of 'auto', 'numpy', 'numba', 'cupy'."
    with refuses(message):
        ml.set_backend("torch")


def test_a_picture_that_could_not_be_saved_is_refused_before_training():
    pytest.importorskip("matplotlib")
    for name, match in (("curve.doc", "should end in"), ("no/curve.png", "does not exist")):
        with pytest.raises(ml.DataError, match=match):
            train(good_x(), good_y(), plot_file=name)
