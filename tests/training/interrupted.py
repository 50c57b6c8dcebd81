"""A small training with dropout, batch normalisation, a schedule and validation, to be interrupted.
What it gives back is compared without its times."""

import builders
import numpy as np
from agreement import bits

import minilstm as ml

X, Y = builders.up_or_down(12)
HELD = builders.up_or_down(6, seed=3)
LAYERS = (
    ml.SequenceInput(1, normalization="zscore"), ml.LSTM(4), ml.BatchNormalization(),
    ml.Dropout(0.3), ml.LSTM(3, "last"), ml.FullyConnected(2), ml.Softmax(),
)  # fmt: skip
SHORT = {"max_epochs": 4, "mini_batch_size": 4, "verbose": False, "seed": 5}
EVERY = {"checkpoint_frequency": 1, "checkpoint_frequency_unit": "iteration"}
MANY = {"shuffle": "every-epoch", "validation_data": HELD, "validation_frequency": 2,
        "metrics": ["accuracy"], "learn_rate_schedule": ["warmup", "cosine"]}  # fmt: skip


def train(folder=None, x=X, y=Y, layers=LAYERS, loss=None, **options):
    options = ml.TrainingOptions(**{**SHORT, **options, "checkpoint_path": folder})
    return ml.train(x, y, list(layers), loss, options)


def known(back):
    """Everything that a training gives back, without times."""
    net, info = back
    history = {k: np.asarray(v) for k, v in info.history.items() if k != "time"}
    told = info.stop_reason, info.output_iteration, info.backend, info.seed, info.hints
    return bits(net), bits(history), told


def files(folder):
    return sorted(folder.iterdir())


def iterations(folder):
    return [int(path.name[32:38]) for path in files(folder)]
