"""What a network will be, before it is one: shapes, learnables, states, memory and every problem.
The result prints as a table, and is what a picture of the network is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilstm.checks import check_whole
from minilstm.layers import Layer
from minilstm.layers.base import Shape, count
from minilstm.network.graph.connections import Connections
from minilstm.network.graph.naming import title
from minilstm.network.graph.wiring import Wiring, examine
from minilstm.pages import as_page, as_table


@dataclass(frozen=True)
class LayerFacts:
    """One line of an analysis."""

    name: str
    kind: str  # as a heading, "Fully Connected"
    label: str  # in words, "5 fully connected layer"
    shape: Shape | None  # of a row of the first output; None where a problem hides it
    steps: bool  # a row a step, else a row a sequence
    learnables: int
    states: int  # numbers of hidden and cell state a sequence
    memory: int  # bytes of all its outputs, for the stated batch and length


@dataclass(frozen=True)
class Analysis:
    """Facts about a network, and its problems.

    Attributes
    ----------
    layers : one `LayerFacts` a layer, in the order in which they run
    connections : pairs "layer/output", "layer/input"
    problems : one sentence each; an empty tuple means that the network can be trained
    batch_size, sequence_length : for which memory is stated
    dtype : in which it is stated
    """

    layers: tuple[LayerFacts, ...]
    connections: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    batch_size: int
    sequence_length: int
    dtype: str

    @property
    def learnables(self) -> int:
        """Numbers that training changes."""
        return sum(layer.learnables for layer in self.layers)

    @property
    def memory(self) -> int:
        """Bytes of the outputs of all layers, for the stated batch and length."""
        return sum(layer.memory for layer in self.layers)

    def _rows(self) -> list[tuple[str, ...]]:
        """The cells of the table, its heading first."""
        rows: list[tuple[str, ...]] = [("", "Name", "Layer", "Output", "Learnables", "State")]
        for n, layer in enumerate(self.layers, 1):
            states = f"{layer.states:,}" if layer.states else ""
            output = _shown(layer.shape, layer.steps)
            rows.append((f"{n}", layer.name, layer.label, output, f"{layer.learnables:,}", states))
        return rows

    def _sums(self) -> list[str]:
        """What stands under the table, and the problems."""
        lines = [f"{self.learnables:,} learnables, {self.dtype}"]
        lines.append(
            f"activations of {self.batch_size} x {self.sequence_length:,} steps: "
            f"{_bytes(self.memory)}"
        )
        if self.problems:
            count = len(self.problems)
            lines.append("1 problem:" if count == 1 else f"{count} problems:")
            lines += [f"  - {problem}" for problem in self.problems]
        return lines

    def text(self) -> str:
        """The table, and the problems under it."""
        rows = self._rows()
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = zip(row, "><<>>>", wide, strict=True)
            lines.append("  ".join(f"{cell:{side}{w}}" for cell, side, w in cells).rstrip())
        return "\n".join([*lines, *self._sums()])

    def __str__(self) -> str:
        return self.text()

    def html(self, title: str = "Layers", told: Sequence[str] = ()) -> str:
        """The same for a notebook, with more sentences under it."""
        heads, *rows = (row[1:] for row in self._rows())
        return as_page(title, [as_table(heads, rows)], [*self._sums(), *told])

    def _repr_html_(self) -> str:
        return self.html()


def analyze(
    layers: Sequence[Layer] | Connections,
    batch_size: int = 1,
    sequence_length: int = 100,
    dtype: Any = "float32",
) -> Analysis:
    """Look at layers without building a network: nothing is drawn, nothing is computed.

    Parameters
    ----------
    layers : list of layers or LayerGraph
    batch_size, sequence_length : B and T for which the memory of activations is stated
    dtype : of the activations

    Returns
    -------
    Analysis, which prints as a table; `problems` is empty for layers that form a network

    Examples
    --------
    >>> import minilstm as ml
    >>> images = ml.LayerGraph([ml.SequenceInput([28, 28, 1]), ml.LSTM(8), ml.Softmax()])
    >>> print(analyze(images).problems[0])
    the layer 'lstm' (LSTM with 8 hidden units) wants vectors (D,), but its input has shape \
(28, 28, 1) (fed by 'input'); put Flatten() before it.
    """
    check_whole("batch_size", batch_size, 1)
    check_whole("sequence_length", sequence_length, 1)
    wiring, problems = examine(layers)
    size = batch_size, sequence_length
    kind = np.dtype(dtype)
    facts = [] if wiring is None else _facts(wiring, *size, kind)
    arrows = [] if wiring is None else wiring.graph.connections
    pairs = tuple((c.source, c.destination) for c in arrows)
    return Analysis(tuple(facts), pairs, tuple(problems), *size, kind.name)


def _facts(wiring: Wiring, B: int, T: int, dtype: np.dtype[Any]) -> list[LayerFacts]:
    facts = []
    for node in wiring.nodes:
        layer = node.layer
        known = bool(node.shapes)
        parameters = layer.parameters(node.in_shapes[0]) if node.in_shapes and known else ()
        memory = sum(
            count(shape) * B * (T if steps else 1) * dtype.itemsize
            for shape, steps in zip(node.shapes, node.steps, strict=True)
        )
        facts.append(
            LayerFacts(
                layer.name,
                title(layer),
                layer.label,
                node.shapes[0] if known else None,
                node.steps[0] if known else True,
                sum(count(p.shape) for p in parameters),
                2 * node.state_size,
                memory,
            )
        )
    placed = {layer.name for layer in facts}
    left = [layer for layer in wiring.graph.layers if layer.name not in placed]  # in a circle
    facts += [LayerFacts(a.name, title(a), a.label, None, True, 0, 0, 0) for a in left]
    return facts


def _bytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"


def _shown(shape: Shape | None, steps: bool) -> str:
    if shape is None:
        return "?"
    text = "x".join(str(n) for n in shape)
    return text if steps else f"{text} (last)"


def draw(analysis: Analysis, path: Any = None) -> Any:
    """Draw layers as boxes and connections as arrows; see `minilstm.plots.plot_network`."""
    from minilstm import plots  # the only place where the network asks for a picture

    return plots.plot_network(analysis, path)
