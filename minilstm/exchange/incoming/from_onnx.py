"""A network from an ONNX file: its layers in order, proved on the file's own graph.
Exporters write the same LSTM in many ways, so the graph is run, not matched against patterns.

What moves numbers about (Transpose, Reshape, Gather, ...) is skipped when the layers are built; the
comparison then tells whether that was right. Axes: B batch, T time, F features of a value.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from minilstm.exchange.incoming import onnx_layers
from minilstm.exchange.incoming.formats.bounds import Array, Refused, file_bytes, plain_json, told
from minilstm.exchange.incoming.formats.onnx_file import Graph, Node, read_onnx
from minilstm.exchange.incoming.from_pytorch import assembled, dtype_of, labelled
from minilstm.exchange.incoming.onnx_evaluator import Values, check_operators, evaluate
from minilstm.exchange.incoming.onnx_flow import check_cuts, check_flow
from minilstm.layers import LSTM, BatchNormalization, BiLSTM, Layer, ReLU, Sigmoid, Softmax
from minilstm.network.about import without_card
from minilstm.network.graph.wiring import wire
from minilstm.network.model_contents import plain_to_layers
from minilstm.network.model_file import layers_to_plain
from minilstm.network.network import Network

#: name in the metadata of what a graph cannot hold of a network; see `learned`
LEARNED = "minilstm"
#: Outputs are the same that are no further apart than they move where every weight moves by this
#: part of itself, or by `LEAST` of the largest, but by `MOST` of it at most.
TOLERANCE, LEAST, MOST = 1e-5, 1e-6, 1e-2
_SIZES = ((5, 2), (8, 3), (21, 1))  # T and B of a proof, where the file leaves them free
_POINTWISE = {"Relu": ReLU, "Sigmoid": Sigmoid, "Softmax": Softmax}
_SCALES = ("Add", "Sub", "Mul", "Div")  # by a constant
_FIRST = ("LSTM", "MatMul", "Gemm", "BatchNormalization")  # sequences are their first input
_LAYERS = (*_FIRST, *_POINTWISE, *_SCALES)


def from_onnx(path: str | os.PathLike[str], *, classes: ArrayLike | None = None) -> Network:
    """A network from an ONNX file, which gives what the file's own graph gives.

    Parameters
    ----------
    path : .onnx of PyTorch, tf2onnx, minilstm or others; arrays in a file beside it are read, too.
        A chain of LSTM, MatMul with Add, Gemm, BatchNormalization, Relu, Sigmoid and Softmax, with
        one input of sequences, batch or time first; initial states may be inputs, too
    classes : (C,) labels in the order of the scores; None takes those of a file of minilstm

    Returns
    -------
    Network of dtype float32, or float64 where the file has float64, with the names and units of
    features, the rate and the shaping that a file of minilstm knows. States that the file has as
    inputs start as a file of minilstm says, in others from zero.

    Raises
    ------
    ModelFileError
        The file is damaged; has an operator or an option that minilstm has not (clip, peepholes,
        input_forget, the reverse direction alone), by its name and the node's; has an array that
        nothing uses; or an output differs from the graph's by more than it moves where all weights
        move by 1e-5 of themselves, for three lengths or that of the file: the first node that
        differs is named, or one that may at another length, as it cuts or counts the steps.
    """
    found, data = file_bytes(path)
    with told(found):
        net = imported(data, found.parent, classes is None)
    return labelled(net, classes)


def imported(data: bytes, folder: Path, labelled: bool = True) -> Network:
    """The network of a file's bytes, with the classes of the file where `labelled`.

    Raises Refused, or an error of Python's, where it cannot be made.
    """
    graph = read_onnx(data, folder)
    check_operators(graph)
    check_flow(graph)
    used = {name for node in graph.nodes for name in node.inputs}
    for name, array in graph.arrays.items():
        if name not in used:
            raise Refused(f"holds {name[:80]!r} {array.shape}, which no node uses; remove it.")
    size = len(data) + sum(a.nbytes for a in graph.arrays.values())
    net = _proved(graph, size)
    if LEARNED in graph.metadata:
        net = _as_learned(net, graph, size)
    classes = plain_json(graph.metadata.get("classes", "null").encode())
    return net if classes is None or not labelled else net.replace(classes=classes)


def learned(net: Network) -> dict[str, Any]:
    """What a graph cannot hold of a network, as plain values.

    Layers that only training needs, exact statistics of the input, the arrays that a normalisation
    makes two constants of, losses, and what is known of the data.
    """
    described, arrays = layers_to_plain(net.wiring.graph)
    own = {**net.parameters, **net.statistics}
    merged = [a.name for a in net.layers if isinstance(a, BatchNormalization)]
    arrays |= {k: a for k, a in own.items() if k.partition("/")[0] in merged}
    losses = [None if a is None or a.kind == "any" else a.name for a in net.losses or ()]
    return {
        **described, "arrays": {k: np.asarray(a).tolist() for k, a in arrays.items()},
        "losses": losses or None, "data_format": net.data_format, "about": without_card(net.about),
    }  # fmt: skip


def _as_learned(found: Network, graph: Graph, size: int) -> Network:
    """The network that a file of minilstm describes, proved on the graph as well.

    Weights are the graph's; whatever only `learned` tells stands in the metadata.
    """
    known = plain_json(graph.metadata[LEARNED].encode())
    kept: dict[str, Array] = {key: np.array(a, np.float64) for key, a in known["arrays"].items()}
    layers = wire(plain_to_layers(known, kept, 2)).graph
    kept = {**found.parameters, **kept}
    learnables, statistics = (
        {key: kept[key] for a in layers.layers for n in a.values
         if (key := f"{a.name}/{n}") and (n in a.learnables) is which}
        for which in (True, False)
    )  # fmt: skip
    net = Network(
        layers, learnables, statistics=statistics, dtype=found.dtype, losses=known["losses"],
        data_format=known["data_format"], about=known["about"],
    )  # fmt: skip
    least: int = net.layers[0].min_length  # type: ignore[attr-defined]
    for T, B in _SIZES[:2]:
        trial = _Trial(graph, size, (T + least - 1, B), False, net)
        if trial.distance(net, trial.values[graph.outputs[0]]):
            raise Refused(
                f"describes in its metadata {LEARNED!r} another network than its graph is; export "
                "it again, or remove these metadata."
            )
    return net


def _proved(graph: Graph, size: int) -> Network:
    """The network for batch or time first, whichever agrees; else the nearest miss is told."""
    misses: list[tuple[int, int, str]] = []
    for batch_first in (True, False):
        try:
            return _tried(graph, size, batch_first)
        except Refused as why:  # not kept, as it holds all values of a trial
            misses.append((why.length, why.place, str(why)))
    raise Refused(max(misses, key=lambda miss: miss[:2])[2])


def _tried(graph: Graph, size: int, batch_first: bool) -> Network:
    """The network, if it gives what the graph gives for every length."""
    first = _Trial(graph, size, _SIZES[0], batch_first)
    network, built = first.network(), first.built
    shapes = {name: a.shape for name, a in first.values.items()}
    del first
    for k, sizes in enumerate(_SIZES):
        try:
            trial = _Trial(graph, size, sizes, batch_first, network)
            check_cuts(graph, trial.values, shapes)
            trial.compare(network, built)
        except Refused as why:
            why.length = k
            raise
    return network


class _Built(NamedTuple):
    """A layer, and the node and the value that it stands for."""

    layer: Layer
    node: Node
    output: str


class _Trial:
    """One run of a graph on drawn sequences, and the layers found in it."""

    def __init__(
        self, graph: Graph, size: int, sizes: tuple[int, int], batch_first: bool,
        net: Network | None = None,
    ) -> None:  # fmt: skip
        self.graph = graph
        free = [name for name in graph.inputs if name not in graph.arrays]
        if not free or len(graph.inputs[free[0]]) != 3:
            raise Refused(
                "has no input of sequences with three axes (batch, time, features); export it so."
            )
        fixed = graph.inputs[free[0]]
        self.dtype = dtype_of(graph.arrays)
        given = sizes[::-1] if batch_first else sizes
        shape = [wanted if wanted and wanted > 0 else n
                 for wanted, n in zip(fixed, (*given, 0), strict=True)]  # fmt: skip
        if not shape[2] or np.prod(shape, dtype=float) > size + 2**14:
            raise Refused(f"has an input of shape {fixed}, which cannot be tried; export it anew.")
        x = np.random.default_rng(sizes[0]).standard_normal(shape)
        affine = None if net is None else net.layers[0].affine()  # type: ignore[attr-defined]
        if affine is not None:  # numbers for which the network does not saturate
            x = x * (1.0 if affine.scale is None else affine.scale) + affine.shift
        x = x.astype(self.dtype)
        self.x = x if batch_first else x.swapaxes(0, 1)  # (B, T, D)
        self.B, self.T, self.D = self.x.shape
        values = {free[0]: x}
        for name in free[1:]:
            values[name] = self.state(name)
        self.first = free[0]
        self.values: Values = evaluate(graph, values, size)

    def state(self, name: str) -> Array:
        """The start of an input that is the initial state of an LSTM."""
        for node in self.graph.nodes:
            if node.kind == "LSTM" and name in node.inputs[5:7]:
                n, _, H = self.graph.arrays[node.inputs[2]].shape
                firsts = plain_json(self.graph.metadata.get("first_states", "{}").encode())
                rows = np.zeros((n, 1, H), self.dtype)
                rows[:, 0] = firsts.get(name, 0.0)
                state = np.repeat(rows, self.B, axis=1)  # (n, B, H)
                return state.swapaxes(0, 1) if node.options.get("layout") else state
        raise Refused(
            f"has a second input, {name[:80]!r}; only one input of sequences is imported."
        )

    # ------------------------------------------------------------ from nodes to layers

    def network(self) -> Network:
        """The layers of the nodes that lead from the input to the first output."""
        built: list[_Built] = []
        made_before = {self.first: 0}  # layers that lead to a value
        before: list[tuple[str, Array, str]] = []  # what is done to the input first
        for node in self.graph.nodes:
            data = [name for name in node.inputs if name in made_before]
            if not data or node.kind == "Shape":
                continue
            here = made_before[data[0]]
            # Both final states of an LSTM may be joined; they belong to one layer.
            parts = {made_before[name] for name in data} if node.kind == "Concat" else data
            if len(parts) > 1 or (node.kind in _FIRST and data[0] != node.inputs[0]):
                raise Refused(f"has {node.title}, where branches meet; only chains are imported.")
            if node.kind in _LAYERS:
                if here != len(built):
                    raise Refused(f"has {node.title} in a second branch; only chains are imported.")
                first = before[0][2] == self.name(node) if before else node.kind == "Sub"
                if not built and node.kind in _SCALES and first:
                    before.append((node.kind, self.constant(node, data[0]), self.name(node)))
                else:
                    self.ends_time(built, data[0])
                    self.add(built, node, data[0])
            made_before |= dict.fromkeys(node.outputs, len(built))
        end = self.graph.outputs[0]
        if made_before.get(end) != len(built) or not built:
            last = f"{built[-1].node.title}, which does not lead to" if built else "no layer before"
            raise Refused(f"has {last} its first output {end[:80]!r}; export one output alone.")
        self.ends_time(built, end)
        chain = [*onnx_layers.input_layers(self.D, before), *(b.layer for b in built)]
        self.built = [b._replace(layer=b.layer.without_values()) for b in built]
        del built
        return assembled(chain, self.dtype)

    def ends_time(self, built: list[_Built], value: str) -> None:
        """Let the last LSTM keep its last step only, where a value has one row a sequence."""
        F = self.features(built[-1].layer) if built else 0
        if self.T == 1 or self.values[value].size != self.B * F:
            return
        for k in reversed(range(len(built))):
            layer = built[k].layer
            if isinstance(layer, (LSTM, BiLSTM)):
                last = dataclasses.replace(layer, output_mode="last")
                built[k] = built[k]._replace(layer=last)
                return

    def features(self, layer: Layer) -> int:
        """Width of what a layer gives; 0 where it is as wide as its input."""
        return int(getattr(layer, "width", getattr(layer, "num_outputs", 0)))

    def add(self, built: list[_Built], node: Node, data: str) -> None:
        """The layer of a node, or the bias of the layer before it."""
        output = node.outputs[0]
        array = [self.values[name] if name else None for name in node.inputs]
        layer: Layer
        if node.kind == "LSTM":
            layer = onnx_layers.recurrent(node, array)
        elif node.kind in _POINTWISE:
            axis = node.options.get("axis", -1)
            if node.kind == "Softmax" and axis not in (-1, self.values[data].ndim - 1):
                raise Refused(f"has {node.title} along axis {axis}; only the last is imported.")
            layer = _POINTWISE[node.kind]()
        elif node.kind == "BatchNormalization":
            layer = onnx_layers.normalization(node, array)
        elif node.kind in ("MatMul", "Gemm"):
            layer = onnx_layers.dense(node, array)
        else:
            constant = self.constant(node, data)
            last = built[-1] if built else None
            if node.kind == "Add" and last is not None and data == last.output:
                key, known = self.open_bias(last)
                if key and not known.any():
                    filled: dict[str, Any] = {key: constant}
                    joined = dataclasses.replace(last.layer, **filled)
                    built[-1] = _Built(joined, last.node, output)
                    return
            layer = onnx_layers.scaling(node.kind, constant)
        built.append(_Built(dataclasses.replace(layer, name=self.name(node)), node, output))

    def open_bias(self, last: _Built) -> tuple[str, Array]:
        """The field of a layer that a following Add fills, and what it holds by now."""
        field = {"MatMul": "bias", "Mul": "offset"}.get(last.node.kind, "")
        return field, np.asarray(getattr(last.layer, field)) if field else np.zeros(0)

    def constant(self, node: Node, data: str) -> Array:
        """What a node adds or multiplies, one number for each feature."""
        other = [name for name in node.inputs if name != data]
        value = self.values[other[0]] if len(other) == 1 else np.zeros((2, 2))
        F = self.values[data].shape[-1]
        order = node.inputs[0] == data or node.kind in ("Add", "Mul")
        if value.size not in (1, F) or value.shape[-1:] not in ((), (1,), (F,)) or not order:
            raise Refused(f"has {node.title} with no constant of {F} features; export it without.")
        return np.broadcast_to(value.reshape(-1), (F,)).copy()

    def name(self, node: Node) -> str:
        """The name of a layer in a file that minilstm wrote; "" in others."""
        of_arrays = (
            re.fullmatch(r"([^/]+)\.(W|weights|factor|offset|high|low)", i) for i in node.inputs
        )
        return next((match[1] for match in of_arrays if match), "")

    # ------------------------------------------------------------ proof

    def compare(self, network: Network, built: Sequence[_Built]) -> None:
        """Refuse a network that gives something else, by the first node that differs."""
        worst = self.distance(network, self.values[self.graph.outputs[0]])
        if not worst:
            return
        ahead = len(network.layers) - len(built)
        for place, b in enumerate(built):
            part = [self.filled(a, network) for a in network.layers[: ahead + place + 1]]
            here = self.distance(assembled(part, self.dtype), self.values[b.output])
            if here:
                break
        else:
            place, here = len(built), worst
        node = built[min(place, len(built) - 1)].node
        where = "" if place < len(built) else "what follows "
        advice = "export it in a plainer form"
        if any(isinstance(b.layer, BiLSTM) and b.layer.keeps_last for b in built):
            advice = (
                "of two directions join both final states, as y[:, -1] has the second one early"
            )
        raise Refused(
            f"is not reproduced: {where}{node.title} differs from the layer built for it by "
            f"{here:.2g} on {self.B} sequences of {self.T} steps; {advice}.",
            place,
        )

    def distance(self, network: Network, value: Array) -> float:
        """The largest distance of a network's outputs to a value of the graph, or 0 if near enough.

        Each output has a limit of its own size: how far it moves with all weights a little off, as
        that is what rounding does to it.
        """

        def outputs(net: Network) -> Array:  # (B, T, F) or (B, F)
            return np.stack([*net.predict([*self.x], data_format="auto")])

        y = outputs(network)
        rows = tuple(range(y.ndim - 1))
        size = np.abs(y).max(axis=rows)  # (F,)
        rng, moved = np.random.default_rng(0), LEAST * size
        for _ in range(3):
            off = {
                k: np.where(rng.random(a.shape, np.float32) < 0.5, a + TOLERANCE * a, a)
                for k, a in network.parameters.items()
            }
            other = outputs(network.updated(off))
            moved = np.maximum(moved, np.abs(other - y).max(axis=rows))
        limit = np.minimum(moved, MOST * size) + np.finfo(np.float32).tiny  # (F,)
        found = [np.abs(y - a.reshape(y.shape)) for a in self.arranged(value, y.ndim == 2)
                 if a.size == y.size]  # fmt: skip
        near = any((d <= limit).all() for d in found)
        return 0.0 if near else min((float(d.max()) for d in found), default=np.inf)

    def filled(self, layer: Layer, network: Network) -> Layer:
        """A layer of a network with the arrays that it has there."""
        values: dict[str, Any] = network.by_layer()[layer.name]
        return dataclasses.replace(layer, **{n: a for n, a in values.items() if n in layer.values})

    def arranged(self, value: Array, last: bool) -> Iterator[Array]:
        """A value of the graph with B first, then T, for every order that its axes may have."""
        yield value
        if value.ndim == 4:  # Y of an LSTM, (T, n, B, H), or with B first (B, T, n, H)
            for Y in (value, value.transpose(1, 2, 0, 3)):
                yield (
                    np.stack([Y[-1, 0], Y[0, -1]][: Y.shape[1]], 1)
                    if last
                    else Y.transpose(2, 0, 1, 3)
                )
        if value.ndim == 3:
            yield value.swapaxes(0, 1)  # (T, B, F), or Y_h (n, B, H)
            yield value.swapaxes(1, 2)  # (B, F, T)
