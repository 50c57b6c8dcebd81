"""Advice about figures: what they are drawn of, and the files that they go to.
Without Matplotlib the file of tests that reads this table is skipped.
"""

import os
from types import SimpleNamespace

import numpy as np

from minilstm import plots
from minilstm.plots import *  # noqa: F403
from minilstm.plots.style import new_axes

TRUE, GUESS = ["run", "walk", "run"], ["run", "run", "walk"]


def figure():
    """A small figure."""
    return plots.plot_features(np.zeros((3, 1)))


def removed():
    """Axes that have been taken out of their figure."""
    ax = figure()
    ax.remove()
    return ax


def info(**columns):
    """What a training returns beside the network, as far as figures look at it."""
    history = {"iteration": [1, 2], "loss": [0.5, 0.4], **columns}
    history = {name: v for name, v in history.items() if v is not None}
    return SimpleNamespace(history=history, stop_reason="all epochs done")


def progress(folder):
    """A picture of a training, in a folder that is gone when it is to be saved."""
    os.mkdir(folder)
    live = plots.LiveTrainingProgress(f"{folder}/p.png")
    os.rmdir(folder)
    return live.finish(info())


def gates():
    """What `Network.gates` gives of 5 steps of 3 units."""
    return SimpleNamespace(**{letter: np.full((5, 3), 0.5) for letter in "ifgoch"})


