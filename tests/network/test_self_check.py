"""The self-test of model files on machines that round in another way, and on code that is wrong.
Another machine is a process whose OpenBLAS was told to take the kernels of another processor."""

import os
import subprocess
import sys

import numpy as np
import pytest
from builders import draw

import minilstm as ml
from minilstm.checks import machine_memory
from minilstm.functional import activations
from minilstm.network.self_check import draw_inputs

pytestmark = pytest.mark.usefixtures("on_numpy")

SCALES = (1, 3, 10, 30, 100)
LOAD_ALL = """
import pathlib, sys
import minilstm as ml
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    ml.load(path)
    print(path.name)
"""


def random_networks(seeds, scales):
    """Recurrent layers of 8 to 64 units; a scale of 30 makes most of them chaotic."""
    for seed in seeds:
        H, mode = (8, 24, 48, 64)[seed % 4], ("sequence", "last")[seed % 2]
        below = [ml.LSTM(H)] if seed % 3 == 0 else []
        layers = [ml.SequenceInput(3), *below, ml.LSTM(H, mode), ml.FullyConnected(5), ml.Softmax()]
        dtype = ("float32", "float64")[seed // 4 % 2]
        net = ml.Network(layers, rng=np.random.default_rng(seed), dtype=dtype)
        for scale in scales:
            yield net.replace(parameters={k: scale * v for k, v in net.parameters.items()})


def trained_network(rate):
    x = [draw(30, 3, seed=n) for n in range(8)]
    layers = [ml.SequenceInput(3), ml.LSTM(32), ml.FullyConnected(2), ml.Softmax()]
    options = ml.TrainingOptions("adam", max_epochs=20, initial_learn_rate=rate, verbose=False)
    return ml.train(x, [(a[:, 0] > 0) * 1 for a in x], layers, options=options)[0]


def test_no_intact_file_is_refused_where_numpy_rounds_in_another_way(tmp_path):
    trained = [trained_network(rate) for rate in (0.1, 0.3, 1.0, 3.0)]
    networks = [*random_networks(range(24), SCALES), *trained]
    for n, net in enumerate(networks):
        net.save(tmp_path / f"{n:03}.safetensors")
    for processor in ("Prescott", "Haswell", "Sandybridge"):
        done = subprocess.run(
            [sys.executable, "-c", LOAD_ALL, tmp_path],
            env={**os.environ, "OPENBLAS_CORETYPE": processor},
            capture_output=True,
            text=True,
        )
        assert len(done.stdout.split()) == len(networks), (processor, done.stderr)


def with_sigmoid_times(monkeypatch, factor):
    usual = activations.GATE_ACTIVATIONS["sigmoid"]
    changed = usual._replace(forward=lambda z: usual.forward(z) * z.dtype.type(factor))
    monkeypatch.setitem(activations.GATE_ACTIVATIONS, "sigmoid", changed)


@pytest.mark.parametrize("factor", [1.05, 1.005])
def test_a_real_change_is_noticed_in_networks_that_are_not_chaotic(tmp_path, monkeypatch, factor):
    networks = random_networks(range(12), SCALES[:2])
    paths = [net.save(tmp_path / f"{n}") for n, net in enumerate(networks)]
    with_sigmoid_times(monkeypatch, factor)
    for path in paths:
        with pytest.raises(ml.ModelFileError, match="fails its self-test"):
            ml.load(path)
        ml.load(path, self_test=False)


def test_scores_of_nan_fail_the_self_test(tmp_path, monkeypatch):
    path = next(random_networks([0], [1])).save(tmp_path / "model.safetensors")
    with_sigmoid_times(monkeypatch, np.nan)
    reason = "fails its self-test: it gives scores that are NaN or infinite though the file is"
    with pytest.raises(ml.ModelFileError, match=reason):
        ml.load(path)


def test_the_inputs_of_the_self_test_are_such_as_the_network_has_learned_from():
    given = {"mean": [1e3, 0.0], "standard_deviation": [10.0, 0.1]}
    layers = [ml.SequenceInput(2, "zscore", **given), ml.LSTM(1)]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    [x] = draw_inputs(net)
    plain = np.random.default_rng(0).standard_normal((16, 2))
    np.testing.assert_allclose(x, plain * [10.0, 0.1] + [1e3, 0.0], rtol=1e-12)


def test_the_memory_of_the_machine_is_known_or_taken_for_endless(monkeypatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 4096}.get)
    assert machine_memory() == 3 * 4096
    monkeypatch.delattr(os, "sysconf")
    assert machine_memory() == 2**50
