"""The graph of layers as a user builds it: it can be looked at before it becomes a network.
How it is changed stands in `connections`, what is found wrong with it in `wiring`."""

from __future__ import annotations

from typing import Any

from minilstm.network.graph.analysis import analyze, draw
from minilstm.network.graph.connections import Connections


class LayerGraph(Connections):
    """Layers and the connections between them.

    The methods change the graph and return it, so they can be chained or called one by one.

    Parameters
    ----------
    layers : list of layers, connected one after the other; unnamed ones get names

    Attributes
    ----------
    layers : list of named layers, in the order in which they were added
    connections : list of Connection

    Examples
    --------
    A residual block: the input of the second LSTM is added to its output.

    >>> import numpy as np
    >>> import minilstm as ml
    >>> graph = ml.LayerGraph([ml.SequenceInput(12), ml.LSTM(8, name="a"), ml.LSTM(8, name="b"),
    ...                        ml.Addition(2, name="sum"), ml.FullyConnected(9), ml.Softmax()])
    >>> graph = graph.connect("a", "sum/in2")
    >>> ml.Network(graph, rng=np.random.default_rng(0)).predict(np.zeros((5, 12))).shape
    (5, 9)
    """

    def plot(self, path: Any = None) -> Any:
        """Draw the layers and arrows; see `minilstm.plots.plot_network`."""
        return draw(analyze(self), path)

    def summary(self, batch_size: int = 1, sequence_length: int = 100) -> str:
        """A table of shapes, learnables, states and memory, and every problem of the graph.

        Parameters
        ----------
        batch_size, sequence_length : for which the memory of activations is stated
        """
        return analyze(self, batch_size, sequence_length).text()
