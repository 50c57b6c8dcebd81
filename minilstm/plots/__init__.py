"""The figures of minilstm: signals, networks, training progress, predictions, forecasts.
Each function draws with Matplotlib's object interface on the axes it is given, or on a new figure.

A new figure belongs to no window: `save_figure` writes it to a file, and a notebook shows
`ax.figure`. To draw in a window, hand over axes of your own: `plot_features(x, ax=plt.gca())`.
Matplotlib itself is imported on the first call, never by importing this package.
"""

from __future__ import annotations

from .confusion import confusion_matrix, plot_confusion
from .envelope import envelope
from .files import save_figure
from .forecast import plot_forecast
from .gates import plot_gates, plot_gradient_flow, plot_text, plot_unit
from .live import LiveTrainingProgress
from .network import plot_network
from .predictions import plot_predictions
from .regression import plot_regression
from .sequences import plot_features, plot_sequence
from .style import colours
from .training import plot_training_progress

__all__ = [
    "LiveTrainingProgress",
    "colours",
    "confusion_matrix",
    "envelope",
    "plot_confusion",
    "plot_features",
    "plot_forecast",
    "plot_gates",
    "plot_gradient_flow",
    "plot_network",
    "plot_predictions",
    "plot_regression",
    "plot_sequence",
    "plot_text",
    "plot_training_progress",
    "plot_unit",
    "save_figure",
]
