"""From a user's layers to the order in which they run, with the shape of what each puts out.
Every problem is found here, by layer name, before anything is computed."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from minilstm.layers import Layer, SequenceInput, Shape
from minilstm.network.graph.connections import Connections
from minilstm.network.graph.naming import EXAMPLE, name_layers

OUTPUT_LAYERS = ("classification_output", "regression_output")


class Port(NamedTuple):
    """One output of one node."""

    node: int
    output: int


class Node(NamedTuple):
    """A layer in its place: what feeds it, and what it puts out."""

    layer: Layer
    inputs: tuple[Port | None, ...]  # None: an input that may stay unconnected, and is
    in_shapes: tuple[Shape, ...]
    shapes: tuple[Shape, ...]  # of each output
    steps: tuple[bool, ...]  # whether each output has a row a step, not a row a sequence
    state_size: int  # numbers of hidden state a sequence; 0 for a layer without state

    def is_whole(self, training: bool) -> bool:
        """Whether the layer needs all steps of a sequence, or in training of a batch, at once."""
        remembers = self.state_size > 0 or getattr(self.layer, "has_state_inputs", False)
        return self.layer.whole and (training or remembers)


class Wiring(NamedTuple):
    """A checked network: nodes in an order in which they can run."""

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]  # nodes that data enter
    outputs: tuple[int, ...]  # nodes whose outputs nothing in the network uses
    graph: Connections

    def __hash__(self) -> int:
        # Equal wirings are of one graph, and the layers of a large one take long to go through.
        return hash(self.graph)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in the order in which they run."""
        return tuple(node.layer for node in self.nodes)

    def users(self, node: int) -> list[int]:
        """Nodes that an output of a node feeds."""
        return [
            n
            for n, other in enumerate(self.nodes)
            if any(port is not None and port.node == node for port in other.inputs)
        ]

    def shape(self, node: int) -> Shape:
        """Shape of a node's first output."""
        return self.nodes[node].shapes[0]

    def cannot_be_cut(self, training: bool) -> bool:
        """Whether some layer needs all steps at once."""
        return any(node.is_whole(training) for node in self.nodes)


def wire(layers: Sequence[Layer] | Connections) -> Wiring:
    """Check a list of layers or a graph, and put its layers in order.

    Raises ValueError, which names the layers and says what to do, where they do not form a network;
    TypeError where it is neither a list nor a graph, or an entry is not a layer.

    Examples
    --------
    >>> from minilstm.layers import LSTM, Softmax
    >>> [node.shapes for node in wire([SequenceInput(3), LSTM(8), Softmax()]).nodes]
    [((3,),), ((8,),), ((8,),)]
    """
    wiring, problems = examine(layers)
    if problems:
        more = f" (and {len(problems) - 1} more; see summary())" if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)
    assert wiring is not None  # without a problem there is a wiring
    return wiring


def examine(layers: Sequence[Layer] | Connections) -> tuple[Wiring | None, list[str]]:
    """The wiring as far as it goes, and one sentence for every problem found."""
    graph = layers if isinstance(layers, Connections) else _chain_of(layers)
    problems = []
    if not any(isinstance(layer, SequenceInput) for layer in graph.layers):
        problems.append("the graph has no SequenceInput; add one, such as SequenceInput(3).")
    problems += _dangling(graph)
    order, circle = _sorted(graph)
    if circle:
        names = " -> ".join(repr(name) for name in [*circle, circle[0]])
        problems.append(f"the layers {names} form a circle; disconnect one of these connections.")
    if not order:
        return None, problems
    nodes = _nodes(graph, order, problems)
    inputs = tuple(n for n, node in enumerate(nodes) if isinstance(node.layer, SequenceInput))
    wiring = Wiring(tuple(nodes), inputs, (), graph)
    used = {port.node for node in nodes for port in node.inputs if port is not None}
    outputs = tuple(n for n in range(len(nodes)) if n not in used)
    problems += [
        f"{node.layer.name!r} is an output layer, but feeds others; put it at the end."
        for n, node in enumerate(nodes)
        if node.layer.kind in OUTPUT_LAYERS and n in used
    ]
    return wiring._replace(outputs=outputs), problems


def ancestors(wiring: Wiring, nodes: Sequence[int]) -> list[int]:
    """Some nodes and everything that feeds them, in order."""
    found = set(nodes)
    for n in reversed(range(len(wiring.nodes))):
        if n in found:
            found |= {port.node for port in wiring.nodes[n].inputs if port is not None}
    return sorted(found)


def _chain_of(layers: Any) -> Connections:
    if not isinstance(layers, (list, tuple)):
        raise TypeError(f"layers is {type(layers).__name__}, not a list of layers; {EXAMPLE}")
    named = name_layers(layers)
    if not named or not isinstance(named[0], SequenceInput):
        first = type(named[0]).__name__ if named else "nothing"
        raise ValueError(f"layers begins with {first}; begin with SequenceInput(features).")
    for n, layer in enumerate(named[1:], 1):
        if isinstance(layer, SequenceInput):
            raise ValueError(
                f"layers[{n}] is a second SequenceInput; keep only the first, or use a LayerGraph."
            )
    return Connections(named)


