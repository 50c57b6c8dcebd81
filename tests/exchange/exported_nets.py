"""Networks that are exported in several tests, and whether a kind of file can be run here.
Every operation of a step stands in one of them."""

import shutil

import numpy as np
import pytest

import minilstm as ml

ON_NODE = (".js", ".html", ".wasm")


def net_of(*layers, seed=3, **options):
    return ml.Network(list(layers), rng=np.random.default_rng(seed), **options)


def plain(H=8, **options):
    layers = [ml.SequenceInput(3), ml.LSTM(H), ml.FullyConnected(4), ml.Softmax()]
    return net_of(*layers, **options)


def deep():
    """Every kind of operation of a chain that steps."""
    far = {"mean": [1.0, 2.0, 1000.0], "standard_deviation": [1.0, 2.0, 3.0]}
    start = {"hidden_state": np.full(6, 0.25), "cell_state": np.full(6, -0.5)}
    net = net_of(
        ml.SequenceInput(3, "zscore", **far), ml.LSTM(6, **start),
        ml.LSTM(6, state_activation_function="softsign", gate_activation_function="hard-sigmoid"),
        ml.BatchNormalization(), ml.ReLU(), ml.FullyConnected(6), ml.FullyConnected(4),
        ml.Sigmoid(), ml.RegressionOutput(),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    moved = {k: rng.uniform(0.5, 1.5, a.shape) for k, a in net.statistics.items()}
    values = {k: a + 0.1 * rng.standard_normal(a.shape) for k, a in net.parameters.items()}
    values["bn/offset"] = values["bn/offset"] + 1  # a ReLU that lets nothing through hides mistakes
    return net.replace(statistics=moved, parameters=values)


def both_ways(mode="last"):
    return net_of(ml.SequenceInput(3), ml.BiLSTM(5, output_mode=mode), ml.FullyConnected(4))


def sized(net, size):
    """The network with a last layer whose numbers are about so large."""
    layers = [a for a in net.layers if not isinstance(a, ml.RegressionOutput)]
    longer = net_of(*layers, ml.FullyConnected(2, name="sized"), ml.RegressionOutput())
    last = {k: size * a for k, a in longer.parameters.items() if k.startswith("sized/")}
    return longer.replace(parameters={**net.parameters, **last}, statistics=net.statistics)


def can_run(kind):
    """Whether what runs such a file is installed."""
    tool = "gcc" if kind == ".c" else "node" if kind in ON_NODE else None
    if tool is not None and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    if kind == ".wasm" and not any(shutil.which(f"clang-{n}") for n in range(14, 24)):
        pytest.skip("clang is not installed")
