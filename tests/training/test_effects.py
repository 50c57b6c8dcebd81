"""Options that cannot act: a warning before training that says what to set, and the advice works.
What is harmless says nothing, since warnings are errors here."""

import math
import warnings

import builders
import numpy as np
import pytest
from builders import CLASSIFIER
from builders import train_classifier as train
from builders import up_or_down as data

import minilstm as ml
from minilstm import schedules

pytestmark = pytest.mark.usefixtures("on_numpy")
HELD_OUT = {"validation_data": data(2)}


def told(net=None, **options):
    """What is said before a training of one iteration an epoch, which must not begin."""

    def begun(record):
        raise AssertionError("the training began")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(AssertionError, match="the training began"):
            train(net, **{"output_fcn": begun, "max_epochs": 60, **options})
    assert all(w.category is UserWarning and w.filename == builders.__file__ for w in caught)
    return [str(w.message) for w in caught]


def after(options, name):
    """The first word of what is said is the option; the rest is given back."""
    (sentence,) = told(**options)
    assert sentence.startswith(f"{name} is ")
    return sentence.split(", but ", 1)[1]


NO_DATA = (
    "validation_data is None; give validation_data=(x, y) or validation_share=0.2, or leave it out."
)
NO_PIECES = (
    "learn_rate_schedule does not hold 'piecewise', to which alone it belongs; set "
    "learn_rate_schedule='piecewise', or leave it out."
)
NO_FOLDER = "checkpoint_path is None, so none is saved; set checkpoint_path to a folder."
RAGGED = (
    "sequence_length is 'ragged', so nothing is padded; set sequence_length='longest', or leave it "
    "out."
)


