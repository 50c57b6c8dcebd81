"""Advice about losses, metrics and what a training learns from.
What is said of labels and targets themselves is in `data`.
"""

import numpy as np

from advice.world import train, world
from minilstm.losses.named import loss_of_output_layer
from minilstm.network.metrics import find_metric


def learned(loss):
    """A network trained with a loss of a name."""
    w = world()
    if "crossentropy" in loss and loss != "binary-crossentropy":
        return train(w["x"], w["y"], loss=loss)
    targets = [(a > 0).astype(float) for a in w["t"]]
    return train(w["x"], targets, w["build"](w["LSTM"](2), w["Sigmoid"]()), loss=loss)


def value(y, t):
    """Half the sum of squares over the rows, divided by their number."""
    return ((y - t) ** 2).sum() / 2 / len(y)


def gradient(y, t):
    """Its derivative."""
    return (y - t) / len(y)


def spread(y, t):
    """A metric."""
    return np.abs(y - t).max()


def rmse(y, t):
    """A metric of a name that is taken."""
    return 0.0


TABLE = [
    ("CrossEntropy(classes=[])", "name all, or leave it out", "train(x, y, loss=CrossEntropy());"
     "train(x, y, loss=CrossEntropy(classes=['run', 'walk']))"),
    ("train(x, y, loss=CrossEntropy(classes=['run', 'walk'], ignored_labels=['run']))",
     "leave it out of one of the two", "train(x, y, loss=CrossEntropy(classes=['run', 'walk']));"
     "train(x, ['run run sit sit sit'.split(), y[1]], loss=CrossEntropy("
     "classes=['sit', 'walk'], ignored_labels=['run']))"),
    ("train(x, y, loss=CrossEntropy(ignored_labels=[0]))", "give labels of the same kind",
     "train(x, [['run', 'sit', 'walk', 'sit', 'run'], y[1]], loss=CrossEntropy("
     "ignored_labels=['sit']))"),
    ("train(x, y, train(x, y), loss=CrossEntropy(ignored_labels=['run', 'walk']))",
     "check which labels are ignored",
     "train(x, y, train(x, y), loss=CrossEntropy(ignored_labels=['run']))"),
    ("train(x, t, build(LSTM(2)), loss=(value, gradient), step_weights=[np.ones(5), np.ones(4)])",
     "weigh the rows inside the functions", "train(x, t, build(LSTM(2)), loss=(value, gradient))"),
    ("train(x, t, build(LSTM(2)), loss=(lambda y, t: (y - t) ** 2, gradient))",
     "return the sum or mean over the rows",
     "train(x, t, build(LSTM(2)), loss=(lambda y, t: ((y - t) ** 2).sum(), gradient));"
     "train(x, t, build(LSTM(2)), loss=(lambda y, t: ((y - t) ** 2).mean(), gradient))"),
    ("train(x, t, build(LSTM(2)), loss=(value, lambda y, t: np.zeros(2)))",
     "return one derivative for each", "train(x, t, build(LSTM(2)), loss=(value, gradient))"),
    ("train(x, t, build(LSTM(2)), loss='rmse')", r"choose one of (.*), or give a pair of functions",
     "learned($each)"),
    ("train(x, t, build(LSTM(2)), loss=value)", r"give a pair \(value, gradient\)",
     "train(x, t, build(LSTM(2)), loss=(value, gradient))"),
    ("train(x, y, loss=3)", r"choose one of (.*), or give (ml.CrossEntropy)\(...\) or a pair of",
     "train(x, t, build(LSTM(2)), loss=(value, gradient)); train(x, y, loss=$2()); learned($each)"),
    ("loss_of_output_layer(ReLU(name='r'))", r"with (\S+) or (\S+),",
     "loss_of_output_layer($1); train(x, t, SequenceInput(3), LSTM(2), $2, loss=None)"),
    # ------------------------------------------------------------ metrics
    ("train(x, y, metrics=['f1'])", r"choose from \[(.*)\], or give a function",
     "metric = $each; train(x, y, metrics=[metric]) if metric != 'rmse' else "
     "train(x, t, build(LSTM(2)), loss='mse', metrics=[metric])"),
    ("train(x, y).evaluate(x, y, metrics=['f1'])", "choose one of (.*), or give a function of",
     "metric = $each; metric in train(x, y).evaluate(x, y, metrics=[metric]) if metric != 'rmse' "
     "else 'rmse' in build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[metric])"),
    ("build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[3])", "or give a function of",
     "build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[spread])['spread'] > 0"),
    ("train(x, t, build(LSTM(2)), loss='mse', metrics=[lambda y, t: 1])",
     "write it with def and a name of its own",
     "train(x, t, build(LSTM(2)), loss='mse', metrics=[spread])"),
    ("build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[rmse])", "a name of its own",
     "build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[spread])"),
    ("find_metric('rmse').compute(np.ones((3, 2)), np.ones((3, 1)))",
     "one target for each row, or one for each number",
     "find_metric('rmse').compute(np.ones((3, 2)), np.ones((3, 2))) == 0;"
     "find_metric('accuracy').compute(np.eye(2), np.array([0, 1])) == 1"),
    ("train(x, y).evaluate(x, y, metrics=['rmse'])", "choose ('accuracy') or another metric for cl",
     "train(x, y).evaluate(x, y, metrics=[$1, 'fscore'])"),
    ("build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=['auc'])", "choose ('rmse')",
     "build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[$1])"),
    ("build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[np.subtract])",
     "return a mean over the rows",
     "build(LSTM(2), losses=['mse']).evaluate(x, t, metrics=[spread])"),
    ("train(x, y, metrics=['rmse'])", "choose another metric", "train(x, y, metrics=['accuracy'])"),
    # ------------------------------------------------------------ weights of steps
    ("train(x, y, step_weights=[np.ones(5)])", "there are 2; give one array of weights for each",
     "train(x, y, step_weights=[np.ones(5), np.ones(4)])"),
    ("train(x, y, step_weights=[np.ones(5), np.ones(2)])", "give one number a step, or one a seq",
     "train(x, y, step_weights=[np.ones(5), np.ones(4)]);"
     "train(x, y_last, *classifier(2, 'last'), step_weights=[1, 2])"),
    ("train(x, y, step_weights=[np.ones(5), -np.ones(4)])", "finite weights of at least (0)",
     "train(x, y, step_weights=[np.ones(5), np.full(4, $1)])"),
]  # fmt: skip