TABLE = [
    ("plot_gates(gates(), show='x')", r"give letters of '(\w+)', such as '(\w+)'",
     "plot_gates(gates(), show='$1'); plot_gates(gates(), show='$2')"),
    ("plot_gates(gates(), np.ones((4, 2)))", "pass the sequence they are of",
     "plot_gates(gates(), np.ones((5, 2)))"),
    ("plot_unit(gates(), 3)", r"pass a number from (\d) to (\d)",
     "plot_unit(gates(), $1); plot_unit(gates(), $2)"),
    ("plot_text('abc', [1.0])", r"one value a letter, as (gates)(\.c\[:, )\d",
     "plot_text('abcde', $1()$20])"),
    ("plot_confusion([], [])", "at least one label each", "plot_confusion(['run'], ['run'])"),
    ("envelope(np.zeros((9, 2)), 3)", r"pass one feature, as (x\[:, 0\])",
     "x = np.zeros((9, 2)); envelope($1, 3)"),
    ("envelope(np.zeros(9), 0)", "should be at least (1)", "envelope(np.zeros(9), $1)"),
    ("save_figure(figure(), '.png')", r"give it one, such as '(figure.png)'",
     "save_figure(figure(), '$1').name"),
    ("save_figure(figure(), 'a.jpg')", r"should end in (\S+), (\S+), (\S+):",
     "[save_figure(figure(), 'a' + s).suffix for s in '$1 $2 $3'.split()] == "
     "['.png', '.svg', '.pdf']"),
    ("save_figure(figure(), 'no/a.png')", "folder '(no)' .*: make the folder first",
     "os.mkdir('$1'); save_figure(figure(), 'no/a.png').is_file()"),
    ("save_figure(figure(), 'a.png', dpi=0)", r"pass, for example, (\d+)",
     "save_figure(figure(), 'a.png', dpi=$1).is_file()"),
    ("save_figure(removed(), 'a.png')", "draw it again",
     "save_figure(figure(), 'a.png').is_file()"),
    ("plot_forecast([1, 2], [3, 4], last=0)", "pass (None) to draw all",
     "plot_forecast([1, 2], [3, 4], last=$1)"),
    ("plot_forecast([1, 2], [3, 4], [3])", "pass the same steps of both",
     "plot_forecast([1, 2], [3, 4], [3, 5])"),
    ("plot_training_progress(info(loss=[1]))", "pass columns of equal length",
     "plot_training_progress(info(loss=[1, 2]))"),
    ("plot_training_progress(info(loss=None))", "pass the history that training returns",
     "plot_training_progress(ml.train(x, y, classifier(), options=TrainingOptions("
     "max_epochs=1, verbose=False))[1])"),
    ("progress('gone')", r"(minilstm.plots.plot_training_progress\(info\)) draws it again",
     "import minilstm; info = info(); $1"),
    ("plot_predictions([], [])", "at least one: pass one sequence's labels",
     "plot_predictions(GUESS, TRUE)"),
    ("plot_regression([1, 2], [3])", "pass the same rows of both",
     "plot_regression([1, 2], [3, 4])"),
    ("plot_regression([np.nan], [1.0])", "pass numbers", "plot_regression([2.0], [1.0])"),
    ("plot_features(x)", r"pass one, as (x\[0\])", "plot_features($1)"),
    ("plot_features(np.stack([x[0], x[0]]))", r"pass one sequence, as (x\[0\])",
     "plot_features($1)"),
    ("plot_sequence(x[0].T, y[0])", r"transpose (x) to (x\.T)",
     "x = x[0].T; plot_sequence($2, y[0])"),
    ("plot_sequence(x[0], y[0][:2])", "pass one label a step", "plot_sequence(x[0], y[0])"),
    ("with patch.dict(sys.modules, matplotlib=None): figure()", r"Matplotlib: (pip install .*)\.",
     "from advice.computing import pip; pip(\"$1\")"),
    ("plot_training_progress(info(auc=[1, 2]), axes=new_axes(2))",
     r"should have (\d)|pass the axes of a figure with as many rows",
     "plot_training_progress(info(auc=[1, 2]), axes=list(figure().figure.subplots($1, 1)))"),
    ("plot_predictions(y, y[0])", r"pass one sequence's labels, as predicted(\[0\])",
     "plot_predictions(y$1, y[0])"),
    ("plot_predictions([y[0], y[0]], y[0])", r"pass one sequence's labels, as predicted(\[0\])",
     "plot_predictions(y$1, y[0])"),
    ("plot_predictions([0.5, 1.5], [1, 0])", "should hold strings or integers: convert the labels",
     "plot_predictions(np.array([0.5, 1.5]).astype(int), [1, 0])"),
    ("plot_predictions(GUESS, TRUE[:2])", "pass both for the same steps",
     "plot_predictions(GUESS, TRUE)"),
    ("plot_sequence(x[0], feature=3)", r"a number from (0) to (2)\.",
     "plot_sequence(x[0], feature=$1); plot_sequence(x[0], feature=$2)"),
    ("plot_features(x[0], names=['a'])", "pass one name a feature",
     "plot_features(x[0], names=['a', 'b', 'c'])"),
    ("plot_features(x[0], sample_rate=0)", "positive number of hertz: pass (None) to count",
     "plot_features(x[0], sample_rate=$1); plot_features(x[0], sample_rate=50)"),
    ("plot_regression(np.ones((1, 1, 1)), [1.0])", "pass an array, or a list of arrays",
     "plot_regression(np.ones(3), np.ones(3)); plot_regression(t, t)"),
    ("plot_regression([t[0], t[1][0]], t)", r"pass arrays \(T,\), or all \(T, R\)",
     "plot_regression(t, t); plot_regression([a[:, 0] for a in t], [a[:, 0] for a in t])"),
    ("plot_predictions(GUESS, TRUE, classes=['run', 'run'])", r"for example (net.classes)",
     "net = train(x, y); plot_predictions(GUESS, TRUE, classes=$1)"),
    ("plot_predictions(np.array(['run', 3], object), np.array(['run', 3], object))",
     "convert them, or leave out the steps", "plot_predictions(['run', '3'], ['run', '3']);"
     "plot_predictions(['run'], ['run'])"),
    ("plot_predictions(GUESS, TRUE, classes=['run', 'sit'])", r"add it to classes or correct the",
     "plot_predictions(GUESS, TRUE, classes=['run', 'sit', 'walk']);"
     "plot_predictions(['run'] * 3, ['run', 'sit', 'run'], classes=['run', 'sit'])"),
]  # fmt: skip
