"""Layers of ours for nodes of an ONNX graph, from the arrays that the nodes read.
Gates go from ONNX's order i, o, f, c to ours by whole blocks, which changes no bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minilstm.exchange.incoming.formats.bounds import Array, Refused
from minilstm.exchange.incoming.formats.onnx_file import Node
from minilstm.exchange.incoming.onnx_evaluator import functions_of
from minilstm.layers import LSTM, BatchNormalization, BiLSTM, FullyConnected, Layer, SequenceInput

_NOTHING = 1e-30  # an epsilon that changes no variance of 1


def dense(node: Node, array: Sequence[Any]) -> FullyConnected:
    """A MatMul, or a Gemm with its bias."""
    o = node.options
    plain = o.get("alpha", 1.0) == o.get("beta", 1.0) == 1 and not o.get("transA")
    if array[1].ndim != 2 or not plain:
        raise Refused(f"has {node.title} in an unusual form; export it as MatMul and Add.")
    W = array[1] if o.get("transB") else array[1].T
    bias = array[2] if len(array) > 2 and array[2] is not None else np.zeros(1, W.dtype)
    return FullyConnected(len(W), weights=W, bias=np.broadcast_to(bias.reshape(-1), (len(W),)))


def recurrent(node: Node, array: Sequence[Any]) -> Layer:
    """An LSTM; gates go from blocks i, o, f, c to i, f, g, o."""
    W, R, both, lengths, *states = [*array[1:], *[None] * 7][:6]
    if lengths is not None and (lengths != array[0].shape[bool(node.options.get("layout"))]).any():
        raise Refused(f"has {node.title} with lengths of its own; export it without.")
    n, H = len(W), R.shape[2]
    both = np.zeros((n, 8 * H), W.dtype) if both is None else both

    def rows(a: Array) -> Array:
        i, o, f, c = np.split(a, 4, axis=1)
        return np.concatenate([i, f, c, o], axis=1).reshape(n * 4 * H, *a.shape[2:])

    bias = rows(both[:, : 4 * H]) + rows(both[:, 4 * H :])
    starts = []
    for state in states:
        state = np.zeros((n, 1, H)) if state is None else state
        state = state.swapaxes(0, 1) if node.options.get("layout") else state  # (n, B, H)
        if (state != state[:, :1]).any():
            raise Refused(f"has {node.title} with a state for each sequence; export it without.")
        starts.append(state[:, 0].reshape(-1) if state.any() else None)
    gate, function = functions_of(node)
    options: dict[str, Any] = {
        "input_weights": rows(W), "recurrent_weights": rows(R), "bias": bias,
        "hidden_state": starts[0], "cell_state": starts[1],
        "state_activation_function": function,
        "gate_activation_function": {"hardsigmoid": "hard-sigmoid"}.get(gate, gate),
    }  # fmt: skip
    return (BiLSTM if n == 2 else LSTM)(H, **options)


def normalization(node: Node, array: Sequence[Any]) -> BatchNormalization:
    """A BatchNormalization with its statistics."""
    scale, offset, mean, variance = array[1:5]
    return BatchNormalization(
        node.options.get("epsilon", 1e-5), scale=scale, offset=offset, trained_mean=mean,
        trained_variance=variance,
    )  # fmt: skip


def scaling(kind: str, constant: Array) -> BatchNormalization:
    """An Add, Sub, Mul or Div by a constant (F,), as a normalisation that does nothing else.

    Examples
    --------
    >>> scaling("Div", np.array([4.0])).scale.tolist()
    [0.25]
    """
    ones, zeros = np.ones_like(constant), np.zeros_like(constant)
    sums = kind in ("Add", "Sub")
    value = -constant if kind == "Sub" else ones / constant if kind == "Div" else constant
    return BatchNormalization(
        _NOTHING, scale=ones if sums else value, offset=value if sums else zeros,
        trained_mean=zeros, trained_variance=ones,
    )  # fmt: skip


def input_layers(D: int, before: Sequence[tuple[str, Array, str]]) -> list[Layer]:
    """The input, normalised as the first nodes do; what is left becomes a layer.

    Parameters
    ----------
    D : features
    before : kind, constant (D,) and name of each of these nodes, a Sub first
    """
    if not before:
        return [SequenceInput(D)]
    shift = sum(c.astype(np.float64) for kind, c, _ in before if kind == "Sub")  # (D,)
    factor, offset = np.ones(D), np.zeros(D)
    for kind, c, _ in before:
        if kind in ("Mul", "Div"):
            factor, offset = (a * c if kind == "Mul" else a / c for a in (factor, offset))
        if kind == "Add":
            offset = offset + c
    name = before[0][2]
    with np.errstate(divide="ignore"):
        deviation = 1 / factor
    layers: list[Layer] = [
        SequenceInput(D, "zscore", shift, standard_deviation=deviation, name=name)
    ]
    if offset.any():
        layers.append(scaling("Add", offset))
    return layers
