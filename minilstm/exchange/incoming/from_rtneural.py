"""A network from RTNeural's JSON or from a .nam file, as audio programs keep their models.
Both run one step at a time; RTNeural has the gates and the matrices of Keras.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minilstm.checks import shown
from minilstm.exchange.incoming.formats.bounds import Array, Refused, file_bytes, plain_json, told
from minilstm.exchange.incoming.formats.json_files import nam_arrays, rtneural_arrays
from minilstm.exchange.incoming.from_pytorch import assembled, labelled
from minilstm.layers import LSTM, FullyConnected, Layer, ReLU, SequenceInput, Sigmoid, Softmax
from minilstm.network.network import Network

_FUNCTIONS: dict[Any, type[Layer] | None] = {
    "": None, "relu": ReLU, "sigmoid": Sigmoid, "softmax": Softmax,
}  # fmt: skip
_DENSE = ("dense", "time-distributed-dense")


def from_rtneural(
    path: str | os.PathLike[str], *, classes: ArrayLike | None = None, dtype: Any = "float32"
) -> Network:
    """A network from a file of RTNeural, or from a .nam of an LSTM.

    Parameters
    ----------
    path : .json with layers "lstm", "dense", "time-distributed-dense" and "activation" of the
        functions relu, sigmoid and softmax; or .nam with the architecture LSTM, whose states at the
        start are kept
    classes : (C,) labels in the order of the scores, or None
    dtype : "float32" or "float64"

    Raises
    ------
    ValueError
        The classes are not as many as the scores, or dtype is another.
    ModelFileError
        The file is damaged, or has a layer, a function or an array that minilstm has not; the
        sentence names it.
    """
    if dtype not in ("float32", "float64", np.float32, np.float64):
        raise ValueError(f"dtype is {shown(dtype)}; give 'float32' or 'float64'.")
    found, data = file_bytes(path)
    with told(found):
        net = network_of(data, dtype)
    return labelled(net, classes)


def network_of(data: bytes, dtype: Any) -> Network:
    """The network of a file's bytes; what is wrong with them is raised as it comes."""
    plain = plain_json(data)
    return assembled(_nam(plain) if "architecture" in plain else _rtneural(plain), dtype)


def _nam(plain: Any) -> list[Layer]:
    arrays = nam_arrays(plain)
    layers: list[dict[str, Any]] = [{} for _ in range(plain["config"]["num_layers"])]
    for key, array in arrays.items():
        if key.startswith("layers."):
            _, k, name = key.split(".")
            layers[int(k)][name] = array
    H, head = plain["config"]["hidden_size"], (arrays["head.weights"], arrays["head.bias"])
    cells = [LSTM(H, **layer) for layer in layers]
    dense = FullyConnected(1, weights=head[0], bias=head[1])
    return [SequenceInput(plain["config"]["input_size"]), *cells, dense]


def _rtneural(plain: Any) -> list[Layer]:
    pool = rtneural_arrays(plain)
    chain: list[Layer] = []
    width = None
    for k, layer in enumerate(plain["layers"]):
        kind, function = layer["type"], layer.get("activation", "")
        arrays = [pool[f"layers.{k}.weights.{j}"] for j in range(len(layer["weights"]))]
        what = f"layer {k} ({str(kind)[:40]})"
        if kind == "activation" and not arrays:
            pass
        elif kind == "lstm":
            W, R, bias = _fitting(arrays, 3, what)
            if function not in ("", "tanh"):  # RTNeural does not read it, but trained with it
                raise Refused(f"has {what} with {str(function)[:40]!r}; only tanh is imported.")
            H, function = len(R), ""
            chain.append(LSTM(H, input_weights=W.T, recurrent_weights=R.T, bias=bias))
            width = len(W) if width is None else width
        elif kind in _DENSE:
            W, bias = _fitting(arrays, 2, what)
            chain.append(FullyConnected(len(bias), weights=W.T, bias=bias))
            width = len(W) if width is None else width
        else:
            raise Refused(f"has {what}, which minilstm has not; train the network without it.")
        told = layer.get("shape", [None])[-1:]
        if arrays and told not in ([None], [len(bias) // (4 if kind == "lstm" else 1)]):
            raise Refused(f"has {what} of shape {told} beside other arrays; write it again.")
        if not isinstance(function, str) or function not in _FUNCTIONS:
            raise Refused(
                f"has {what} with the function {str(function)[:40]!r}, which minilstm has not; use "
                "relu, sigmoid or softmax."
            )
        made = _FUNCTIONS[function]
        chain += [] if made is None else [made()]
    if plain.get("in_shape", [width])[-1:] not in ([width], [None]):
        raise Refused(f"has in_shape {plain['in_shape']} beside {width} inputs; write it again.")
    if width is None:
        raise Refused("has no layer with weights; save the whole trained model.")
    return [SequenceInput(width), *chain]


def _fitting(arrays: list[Array], count: int, what: str) -> list[Array]:
    """Matrices, and a bias as long as they are wide; one bias only, which others add at once."""
    if len(arrays) != count or [a.ndim for a in arrays] != [2] * (count - 1) + [1]:
        shapes = ", ".join(str(np.shape(a)) for a in arrays)
        raise Refused(f"has {what} with arrays of shapes {shapes or 'none'}; write it again.")
    return arrays
