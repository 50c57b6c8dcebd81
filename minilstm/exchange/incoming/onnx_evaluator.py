"""Runs an ONNX graph with NumPy: the operators that recurrent networks of the exporters consist of.
It is what an imported network is compared with, so it shares no code with the layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.exchange.incoming.formats.bounds import NONSENSE, Array, Refused, most
from minilstm.exchange.incoming.formats.onnx_file import Graph, Node

_ROOM = 1 << 20  # bytes that the values of the smallest graph may take
_TYPES = {1: "f4", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8"}
Values = dict[str, Array]


def check_operators(graph: Graph) -> None:
    """Refuse what is not evaluated, by the name of the operator and of the node."""
    if graph.opset < 7:  # where operators of the same names did other things
        raise Refused(f"is of opset {graph.opset}; export it with opset 7 or later.")
    given = {*graph.arrays, *graph.inputs}
    for node in graph.nodes:
        for name in filter(None, node.outputs):
            if name in given:
                raise Refused(f"has {node.title}, which gives {name[:80]!r} anew; export it again.")
            given.add(name)
        if node.kind not in _OPERATORS:
            known = ", ".join(sorted(_OPERATORS))
            raise Refused(f"has {node.title}, an operator that is not read; those are {known}.")
        options = node.options
        peepholes = node.kind == "LSTM" and "".join(node.inputs[7:8])
        for what in ("clip", "input_forget"):
            if options.get(what) and node.kind == "LSTM":
                raise _without(node, what)
        if peepholes:
            raise _without(node, "peepholes")
        if options.get("direction") == "reverse":
            raise _without(node, "direction 'reverse' alone")
        training = options.get("training_mode") or len(node.outputs) > 1  # before opset 14
        if node.kind == "BatchNormalization" and training:
            raise _without(node, "training_mode")


def _without(node: Node, what: str) -> Refused:
    return Refused(f"has {node.title} with {what}, which minilstm has not; export it without.")


def evaluate(graph: Graph, given: Mapping[str, Array], size: int) -> Values:
    """Every value of a graph by name.

    Parameters
    ----------
    graph : checked by `check_operators`
    given : for its inputs
    size : of the file in bytes, which bounds what may grow out of it
    """
    values: Values = {**graph.arrays, **given}
    left = most(size) + _ROOM
    for place, node in enumerate(graph.nodes, -len(graph.nodes) - 1):
        for name in node.inputs:
            if name and name not in values:
                raise Refused(f"has {node.title}, whose input {name[:80]!r} nothing gives.")
        inputs = [values[name] if name else None for name in node.inputs]
        inputs += [None] * (8 - len(inputs))  # optional ones that are left out
        try:
            left -= 8 * _elements(node, inputs)
            if left < 0:
                what = "whose result is far larger than the file; export it with free axes"
                raise Refused(f"has {node.title}, {what} for batch and time.", place)
            with np.errstate(all="ignore"):
                made = _OPERATORS[node.kind](node, inputs)
        except NONSENSE as error:
            shapes = ", ".join(str(a.shape) for a in inputs if a is not None)
            why = f"{shapes or 'none'} ({type(error).__name__}); export it with free axes for batch"
            said = f"has {node.title}, which cannot take arrays of shapes {why} and time."
            raise Refused(said, place) from None
        results = made if isinstance(made, list) else [made]
        values |= zip(node.outputs, results, strict=False)
    return values


def _elements(node: Node, inputs: Sequence[Any]) -> int:
    """Numbers that a node is about to make; 0 where they are views or few."""
    shapes = [a.shape for a in inputs if a is not None]
    if node.kind in ("Expand", "ConstantOfShape"):
        wanted = inputs[1] if node.kind == "Expand" else inputs[0]
        return math.prod(max(int(n), 1) for n in wanted) * max(1, inputs[0].size)
    if node.kind in ("MatMul", "Gemm"):
        return math.prod(shapes[0][:-1]) * max(shapes[1])
    if node.kind == "LSTM":
        return math.prod(shapes[0]) + math.prod(shapes[0][:2]) * math.prod(shapes[2][::2])
    if node.kind in _BROADCAST:
        return math.prod(np.broadcast_shapes(*shapes))
    return sum(map(math.prod, shapes))


# ---------------------------------------------------------------- operators

_Operator = Callable[[Node, Sequence[Any]], Any]


def _axes(node: Node, inputs: Sequence[Any]) -> list[int] | None:
    """Axes as an option, or since opset 13 as an input."""
    if inputs[1] is not None:
        return [int(n) for n in inputs[1]]
    axes: list[int] | None = node.options.get("axes")
    return axes


def _shape(node: Node, inputs: Sequence[Any]) -> Array:
    end = node.options.get("end", inputs[0].ndim)
    return np.array(inputs[0].shape[node.options.get("start", 0) : end], np.int64)


def _constant(node: Node, inputs: Sequence[Any]) -> Array:
    name, value = next(iter(node.options.items()))
    whole = name in ("value_int", "value_ints")
    return np.asarray(value, None if name == "value" else np.int64 if whole else np.float32)


def _unsqueeze(node: Node, inputs: Sequence[Any]) -> Array:
    return np.expand_dims(inputs[0], tuple(_axes(node, inputs) or ()))


def _squeeze(node: Node, inputs: Sequence[Any]) -> Array:
    axes = _axes(node, inputs)
    return np.squeeze(inputs[0], None if axes is None else tuple(axes))


def _of_shape(node: Node, inputs: Sequence[Any]) -> Array:
    value = node.options.get("value", np.zeros(1, np.float32))
    return np.full(inputs[0].tolist(), value.reshape(()))


def _expand(node: Node, inputs: Sequence[Any]) -> Array:
    return np.broadcast_to(inputs[0], np.broadcast_shapes(inputs[0].shape, tuple(inputs[1])))


def cuts(node: Node, inputs: Sequence[Any]) -> list[tuple[int, int, int, int]]:
    """Axis, start, end and step of each cut of a Slice."""
    starts, ends, axes, steps = inputs[1:5]
    if starts is None:  # options before opset 10
        starts, ends = (node.options[n] for n in ("starts", "ends"))
        axes = node.options.get("axes")
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    rows = zip(axes, starts, ends, steps, strict=True)
    return [(int(axis), int(start), int(end), int(step)) for axis, start, end, step in rows]


def _slice(node: Node, inputs: Sequence[Any]) -> Array:
    x = inputs[0]
    cut = [slice(None)] * x.ndim
    for axis, start, end, step in cuts(node, inputs):
        # Going back, an end before the first is far below 0, where Python has None.
        cut[axis] = slice(start, None if step < 0 and end < -x.shape[axis] else end, step)
    return x[tuple(cut)]


def _reshape(node: Node, inputs: Sequence[Any]) -> Array:
    x, wanted = inputs[0], [int(n) for n in inputs[1]]
    if not node.options.get("allowzero"):
        wanted = [x.shape[k] if n == 0 else n for k, n in enumerate(wanted)]
    return x.reshape(wanted)


def _flatten(node: Node, inputs: Sequence[Any]) -> Array:
    axis = node.options.get("axis", 1) % (inputs[0].ndim + 1)
    return inputs[0].reshape(math.prod(inputs[0].shape[:axis]), -1)


def _gemm(node: Node, inputs: Sequence[Any]) -> Array:
    a, b, c = inputs[:3]
    o = node.options
    y = o.get("alpha", 1.0) * ((a.T if o.get("transA") else a) @ (b.T if o.get("transB") else b))
    return y if c is None else (y + o.get("beta", 1.0) * c).astype(y.dtype)


def _dropout(node: Node, inputs: Sequence[Any]) -> Array:
    if inputs[2] is not None and inputs[2].any():
        raise _without(node, "training_mode")
    return np.asarray(inputs[0])


def _softmax(node: Node, inputs: Sequence[Any]) -> Array:
    x = inputs[0]
    axis = node.options.get("axis", -1)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _normalize(node: Node, inputs: Sequence[Any]) -> Array:
    x, *rest = inputs[:5]
    scale, bias, mean, variance = (a.reshape(-1, *[1] * (x.ndim - 2)) for a in rest)
    epsilon = node.options.get("epsilon", 1e-5)
    return (x - mean) / np.sqrt(variance + epsilon).astype(x.dtype) * scale + bias


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "hardsigmoid": lambda z: np.clip(z * z.dtype.type(0.2) + z.dtype.type(0.5), 0, 1),
    "tanh": np.tanh,
    "softsign": lambda z: z / (1 + np.abs(z)),
    "relu": lambda z: np.maximum(z, 0),
}


def functions_of(node: Node) -> tuple[str, str]:
    """Names of the functions of an LSTM's gates and states, in lower case."""
    directions = 2 if node.options.get("direction") == "bidirectional" else 1
    usual = ["sigmoid", "tanh", "tanh"] * directions
    names = [n.lower() for n in node.options.get("activations", usual)]
    gate, state = [*names, "", ""][:2]
    slopes = node.options.get("activation_alpha", []), node.options.get("activation_beta", [])
    plain = [*(abs(n - 0.2) < 1e-7 for n in slopes[0]), *(n == 0.5 for n in slopes[1])]
    if (
        names != [gate, state, state] * directions
        or gate not in ("sigmoid", "hardsigmoid")
        or state not in ("tanh", "softsign", "relu")
        or not all(plain)
    ):
        raise _without(node, f"the functions {', '.join(names)[:80]}")
    return gate, state


