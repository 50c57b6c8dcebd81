"""The words of the command import: the file, the layers of a state dict, and where the model goes.
Layers are written as short words, such as lstm:32,dense:5,softmax.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from minilstm.command_line import importing
from minilstm.command_line.words.values import path
from minilstm.layers import (
    LSTM,
    BatchNormalization,
    BiLSTM,
    Dropout,
    FullyConnected,
    Layer,
    ReLU,
    Sigmoid,
    Softmax,
)

_SIZED = {"lstm": LSTM, "bilstm": BiLSTM, "dense": FullyConnected}
_PLAIN: dict[str, Callable[[], Layer]] = {
    "relu": ReLU, "sigmoid": Sigmoid, "softmax": Softmax, "batchnorm": BatchNormalization,
    "dropout": partial(Dropout, 0.5),
}  # fmt: skip


def add_import(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    command = add(
        "import",
        parents=parents,
        help="a model of PyTorch, Keras, ONNX or RTNeural becomes a model file",
        description="Reads .pt, .pth and .safetensors (state dicts of PyTorch), .keras and .h5, "
        ".onnx, RTNeural's .json, and .nam, and runs no code of theirs. Of a state dict, LSTMs and "
        "one linear layer are recognised; for more, give --layers.",
    )
    command.add_argument("file", type=path, metavar="FILE")
    command.add_argument("--out", type=path, required=True, metavar="MODEL", help=".safetensors")
    command.add_argument(
        "--layers",
        type=layers,
        help="of a state dict: lstm:H, bilstm:H (lstm:H:last for its last step), dense:C, "
        "batchnorm, relu, sigmoid, softmax, dropout, such as lstm:32:last,dense:5,softmax",
    )
    command.add_argument("--prefix", help="of a state dict: names to take, such as encoder.")
    command.add_argument("--classes", type=words, help="labels in the order of the scores: a,b,c")
    command.set_defaults(run=importing.import_file)


def words(text: str) -> list[str]:
    """Words between commas."""
    return text.split(",")


def layers(text: str) -> list[Layer]:
    """Layers from their words.

    Examples
    --------
    >>> [layer.label for layer in layers("lstm:32:last,dense:5,softmax")]
    ['LSTM with 32 hidden units, last step only', '5 fully connected layer', 'Softmax']
    """
    return [_layer(word.strip().lower()) for word in text.split(",")]


def _layer(word: str) -> Layer:
    kind, *rest = word.split(":")
    if kind in _PLAIN and not rest:
        return _PLAIN[kind]()
    if kind in _SIZED and rest and rest[0].isdecimal() and 0 < int(rest[0]) < 2**31:
        if len(rest) == 1:
            return _SIZED[kind](int(rest[0]))
        if rest[1:] == ["last"] and kind != "dense":
            return _SIZED[kind](int(rest[0]), "last")
    raise argparse.ArgumentTypeError(
        f"{word!r} is no layer; write lstm:32, bilstm:32, lstm:32:last, dense:5, or one of "
        f"{', '.join(_PLAIN)}"
    )
