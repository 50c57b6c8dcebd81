"""The networks that `minilstm gradcheck` tries: small ones for every layer, and some larger ones.
Each layer stands alone between an input and a loss, so that a wrong gradient names it.

Sequences are ragged and one has a single step; sizes are odd, so that no two axes have one length
and no kernel meets only full tiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilstm import layers
from minilstm.network.graph.layer_graph import LayerGraph
from minilstm.network.network import Network
from minilstm.network.passes.heads import find_heads
from minilstm.proof.derivatives.problem import Array

LENGTHS = (5, 1, 3)
FEATURES = 3


Problem = tuple[Network, list[Array], Any]  # with sequences and answers, for `minilstm.gradcheck`


def _chain(*middle: Any, shape: Any = FEATURES) -> LayerGraph:
    return LayerGraph([layers.SequenceInput(shape, name="x"), *middle, layers.RegressionOutput()])


def _joined(join: Any) -> LayerGraph:
    graph = _chain(layers.Sigmoid(name="a"), join)
    return graph.connect("x", f"{join.name}/in2")


def _states_handed_on() -> LayerGraph:
    states = [
        layers.LSTM(3, name="a", has_state_outputs=True),
        layers.LSTM(3, name="b", has_state_inputs=True),
    ]
    graph = _chain(*states)
    return graph.connect("a/hidden", "b/hidden").connect("a/cell", "b/cell")


def _folded() -> LayerGraph:
    middle = [
        layers.SequenceFolding(name="fold"),
        layers.ReLU(),
        layers.SequenceUnfolding(name="unfold"),
        layers.Flatten(),
    ]
    graph = _chain(*middle, shape=(2, 3, 1))
    return graph.connect("fold/mini_batch_size", "unfold/mini_batch_size")


def _normalized(name: str, **statistics: Any) -> LayerGraph:
    return LayerGraph(
        [layers.SequenceInput(FEATURES, name, **statistics), layers.RegressionOutput()]
    )


def _classes(*middle: Any, **options: Any) -> LayerGraph:
    end = [layers.Softmax(), layers.ClassificationOutput(**options)]
    return LayerGraph([layers.SequenceInput(FEATURES), *middle, *end])


_MEAN, _DEVIATION = [0.5, -0.5, 0.1], [2.0, 0.5, 1.5]

#: networks by kind of the layer that they prove, each with a title
LAYERS: dict[str, dict[str, Callable[[], LayerGraph]]] = {
    "sequence_input": {
        "zscore": lambda: _normalized("zscore", mean=_MEAN, standard_deviation=_DEVIATION),
        "rescale": lambda: _normalized("rescale-symmetric", min=[-3] * 3, max=[2, 3, 4]),
    },
    "lstm": {
        "every step": lambda: _chain(layers.LSTM(5)),
        "last step": lambda: _chain(layers.LSTM(19, output_mode="last")),
        "softsign, hard sigmoid": lambda: _chain(
            layers.LSTM(4, "sequence", "softsign", "hard-sigmoid")
        ),
        "relu": lambda: _chain(layers.LSTM(3, state_activation_function="relu")),
        "states in and out": _states_handed_on,
    },
    "bilstm": {
        "every step": lambda: _chain(layers.BiLSTM(3)),
        "last step": lambda: _chain(layers.BiLSTM(5, output_mode="last")),
    },
    "fully_connected": {
        "vectors": lambda: _chain(layers.FullyConnected(7)),
        "images": lambda: _chain(layers.FullyConnected(2), shape=(2, 3, 2)),
    },
    "convolution_2d": {
        "padded, strided": lambda: _chain(
            layers.Convolution2D((2, 3), 3, stride=(1, 2), padding=1), layers.Flatten(),
            shape=(3, 4, 2),
        ),
        "dilated": lambda: _chain(
            layers.Convolution2D(2, 2, dilation=2, padding="same"), layers.Flatten(),
            shape=(4, 3, 1),
        ),
    },
    "convolution_3d": {
        "padded": lambda: _chain(
            layers.Convolution3D(2, 2, padding=1), layers.Flatten(), shape=(2, 3, 2, 2)
        ),
    },
    "batch_normalization": {
        "vectors": lambda: _chain(layers.BatchNormalization()),
        "images": lambda: _chain(layers.BatchNormalization(), layers.Flatten(), shape=(2, 2, 2)),
    },
    "dropout": {"in training": lambda: _chain(layers.Dropout(0.4))},
    "relu": {"vectors": lambda: _chain(layers.ReLU())},
    "sigmoid": {"vectors": lambda: _chain(layers.Sigmoid())},
    "softmax": {"vectors": lambda: _chain(layers.Softmax())},
    "flatten": {"images": lambda: _chain(layers.Flatten(), shape=(2, 3, 2))},
    "sequence_folding": {"images": _folded},
    "sequence_unfolding": {"images": _folded},
    "addition": {"two inputs": lambda: _joined(layers.Addition(2, name="both"))},
    "concatenation": {"two inputs": lambda: _joined(layers.Concatenation(2, name="both"))},
    "classification_output": {
        "after softmax": lambda: _classes(),
        "class weights": lambda: _classes(
            layers.FullyConnected(3), classes=[0, 1, 2], class_weights=[0.5, 2, 1]
        ),
    },
    "regression_output": {"vectors": lambda: _chain()},
}  # fmt: skip


def _before_softmax(*hidden: Any) -> LayerGraph:
    middle = [layers.SequenceInput(FEATURES, "zerocenter", _MEAN), *hidden]
    return LayerGraph([*middle, layers.FullyConnected(4), layers.Softmax()])


#: networks of several layers by title, with lengths of sequences and options of `gradcheck`; the
#: large one costs too much entry by entry
NETWORKS: dict[str, tuple[Callable[[], LayerGraph], tuple[int, ...], dict[str, Any]]] = {
    "sequence, ragged": (lambda: _before_softmax(layers.LSTM(7)), (9, 1, 4), {}),
    "last, ragged": (lambda: _before_softmax(layers.LSTM(6, output_mode="last")), (5, 8, 1), {}),
    "two LSTM layers": (lambda: _before_softmax(layers.LSTM(5), layers.LSTM(4)), (6, 3), {}),
    "200 units, 200 steps, along directions": (
        lambda: _before_softmax(layers.LSTM(200)), (200,), {"method": "directional"},
    ),
}  # fmt: skip


def problem(
    graph: LayerGraph, rng: np.random.Generator, lengths: tuple[int, ...] = LENGTHS
) -> Problem:
    """A network with one input and one output, with random learnables, sequences and answers."""
    net = Network(graph, dtype="float64", rng=rng)
    # At the start biases are 0 and gates alike; a check there could miss something.
    moved = {
        k: p + 0.3 * rng.standard_normal(p.shape) / math.sqrt(p.shape[-1] if p.ndim > 1 else 1)
        for k, p in net.parameters.items()
    }
    net = net.replace(parameters=moved)
    (head,) = find_heads(net.wiring, net.losses)
    x = [rng.standard_normal((T, *net.layers[0].output_shape(()))) for T in lengths]
    rows = lengths if head.steps else (1,) * len(lengths)
    if head.loss.kind == "classes":
        y = [rng.integers(0, head.columns, n) for n in rows]
        return net, x, y if head.steps else np.concatenate(y)
    targets = [rng.standard_normal((n, head.columns)) for n in rows]
    return net, x, targets if head.steps else np.concatenate(targets)