def _lstm(node: Node, inputs: Sequence[Any]) -> list[Array]:
    """Y, Y_h and Y_c; gates stand in blocks i, o, f, c."""
    x, W, R, bias, lengths, *states = inputs[:7]
    turned = bool(node.options.get("layout"))
    if turned:  # batch first
        x, states = x.swapaxes(0, 1), [s if s is None else s.swapaxes(0, 1) for s in states]
    T, B, D = x.shape
    n = {"forward": 1, "bidirectional": 2}[node.options.get("direction", "forward")]
    H = node.options.get("hidden_size", R.shape[2])
    wanted = [(n, 4 * H, D), (n, 4 * H, H), (n, 8 * H), (B,), (n, B, H), (n, B, H)]
    for a, shape in zip((W, R, bias, lengths, *states), wanted, strict=True):
        if a is not None and a.shape != shape:
            what = f"an array of shape {a.shape} where {shape} fits; export it again."
            raise Refused(f"has {node.title} with {what}")
    ends = np.full(B, T) if lengths is None else lengths  # of each sequence
    gate, state = (_FUNCTIONS[name] for name in functions_of(node))
    bias = np.zeros((n, 8 * H), x.dtype) if bias is None else bias
    Y = np.empty((T, n, B, H), x.dtype)
    last = np.empty((2, n, B, H), x.dtype)
    for d in range(n):
        h, c = (np.zeros((B, H), x.dtype) if s is None else s[d] for s in states)
        add = bias[d, : 4 * H] + bias[d, 4 * H :]
        for t in range(T)[:: -1 if d else 1]:
            z = x[t] @ W[d].T + h @ R[d].T + add  # (B, 4H)
            i, o, f = (gate(z[:, k * H : (k + 1) * H]) for k in range(3))
            runs = (t < ends)[:, None]  # (B, 1); beyond its end a sequence keeps its state
            c = np.where(runs, f * c + i * state(z[:, 3 * H :]), c)
            h = np.where(runs, o * state(c), h)
            Y[t, d] = np.where(runs, h, 0)
        last[:, d] = h, c
    if turned:
        return [Y.transpose(2, 0, 1, 3), *last.swapaxes(1, 2)]
    return [Y, *last]


