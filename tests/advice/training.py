"""Advice about the options of a training.
Checks of single options that other rooms share are in `checks`, where to compute in `computing`.
"""

import numpy as np

import minilstm as ml
from advice.world import build, train
from minilstm.training.factors import blocks


def spread(y, t):
    """A metric."""
    return abs(y - t).max()


def linear(first=None):
    """A network without bounds, whose loss can grow."""
    return build(first or ml.SequenceInput(3), ml.FullyConnected(2))


def numbers(x, first=None, scale=1.0, loss="mse", rate=0.01, **options):
    """A few steps of gradient descent on targets of two responses."""
    targets = [scale * a[:, :2] / max(1, abs(a).max()) for a in x]
    options = {"solver": "sgdm", "max_epochs": 60, "initial_learn_rate": rate, **options}
    return train(x, targets, linear(first), loss=loss, **options)


TABLE = [
    ("ml.train(x, y, classifier(), options={'max_epochs': 1})", r"give (TrainingOptions\(.*\))\.",
     "$1.max_epochs == 60 and ml.train(x, y, classifier(), options=$1.__class__('adam', "
     "max_epochs=1, verbose=False))[0]"),
    ("TrainingOptions(learn_rate_schedule='step')", "choose one of (.*), or give an object of",
     "train(x, y, learn_rate_schedule=$each)"),
    ("TrainingOptions(learn_rate_schedule=3)",
     r"an object of (minilstm.schedules), a list, or a function of (\(epoch, iteration\))",
     "import minilstm; train(x, y, learn_rate_schedule=$1.Warmup());"
     "train(x, y, learn_rate_schedule=[$1.Warmup(), 'none']);"
     "train(x, y, learn_rate_schedule=lambda epoch, iteration: 0.1 / sum($2))"),
    ("train(x, y, learn_rate_schedule=lambda epoch, iteration: -1)", "of at least (0)",
     "train(x, y, learn_rate_schedule=lambda epoch, iteration: $1)"),
    ("TrainingOptions(learn_rate_schedule=['cosine', 'none'])",
     "give it a number of steps, or put it last",
     "train(x, y, learn_rate_schedule=['none', 'cosine'][1:]);"
     "train(x, y, learn_rate_schedule=[ml.schedules.Polynomial(steps=3), 'cosine'])"),
    ("blocks('lstm/bias', np.zeros(9), 0.0, (1, 2, 1, 1))", "one factor, or a tuple with one for",
     "len(blocks('lstm/bias', np.zeros(9), 0.0, 1.0)) == 1;"
     "len(blocks('lstm/bias', np.zeros(8), 0.0, (1, 2, 1, 1))) == 4"),
    ("TrainingOptions(data_format='TC', input_data_formats='CT')", "give one of them",
     "TrainingOptions(data_format='TC'); TrainingOptions(input_data_formats='CT')"),
    ("TrainingOptions(output_network='best-validation')", r"give (\(x, y\))",
     "train(x, y, validation_data=$1, output_network='best-validation')"),
    ("TrainingOptions(objective_metric_name='spread', metrics=['auc'])",
     "choose one of (.*), which are", "TrainingOptions(objective_metric_name=$each, "
     "metrics=['auc']); TrainingOptions(objective_metric_name='spread', metrics=[spread])"),
    ("train(x, y, checkpoint_path='c')", "make it, or leave checkpoint_path empty",
     "os.mkdir('c'); train(x, y, checkpoint_path='c'); train(x, y, checkpoint_path='')"),
    # ------------------------------------------------------------ what makes a loss infinite
    ("numbers([1e6 * a for a in x])",
     r"scale them, or use SequenceInput\(..., (normalization='.*')\)",
     "numbers([1e6 * a / 1e6 for a in x]);"
     "numbers([1e6 * a for a in x], SequenceInput(3, $1))"),
    ("numbers(x, scale=1e30)", "the targets reach .*: scale them", "numbers(x, scale=1)"),
    ("numbers(x, loss=(lambda y, t: np.inf, lambda y, t: y - t))", "mend that loss, or start from",
     "numbers(x, loss=(lambda y, t: ((y - t) ** 2).sum() / 2, lambda y, t: y - t))"),
    ("p = {k: 1e20 * v for k, v in linear().parameters.items()};"
     "train(x, t, linear().replace(parameters=p), loss='mse', max_epochs=2)",
     "start from smaller parameters", "train(x, t, linear(), loss='mse', max_epochs=2)"),
    ("n = linear(); n.parameters['fc/bias'][:] = np.nan; train(x, t, n, loss='mse')",
     "is not finite: start from another", "train(x, t, linear(), loss='mse')"),
    ("numbers(x, rate=1e3)", r"set (gradient_threshold), such as (1)",
     "numbers(x, rate=1e3, $1=$2)"),
    ("numbers(x, rate=1e30, gradient_threshold=2)", "lower (initial_learn_rate)",
     "numbers(x, rate=1e-3, gradient_threshold=2)"),
]  # fmt: skip
