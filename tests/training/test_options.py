"""The training options: the defaults of the reference, and one sentence for each wrong value.
That each option has its effect is shown in test_train."""

import dataclasses
import inspect
import math
import re

import numpy as np
import pytest
from agreement import refuses

import minilstm as ml
from minilstm.training.solvers import update

PATH = "give a path as text or as a pathlib.Path."
FREQUENCY = "give a whole number of iterations, at least 1, or 'epoch'."
WHOLE = "give a whole number of at least"
FORMATS = (
    "give 'auto', or a letter for each axis of the data, such as 'CTB': one C, at most one T and "
    "one B, and an S for each spatial axis."
)
WRONG_FORMATS = ("TB", "CCT", "CTBT", "CBB", "CTU", "ctb", "", 3)
LENGTHS = "choose one of 'ragged', 'longest', 'shortest', or give a whole number of at least 1."
METHODS = "choose one of 'l2norm', 'global-l2norm', 'absolute-value'."


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("solver", "lbfgs", "choose one of 'adam', 'sgdm', 'rmsprop'."),
        ("gradient_threshold_method", "l2", METHODS),
        (
            "learn_rate_schedule",
            None,
            "choose one of 'none', 'piecewise', 'warmup', 'cosine', 'cyclical', 'exponential', "
            "'polynomial', or give an object of minilstm.schedules, a list, or a function of "
            "(epoch, iteration).",
        ),
        ("shuffle", True, "choose one of 'once', 'never', 'every-epoch'."),
        ("plots", "live", "choose one of 'none', 'training-progress'."),
        ("execution_environment", "tpu", "choose one of 'auto', 'cpu', 'gpu'."),
        ("output_network", "best", "choose one of 'auto', 'last-iteration', 'best-validation'."),
        ("dtype", "half", "choose one of 'auto', 'float32', 'float64'."),
        ("metrics", None, "give a list, such as ['accuracy'] or []."),
        ("max_epochs", 0, f"{WHOLE} 1."),
        ("mini_batch_size", 2.0, f"{WHOLE} 1."),
        ("learn_rate_drop_period", True, f"{WHOLE} 1."),
        *(("validation_frequency", value, FREQUENCY) for value in ("9", "epochs", 0, 2.5, None)),
        ("verbose_frequency", -1, f"{WHOLE} 1."),
        ("seed", -1, f"{WHOLE} 0."),
        ("seed", None, f"{WHOLE} 0."),
        ("initial_learn_rate", 0, "give a number above 0."),
        ("initial_learn_rate", math.inf, "give a number above 0."),
        ("epsilon", "tiny", "give a number above 0."),
        ("gradient_threshold", 0, "give a number above 0 (inf for none)."),
        ("gradient_threshold", math.nan, "give a number above 0 (inf for none)."),
        ("validation_patience", None, "give a number above 0 (inf for none)."),
        ("l2_regularization", -1, "give a number at least 0."),
        ("learn_rate_drop_factor", 1.5, "give a number from 0 to 1."),
        ("gradient_decay_factor", 1, "give a number below 1."),
        ("squared_gradient_decay_factor", -0.1, "give a number from 0 to 1."),
        ("memory_budget", 0, "give a number of bytes above 0, or 'auto'."),
        ("memory_budget", "all", "give a number of bytes above 0, or 'auto'."),
        ("momentum", -0.5, "give a number from 0 to 1."),
        ("momentum", 1.0, "give a number below 1."),
        ("momentum", True, "give a number from 0 to 1."),
        ("epsilon", 1j, "give a number above 0."),
        (
            "target_data_formats",
            "TT",
            "give 'auto', or a letter for each axis of the data, such as 'CTB': at most one C, at "
            "most one T and one B, and an S for each spatial axis.",
        ),
        ("sequence_padding_direction", "both", "choose one of 'right', 'left'."),
        ("sequence_padding_value", math.nan, "give a number that is finite."),
        ("output_fcn", 5, "give a function, or a list of functions."),
        ("output_fcn", [max, 5], "give a function, or a list of functions."),
        ("checkpoint_path", 5, PATH),
        ("checkpoint_path", b"folder", PATH),
        ("plot_file", None, PATH),
        ("checkpoint_frequency", 0, f"{WHOLE} 1."),
        ("checkpoint_frequency_unit", "hour", "choose one of 'epoch', 'iteration'."),
        ("batch_normalization_statistics", "none", "choose one of 'auto', 'population', 'moving'."),
        ("bptt_truncation", 0, f"{WHOLE} 1."),
        ("verbose", "no", "give True or False."),
        ("drop_partial_batch", 1, "give True or False."),
        *(("data_format", value, FORMATS) for value in WRONG_FORMATS),
        *(("input_data_formats", value, FORMATS) for value in WRONG_FORMATS),
        *(("sequence_length", value, LENGTHS) for value in ("long", 0, 2.0, True, None)),
    ],
)
def test_values_of_options(name, value, wanted):
    with refuses(f"{name} is {value!r}; {wanted}"):
        ml.TrainingOptions(**{name: value})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"metrics": ["mape"]},
            "metrics holds 'mape'; choose from ['accuracy', 'fscore', 'precision', 'recall', "
            "'auc', 'rmse'], or give a function.",
        ),
        (
            {"checkpoint_path": ""},
            "checkpoint_path is '', which is no path; give the name of a file or folder.",
        ),
        ({"metrics": ["auc", "auc"]}, "metrics holds two of the name 'auc'; give each once."),
        (
            {"data_format": "CTB", "input_data_formats": "BTC"},
            "input_data_formats is 'BTC', but data_format is 'CTB'; give one of them.",
        ),
        (
            {"objective_metric_name": "auc", "metrics": "accuracy"},
            "objective_metric_name is 'auc'; choose one of 'loss', 'accuracy', which are 'loss' "
            "and the metrics.",
        ),
        (
            {"objective_metric_name": "max", "metrics": max},
            "objective_metric_name is 'max', a function of your own, of which "
            "objective_direction='auto' does not know whether large or small is good; give "
            "objective_direction='maximize' or 'minimize'.",
        ),
        ({"validation_data": 5}, "validation_data is int of no items; give (x, y)."),
        ({"validation_data": [1, 2, 3]}, "validation_data is list of 3 items; give (x, y)."),
        (
            {"output_network": "best-validation"},
            "output_network is 'best-validation', but validation_data is None; give (x, y), or "
            "validation_share=0.2.",
        ),
    ],
)
def test_options(option, message):
    with refuses(message):
        ml.TrainingOptions(**option)


