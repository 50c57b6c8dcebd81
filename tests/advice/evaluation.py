"""Advice about splits and reports: names of recordings and groups, folds, what can be judged.
Without scikit-learn the entries on folds are skipped with the whole table.
"""

import sys
from unittest.mock import patch

import numpy as np
from builders import two_in_two_out

import minilstm as ml
from advice.computing import pip
from advice.world import build, start, train
from minilstm.evaluation import *  # noqa: F403
from minilstm.evaluation import report

PEOPLE = ["ann", "ann", "bob", "cyd"]
NAMED = {"classes": ["run", "walk"]}


TRUTH = [np.ones((5, 2)), np.zeros((4, 2))]  # of two classes, each there or not


def several():
    """Every class there or not, at each step."""
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2), ml.Sigmoid()]
    x = [np.zeros((5, 3)), np.ones((4, 3))]
    return train(x, TRUTH, *layers, loss="binary-crossentropy")


def infinite():
    """A network whose numbers leave the range of its dtype."""
    net = build(ml.FullyConnected(1))
    return net.replace(parameters={"fc/weights": np.full((1, 3), 3e38), "fc/bias": [3e38]})


def found(**options):
    """A report on two small recordings."""
    x = [np.zeros((5, 3)), np.ones((4, 3))]
    return report(build(**NAMED), x, [["run"] * 5, ["walk"] * 4], **options)


TABLE = [
    ("split_share(4, 1)", r"give (0\.2), say", "len(split_share(4, $1).test) == 1"),
    ("k_fold(4, 1)", r"give (2) folds or more", "len(k_fold(4, $1)) == 2"),
    ("k_fold(2, 3)", "record more, or cut long recordings into parts", "len(k_fold(3, 3)) == 3"),
    ("leave_one_group_out(['ann', 'ann'])",
     "name another group_column, or leave groups out to split by recording",
     "len(leave_one_group_out(['a', 'b'])) == len(k_fold(2, 2))"),
    ("k_fold(4, 4, groups=PEOPLE)", r"give (\d) folds or fewer, or leave groups out",
     "len(k_fold(4, $1, groups=PEOPLE)) == 3 and len(k_fold(4, 4)) == 4"),
    ("split_share(3, 0.5, groups=PEOPLE)", "there are (3) recordings; give one for each",
     "split_share($1, 0.5, groups=PEOPLE[:$1])"),
    ("shared_names(['a', 'b'], ['b'])", "so the scores are too good; test on others",
     "shared_names(['a', 'b'], ['c']) == []"),
    ("with patch.dict(sys.modules, {'sklearn.metrics': None}): k_fold(4, 2)",
     r"(pip install .*)\.", "pip(\"$1\")"),
    ("report(start(two_in_two_out()), x, y)", "call (net.evaluate), which gives the loss",
     "net = start(two_in_two_out()); callable($1)"),
    ("report(several(), x, TRUTH)", r"call net.evaluate with (metrics=\['fscore', 'auc'\])",
     "{'fscore', 'auc'} < set(several().evaluate(x, TRUTH, $1))"),
    ("report(build(), x, y)", r"train it on labels, or name .* with (net.replace\(classes=)",
     "net = build(); report(train(x, y), x, y); report($1['run', 'walk']), x, y).accuracy >= 0"),
    ("with np.errstate(all='ignore'): report(infinite(), x, [a[:, :1] for a in x])",
     "check its input, or train it with a lower learning rate",
     "report(train(x, TRUTH, ml.SequenceInput(3), ml.FullyConnected(2), loss='mse'), x, TRUTH)"
     ".rmse > 0"),
    ("found(groups=['a'])", r"there are (2) recordings; give one for each",
     "len(found(groups=['a'] * $1).by_group) == 1"),
    ("found(times=[[0, 1], [0, 1]])", "give one time a step, in seconds",
     "found(times=[[0, 1, 2, 3, 4], [0, 1, 2, 3]]).accuracy >= 0"),
]  # fmt: skip