_BROADCAST: dict[str, _Operator] = {
    "Add": lambda node, a: a[0] + a[1],
    "Sub": lambda node, a: a[0] - a[1],
    "Mul": lambda node, a: a[0] * a[1],
    "Div": lambda node, a: a[0] / a[1],
    "Less": lambda node, a: a[0] < a[1],
    "Where": lambda node, a: np.where(a[0], a[1], a[2]),
}
_OPERATORS: dict[str, _Operator] = {
    **_BROADCAST,
    "Shape": _shape,
    "Constant": _constant,
    "Gather": lambda node, a: np.take(a[0], a[1], axis=node.options.get("axis", 0)),
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": lambda node, a: np.concatenate([x for x in a if x is not None], node.options["axis"]),
    "ConstantOfShape": _of_shape,
    "Expand": _expand,
    "Slice": _slice,
    "Transpose": lambda node, a: np.transpose(a[0], node.options.get("perm")),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Cast": lambda node, a: a[0].astype(_TYPES[node.options["to"]]),
    "Identity": lambda node, a: a[0],
    "Dropout": _dropout,
    "MatMul": lambda node, a: a[0] @ a[1],
    "Gemm": _gemm,
    "Softmax": _softmax,
    "Relu": lambda node, a: np.maximum(a[0], 0),
    "Sigmoid": lambda node, a: 1 / (1 + np.exp(-a[0])),
    "BatchNormalization": _normalize,
    "LSTM": _lstm,
}
