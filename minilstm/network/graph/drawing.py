"""From an analysis of a network to its picture.
This is the only place where the network room asks the plots for something."""

from __future__ import annotations

from typing import Any

from minilstm.network.graph.analysis import Analysis


def draw(analysis: Analysis, path: Any = None) -> Any:
    """Draw layers as boxes and connections as arrows; see `minilstm.plots.plot_network`."""
    from minilstm import plots

    return plots.plot_network(analysis, path)