@pytest.mark.parametrize(
    "name",
    ["learning_rate", "preprocessing_environment", "acceleration", "dispatch_in_background"],
)
def test_unknown_options_are_refused(name):
    with pytest.raises(TypeError, match=name):
        ml.TrainingOptions(**{name: "auto"})


def test_a_misspelt_option_is_told_with_the_nearest():
    wanted = "there is no training option 'max_epoch' (did you mean 'max_epochs'?); see "
    with pytest.raises(TypeError, match=re.escape(wanted + "TrainingOptions.")):
        ml.TrainingOptions(max_epoch=3)
    assert "max_epochs: 'int' = 30" in str(inspect.signature(ml.TrainingOptions))


@pytest.mark.parametrize(
    ("solver", "rate", "decay"),
    [("adam", 1e-3, 0.999), ("sgdm", 1e-2, 0.999), ("rmsprop", 1e-3, 0.9)],
)
def test_defaults_that_hang_on_the_solver_are_numbers_at_once(solver, rate, decay):
    options = ml.TrainingOptions(solver)
    assert options.initial_learn_rate == rate
    assert options.squared_gradient_decay_factor == decay
    options = ml.TrainingOptions(solver, initial_learn_rate=0.5, squared_gradient_decay_factor=0.6)
    assert options.initial_learn_rate == 0.5 and options.squared_gradient_decay_factor == 0.6


