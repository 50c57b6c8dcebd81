"""What the calls of the tables work with: small data, networks, and short names for what is built.
Every entry gets a fresh copy in an empty folder.
"""

import os
import sys
from unittest.mock import patch

import numpy as np

import minilstm as ml


def world():
    """The names that a call may use, beside those of its own table."""
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((5, 3)), rng.standard_normal((4, 3))]  # (T, D) each
    return {
        **{name: getattr(ml, name) for name in ml.__all__},
        "np": np,
        "os": os,
        "sys": sys,
        "patch": patch,
        "ml": ml,
        "x": x,
        "y": [np.array(["run", "walk"] * 3)[: len(a)] for a in x],  # (T,) each
        "y_last": ["run", "walk"],
        "t": [a[:, :2] for a in x],  # targets (T, 2) each
        **{f.__name__: f for f in (build, start, classifier, train, same)},
    }


def build(*middle, features=3, **options):
    """A network of a sequence input and some layers; without any, a classifier of each step."""
    layers = middle or tuple(classifier(features=features))
    if not isinstance(layers[0], ml.SequenceInput):
        layers = (ml.SequenceInput(features), *layers)
    return start(list(layers), **options)


def start(layers, **options):
    """A network with its first values."""
    return ml.Network(layers, **{"rng": np.random.default_rng(0), **options})


def classifier(classes=2, mode="sequence", features=3):
    """Layers of a small classifier."""
    return [ml.SequenceInput(features), ml.LSTM(4, mode), ml.FullyConnected(classes), ml.Softmax()]


def train(x, y, *layers, loss="crossentropy", step_weights=None, **options):
    """A short quiet training; the network alone."""
    whole = len(layers) == 1 and not isinstance(layers[0], ml.SequenceInput)
    net = layers[0] if whole else list(layers) or classifier()
    options = ml.TrainingOptions(**{"max_epochs": 1, "verbose": False, **options})
    more = {} if step_weights is None else {"step_weights": step_weights}
    return ml.train(x, y, net, loss, options, **more)[0]


def same(left, right):
    """Whether two arrays, or lists of arrays, are equal."""
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return np.array_equal(left, right)