@pytest.mark.parametrize(
    ("name", "options", "why", "mended"),
    [
        (
            "validation_patience",
            {"validation_patience": 2, **HELD_OUT},
            "with validation_frequency 50 there are 1 validations before the last of 60 "
            "iterations, so it cannot stop the training; set validation_frequency='epoch'.",
            {"validation_frequency": "epoch"},
        ),
        (
            "validation_patience",
            {"validation_patience": 9, "mini_batch_size": 2, "max_epochs": 5, **HELD_OUT},
            "with validation_frequency 50 there are 0 validations before the last of 15 "
            "iterations, so it cannot stop the training; set validation_frequency=1.",
            {"validation_frequency": 1},
        ),
        ("validation_patience", {"validation_patience": 2}, NO_DATA, HELD_OUT | {
            "validation_frequency": 1}),
        (
            "objective_metric_name",
            {"objective_metric_name": "accuracy", "metrics": "accuracy"}, NO_DATA, HELD_OUT,
        ),
        (
            "objective_metric_name",
            {"objective_metric_name": "accuracy", "metrics": "accuracy",
             "output_network": "last-iteration", **HELD_OUT},
            "output_network is 'last-iteration' and validation_patience is inf, so no network is "
            "chosen by it; set output_network='best-validation'.",
            {"output_network": "best-validation"},
        ),
        ("learn_rate_drop_period", {"learn_rate_drop_period": 5}, NO_PIECES,
         {"learn_rate_schedule": "piecewise"}),
        ("learn_rate_drop_factor", {"learn_rate_drop_factor": 0.5}, NO_PIECES,
         {"learn_rate_schedule": "piecewise"}),
        (
            "learn_rate_drop_period",
            {"learn_rate_drop_period": 60, "learn_rate_schedule": "piecewise"},
            "there are only 60 epochs, so the learning rate never drops; set a period of at most "
            "59, or another schedule.",
            {"learn_rate_drop_period": 59},
        ),
        (
            "learn_rate_schedule",
            {"learn_rate_schedule": schedules.Piecewise(0.5, 80, "iteration")},
            "there are only 60 iterations, so the learning rate never drops; set a period of at "
            "most 59, or another schedule.",
            {"learn_rate_schedule": schedules.Piecewise(0.5, 59, "iteration")},
        ),
        (
            "learn_rate_schedule",
            {"learn_rate_schedule": [schedules.Warmup(steps=60), "cosine"]},
            "the last begins after 60 of 60 iterations; give those before it fewer steps, or set a "
            "larger max_epochs.",
            {"max_epochs": 61},
        ),
        (
            "initial_learn_rate",
            {"learn_rate_schedule": lambda epoch, iteration: 0.1, "initial_learn_rate": 0.5},
            "learn_rate_schedule is a function, which gives the rate itself; leave one of them "
            "out.",
            {"initial_learn_rate": None},
        ),
        ("momentum", {"momentum": 0.5},
         "solver is 'adam'; leave it out, or choose the solver 'sgdm'.", {"solver": "sgdm"}),
        ("gradient_decay_factor", {"solver": "rmsprop", "gradient_decay_factor": 0.5},
         "solver is 'rmsprop'; leave it out, or choose the solver 'adam'.", {"solver": "adam"}),
        ("epsilon", {"solver": "sgdm", "epsilon": 0.5},
         "solver is 'sgdm'; leave it out, or choose the solver 'adam' or 'rmsprop'.",
         {"solver": "rmsprop"}),
        ("gradient_threshold_method", {"gradient_threshold_method": "absolute-value"},
         "gradient_threshold is inf, so nothing is bounded; set gradient_threshold, such as 1.",
         {"gradient_threshold": 1}),
        ("sequence_padding_direction", {"sequence_padding_direction": "left"}, RAGGED,
         {"sequence_length": "longest"}),
        ("sequence_padding_value", {"sequence_padding_value": -1.0}, RAGGED,
         {"sequence_length": "longest"}),
        ("bptt_truncation", {"bptt_truncation": 5},
         "no sequence is longer than 5 steps, so no gradient is cut; set fewer, or leave it out.",
         {"bptt_truncation": 4}),
        ("checkpoint_frequency", {"checkpoint_frequency": 5}, NO_FOLDER, {"checkpoint_path": "."}),
        ("checkpoint_frequency_unit", {"checkpoint_frequency_unit": "iteration"}, NO_FOLDER,
         {"checkpoint_path": "."}),
        ("checkpoint_frequency", {"checkpoint_frequency": 61, "checkpoint_path": "."},
         "there are only 60 epochs, so no checkpoint is saved; set at most 60.",
         {"checkpoint_frequency": 60}),
        ("plot_file", {"plot_file": "p.png"},
         "plots is 'none', so no picture is saved; set plots='training-progress'.",
         {"plots": "training-progress"}),
    ],
)  # fmt: skip
def test_an_option_that_cannot_act_is_told_and_the_advice_mends_it(
    name, options, why, mended, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert after(options, name) == why
    if mended.get("plots"):
        pytest.importorskip("matplotlib")
    assert told(**{**options, **mended}) == []


def test_l2_where_no_learnable_has_a_factor():
    layers = [ml.SequenceInput(1), ml.FullyConnected(2, weights_l2_factor=0), ml.Softmax()]
    x = [np.ones((3, 1)), -np.ones((2, 1))]
    options = ml.TrainingOptions(l2_regularization=0.5, max_epochs=1, verbose=False)
    message = (
        r"^l2_regularization is 0\.5, but every L2 factor of the network is 0; give layers factors "
        r"above 0, or leave it out\.$"
    )
    with pytest.warns(UserWarning, match=message):
        ml.train(x, [[0] * 3, [1] * 2], layers, options=options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_epochs": 1},
        HELD_OUT,
        {"validation_frequency": 7},
        {"validation_patience": math.inf},
        {"validation_patience": 99, "validation_frequency": 1, **HELD_OUT},  # too short for it
        {"output_network": "best-validation", **HELD_OUT},
        {"objective_metric_name": "accuracy", "metrics": "accuracy", **HELD_OUT},
        {"learn_rate_schedule": "piecewise"},
        {"learn_rate_schedule": ["warmup", "piecewise"], "learn_rate_drop_period": 4},
        {"mini_batch_size": 1000, "drop_partial_batch": True, "shuffle": "every-epoch"},
        {"gradient_threshold": 1e9, "memory_budget": 1e9, "bptt_truncation": 1},
        {"l2_regularization": 0},
        {"solver": "sgdm", "momentum": 0.0, "initial_learn_rate": 0.5},
        {"solver": "rmsprop", "squared_gradient_decay_factor": 0.99, "epsilon": 1e-6},
        {"sequence_length": 3, "sequence_padding_direction": "left"},
        {"checkpoint_path": ".", "checkpoint_frequency": 60},
        {"verbose_frequency": 5, "seed": 7, "batch_normalization_statistics": "moving"},
    ],
)
def test_what_acts_or_does_no_harm_says_nothing(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told(**options) == []


def test_patience_by_epoch_stops_a_training_of_one_update_an_epoch():
    x, y = data()
    wrong = [(label == "up" and "down") or "up" for label in y]  # gets worse from the start
    _, info = train(
        CLASSIFIER, (x, y), max_epochs=60, validation_data=(x, wrong), validation_patience=2,
        validation_frequency="epoch", initial_learn_rate=0.05,
    )  # fmt: skip
    assert info.stop_reason == (
        "Stopped after epoch 2: the validation loss has not fallen for 2 validations."
    )
