"""What a written file computes, read from its own bytes: a state dict, or RTNeural's JSON.
It follows the format's own rules, not the writer's, so a slip of the writer shows.

PyTorch keeps matrices as (4H, D), gates in blocks i, f, g, o and two biases; Keras, whose layout
RTNeural has, keeps (D, 4H), gates in blocks i, f, c, o and one bias. Both mean
c' = f c + i g and h' = o tanh(c'). Axes: T steps, D inputs, H hidden units.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.incoming.formats.safetensors import read_safetensors
from minilstm.exchange.step.program import PASSING
from minilstm.layers import LSTM, BatchNormalization, BiLSTM, FullyConnected, SequenceInput
from minilstm.network.network import Network

Array = NDArray[Any]


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), through tanh, which never overflows."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def softmax(x: Array) -> Array:
    """Shares of each row."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid, "softmax": softmax, "tanh": np.tanh, "relu": lambda x: np.maximum(x, 0),
}  # fmt: skip


def run_rtneural(content: bytes, sequences: Sequence[Array]) -> Any:
    """What RTNeural computes from a file, step by step from a reset; returns as `run_c` does."""
    plain = json.loads(content)
    layers, answers = plain["layers"], []
    for x in sequences:
        assert plain["in_shape"] == [None, None, x.shape[1]], plain["in_shape"]
        rows = np.asarray(x, np.float64)
        for layer in layers:
            w = [np.array(a, np.float64) for a in layer["weights"]]
            if layer["type"] == "lstm":
                rows = lstm(rows, w[0], w[1], w[2])
            elif layer["type"] == "dense":
                rows = rows @ w[0] + w[1]
            else:
                assert layer["type"] == "activation", layer["type"]
            if layer["type"] != "lstm" and layer["activation"]:
                rows = _FUNCTIONS[layer["activation"]](rows)
            assert rows.shape[1] == layer["shape"][-1]
        answers.append(rows.astype(np.float32))
    return "NumPy, from the file", 0.0, answers


def lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """Hidden states (T, H) of Keras' LSTM: kernel (D, 4H), recurrent (H, 4H), bias (4H,)."""
    H = recurrent.shape[0]
    h, c, out = np.zeros(H), np.zeros(H), []
    for row in x:
        i, f, g, o = np.split(row @ kernel + h @ recurrent + bias, 4)  # (H,) each
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def run_state_dict(content: bytes, net: Network, sequences: Sequence[Array]) -> Any:
    """What PyTorch's modules compute with a file's arrays; returns as `run_c` does.

    The file holds no structure, so the order of the layers is the network's.
    """
    arrays = {k: a.astype(np.float64) for k, a in read_safetensors(content)[0].items()}
    answers, used = [], set()
    for x in sequences:
        rows = np.asarray(x, np.float64)
        for layer in net.layers:
            p = {k: a for k, a in arrays.items() if k.startswith(f"{layer.name}.")}
            used |= set(p)
            rows = _module(layer, {k[len(layer.name) + 1 :]: a for k, a in p.items()}, rows)
        answers.append(rows.astype(np.float32))
    left = sorted(set(arrays) - used)
    assert not left, f"the state dict holds {left}, which no layer reads"
    return "NumPy, from the file", 0.0, answers


def _module(layer: Any, p: dict[str, Array], rows: Array) -> Array:
    """The PyTorch module that takes a layer's place."""
    if isinstance(layer, (LSTM, BiLSTM)):
        parts = []
        for suffix in ("", "_reverse")[: layer.directions]:
            names = [f"{n}_l0{suffix}" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            W, R, b, more = (p[n] for n in names)
            turned = lstm(rows[::-1] if suffix else rows, W.T, R.T, b + more)
            # Each direction's own last state, where one row is asked for.
            parts.append(turned[-1:] if layer.keeps_last else turned[::-1] if suffix else turned)
        return np.concatenate(parts, axis=1)
    if isinstance(layer, FullyConnected):
        return rows @ p["weight"].T + p["bias"]
    if isinstance(layer, BatchNormalization):
        spread = np.sqrt(p["running_var"] + layer.epsilon)
        return (rows - p["running_mean"]) / spread * p["weight"] + p["bias"]
    same = isinstance(layer, (SequenceInput, *PASSING))
    return rows if same else _FUNCTIONS[layer.kind](rows)
