"""Training a network on sequences: everything is checked, then the loop runs.
An interruption returns the network so far."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minilstm.backend import Backend, current_backend, is_installed
from minilstm.connections import Connections
from minilstm.layers import Layer
from minilstm.network import Network
from minilstm.options import TrainingOptions
from minilstm.training_data import check_validation, prepare
from minilstm.training_info import TrainingInfo
from minilstm.training_loop import TrainingLoop, check_checkpoints


def train(
    x: Any,
    y: Any,
    layers: Sequence[Layer] | Connections | Network,
    loss: Any = None,
    options: TrainingOptions | None = None,
    *,
    step_weights: Any = None,
) -> tuple[Network, TrainingInfo]:
    """Train a network on sequences of any lengths.

    Parameters
    ----------
    x : list of B arrays (T_b, D), (B, T, D), or one (T, D); images (T, h, w, c) in the place of
        (T, D); integers or floats, no NaN. For several inputs a dict by their names, or a list
    y : answers. Labels, strings or integers: for output mode "sequence" a list of (T_b,) arrays,
        for "last" one (B,) array. Numbers for losses of regression: a list of (T_b, R) or (B, R).
        For several outputs a dict by their names, or a list
    layers : list of layers, SequenceInput first; a LayerGraph; or a Network, whose training goes on
    loss : "crossentropy", "mse" and others, `minilstm.CrossEntropy`, or a pair of functions (value,
        gradient), see `minilstm.losses.find_loss`; a dict or list of them for several outputs.
        None takes that of the output layers, and "crossentropy" where there is none
    options : TrainingOptions; None means the defaults
    step_weights : weight of each answer, of the form of y; None means 1 each

    Returns
    -------
    net : Network, with `classes` the sorted distinct labels
    info : TrainingInfo, the history and the reason why training stopped

    Raises
    ------
    DataError
        The data do not fit the layers; nothing was computed.
    ValueError
        The layers do not form a network, or not one for these answers.
    DivergedError
        The loss became NaN or infinite; it carries the last good network.

    Notes
    -----
    Ctrl-C ends the training and returns the network so far; `info.stop_reason` says so.

    Examples
    --------
    >>> import minilstm as ml
    >>> rng = np.random.default_rng(0)
    >>> x = [rng.normal(size=(20, 1)) for _ in range(8)]
    >>> y = [np.where(a[:, 0] > 0, "up", "down") for a in x]
    >>> layers = [ml.SequenceInput(1), ml.LSTM(8), ml.FullyConnected(2), ml.Softmax()]
    >>> options = ml.TrainingOptions(max_epochs=40, initial_learn_rate=0.05, verbose=False)
    >>> net, info = ml.train(x, y, layers, options=options)
    >>> net.evaluate(x, y)["accuracy"] > 0.95
    True
    """
    options = TrainingOptions() if options is None else options
    if not isinstance(options, TrainingOptions):
        raise TypeError(
            f"options is {type(options).__name__}; give TrainingOptions('adam', max_epochs=60)."
        )
    backend = _backend(options)
    check_checkpoints(options)
    # One generator for first values, one for shuffling, one for dropout: none disturbs another.
    values, shuffler, noise = np.random.default_rng(options.seed).spawn(3)
    net, heads, data = prepare(x, y, layers, loss, options, step_weights, values)
    validation = check_validation(net, heads, data, options)
    return TrainingLoop(net, heads, data, validation, options, backend, shuffler, noise).run()


def _backend(options: TrainingOptions) -> Backend:
    if options.execution_environment == "gpu":
        raise ImportError(
            "execution_environment is 'gpu', but this version of minilstm computes on the CPU "
            "only; choose 'cpu' or 'auto'."
        )
    backend = current_backend()
    if backend.name == "numpy" and not is_installed("numba"):
        warnings.warn(
            "training runs on NumPy alone because Numba is not installed; it is several times "
            "faster with it: pip install 'minilstm[fast]'.",
            UserWarning,
            stacklevel=3,
        )
    return backend
