"""Drawn networks go out as ONNX and come in again: the same layers and bits, whatever they are.
Each file proves itself on its way out, in ONNX Runtime where it is installed.
"""

import json

import campaigns
import numpy as np
import pytest

import minilstm as ml
from minilstm.exchange.incoming.from_onnx import learned

NAMES = ["", "scores", "x", "h0", "Add_12", "v1_0", "one", "a.b", "lstm.W", "W", "日本", "hn_1",
         "sequence_lens", "MatMul_11", "a\nb", 'say "w"', "axis_0", "lstm.LSTM"]  # fmt: skip
INPUTS = {
    "none": (), "zscore": ("mean", "standard_deviation"), "zerocenter": ("mean",),
    "rescale-symmetric": ("min", "max"), "rescale-zero-one": ("min", "max"),
}  # fmt: skip


def drawn_net(rng):
    """A chain of layers that an ONNX file can hold, of any options, names and sizes of weights."""
    names = list(rng.permutation(NAMES))
    D, chain, last = int(rng.integers(1, 5)), [], False

    def some(n, scale=1.0):
        return None if rng.random() < 0.6 else scale * rng.standard_normal(n)

    kind = str(rng.choice(list(INPUTS)))
    middle, spread = (
        rng.standard_normal(D) * 10.0 ** rng.integers(-3, 4),
        10.0 ** rng.integers(-3, 4),
    )
    values = {"mean": middle, "min": middle, "standard_deviation": spread * rng.uniform(0, 2, D),
              "max": middle + spread * rng.integers(0, 3, D)}  # fmt: skip
    features = [f'{k}"ä' for k in range(D)] if rng.random() < 0.3 else None
    chain.append(ml.SequenceInput(D, kind, **{k: values[k] for k in INPUTS[kind]},
                                  feature_names=features, name=names.pop()))  # fmt: skip
    for _ in range(rng.integers(1, 6)):
        which = rng.choice(["rnn", "rnn", "dense", "row", "norm", "drop"])
        H, name = int(rng.integers(1, 6)), names.pop()
        if which == "rnn" and not last:
            layer = [ml.LSTM, ml.BiLSTM][rng.integers(2)]
            n = H * (2 if layer is ml.BiLSTM else 1)
            last = rng.random() < 0.3
            chain.append(layer(
                H, "last" if last else "sequence", str(rng.choice(["tanh", "softsign", "relu"])),
                str(rng.choice(["sigmoid", "hard-sigmoid"])), hidden_state=some(n, 0.5),
                cell_state=some(n, 0.5), name=name,
            ))  # fmt: skip
        elif which == "row":
            chain.append([ml.ReLU, ml.Sigmoid][rng.integers(2)](name=name))
        elif which == "norm":
            chain.append(ml.BatchNormalization(10.0 ** -rng.integers(2, 6), name=name))
        elif which == "drop":
            chain.append(ml.Dropout(0.25, name=name))
        else:
            chain.append(ml.FullyConnected(H, name=name))
    C = int(rng.integers(2, 5))
    chain.append(ml.FullyConnected(C, name="end"))
    labels = rng.random() < 0.5
    if labels:
        chain.append(ml.Softmax(name=names.pop()))
    chain += [[ml.ClassificationOutput, ml.RegressionOutput][not labels]()][: rng.integers(2)]
    classes = [None, [f"c{k} ä" for k in range(C)], list(range(5, 5 + C))][rng.integers(3) * labels]
    net = ml.Network(chain, rng=rng, classes=classes, dtype=str(rng.choice(["float32", "float64"])))
    size = 10.0 ** rng.integers(-7, 6, C)  # each output has its own
    values = {k: a + 0.3 * rng.standard_normal(a.shape) for k, a in net.parameters.items()}
    if not labels:
        values |= {k: (a.T * size).T for k, a in values.items() if k.startswith("end/")}
    statistics = {k: a + rng.uniform(0, 1, a.shape) for k, a in net.statistics.items()}
    return net.replace(parameters=values, statistics=statistics)


@pytest.mark.campaign
def test_a_drawn_network_comes_back_as_it_went(tmp_path):
    onnx = pytest.importorskip("onnx")
    for case in range(campaigns.cases(500)):
        rng = np.random.default_rng(case)
        net = drawn_net(rng)
        path = tmp_path / "m.onnx"
        ml.export(net, path)
        onnx.checker.check_model(str(path), full_check=True)
        back, single = ml.from_onnx(path), net.replace(dtype="float32")
        assert json.dumps(learned(back)) == json.dumps(learned(single)), case
        for x in (np.float32(rng.standard_normal((t, net.input_size))) for t in (1, 9)):
            assert np.array_equal(back.predict(x), single.predict(x)), case
        ml.export(back, tmp_path / "n.onnx", check=False)
        ml.export(single, tmp_path / "o.onnx", check=False)
        assert (tmp_path / "n.onnx").read_bytes() == (tmp_path / "o.onnx").read_bytes(), case
