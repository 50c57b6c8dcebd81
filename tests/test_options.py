"""The training options: the defaults of the reference, and one sentence for each wrong value.
That each option has its effect is shown in test_train."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest

import minilstm as ml

WHOLE = "give a whole number of at least"
METHODS = "choose one of 'l2norm', 'global-l2norm', 'absolute-value'."


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"solver": "sgdm"}, "solver is 'sgdm'; choose one of 'adam'."),
        ({"gradient_threshold_method": "l2"}, f"gradient_threshold_method is 'l2'; {METHODS}"),
        (
            {"learn_rate_schedule": None},
            "learn_rate_schedule is None; choose one of 'none', 'piecewise'.",
        ),
        ({"shuffle": True}, "shuffle is True; choose one of 'once', 'never', 'every-epoch'."),
        ({"plots": "live"}, "plots is 'live'; choose one of 'none', 'training-progress'."),
        (
            {"execution_environment": "tpu"},
            "execution_environment is 'tpu'; choose one of 'auto', 'cpu', 'gpu'.",
        ),
        (
            {"output_network": "best"},
            "output_network is 'best'; choose one of 'auto', 'last-iteration', 'best-validation'.",
        ),
        ({"dtype": "float16"}, "dtype is 'float16'; choose one of 'auto', 'float32', 'float64'."),
        ({"metrics": ["auc"]}, "metrics holds 'auc'; choose from ['accuracy']."),
        ({"metrics": None}, "metrics is None; give a list, such as ['accuracy'] or []."),
        ({"max_epochs": 0}, f"max_epochs is 0; {WHOLE} 1."),
        ({"mini_batch_size": 2.0}, f"mini_batch_size is 2.0; {WHOLE} 1."),
        ({"learn_rate_drop_period": True}, f"learn_rate_drop_period is True; {WHOLE} 1."),
        ({"validation_frequency": "9"}, f"validation_frequency is '9'; {WHOLE} 1."),
        ({"verbose_frequency": -1}, f"verbose_frequency is -1; {WHOLE} 1."),
        ({"seed": -1}, f"seed is -1; {WHOLE} 0."),
        ({"seed": None}, f"seed is None; {WHOLE} 0."),
        ({"initial_learn_rate": 0}, "initial_learn_rate is 0; give a number above 0."),
        (
            {"initial_learn_rate": math.inf},
            "initial_learn_rate is inf; give a number above 0.",
        ),
        ({"epsilon": "tiny"}, "epsilon is 'tiny'; give a number above 0."),
        (
            {"gradient_threshold": 0},
            "gradient_threshold is 0; give a number above 0 (inf for none).",
        ),
        (
            {"gradient_threshold": math.nan},
            "gradient_threshold is nan; give a number above 0 (inf for none).",
        ),
        (
            {"validation_patience": None},
            "validation_patience is None; give a number above 0 (inf for none).",
        ),
        ({"l2_regularization": -1}, "l2_regularization is -1; give a number at least 0."),
        (
            {"learn_rate_drop_factor": 1.5},
            "learn_rate_drop_factor is 1.5; give a number from 0 to 1.",
        ),
        ({"gradient_decay_factor": 1}, "gradient_decay_factor is 1; give a number below 1."),
        (
            {"squared_gradient_decay_factor": -0.1},
            "squared_gradient_decay_factor is -0.1; give a number from 0 to 1.",
        ),
        ({"memory_budget": 0}, "memory_budget is 0; give a number of bytes above 0, or 'auto'."),
        (
            {"memory_budget": "all"},
            "memory_budget is 'all'; give a number of bytes above 0, or 'auto'.",
        ),
        ({"bptt_truncation": 0}, f"bptt_truncation is 0; {WHOLE} 1."),
        ({"verbose": "no"}, "verbose is 'no'; give True or False."),
        ({"drop_partial_batch": 1}, "drop_partial_batch is 1; give True or False."),
        ({"validation_data": 5}, "validation_data is int of no items; give (x, y)."),
        ({"validation_data": [1, 2, 3]}, "validation_data is list of 3 items; give (x, y)."),
        (
            {"output_network": "best-validation"},
            "output_network is 'best-validation', but validation_data is None; give (x, y).",
        ),
    ],
)
def test_options(option, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ml.TrainingOptions(**option)


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="learning_rate"):
        ml.TrainingOptions(learning_rate=0.1)


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
        "validation_data": None,
        "validation_frequency": 50,
        "validation_patience": math.inf,
        "output_network": "auto",
        "metrics": (),
        "reset_input_normalization": True,
        "execution_environment": "auto",
        "plots": "none",
        "plot_file": "training-progress.png",
        "verbose": True,
        "verbose_frequency": 50,
        "dtype": "auto",
        "seed": 0,
    }


def test_numpy_numbers_are_numbers_and_one_metric_needs_no_list():
    options = ml.TrainingOptions(
        max_epochs=np.int64(3), epsilon=np.float32(0.5), verbose=np.True_, metrics="accuracy"
    )
    assert options.max_epochs == 3 and options.epsilon == 0.5 and options.metrics == ("accuracy",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.seed = 1
