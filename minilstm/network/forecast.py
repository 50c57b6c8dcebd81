"""Forecasting: a network that was trained to put out the next step of a sequence runs ahead of it.
In the closed loop it is fed its own forecasts, in the open loop the true values as they come.

Axes: B batch, T time, S steps that are forecast, D features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import check_whole
from minilstm.data.sequences import Batch
from minilstm.errors import DataError
from minilstm.functional.lstm import LSTMState
from minilstm.network.examples import as_batches, sequences_of
from minilstm.network.network import Network

Array = NDArray[Any]


def forecast(
    net: Network,
    history: Any,
    steps: int,
    *,
    actual: Any = None,
    state: Mapping[str, LSTMState] | None = None,
    return_state: bool = False,
) -> Any:
    """Forecast the steps that follow a history.

    ::

        y_1, s_1 = last output of net(history), state after it      (1)
        x_k = y_k in the closed loop, actual_k in the open loop     (2)
        y_{k+1}, s_{k+1} = net(x_k, s_k)                            (3)

    The network is one whose targets were its inputs one step later, so that what it puts out at a
    step is its forecast of the next.

    Parameters
    ----------
    net : Network, with as many outputs as inputs; it is not changed, and the state it carries is
        neither used nor moved
    history : (T, D) one sequence, a list of B such arrays of any lengths, or (B, T, D), in the
        units in which the network was trained; its only use is to bring the state up to date
    steps : S, how many steps to forecast
    actual : None for the closed loop; for the open loop the true values that follow `history`, of
        the same form, each of at least S - 1 steps: the k-th is used from forecast k + 1 on
    state : before `history`, as an earlier call or ``net.predict`` returned it; None means the
        initial state
    return_state : also return the state after the last step that was fed. It goes on with the last
        forecast, or the S-th true value, as the history

    Returns
    -------
    forecasts : (S, D), a list of B arrays (S, D), or (B, S, D), as `history` came, of the dtype of
        the network
    state : dict of (hidden (B, H), cell (B, H)) by layer name, if asked for

    Raises
    ------
    ValueError
        The network puts out another number of features than it takes in, or cannot run step by
        step, or `steps` is no whole number of at least 1.
    DataError
        `history`, `actual` or `state` does not fit, or the closed loop grew beyond all bounds.

    Notes
    -----
    Each step costs one step of `net.stream()`. The numbers are those of the loop above written with
    ``net.predict(..., state=...)``: the same bits on the Numba backend. Feeding the
    true values is the teacher forcing of Williams and Zipser, "A learning algorithm for continually
    running fully recurrent neural networks" (1989).

    Forecasts come in the units of the targets; nothing is scaled behind your back. Training works
    best on inputs and targets with mean 0 and standard deviation 1, measured on the training data::

        mean, std = np.concatenate(train).mean(axis=0), np.concatenate(train).std(axis=0)
        scaled = [(a - mean) / std for a in train]                      # (T, D) each
        net, _ = ml.train([a[:-1] for a in scaled], [a[1:] for a in scaled], layers, "mse", options)
        y = ml.forecast(net, (history - mean) / std, steps) * std + mean

    Examples
    --------
    >>> from minilstm.layers import FullyConnected, SequenceInput
    >>> values = {"fc/weights": [[0.5]], "fc/bias": [0.0]}
    >>> halve = Network([SequenceInput(1), FullyConnected(1)], values)
    >>> history, actual = np.array([[7.0], [8.0]]), np.array([[6.0], [10.0]])
    >>> forecast(halve, history, 3).tolist()
    [[4.0], [2.0], [1.0]]
    >>> forecast(halve, history, 3, actual=actual).tolist()
    [[4.0], [3.0], [5.0]]
    """
    size = _check(net, steps)
    how = net.dtype, net.data_format, "history", net.others
    (past,) = as_batches(net.wiring, history, *how)
    B = len(past.sequences)
    truth = None if actual is None else _true_values(net, actual, size, past, steps)
    stream = net.stream(batch=B)

    before = net.check_state(state, B)
    outputs, after = net.predict(
        past.sequences, state=before, return_state=True, data_format="auto"
    )
    y = np.empty((steps, B, size), net.dtype)  # (S, B, D)
    y[0] = [np.atleast_2d(out)[-1] for out in outputs]  # (1)
    stream.state = after
    for k in range(1, steps):
        x = y[k - 1] if truth is None else truth[k - 1]  # (B, D) (2)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # the error says it
                stream.step(x, out=y[k])  # (3)
        except DataError as error:
            largest = float(np.abs(y[k - 1]).max())
            raise DataError(
                f"the closed loop reached {largest} at step {k} of {steps}, which cannot be fed "
                "back; forecast fewer steps, or train the network for longer."
            ) from error
    result: Any = [np.ascontiguousarray(y[:, b]) for b in range(B)]
    if past.form != "list":
        result = result[0] if past.form == "single" else np.stack(result)
    return (result, stream.state) if return_state else result


def _check(net: Any, steps: Any) -> int:
    """D, the number of features of a network that can forecast, if `steps` is a number of steps."""
    if not isinstance(net, Network):
        raise TypeError(
            f"net is {type(net).__name__}; give a Network, the first of the two that ml.train "
            "returns."
        )
    check_whole("steps", steps, 1)
    wiring = net.wiring
    takes, gives = ([wiring.shape(n) for n in ends] for ends in (wiring.inputs, wiring.outputs))
    if len(takes) != 1 or takes != gives or len(takes[0]) != 1:
        raise ValueError(
            f"net takes in {_shown(takes)} and puts out {_shown(gives)}, but a network that "
            "forecasts is fed what it puts out; train one with as many outputs as inputs."
        )
    return int(takes[0][0])


def _true_values(net: Network, actual: Any, size: int, past: Batch, steps: int) -> Array:
    """The true values that the open loop feeds, (S - 1, B, D)."""
    first: Any = net.layers[net.wiring.inputs[0]]
    sequences, form, _ = sequences_of(
        first, actual, net.dtype, net.data_format, "actual", others=net.others
    )
    one, of_history = form == "single", past.form == "single"
    if one != of_history or len(sequences) != len(past.sequences):
        raise DataError(
            f"actual is {_counted(len(sequences), one)}, but history is "
            f"{_counted(len(past.sequences), of_history)}; give the true values that follow each "
            "history, in the same form."
        )
    for b, sequence in enumerate(sequences):
        if len(sequence) < steps - 1:
            name = "actual" if form == "single" else f"actual[{b}]"
            raise DataError(
                f"{name} has {len(sequence)} steps, but an open loop of {steps} forecasts is fed "
                f"{steps - 1}; give more true values, or forecast fewer steps."
            )
    return np.stack([s[: steps - 1] for s in sequences], axis=1)


def _counted(count: int, single: bool) -> str:
    return "one sequence" if single else f"a batch of {count}"


def _shown(shapes: list[tuple[int, ...]]) -> str:
    numbers = [str(s[0]) if len(s) == 1 else "x".join(map(str, s)) for s in shapes]
    return f"{' and '.join(numbers)} feature{'s' * (numbers != ['1'])} a step"
