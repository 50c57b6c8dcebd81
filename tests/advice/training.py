"""Advice about the options of a training.
Checks of single options that other rooms share are in `checks`, where to compute in `computing`.
"""

import json
import os
from pathlib import Path

import numpy as np

import minilstm as ml
from advice.world import build, train
from minilstm.network.model_file import read_training, to_bytes
from minilstm.training.factors import blocks


def spread(y, t):
    """A metric."""
    return abs(y - t).max()


def gone():
    """A folder for checkpoints, which an output function may remove."""
    os.mkdir("c")
    return "c"


def broken_pipe(*text, **options):
    """What printing says when its reader has gone."""
    raise BrokenPipeError(32, "Broken pipe")


def spy(info):
    """An output function."""


def linear(first=None):
    """A network without bounds, whose loss can grow."""
    return build(first or ml.SequenceInput(3), ml.FullyConnected(2))


def numbers(x, first=None, scale=1.0, loss="mse", rate=0.01, **options):
    """A few steps of gradient descent on targets of two responses."""
    targets = [scale * a[:, :2] / max(1, abs(a).max()) for a in x]
    options = {"solver": "sgdm", "max_epochs": 60, "initial_learn_rate": rate, **options}
    return train(x, targets, linear(first), loss=loss, **options)


def saved(x, y, **options):
    """A training with a checkpoint after every epoch; what goes on from it needs no options."""
    folder = gone()
    train(x, y, max_epochs=2, checkpoint_path=folder, **options)
    return folder


def written(x, y, at=-1, facts=None):
    """The same, with other facts of the last checkpoint, or one cut short from the last one on."""
    paths = sorted(Path(saved(x, y)).iterdir())
    if facts is not None:
        net, arrays, told = read_training(paths[-1], ml.Network)
        paths[-1].write_bytes(to_bytes(net, arrays, json.dumps({**told, **facts})))
    for path in [] if facts is not None else paths[at:]:
        path.write_bytes(path.read_bytes()[:-9])
    return "c"


def network_alone(x, y):
    """A folder as older versions left it."""
    folder = Path(gone())
    build().save(folder / "checkpoint-epoch-0001-iteration-000001.safetensors")
    return folder


def tenth(epoch, iteration):
    """A schedule of the learning rate."""
    return 0.1


GO_ON = "ml.resume('c', x, y)"

