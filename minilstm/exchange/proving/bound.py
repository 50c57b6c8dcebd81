"""How far the scores of an exported program may be from the network's: a bound that is computed.
Both compute in float32, each within the bound of the exact scores, so they differ by twice that.

It covers LSTMs of either direction, and layers on rows; see `minilstm.proof.rounding` for the
model. A bound of many steps is too wide to hold faults back: what is allowed to an LSTM is
therefore a share of its largest output at most. Axes: T steps, D inputs, C outputs, H hidden units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.step.program import (
    Both,
    Cell,
    Dense,
    Normalize,
    Program,
    Scale,
    Weights,
)
from minilstm.functional.activations import sigmoid
from minilstm.functional.lstm import lstm_forward
from minilstm.proof.rounding.lstm import (
    EXP,
    FLOAT32_ROUNDOFF,
    SIGMOID,
    SPARE,
    gamma,
    hidden_error_bound,
)

Array = NDArray[Any]
U = FLOAT32_ROUNDOFF
#: error that is allowed to an LSTM beside its largest output: 1,024 roundings of that
SHARE = 2.0**-14


class Limits(NamedTuple):
    """How far each score may be apart, at every step."""

    allowed: Array  # (C,): |exported - network| at most
    bound: Array  # (C,): that rounding alone can make; infinite where it is not known


class _Rows(NamedTuple):
    """Exact values of rows, and how far computed ones may be away."""

    y: Array  # (T, K)
    allowed: Array  # (T, K)
    bound: Array | None  # (T, K); None where it is not known


def largest_difference(program: Program, x: Array) -> Limits:
    """The limits of |exported - network| for every step of a sequence.

    Parameters
    ----------
    program : with float32 weights
    x : (T, D) float32
    """
    rows = _Rows(x.astype(np.float64), np.zeros(x.shape), np.zeros(x.shape))
    for step in program.steps:
        op = step.operation
        if isinstance(op, Cell):
            rows = _cell(op, rows)
        elif isinstance(op, Both):
            ahead, back = _cell(op.forward, rows), _turned(_cell(op.back, _turned(rows)))
            if step.last:  # each direction's own last state
                back = _turned(back)
            rows = _each(lambda *parts: np.concatenate(parts, axis=1), ahead, back)
        else:
            y, allowed = _through(op, rows.y, rows.allowed)
            bound = None if rows.bound is None else _through(op, rows.y, rows.bound)[1]
            rows = _Rows(y, allowed, bound)
        if step.last and program.window is not None:
            rows = _each(lambda a: a[-1:], rows)
    largest = np.full(program.outputs, np.inf) if rows.bound is None else rows.bound.max(axis=0)
    allowed = 2 * SPARE * rows.allowed.max(axis=0) + np.finfo(np.float32).tiny  # for underflow
    return Limits(allowed, 2 * SPARE * largest)


def _each(change: Callable[..., Array], *rows: _Rows) -> _Rows:
    """Rows whose arrays are made of those of others."""
    y, allowed, bound = zip(*rows, strict=True)
    return _Rows(
        change(*y), change(*allowed), None if any(b is None for b in bound) else change(*bound)
    )


def _turned(rows: _Rows) -> _Rows:
    return _each(lambda a: a[::-1], rows)


def _cell(cell: Cell, x: _Rows) -> _Rows:
    """Outputs (T, H) of one direction in the order in which it reads."""
    W, R, b = _exact(cell.W), _exact(cell.R), cell.b.astype(np.float64)
    h0, c0 = cell.h0.astype(np.float64), cell.c0.astype(np.float64)
    names = cell.gate, cell.state
    y = lstm_forward(x.y, h0[None], c0[None], W, R, b, None, None, *names)[0]
    bound = None if x.bound is None else hidden_error_bound(x.y, x.bound, h0, c0, W, R, b, *names)
    bound = bound if bound is not None and np.isfinite(bound).all() else None
    share = np.full_like(y, SHARE * abs(y).max())
    return _Rows(y, share if bound is None else np.minimum(bound, share), bound)


def _exact(weights: Weights) -> Array:
    rows: Array = weights.values.T.astype(np.float64)  # (M, K)
    return rows


def _through(op: Any, y: Array, error: Array) -> tuple[Array, Array]:
    """Exact values and limits of errors behind a layer that acts on rows."""
    size = abs(y) + error
    if isinstance(op, Dense):
        W = _exact(op.W)
        rounding = gamma(W.shape[1] + 1) * (size @ abs(W).T + abs(op.b))
        return y @ W.T + op.b, error @ abs(W).T + rounding
    if isinstance(op, Normalize):
        high, low, factor, offset = (a.astype(np.float64) for a in op)
        # Constants are rounded too, `high` alone is exact.
        size = (abs(y - high) + abs(low)) * abs(factor) + abs(offset)
        return (y - high - low) * factor + offset, gamma(6) * size
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
    return p, p * np.expm1(np.minimum(2 * moved, 99)) * (1 + gamma(C + 12)) + p * (
        gamma(C + 2) + 2 * EXP.relative * U
    )