def test_the_options_of_a_step_are_those_of_update():
    options = ml.TrainingOptions("sgdm", momentum=0.5, gradient_threshold=2).solver_options
    assert options["momentum"] == 0.5 and options["gradient_threshold"] == 2
    assert set(options) < set(inspect.signature(update).parameters)


@pytest.mark.parametrize("letters", ["auto", "CTB", "BTC", "TC", "SSCTB", "CB", "SCT", "C"])
def test_formats_have_two_names(letters):
    assert ml.TrainingOptions(data_format=letters).data_format == letters
    assert ml.TrainingOptions(input_data_formats=letters).data_format == letters
    options = ml.TrainingOptions(input_data_formats=letters, data_format=letters)
    assert dataclasses.replace(options, seed=3).data_format == letters
    assert dataclasses.replace(options, data_format="TC").data_format == "TC"
    assert ml.TrainingOptions(target_data_formats="TB").target_data_formats == "TB"


def test_functions_may_be_metrics_and_output_functions():
    def share(scores, targets):
        return 0.5

    options = ml.TrainingOptions(
        metrics=share, output_fcn=print, objective_metric_name="share",
        objective_direction="maximize",
    )  # fmt: skip
    assert options.metrics == (share,) and options.metric_names == ("share",)
    assert options.output_fcn == (print,)
    options = ml.TrainingOptions(metrics=["rmse", share], output_fcn=[print, max])
    assert options.metric_names == ("rmse", "share") and options.output_fcn == (print, max)
    assert ml.TrainingOptions(output_fcn=None).output_fcn == ()
    for length in ("longest", "shortest", 7, np.int64(7)):
        assert ml.TrainingOptions(sequence_length=length).sequence_length == length


def test_defaults_are_the_references():
    options = ml.TrainingOptions()
    assert {f.name: getattr(options, f.name) for f in dataclasses.fields(options)} == {
        "solver": "adam",
        "max_epochs": 30,
        "mini_batch_size": 128,
        "initial_learn_rate": 0.001,
        "learn_rate_schedule": "none",
        "learn_rate_drop_factor": 0.1,
        "learn_rate_drop_period": 10,
        "momentum": 0.9,
        "gradient_decay_factor": 0.9,
        "squared_gradient_decay_factor": 0.999,
        "epsilon": 1e-8,
        "l2_regularization": 1e-4,
        "gradient_threshold": math.inf,
        "gradient_threshold_method": "l2norm",
        "shuffle": "once",
        "memory_budget": "auto",
        "bptt_truncation": None,
        "drop_partial_batch": False,  # the reference drops it
        "data_format": "auto",
        "target_data_formats": "auto",
        "sequence_length": "ragged",  # the reference pads to the longest
        "sequence_padding_direction": "right",
        "sequence_padding_value": 0.0,
        "validation_data": None,
        "validation_share": None,  # the reference has none
        "validation_frequency": 50,
        "validation_patience": math.inf,
        "objective_metric_name": "loss",
        "objective_direction": "auto",
        "output_network": "auto",
        "metrics": (),
        "output_fcn": (),
        "checkpoint_path": None,
        "checkpoint_frequency": 1,
        "checkpoint_frequency_unit": "epoch",
        "checkpoint_seconds": 300.0,  # the reference has none
        "checkpoints_kept": None,  # nor this
        "reset_input_normalization": True,
        "batch_normalization_statistics": "auto",
        "execution_environment": "auto",
        "plots": "none",
        "plot_file": "training-progress.png",
        "verbose": True,
        "verbose_frequency": 50,
        "dtype": "auto",
        "seed": 0,
        "shards": None,
    }


def test_numpy_numbers_are_numbers_and_one_metric_needs_no_list():
    options = ml.TrainingOptions(
        max_epochs=np.int64(3), epsilon=np.float32(0.5), verbose=np.True_, metrics="accuracy"
    )
    assert options.max_epochs == 3 and options.epsilon == 0.5 and options.metrics == ("accuracy",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.seed = 1
