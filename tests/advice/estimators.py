"""Advice of the estimators for scikit-learn.
What their network says of its layers and options is in `layers` and `training`.
"""

import importlib
import sys
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from advice.computing import pip
from minilstm.sklearn import LSTMClassifier, LSTMRegressor


def fit(x, y, sample_weight=None, kind=LSTMClassifier, **options):
    """A short training of a small network."""
    return kind(num_hidden_units=4, max_epochs=1, **options).fit(x, y, sample_weight)


def numbers(x, y, **options):
    """The same of numbers."""
    return fit(x, y, kind=LSTMRegressor, **options)


def again(model, x, y, **options):
    """Another training of an estimator."""
    return model.set_params(**options).fit(x, y)


@contextmanager
def without_scikit_learn():
    """Within a ``with`` block scikit-learn is not installed."""
    ours = {name: None for name in sys.modules if name.split(".")[0] == "sklearn"}
    with patch.dict(sys.modules, {**ours, "sklearn": None}):
        del sys.modules["minilstm.sklearn"]
        yield


TABLE = [
    ("with without_scikit_learn(): importlib.import_module('minilstm.sklearn')",
     r"(pip install .*)\.", "pip(\"$1\")"),
    ("fit(x, None)", "requires y to be passed", "fit(x, y_last)"),
    ("fit(x, y_last).predict([np.ones((4, 2))])", r"expecting (\d) features",
     "fit(x, y_last).predict([np.ones((4, $1))])"),
    ("fit(x, y_last, [0, 0])", "give a weight above (0) to one sample", "fit(x, y_last, [$1, 1])"),
    ("fit(x, y, [np.ones(5), np.ones(5)])",
     "give a weight for every step of every sequence, or one number for each sequence",
     "fit(x, y, [np.ones(5), np.ones(4)]); fit(x, y, [1, 2])"),
    ("again(fit(x, y_last), x, ['sit', 'run'], warm_start=True)",
     r"leave it out, or fit with (warm_start=False)",
     "again(fit(x, y_last), x[1:], ['run'], warm_start=True);"
     "again(fit(x, y_last), x, ['sit', 'run'], $1)"),
    ("fit(x, y_last, loss=(max, min), class_weight='balanced')",
     r"belongs to (loss='crossentropy'); give that, or (sample_weight) in fit",
     "fit(x, y_last, $1, class_weight='balanced'); fit(x, y_last, $2=[1, 2])"),
    ("numbers(x, [1e6, 1e6 + 1])", r"subtract a constant from y, or give (dtype='float64')",
     "numbers(x, [0, 1]); numbers(x, [1e6, 1e6 + 1], $1)"),
]  # fmt: skip
