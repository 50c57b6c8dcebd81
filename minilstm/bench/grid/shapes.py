"""The shapes of the grid: the batches that people train and predict with, from short to long.
A shape says its sizes, makes its network and its data, and counts its multiply-adds.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minilstm.bench.turns import Array
from minilstm.bench.works import random_sequences, vowel_batches
from minilstm.checks import did_you_mean
from minilstm.functional.ragged import IntArray
from minilstm.layers import LSTM, BiLSTM, FullyConnected, SequenceInput, Softmax
from minilstm.layers.recurrent import Recurrent
from minilstm.network.network import Network

Batch = tuple[list[Array], list[IntArray]]  # sequences (T_b, D); their classes, (T_b,) or (1,)


class Shape(NamedTuple):
    """Sizes of a network and of its mini-batches."""

    name: str  # for --shapes
    B: int
    T: int  # 0: the lengths are those of recordings, which differ
    D: int
    H: int
    C: int
    output_mode: str  # a class for every step, "sequence", or for the "last" alone
    layers: int = 1
    both_ways: bool = False  # a BiLSTM


SHAPES = (
    Shape("activity", 6, 0, 3, 200, 5, "sequence"),
    Shape("vowels", 27, 0, 12, 100, 9, "last"),
    Shape("64x128x9x64", 64, 128, 9, 64, 6, "last"),
    Shape("64x100x9x128", 64, 100, 9, 128, 6, "last"),
    Shape("32x500x6x100", 32, 500, 6, 100, 8, "sequence"),
    Shape("256x100x9x128", 256, 100, 9, 128, 6, "last"),
    Shape("128x50x1x32", 128, 50, 1, 32, 2, "last"),
    Shape("1x4096x3x200", 1, 4096, 3, 200, 5, "sequence"),
    Shape("6x4096x3x200", 6, 4096, 3, 200, 5, "sequence"),
    Shape("two-layers", 64, 100, 9, 128, 6, "last", layers=2),
    Shape("bilstm", 32, 200, 6, 100, 8, "sequence", both_ways=True),
)


def find_shapes(names: Sequence[str]) -> list[Shape]:
    """The shapes of these names, in the order of the grid; no names mean all.

    Raises ValueError for a name that no shape has.
    """
    known = [shape.name for shape in SHAPES]
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            raise ValueError(f"--shapes has {name!r}; choose from {', '.join(known)}{near}.")
    return [shape for shape in SHAPES if not names or shape.name in names]


def make_network(shape: Shape) -> Network:
    """Its network, with fixed first values.

    Biases are not zero, as they are in no trained network: else states die out over padded steps,
    and the engines that compute those are slowed down by numbers too small for their units.
    """
    modes = ["sequence"] * (shape.layers - 1) + [shape.output_mode]
    kind = BiLSTM if shape.both_ways else LSTM
    inner = [kind(shape.H, output_mode=m, bias_initializer="narrow-normal") for m in modes]
    layers = [SequenceInput(shape.D), *inner, FullyConnected(shape.C), Softmax()]
    return Network(layers, classes=np.arange(shape.C), rng=np.random.default_rng(0))


def make_batches(shape: Shape, scale: float) -> list[Batch]:
    """Its mini-batches; the lengths of the activity recordings are scaled."""
    if shape.name == "activity":
        return [random_sequences(scale)]
    if shape.name == "vowels":
        return vowel_batches()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((shape.B, shape.T, shape.D)).astype(np.float32)
    steps = 1 if shape.output_mode == "last" else shape.T
    return [(list(x), list(rng.integers(0, shape.C, (shape.B, steps))))]


def describe_shape(shape: Shape, batches: Sequence[Batch]) -> str:
    """Its sizes in words: B, T, D, H, C, output.

    Examples
    --------
    >>> shape = SHAPES[-1]
    >>> describe_shape(shape, make_batches(shape, 1.0))
    '32, 200, 6, 100 both ways, 8, sequence'
    """
    lengths = [len(a) for x, _ in batches for a in x]
    least, most = min(lengths), max(lengths)
    batch = f"{shape.B}" if least == most else f"{shape.B} ragged"
    time = f"{most}" if least == most else f"{least}-{most}"
    hidden = f"{shape.layers} x {shape.H}" if shape.layers > 1 else f"{shape.H}"
    ways = " both ways" if shape.both_ways else ""
    return f"{batch}, {time}, {shape.D}, {hidden}{ways}, {shape.C}, {shape.output_mode}"


def forward_flops(net: Network, batches: Sequence[Batch]) -> int:
    """Floating-point operations of all LSTM layers over all real steps: 2 x 4H (H + D) each."""
    rows = sum(len(a) for x, _ in batches for a in x)
    return (
        2
        * rows
        * sum(
            net.parameters[f"{layer.name}/{weights}"].size
            for layer in net.layers
            if isinstance(layer, Recurrent)
            for weights in ("input_weights", "recurrent_weights")
        )
    )
