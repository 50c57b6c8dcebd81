"""Named layers and the connections between them, which can be changed at will.
Nothing is computed here; `wiring` turns them into the order in which layers run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Self

from minilstm.checks import shown
from minilstm.layers import Layer
from minilstm.network.graph.naming import layer_table, name_layers


class Connection(NamedTuple):
    """One arrow of a graph: from an output "layer/out" to an input "layer/in"."""

    source: str
    destination: str


class Connections:
    """Layers, and which output feeds which input; `minilstm.LayerGraph` is the public kind."""

    def __init__(self, layers: Sequence[Layer] = ()) -> None:
        self.layers: list[Layer] = []
        self.connections: list[Connection] = []
        self.add(layers)

    def add(self, layers: Layer | Sequence[Layer]) -> Self:
        """Add layers, connected one after the other but not to the layers already there.

        Parameters
        ----------
        layers : one layer or a list of them

        Raises
        ------
        ValueError
            A name is taken.
        TypeError
            An entry is not a layer.
        """
        added = name_layers(layers, [a.name for a in self.layers])
        self.layers.extend(added)
        for before, after in pairwise(added):
            if before.output_names and after.input_names:
                source = f"{before.name}/{before.output_names[0]}"
                destination = f"{after.name}/{after.input_names[0]}"
                self.connections.append(Connection(source, destination))
        return self

    def connect(self, source: str, destination: str) -> Self:
        """Feed an output to an input.

        Parameters
        ----------
        source : "layer", or "layer/output" for a layer with several outputs
        destination : "layer", or "layer/input" for a layer with several inputs

        Raises
        ------
        ValueError
            There is no such layer, output or input, or the input is already fed.
        """
        return self.connect_all([(source, destination)])

    def connect_all(self, pairs: Iterable[tuple[str, str]]) -> Self:
        """`connect` for many pairs (source, destination) at once."""
        layers = {layer.name: layer for layer in self.layers}
        fed = {c.destination: c.source for c in self.connections}
        for pair in pairs:
            source, destination = (
                self._port(port, what, layers)
                for port, what in zip(pair, ("output", "input"), strict=True)
            )
            if destination in fed:
                raise ValueError(
                    f"{destination!r} is already fed by {fed[destination]!r}; disconnect that "
                    "first, or join both with Addition or Concatenation."
                )
            fed[destination] = source
            self.connections.append(Connection(source, destination))
        return self

    def disconnect(self, source: str, destination: str) -> Self:
        """Take a connection away; see `connect` for the arguments."""
        connection = Connection(self._port(source, "output"), self._port(destination, "input"))
        if connection not in self.connections:
            fed = [c.source for c in self.connections if c.destination == connection.destination]
            raise ValueError(
                f"{connection.source!r} is not connected to {connection.destination!r}, which is "
                f"fed by {fed or 'nothing'}; name a connection of the graph."
            )
        self.connections.remove(connection)
        return self

    def remove(self, names: str | Iterable[str]) -> Self:
        """Take layers away, and every connection to and from them."""
        names = [names] if isinstance(names, str) else list(names)
        for name in names:
            self[name]
        self.layers = [a for a in self.layers if a.name not in names]
        self.connections = [
            c for c in self.connections if not {_layer(c.source), _layer(c.destination)} & {*names}
        ]
        return self

    def replace(self, name: str, layers: Layer | Sequence[Layer]) -> Self:
        """Put one layer, or several in a row, in the place of another.

        What fed the old layer feeds the first of the new ones, and the last feeds what the old
        one fed; ports keep their names where the new layers have them.
        """
        old = self[name]
        others = [a.name for a in self.layers if a.name != name]
        new = name_layers(layers, others)
        if not new:
            raise ValueError(f"layers is empty; give what shall take the place of {name!r}.")
        inner = Connections(new).connections
        first, last = new[0], new[-1]

        def moved(c: Connection) -> Connection:
            source, destination = c
            if _layer(source) == name:
                source = _same_port(source, old.output_names, last.output_names, last)
            if _layer(destination) == name:
                destination = _same_port(destination, old.input_names, first.input_names, first)
            return Connection(source, destination)

        connections = [moved(c) for c in self.connections]
        at = self.layers.index(old)
        self.layers[at : at + 1] = new
        self.connections = connections + inner
        return self

    def __getitem__(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = shown([a.name for a in self.layers])[1:-1]
        raise ValueError(
            f"there is no layer {shown(name)} in the graph; it has {known or 'no layers'}."
        )

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} of {len(self.layers)} layers", layer_table(self.layers)]
        lines += [f"  {source} -> {destination}" for source, destination in self.connections]
        return "\n".join(lines)

    def copy(self) -> Self:
        """Another graph of the same layers and connections."""
        out = type(self)()
        out.layers, out.connections = list(self.layers), list(self.connections)
        return out

    def named(self, layers: Sequence[Layer]) -> Self:
        """The same connections between other layers of the same names."""
        out = self.copy()
        out.layers = list(layers)
        return out

    def _port(self, port: str, what: str, layers: Mapping[str, Layer] | None = None) -> str:
        """The full name "layer/port" of an "input" or "output"."""
        if not isinstance(port, str):
            raise TypeError(
                f"{what} is {shown(port)}; give a name such as 'lstm' or 'lstm/hidden'."
            )
        name, _, wanted = port.partition("/")
        layer = (layers or {}).get(name) or self[name]
        names = layer.output_names if what == "output" else layer.input_names
        if not names:
            raise ValueError(f"the layer {name!r} has no {what}; choose another layer.")
        wanted = _snake(wanted) if wanted else names[0]
        if wanted not in names:
            raise ValueError(
                f"the layer {name!r} has no {what} {wanted!r}; choose one of {list(names)}."
            )
        return f"{name}/{wanted}"


def _layer(port: str) -> str:
    return port.partition("/")[0]


def _same_port(full: str, old: Sequence[str], new: Sequence[str], layer: Layer) -> str:
    """The port of `layer` in the place of one of the layer before: of its name, or its place."""
    port = full.partition("/")[2]
    if port not in new:
        place = old.index(port)
        if place >= len(new):
            raise ValueError(
                f"{layer.name!r} has the ports {list(new)}, but the layer that it replaces is "
                f"connected at {port!r}; disconnect that first."
            )
        port = new[place]
    return f"{layer.name}/{port}"


def _snake(name: str) -> str:
    """mini_batch_size for miniBatchSize."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
