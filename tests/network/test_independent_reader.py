"""A reader of model files that was written from docs/model-file.md, and shares nothing with ours.
It finds the scores that minilstm gives, so the page is enough to port from."""

import json
import math
import re
import struct
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml

PAGE = Path(__file__).parents[2] / "docs" / "model-file.md"
KINDS = {"F64": "<f8", "F32": "<f4"}
STATES = {
    "tanh": np.tanh,
    "softsign": lambda z: z / (1 + abs(z)),
    "relu": lambda z: np.maximum(z, 0),
}
GATES = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "hard-sigmoid": lambda z: np.clip(0.2 * z + 0.5, 0, 1),
}


def read(path):
    """The description of a file, and its arrays."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    about = json.loads(header.pop("__metadata__")["minilstm"])
    arrays = {}
    for name, told in header.items():
        start, end = (8 + size + n for n in told["data_offsets"])
        flat = np.frombuffer(data[start:end], KINDS[told["dtype"]])
        arrays[name] = flat.reshape(told["shape"]).astype(np.float64)
    return about, arrays


def run(about, arrays, x):
    """Scores of a sequence."""
    made = {}
    for layer in about["layers"]:
        name = layer["name"]
        ends = [(to, source) for source, to in about["connections"] if to.split("/")[0] == name]
        given = [made[source.split("/")[0]] for _, source in sorted(ends)] or [x]
        prefix = f"{name}/"
        p = {
            k.split("/")[-1]: a
            for k, a in arrays.items()
            if k.removeprefix("statistics/").startswith(prefix)
        }
        made[name] = compute(layer, p, given)
    return made[about["layers"][-1]["name"]]


def compute(layer, p, given):
    kind, x = layer["kind"], given[0]
    if kind == "sequence_input":
        return normalized(layer["normalization"], p, x)
    if kind in ("lstm", "bilstm"):
        return recurrent(layer, p, x)
    if kind == "flatten" or (kind == "fully_connected" and x.ndim > 2):
        x = np.stack([row.ravel(order="F") for row in x])
    if kind == "fully_connected":
        return x @ p["weights"].T + p["bias"]
    if kind == "batch_normalization":
        spread = np.sqrt(p["trained_variance"] + layer["epsilon"])
        return (x - p["trained_mean"]) / spread * p["scale"] + p["offset"]
    if kind == "convolution_2d":
        return np.stack([convolution(layer, p, image) for image in x])
    if kind == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    simple = {"relu": STATES["relu"], "sigmoid": GATES["sigmoid"]}
    if kind == "addition":
        return sum(given)
    return (
        np.concatenate(given, -1) if kind == "concatenation" else simple.get(kind, lambda a: a)(x)
    )


def normalized(kind, p, x):
    if kind in ("none", "zerocenter"):
        return x - p.get("mean", 0)
    shift = p["mean"] if kind == "zscore" else p["min"]
    by = p["standard_deviation"] if kind == "zscore" else p["max"] - p["min"]
    by = by / 2 if kind == "rescale-symmetric" else by
    y = (x - shift) / np.where(by == 0, 1, by)
    return y - (by != 0) if kind == "rescale-symmetric" else y


def recurrent(layer, p, x):
    H, out = layer["num_hidden_units"], []
    for d in range(2 if layer["kind"] == "bilstm" else 1):
        W, R, b = (
            p[k][4 * H * d : 4 * H * (d + 1)]
            for k in ("input_weights", "recurrent_weights", "bias")
        )
        h, c = (
            np.zeros(H) if layer[s] is None else np.array(layer[s])[H * d : H * (d + 1)]
            for s in ("hidden_state", "cell_state")
        )
        gate, state = (
            GATES[layer["gate_activation_function"]],
            STATES[layer["state_activation_function"]],
        )
        rows = []
        for row in x[::-1] if d else x:
            i, f, g, o = np.split(W @ row + R @ h + b, 4)
            c = gate(f) * c + gate(i) * state(g)
            h = gate(o) * state(c)
            rows.append(h)
        out.append(rows[-1:] if layer["output_mode"] == "last" else rows[::-1] if d else rows)
    return np.concatenate(out, axis=1)


def convolution(layer, p, image):
    size, stride, apart, pads = (layer[k] for k in ("filter_size", "stride", "dilation", "padding"))
    if pads == "same":
        reach = [(f - 1) * a + 1 for f, a in zip(size, apart, strict=True)]
        whole = [max((math.ceil(n / s) - 1) * s + r - n, 0)
                 for n, s, r in zip(image.shape, stride, reach, strict=False)]  # fmt: skip
        pads = [[n // 2, n - n // 2] for n in whole]
    image = np.pad(image, [*pads, [0, 0]])
    (h, w), (sh, sw), (ah, aw) = size, stride, apart
    tall, wide = (h - 1) * ah + 1, (w - 1) * aw + 1  # what a filter reaches over
    under = [
        [
            image[i : i + tall : ah, j : j + wide : aw]
            for j in range(0, image.shape[1] - wide + 1, sw)
        ]
        for i in range(0, image.shape[0] - tall + 1, sh)
    ]  # (oh, ow) pieces (fh, fw, c)
    return np.einsum("yxijc,ijcf->yxf", np.array(under), p["weights"]) + p["bias"]


# ---------------------------------------------------------------- what it is compared with


def graph():
    a, b = ml.LSTM(3, name="a"), ml.ReLU(name="b")
    g = ml.LayerGraph([ml.SequenceInput(4), a, ml.FullyConnected(3, name="f"), b])
    g.add(ml.Addition(2, name="sum")).connect("a", "sum/in1")
    g.connect("b", "sum/in2").add(ml.Concatenation(name="join")).connect("sum", "join/in1")
    return g.connect("a", "join/in2")


LAST = {"output_mode": "last"}
ODD = {"state_activation_function": "softsign", "gate_activation_function": "hard-sigmoid"}
NETS = {
    "plain": [ml.SequenceInput(4), ml.LSTM(5), ml.FullyConnected(3), ml.Softmax()],
    "deep": [ml.SequenceInput(4, "zscore", mean=[1.0, 2, 3, 4], standard_deviation=[1.0, 2, 0, 3]),
             ml.LSTM(5, hidden_state=np.arange(5) / 5, **ODD), ml.Dropout(0.1), ml.ReLU(),
             ml.BatchNormalization(epsilon=0.1), ml.LSTM(4, state_activation_function="relu"),
             ml.FullyConnected(3), ml.Sigmoid()],
    "both ways": [ml.SequenceInput(4, "rescale-symmetric", min=[-1.0, 0, 1, 2], max=[1.0, 0, 4, 3]),
                  ml.BiLSTM(5, cell_state=np.arange(10) / 5), ml.BiLSTM(3, **LAST),
                  ml.FullyConnected(3)],
    "zero to one": [ml.SequenceInput(4, "rescale-zero-one", min=[-1.0, 0, 1, 2],
                    max=[1.0, 0, 4, 3]), ml.LSTM(5, **LAST), ml.FullyConnected(3), ml.Softmax()],
    "images": [ml.SequenceInput([6, 5, 2], "zerocenter", mean=np.ones((6, 5, 2))),
               ml.Convolution2D([3, 2], 4, stride=2, padding="same"),
               ml.Convolution2D(2, 3, padding=1, dilation=2), ml.Flatten(), ml.LSTM(3),
               ml.FullyConnected(2)],
    "a graph": graph,
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_the_reader_finds_the_scores(name, tmp_path):
    rng = np.random.default_rng(4)
    made = NETS[name]() if callable(NETS[name]) else NETS[name]
    net = ml.Network(made, rng=rng, dtype="float64")
    moved = {k: rng.uniform(0.5, 1.5, a.shape) for k, a in net.statistics.items()}
    net = net.replace(statistics=moved)
    net.save(tmp_path / "m.safetensors")
    about, arrays = read(tmp_path / "m.safetensors")
    shape = [6, 5, 2] if name == "images" else [4]
    with ml.use_backend("numpy"):
        for T in (1, 9):
            x = rng.standard_normal((T, *shape))
            np.testing.assert_allclose(
                run(about, arrays, x), np.atleast_2d(net.predict(x)), atol=1e-12
            )
    found = run(about, arrays, arrays["self_test/input"])
    np.testing.assert_allclose(found, arrays["self_test/scores"], atol=1e-12)


def test_the_worked_numbers_of_the_page():
    block = re.findall(r"^    (-?\d[-\d. ]+)$", PAGE.read_text("utf-8"), re.MULTILINE)[0]
    lstm = {"kind": "lstm", "name": "l", "num_hidden_units": 1, "hidden_state": None,
            "cell_state": None, "output_mode": "sequence", "gate_activation_function": "sigmoid",
            "state_activation_function": "tanh"}  # fmt: skip
    p = {"input_weights": [[0.5], [-0.25], [1], [0.75]], "bias": [0, 1, 0, -0.5],
         "recurrent_weights": [[0.1], [0.2], [0.3], [0.4]]}  # fmt: skip
    h = recurrent(lstm, {k: np.array(a) for k, a in p.items()}, np.array([[1.0], [-2.0], [0.5]]))
    np.testing.assert_allclose(2 * h[:, 0] - 0.1, [float(n) for n in block.split()], atol=1e-8)
