"""Model files: what today's and earlier files predict, and the bytes that saving writes.
The file `model_v2.safetensors` was saved with the first record, and is never written again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

import minilstm as ml

from .digests import bits, sha

HERE = Path(__file__).resolve().parent
VERSION_1 = HERE.parent / "golden" / "model_v1.safetensors"
VERSION_2 = HERE / "model_v2.safetensors"
#: what a file says of the machine and the release that wrote it
OF_ITS_WRITER = ("format_version", "minilstm_version", "sha256")
SCORES = "self_test/scores"  # rounded as the machine that saves rounds


def fixed_network() -> ml.Network:
    """A network with most kinds of layers, options and a state; its values come from a formula."""
    chain = [
        ml.SequenceInput([4, 4, 1], "zscore", mean=0.5, standard_deviation=2.0, name="clip"),
        ml.SequenceFolding(name="fold"),
        ml.Convolution2D(3, 2, stride=2, padding="same", weights_l2_factor=0.5),
        ml.BatchNormalization(),
        ml.ReLU(),
        ml.SequenceUnfolding(name="unfold"),
        ml.Flatten(),
        ml.BiLSTM(2),
        ml.Dropout(0.25),
        ml.LSTM(
            3, output_mode="last", state_activation_function="softsign", bias_l2_factor=0.25,
            hidden_state=np.array([0.5, -0.25, 0.125]), name="memory",
        ),
        ml.FullyConnected(2, bias_learn_rate_factor=2.0),
        ml.Softmax(),
        ml.ClassificationOutput(),
    ]  # fmt: skip
    graph = ml.LayerGraph(chain).connect("fold/mini_batch_size", "unfold/mini_batch_size")
    net = ml.Network(graph, rng=np.random.default_rng(0), classes=["left", "right"])
    values = {
        k: ((7 * np.arange(p.size) % 16 - 7.5) / 16).reshape(p.shape)
        for k, p in net.parameters.items()
    }
    kept = {k: (1 + np.arange(s.size) / 4).reshape(s.shape) for k, s in net.statistics.items()}
    return net.replace(parameters=values, statistics=kept)


def clip(net: ml.Network) -> Any:
    """Nine time steps for a network, from a formula."""
    size = net.input_size
    shape = (9, size) if isinstance(size, int) else (9, *size)
    return (np.arange(np.prod(shape)) * 5 % 17 / 8 - 1).reshape(shape)


def contents(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and metadata of a model file, read without minilstm."""
    with safe_open(path, framework="numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return arrays, json.loads(file.metadata()["minilstm"])


def metadata(path: Path) -> dict[str, Any]:
    return {k: v for k, v in contents(path)[1].items() if k not in OF_ITS_WRITER}


def predictions() -> dict[str, Any]:
    """What the networks of the two files put out."""
    found = {}
    for path in (VERSION_1, VERSION_2):
        net = ml.load(path)
        found[path.stem] = net.predict(clip(net))
    return found


def saved(folder: Path) -> dict[str, Any]:
    """What saving the fixed network writes: hashes of the arrays, metadata, and of all bytes."""
    path = fixed_network().save(folder / "fixed.safetensors")
    arrays, _ = contents(path)
    kept = {k: a for k, a in arrays.items() if not k.startswith(SCORES)}
    return {
        "metadata": metadata(path),
        "arrays": bits(kept),
        "file": sha(path.read_bytes()),
        "loaded and saved again": sha(
            ml.load(VERSION_2).save(folder / "again.safetensors").read_bytes()
        ),
    }
