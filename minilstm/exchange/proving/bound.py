"""How far the scores of an exported program may be from the network's: a bound that is computed.
Both compute in float32, each within the bound of the exact scores, so they differ by twice that.

It covers one LSTM on exact inputs, then layers on rows; see `minilstm.proof.rounding` for the
model. Axes: T steps, D inputs, C outputs, H hidden units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.step.program import Cell, Dense, Pointwise, Program, Scale, Weights
from minilstm.functional.activations import sigmoid
from minilstm.functional.lstm import lstm_forward
from minilstm.proof.rounding.lstm import (
    EXP,
    FLOAT32_ROUNDOFF,
    SIGMOID,
    SPARE,
    gamma,
    lstm_error_bound,
)

Array = NDArray[Any]
U = FLOAT32_ROUNDOFF


def largest_difference(program: Program, x: Array) -> float | None:
    """The bound on |exported - network| for every step of a sequence.

    Parameters
    ----------
    program : with float32 weights
    x : (T, D) float32

    Returns
    -------
    float; None for a network that the bound does not cover: several LSTMs, a normalised input,
    other activations than sigmoid and tanh
    """
    first, *rest = (s.operation for s in program.steps)
    usual = isinstance(first, Cell) and (first.gate, first.state) == ("sigmoid", "tanh")
    if not usual or not all(isinstance(op, (Dense, Scale, Pointwise)) for op in rest):
        return None
    assert isinstance(first, Cell)
    W, R, b = _exact(first.W), _exact(first.R), first.b.astype(np.float64)
    start = first.h0[None].astype(np.float64), first.c0[None].astype(np.float64)
    rows = x.astype(np.float64)
    y = lstm_forward(rows, *start, W, R, b)[0]  # (T, H)
    error = lstm_error_bound(rows, *start, W, R, b).h  # (T, H)
    for op in rest:
        y, error = _through(op, y, error)
    return float(2 * SPARE * error.max())


def _exact(weights: Weights) -> Array:
    rows: Array = weights.values.T.astype(np.float64)  # (M, K)
    return rows


def _through(op: Any, y: Array, error: Array) -> tuple[Array, Array]:
    """Exact values and bounds of errors behind a layer that acts on rows."""
    size = abs(y) + error
    if isinstance(op, Dense):
        W = _exact(op.W)
        rounding = gamma(W.shape[1] + 1) * (size @ abs(W).T + abs(op.b))
        return y @ W.T + op.b, error @ abs(W).T + rounding
    if isinstance(op, Scale):
        factor = op.factor.astype(np.float64)
        return y * factor + op.offset, error * abs(factor) + gamma(4) * (
            size * abs(factor) + abs(op.offset)
        )
    if op.function == "relu":
        return np.maximum(y, 0), error
    if op.function == "sigmoid":
        s = sigmoid(y)
        return s, error / 4 + U * (SIGMOID.relative * s + SIGMOID.absolute)
    # A softmax moves by at most p (e^(2 e) - 1) where every argument moves by e at most; the
    # subtraction rounds arguments, the exponential and the sum round once more each.
    p = np.exp(y - y.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    moved = error.max(axis=1, keepdims=True) + U * 2 * size.max(axis=1, keepdims=True)
    C = y.shape[1]
    return p, p * np.expm1(2 * moved) * (1 + gamma(C + 12)) + p * (
        gamma(C + 2) + 2 * EXP.relative * U
    )