def _dangling(graph: Connections) -> list[str]:
    fed = {c.destination for c in graph.connections}
    return [
        f"the input {port!r} of {layer.name!r} ({layer.label}) is fed by nothing; "
        f"connect an output to '{layer.name}/{port}', or remove the layer."
        for layer in graph.layers
        for port in layer.input_names
        if f"{layer.name}/{port}" not in fed and port not in layer.optional_inputs
    ]


def _sorted(graph: Connections) -> tuple[list[Layer], list[str]]:
    """Layers so that each comes after what feeds it, and the names of a circle if there is one."""
    place = {layer.name: n for n, layer in enumerate(graph.layers)}
    feeders: list[list[int]] = [[] for _ in graph.layers]
    users: list[list[int]] = [[] for _ in graph.layers]
    for source, destination in graph.connections:
        before, after = (place[port.partition("/")[0]] for port in (source, destination))
        feeders[after].append(before)
        users[before].append(after)
    missing = [len(some) for some in feeders]
    ready = [n for n, count in enumerate(missing) if count == 0]  # in order, so it is a heap
    order: list[int] = []
    while ready:  # of the layers that can run, the one that was added first
        n = heapq.heappop(ready)
        order.append(n)
        for after in users[n]:
            missing[after] -= 1
            if missing[after] == 0:
                heapq.heappush(ready, after)
    waiting = {n: feeders[n] for n, count in enumerate(missing) if count}
    circle = _circle(waiting) if waiting else []
    return [graph.layers[n] for n in order], [graph.layers[n].name for n in circle]


def _circle(feeders: Mapping[int, Sequence[int]]) -> list[int]:
    """Go back from feeder to feeder until a layer comes up a second time."""
    path = {next(iter(feeders)): None}  # a dict, which keeps order and finds at once
    while True:
        before = next(n for n in feeders[next(reversed(path))] if n in feeders)
        if before in path:
            names = list(path)
            return names[names.index(before) :][::-1]
        path[before] = None


def _nodes(graph: Connections, order: Sequence[Layer], problems: list[str]) -> list[Node]:
    """Nodes with shapes, as far as they can be told; what does not fit becomes a problem."""
    feeder = {c.destination: c.source for c in graph.connections}
    port_of = {
        f"{layer.name}/{output}": Port(n, k)
        for n, layer in enumerate(order)
        for k, output in enumerate(layer.output_names)
    }
    nodes: list[Node] = []
    lasts: list[str] = []  # for each node the layer that dropped the time axis, where one did
    for layer in order:
        sources = [feeder.get(f"{layer.name}/{name}", "") for name in layer.input_names]
        ports = [port_of.get(source) for source in sources]
        if isinstance(layer, SequenceInput):
            nodes.append(Node(layer, (), (layer.shape,), (layer.shape,), (True,), 0))
            lasts.append(layer.name)
            continue
        known = [p for p in ports if p is not None]
        in_shapes = tuple(nodes[p.node].shapes[p.output] for p in known if nodes[p.node].shapes)
        steps = [nodes[p.node].steps[p.output] for p in known if nodes[p.node].steps]
        nodes.append(Node(layer, tuple(ports), (), (), (), 0))
        first = ports[0]
        if first is None or layer.keeps_last:
            lasts.append(layer.name)
        else:
            lasts.append(lasts[first.node])
        if len(steps) < len(known) or not known:
            continue  # what feeds it has a problem of its own
        last = lasts[known[0].node]
        problems += _step_problems(nodes, layer, known, steps, last)
        try:
            shapes = layer.output_shapes(in_shapes)
        except ValueError as error:
            head, mark, tail = str(error).partition(";")
            where = ", ".join(repr(order[p.node].name) for p in known)
            problems.append(f"{head} (fed by {where}){mark}{tail}")
            continue
        out_steps = (steps[0] and not layer.keeps_last, *[False] * (len(shapes) - 1))
        nodes[-1] = Node(layer, tuple(ports), in_shapes, shapes, out_steps, layer.state_size)
    return nodes


def _step_problems(
    nodes: Sequence[Node], layer: Layer, ports: Sequence[Port], steps: Sequence[bool], last: str
) -> list[str]:
    if layer.state_size and not steps[0]:
        return [
            f"the {type(layer).__name__} {layer.name!r} follows {last!r}, which keeps the last "
            f"step only; set output_mode='sequence' in {last!r}."
        ]
    if layer.input_names[0] == "in1" and len(set(steps)) > 1:
        names = [nodes[p.node].layer.name for p in ports]
        return [
            f"{layer.name!r} joins {names}, of which some give a row a step and some a row a "
            "sequence; give all of them the same output_mode."
        ]
    return []
