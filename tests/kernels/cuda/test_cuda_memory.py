"""Whether the memory of the device stays what it is through a long training.
Every array that a step makes is to be gone after the next one."""

from __future__ import annotations

import importlib

import numpy as np

import minilstm as ml


def test_a_thousand_steps_leave_nothing_behind(cupy_backend):
    pool = importlib.import_module("cupy").get_default_memory_pool()
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 2)) for n in (4, 3, 3)]
    y = [np.where(a[:, 0] > 0, "up", "down") for a in x]
    layers = [ml.SequenceInput(2), ml.LSTM(3), ml.Dropout(0.3), ml.BiLSTM(2)]
    layers += [ml.FullyConnected(2), ml.Softmax()]
    used = []
    options = ml.TrainingOptions(
        max_epochs=500,
        mini_batch_size=2,
        gradient_threshold=1,
        verbose=False,
        execution_environment="gpu",
        output_fcn=lambda told: used.append(pool.used_bytes()),
    )
    _, info = ml.train(x, y, layers, options=options)
    assert info.history["iteration"][-1] == 1000
    # First of all the start is told, last the end; the tables of both batches stay.
    assert len(used) == 1002 and len(set(used[2:-1])) == 1