TABLE = [
    ("train(x, y, epsilon=1e-50)", "give a larger one, or train with (dtype='float64')",
     "train(x, y, epsilon=1e-30); train(x, y, epsilon=1e-50, $1)"),
    ("train(x, y, step_weights=[np.full(len(a), 1e-60) for a in y])",
     "larger weights to the steps and classes, or train with (dtype='float64')",
     "train(x, y, step_weights=[np.full(len(a), 1e-30) for a in y]);"
     "train(x, y, step_weights=[np.full(len(a), 1e-60) for a in y], $1)"),
    ("ml.train(x, y, classifier(), options={'max_epochs': 1})", r"give (TrainingOptions\(.*\))\.",
     "$1.max_epochs == 60 and ml.train(x, y, classifier(), options=$1.__class__('adam', "
     "max_epochs=1, verbose=False))[0]"),
    ("TrainingOptions(learn_rate_schedule='step')", "choose one of (.*), or give an object of",
     "train(x, y, learn_rate_schedule=$each)"),
    ("TrainingOptions(learn_rate_schedule=3)",
     r"an object of (minilstm.schedules), a list, or a function of (\(epoch, iteration\))",
     "import minilstm; train(x, y, learn_rate_schedule=$1.Warmup());"
     "train(x, y, learn_rate_schedule=[$1.Warmup(), 'none'], max_epochs=9);"
     "train(x, y, learn_rate_schedule=lambda epoch, iteration: 0.1 / sum($2))"),
    ("train(x, y, learn_rate_schedule=lambda epoch, iteration: -1)", "of at least (0)",
     "train(x, y, learn_rate_schedule=lambda epoch, iteration: $1)"),
    ("TrainingOptions(learn_rate_schedule=['cosine', 'none'])",
     "give it a number of steps, or put it last",
     "train(x, y, learn_rate_schedule=['none', 'cosine'][1:]);"
     "train(x, y, max_epochs=9, learn_rate_schedule=[ml.schedules.Polynomial(steps=3), 'cosine'])"),
    ("blocks('lstm/bias', 9, 0.0, (1, 2, 1, 1))", "one factor, or a tuple with one for",
     "len(blocks('lstm/bias', 9, 0.0, 1.0)) == 1;"
     "len(blocks('lstm/bias', 8, 0.0, (1, 2, 1, 1))) == 4"),
    ("TrainingOptions(data_format='TC', input_data_formats='CT')", "give one of them",
     "TrainingOptions(data_format='TC'); TrainingOptions(input_data_formats='CT')"),
    ("TrainingOptions(output_network='best-validation')", r"give (\(x, y\))",
     "train(x, y, validation_data=$1, output_network='best-validation')"),
    ("TrainingOptions(objective_metric_name='spread', metrics=['auc'])",
     "choose one of (.*), which are", "TrainingOptions(objective_metric_name=$each, "
     "metrics=['auc']); TrainingOptions(objective_metric_name='spread', metrics=[spread], "
     "objective_direction='minimize')"),
    ("TrainingOptions(objective_metric_name='spread', metrics=[spread])",
     "give (objective_direction='maximize') or ('minimize')",
     "TrainingOptions(objective_metric_name='spread', metrics=[spread], $1);"
     "TrainingOptions(objective_metric_name='spread', metrics=[spread], objective_direction=$2)"),
    ("train(x, y, validation_data=(x, [['run'] * len(a) for a in x]), metrics=['auc'], "
     "objective_metric_name='auc')", "can be computed, or another (objective_metric_name)",
     "train(x, y, validation_data=(x, y), metrics=['auc'], $1='auc');"
     "train(x, y, validation_data=(x, [['run'] * len(a) for a in x]), metrics=['auc'])"),
    ("train(x, y, checkpoint_path='c')", "make the folder first",
     "os.mkdir('c'); train(x, y, checkpoint_path='c')"),
    ("TrainingOptions(validation_frequency=0)", "at least (1), or ('epoch')",
     "TrainingOptions(validation_frequency=$1); TrainingOptions(validation_frequency=$2)"),
    ("train(x, y, checkpoint_path=gone(), output_fcn=lambda i: os.rmdir('c') if os.path.isdir("
     "'c') else None)", "goes on, and tries again at the next",
     "train(x, y, checkpoint_path=gone())"),
    # ------------------------------------------------------------ going on from a checkpoint
    ("ml.resume('.', x, y)", "start the training with (minilstm.train), and give it this folder as "
     "its option (checkpoint_path)", "train(x, y, $2='.'); ml.resume('.', x, y)"),
    ("ml.resume(network_alone(x, y), x, y)", r"with minilstm.train\(x, y, minilstm.load\(path\)\)",
     "ml.train(x, y, ml.load(next(network_alone(x, y).iterdir())))[0]"),
    ("ml.resume(written(x, y, 0), x, y)", "start the training anew with minilstm.train",
     "train(x, y)"),
    ("ml.resume(written(x, y), x, y)", "remove what is broken",
     "written(x, y); os.unlink(sorted(Path('c').iterdir())[-1]); " + GO_ON),
    ("ml.resume(written(x, y, facts={'version': '0'}), x, y)",
     r"train its network further with minilstm.train\(x, y, minilstm.load\(path\)\)",
     "saved(x, y); ml.train(x, y, ml.load(sorted(Path('c').iterdir())[-1]))[0]"),
    ("ml.resume(written(x, y, facts={'columns': []}), x, y)", "remove it, and go on from another",
     "written(x, y, facts={'columns': []}); os.unlink(sorted(Path('c').iterdir())[-1]); " + GO_ON),
    ("ml.resume(written(x, y, facts={'machine': ''}), x, y)", "go on there if each bit matters",
     "saved(x, y); " + GO_ON),
    ("ml.resume(saved(x, y), x[::-1], y[::-1])", "give the data that it began with",
     "saved(x, y); " + GO_ON),
    ("ml.resume(saved(x, y), x, y, options=TrainingOptions(max_epochs=3))",
     "give that of that training, or leave options out", "saved(x, y); " + GO_ON + ";"
     "ml.resume('c', x, y, options=ml.TrainingOptions(max_epochs=2, verbose=False))"),
    ("ml.resume(saved(x, y, validation_data=(x, y)), x, y)",
     "give (validation_data) as that training had it",
     "saved(x, y, validation_data=(x, y)); ml.resume('c', x, y, $1=(x, y))"),
    ("ml.resume(saved(x, y), x, y, options=TrainingOptions(), validation_data=(x, y))",
     r"give it as TrainingOptions\(validation_data=\(x, y\)\)",
     "saved(x, y, validation_data=(x, y)); ml.resume('c', x, y, options=ml.TrainingOptions("
     "validation_data=(x, y), max_epochs=2, verbose=False))"),
    ("ml.resume(saved(x, y, learn_rate_schedule=tenth), x, y)",
     "give (options) as that training had it",
     "saved(x, y, learn_rate_schedule=tenth); ml.resume('c', x, y, $1=ml.TrainingOptions("
     "learn_rate_schedule=tenth, max_epochs=2, verbose=False))"),
    ("ml.resume(saved(x, y), x, y, [*classifier()[:1], *classifier()[2:]])",
     "give those of that training, or leave layers out",
     "saved(x, y); " + GO_ON + "; ml.resume('c', x, y, classifier())"),
    ("ml.resume(saved(x, y), x, y, loss=ml.CrossEntropy(ignored_labels=['sit']))",
     "give that of that training, or leave loss out",
     "saved(x, y); " + GO_ON + "; ml.resume('c', x, y, loss='crossentropy')"),
    ("saved(x, y)\nwith ml.use_backend('numba'): " + GO_ON, "choose that one with (minilstm.*d)\\.",
     "saved(x, y)\nwith ml.use_backend('numba'): ml.set_backend('numpy')\n" + GO_ON),
    ("with patch('builtins.print', broken_pipe): train(x, y, verbose=True)", "the training goes on",
     "train(x, y, verbose=False)"),
    # ------------------------------------------------------------ options that cannot act
    ("train(x, y, validation_patience=2)",
     r"give (validation_data=\(x, y\)) or validation_share=0.2, or leave it out",
     "train(x, y, $1, validation_patience=2, validation_frequency=1, max_epochs=9); train(x, y)"),
    ("train(x, y, validation_data=(x, y), validation_patience=2, max_epochs=9)",
     "set (validation_frequency=.*)\\.",
     "train(x, y, validation_data=(x, y), validation_patience=2, max_epochs=9, $1)"),
    ("train(x, y, validation_data=(x, y), metrics=['auc'], objective_metric_name='auc', "
     "output_network='last-iteration')", "set (output_network='best-validation')",
     "train(x, y, validation_data=(x, y), metrics=['auc'], objective_metric_name='auc', $1)"),
    ("train(x, y, learn_rate_drop_period=3)",
     "set (learn_rate_schedule='piecewise'), or leave it out",
     "train(x, y, learn_rate_drop_period=3, $1, max_epochs=9); train(x, y)"),
    ("train(x, y, learn_rate_schedule='piecewise', max_epochs=5)",
     r"a period of at most (\d+), or another schedule",
     "train(x, y, learn_rate_schedule='piecewise', learn_rate_drop_period=$1, max_epochs=5);"
     "train(x, y, learn_rate_schedule='cosine', max_epochs=5)"),
    ("train(x, y, learn_rate_schedule=[ml.schedules.Polynomial(steps=3), 'cosine'])",
     "give those before it fewer steps, or set a larger (max_epochs)",
     "train(x, y, learn_rate_schedule=[ml.schedules.Polynomial(steps=3), 'cosine'], $1=9);"
     "train(x, y, learn_rate_schedule=[ml.schedules.Polynomial(steps=1), 'cosine'], $1=2)"),
    ("train(x, y, initial_learn_rate=0.5, learn_rate_schedule=lambda e, i: 0.1)", "one of them out",
     "train(x, y, learn_rate_schedule=lambda e, i: 0.1); train(x, y, initial_learn_rate=0.5)"),
    ("train(x, y, momentum=0.5)", "leave it out, or choose the solver ('.*')",
     "train(x, y); train(x, y, momentum=0.5, solver=$1)"),
    ("train(x, y, gradient_threshold_method='global-l2norm')",
     "set (gradient_threshold), such as (1)",
     "train(x, y, gradient_threshold_method='global-l2norm', $1=$2)"),
    ("train(t, y, SequenceInput(2), Softmax(), l2_regularization=0.1)", "factors above 0, or leave",
     "train(x, y, l2_regularization=0.1)"),
    ("train(x, y, sequence_padding_direction='left')",
     "set (sequence_length='longest'), or leave it out",
     "train(x, y, sequence_padding_direction='left', $1); train(x, y)"),
    ("train([a + 1e9 for a in x], y)",
     r"set (normalization='zscore') in .*, or train with (dtype=.*)\.",
     "far = [a + 1e9 for a in x]; train(far, y, SequenceInput(3, $1), *classifier()[1:]);"
     "train(far, y, $2)"),
    ("train(x, [a + 1e9 for a in t], build(LSTM(2), FullyConnected(2)), loss='mse')",
     r"subtract the mean of the targets first, or train with (dtype=.*)\.",
     "far = [a + 1e9 for a in t]; n = build(LSTM(2), FullyConnected(2));"
     "train(x, [a - np.mean(np.concatenate(far)) for a in far], n, loss='mse');"
     "train(x, far, n, loss='mse', $1)"),
    ("train(x, y, bptt_truncation=9)", "set fewer, or leave it out",
     "train(x, y, bptt_truncation=2); train(x, y)"),
    ("train(x, y, checkpoint_frequency=2)", "set (checkpoint_path) to a folder",
     "train(x, y, checkpoint_frequency=2, $1=gone(), max_epochs=2); len(os.listdir('c')) == 1"),
    ("train(x, y, checkpoint_path=gone(), checkpoint_frequency=2)", r"set at most (\d)",
     "train(x, y, checkpoint_path=gone(), checkpoint_frequency=$1); len(os.listdir('c')) == 1"),
    ("train(x, y, plot_file='p.png')", "set (plots='training-progress')",
     "train(x, y, plot_file='p.png', $1); os.path.isfile('p.png')"),
    # ------------------------------------------------------------ what makes a loss infinite
    ("numbers([1e6 * a for a in x])",
     r"scale them, or use SequenceInput\(..., (normalization='.*')\)",
     "numbers([1e6 * a / 1e6 for a in x]);" "numbers([1e6 * a for a in x], SequenceInput(3, $1))"),
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
    ("ml.train(x, y, [SequenceInput(3), LSTM(2), FullyConnected(2), Softmax()], groups=['a', 'b'])",
     "set (validation_share=0.2), or leave groups out",
     "ml.train(x, y, [SequenceInput(3), LSTM(2), FullyConnected(2), Softmax()], groups=['a', 'b'], "
     "options=TrainingOptions($1, max_epochs=1, verbose=False))"),
    ("train(x, [y[0], [''] * 4], loss=CrossEntropy(ignored_labels=['']), validation_share=0.5)",
     "give another share, another seed, or validation_data",
     "train(x, y, validation_share=0.5)"),
    ("TrainingOptions(max_epoch=1)", "(max_epochs).*; see TrainingOptions",
     "TrainingOptions($1=1).max_epochs == 1"),
    ("train(x, y, validation_share=0.5, validation_data=(x, y))", "leave one of them out",
     "train(x, y, validation_share=0.5); train(x, y, validation_data=(x, y))"),
    ("TrainingOptions(shards=2, sequence_length='longest')", "leave one of them out",
     "TrainingOptions(shards=2); TrainingOptions(sequence_length='longest')"),
    ("numbers(x, loss=(lambda y, t: 0.0, lambda y, t: y - t), shards=2)",
     "give one of minilstm.losses by its name, or leave shards out",
     "numbers(x, loss='mse', shards=2)"),
    ("saved(x, y); ml.resume('c', x, y, options=3)", "give (TrainingOptions)",
     "saved(x, y); ml.resume('c', x, y, options=$1(max_epochs=2, checkpoint_path='c', "
     "verbose=False))"),
    ("saved(x, y, output_fcn=spy); ml.resume('c', x, y)", "give options as that training had them",
     "saved(x, y, output_fcn=spy); ml.resume('c', x, y, options=TrainingOptions(max_epochs=2, "
     "checkpoint_path='c', verbose=False, output_fcn=spy))"),
]  # fmt: skip
