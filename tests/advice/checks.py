"""Advice of the checks that every room shares, met through an option that each of them looks at.
One entry for a check is enough: all options pass through the same sentence.
"""

import numpy as np


def spread(y, t):
    """A metric."""
    return np.abs(y - t).max()


TABLE = [
    ("LSTM(2, 'both')", "choose one of (.*)", "LSTM(2, $each)"),
    ("LSTM(0)", "a whole number of at least (1)", "LSTM($1)"),
    ("Addition(10**9)", r"a whole number of at most (\d+)", "Addition($1)"),
    ("Dropout(1)", r"a number of at least (0) and below (1)\.", "Dropout($1); Dropout($2 - 0.01)"),
    ("TrainingOptions(initial_learn_rate=0)", "a number above (0)",
     "TrainingOptions(initial_learn_rate=$1 + 0.01)"),
    ("TrainingOptions(l2_regularization=-1)", "a number at least (0)",
     "TrainingOptions(l2_regularization=$1)"),
    ("TrainingOptions(learn_rate_drop_factor=2)", r"a number from (0) to (1)\.",
     "TrainingOptions(learn_rate_drop_factor=$1); TrainingOptions(learn_rate_drop_factor=$2)"),
    ("FullyConnected(2, bias_l2_factor=-1)", "a number of at least (0)",
     "FullyConnected(2, bias_l2_factor=$1)"),
    ("LSTM(2, bias_l2_factor=[1, 2])", r"one number, or (4), one for each block of rows",
     "LSTM(2, bias_l2_factor=1); LSTM(2, bias_l2_factor=[1] * $1)"),
    ("LSTM(2, bias=[1])", r"give finite numbers of shape (\(8,\))", "LSTM(2, bias=np.ones($1))"),
    ("FullyConnected(2, weights=[1])", r"give finite numbers of shape (\(2, inputs\))",
     "inputs = 3; FullyConnected(2, weights=np.ones($1))"),
    ("TrainingOptions(verbose=1)", "give (True) or (False)",
     "TrainingOptions(verbose=$1); TrainingOptions(verbose=$2)"),
    ("TrainingOptions(sequence_length='all')", "choose one of (.*), or give a whole number of at",
     "train(x, y, sequence_length=$each)"),
    ("TrainingOptions(sequence_length=0)", r"a whole number of at least (1)\.",
     "train(x, y, sequence_length=$1)"),
    ("TrainingOptions(data_format='BB')", r"give ('auto'), .*, such as ('CTB'): one C, at most one",
     "TrainingOptions(data_format=$1); train(np.stack([a[:4].T for a in x], -1), "
     "np.array([b[:4] for b in y]), data_format=$2)"),
    ("TrainingOptions(validation_data=x[0])", r"give (\(x, y\))",
     "train(x, y, validation_data=$1)"),
    ("TrainingOptions(checkpoint_path=3)", "give a path as text",
     "os.mkdir('c'); train(x, y, checkpoint_path='c'); len(os.listdir('c')) == 1"),
    ("TrainingOptions(metrics=3)", r"such as (\['accuracy'\]) or (\[\])",
     "train(x, y, metrics=$1); train(x, y, metrics=$2)"),
    ("TrainingOptions(metrics=['f1'])", r"choose from \[(.*)\], or give a function",
     "TrainingOptions(metrics=[$each, spread])"),
    ("TrainingOptions(metrics=['auc', 'auc'])", "give each once",
     "TrainingOptions(metrics=['auc'])"),
    ("TrainingOptions(output_fcn='print')", "give a function, or a list of functions",
     "train(x, y, output_fcn=id); train(x, y, output_fcn=[id, str])"),
]  # fmt: skip
