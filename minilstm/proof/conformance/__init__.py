"""A kit that examines somebody else's hand-written LSTM and gives it a score card.
Each check is a row with points; where a gradient is wrong, the row says where and why.

The functions under test need not look like those of this package: a layout is named by three
options, and an adapter of two lines does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minilstm.proof.conformance.card import Row as Row
from minilstm.proof.conformance.card import ScoreCard as ScoreCard
from minilstm.proof.conformance.cells import GRU, Step
from minilstm.proof.conformance.checks import run_checks
from minilstm.proof.conformance.lstm import LSTMSubject
from minilstm.proof.conformance.subject import Subject


def conformance(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *,
    gate_order: str = "ifgo",
    orientation: str = "rows",
    batch_axis: int | None = None,
    initial_state: bool = True,
    dtype: Any = np.float64,
    seed: int = 0,
    cell: str | Callable[..., Any] = "lstm",
    arrays: Mapping[str, Any] | None = None,
) -> ScoreCard:
    """Examine an LSTM: outputs, gradients, edges, repeated calls, dtypes, long and large inputs.

    Or a GRU, or any function with a cache: see `cell`.

    The two functions are called as ::

        h, (hT, cT), cache = forward(x, h0, c0, W, R, b)
        gradients = backward(dh, (dhT, dcT), cache)

    `cache` is whatever backward needs; it may be the object of a class. `gradients` is a dict with
    the keys x, W, R, b, h0 and c0, or a tuple in this order. What an LSTM does not offer costs
    nothing, and the card says so: a gradient of h0 or c0 that is None or left out; a final state,
    by returning ``(h, None, cache)`` (backward is then called with None in its place); lengths, by
    having no argument ``lengths`` (B,) in forward, for batches with padding at the end.

    Parameters
    ----------
    forward, backward : the functions under test. Where forward takes complex numbers the
        true derivative is exact, by the complex step; where it does not, central differences serve
    gate_order : the order of the four blocks of rows, the letters i (input), f (forget),
        g (cell candidate) and o (output)
    orientation : "rows", W is (4H, D) and R (4H, H); or "columns", W is (D, 4H) and R (H, 4H).
        The bias is (4H,) either way
    batch_axis : None, x is one sequence (T, D) and states are (H,); 0, x is (B, T, D); or 1, x is
        (T, B, D); states are (B, H) with both. The outputs h are laid out like x
    initial_state : False for an LSTM that always starts from zeros: h0 and c0 are zeros then, and
        it may pass them over
    dtype : np.float64; or np.float32 for an LSTM that knows no other, whose gradients are then
        compared with those of the NumPy twin, to 2e-4
    seed : of everything random
    cell : "lstm"; "gru", called as ``h, hT, cache = forward(x, h0, W, R, b)`` and ``backward(dh,
        dhT, cache)``, with x (T, B, D), h0 (B, H), W (3H, D), R (3H, H) and b (3H,), gradients a
        dict by name or a tuple x, h0, W, R, b (an LSTM's are x, W, R, b, h0, c0), gates in any
        order, the reset gate before or after the product; "step", any function of `arrays` that
        returns its outputs and a cache, such as one step of a network with a state; or a function
        that returns the outputs that such a function should have, one array or a tuple
    arrays : of "step" or of a reference, by name: passed in this order, and backward returns their
        gradients in this order. The first is the input, the others are states and parameters

    Returns
    -------
    ScoreCard
        With rows (name, passed, points, detail, cause), ``score``, ``total`` and ``failed``. An
        exception in a function under test fails the row at hand and is quoted there.

    Raises
    ------
    ValueError, TypeError
        An option is not one of those above.

    Examples
    --------
    The NumPy twin itself, on one sequence (its states are (1, H)):

    >>> from minilstm.functional.lstm import LSTMState, lstm_backward, lstm_forward
    >>> def forward(x, h0, c0, W, R, b):
    ...     h, state, cache = lstm_forward(x, h0[None], c0[None], W, R, b)
    ...     return h, (state.hidden[0], state.cell[0]), cache
    >>> def backward(dh, dstate, cache):
    ...     dx, g = lstm_backward(dh, LSTMState(dstate[0][None], dstate[1][None]), cache)
    ...     return dx, g.W, g.R, g.b, g.h0[0], g.c0[0]
    >>> card = conformance(forward, backward)
    >>> card.score == card.total, card["ragged batches"].detail
    (True, 'not offered: no batches')

    One step of a plain network, with the outputs that it should have:

    >>> def step(x, h, W, R):
    ...     y = np.tanh(x @ W + h @ R)
    ...     return y, (x, h, W, R, y)
    >>> def step_backward(dy, cache):
    ...     x, h, W, R, y = cache
    ...     da = dy * (1 - y * y)
    ...     return da @ W.T, da @ R.T, x.T @ da, h.T @ da
    >>> shapes = {"x": (3, 2), "h": (3, 4), "W": (2, 4), "R": (4, 4)}
    >>> arrays = {k: np.random.default_rng(0).normal(size=s) for k, s in shapes.items()}
    >>> card = conformance(step, step_backward, arrays=arrays,
    ...                    cell=lambda x, h, W, R: np.tanh(x @ W + h @ R))
    >>> card.score == card.total
    True
    """
    if sorted(gate_order) != sorted("ifgo"):
        raise ValueError(f"gate_order is {gate_order!r}; give the letters i, f, g and o in order.")
    if orientation not in ("rows", "columns"):
        raise ValueError(f"orientation is {orientation!r}; choose 'rows' or 'columns'.")
    if batch_axis not in (None, 0, 1):
        raise ValueError(f"batch_axis is {batch_axis!r}; choose None, 0 or 1.")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}; choose np.float64 or np.float32.")
    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"{name} is {type(function).__name__}; it has to be a function.")
    title = f"conformance of {_name(forward)} and {_name(backward)}"
    if cell != "lstm":
        return ScoreCard(run_checks(_cell(forward, backward, cell, arrays), seed), title)
    if arrays is not None:
        raise ValueError('arrays are for cell="step" or a reference; an LSTM is given its own.')
    subject = LSTMSubject(
        forward, backward, gate_order, orientation, batch_axis, initial_state,
        dtype=np.dtype(dtype).type,
    )  # fmt: skip
    return ScoreCard(run_checks(subject, seed), title)


def _cell(
    forward: Callable[..., Any], backward: Callable[..., Any], cell: Any, arrays: Any
) -> Subject:
    """Anything but an LSTM, as a subject."""
    if not callable(cell) and cell not in ("gru", "step"):
        raise ValueError(
            f"cell is {cell!r}; choose 'lstm', 'gru', 'step', or a function that returns the right "
            "outputs."
        )
    if (arrays is None) is not (cell == "gru"):
        raise ValueError(
            "a GRU is given its own arrays; leave arrays out."
            if cell == "gru"
            else "arrays is missing; give the arguments of forward as arrays by name, in order."
        )
    if cell == "gru":
        return GRU(forward, backward)
    return Step(forward, backward, arrays, cell if callable(cell) else None)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
