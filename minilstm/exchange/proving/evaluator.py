"""Runs the description of a step in NumPy, with the very bits of the exported programs.
It is how a file proves itself where no compiler stands; it is not fast.

Axes: T steps, D inputs, C outputs, H hidden units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.step.arithmetic import FUNCTIONS
from minilstm.exchange.step.program import (
    Both,
    Cell,
    Dense,
    Normalize,
    Pointwise,
    Program,
    Scale,
    Step,
    Weights,
)

Array = NDArray[Any]
_START, _PRIME = 2166136261, 16777619  # of the hash FNV-1a


class CellState(NamedTuple):
    """What one LSTM hands to its next step."""

    h: Array  # (H,)
    c: Array  # (H,)


def first_state(program: Program) -> list[CellState]:
    """The state after a reset, one for each cell."""
    return [CellState(cell.h0, cell.c0) for cell in program.cells]


def run_step(program: Program, state: list[CellState], x: Array) -> tuple[Array, list[CellState]]:
    """One step.

    Parameters
    ----------
    program : without a layer that reads both ways
    state : from `first_state` or the step before
    x : (D,) float32

    Returns
    -------
    scores : (C,) float32
    state : after the step; after an x that is not finite, the state before it, and scores of NaN
    """
    if not np.isfinite(x).all():
        return np.full(program.outputs, np.nan, np.float32), state
    after: list[CellState] = []
    with np.errstate(all="ignore"):
        for step in program.steps:
            if isinstance(step.operation, Cell):
                after.append(_cell(step.operation, state[len(after)], x))
                x = after[-1].h
            else:
                x = _row(step, x)
    return x, after


def run_rows(program: Program, x: Array) -> Array:
    """Scores of every step from a reset: (T, D) float32 to (T, C)."""
    state, out = first_state(program), []
    for row in np.asarray(x, np.float32):
        scores, state = run_step(program, state, row)
        out.append(scores)
    return np.array(out)


def run_window(program: Program, x: Array) -> Array:
    """Scores of a whole window, layer after layer: (T, D) float32 to (T, C), or (1, C)."""
    rows = list(np.asarray(x, np.float32))
    if not np.isfinite(rows).all():
        T = 1 if any(step.last for step in program.steps) else len(rows)
        return np.full((T, program.outputs), np.nan, np.float32)
    with np.errstate(all="ignore"):
        for step in program.steps:
            op = step.operation
            if isinstance(op, Cell):
                rows = _along(op, rows)[-1:] if step.last else _along(op, rows)
            elif isinstance(op, Both):
                ahead, back = _along(op.forward, rows), _along(op.back, rows[::-1])
                # Each direction's own last state, or both at the same step.
                pairs = (
                    [(ahead[-1], back[-1])] if step.last else zip(ahead, back[::-1], strict=True)
                )
                rows = [np.concatenate(pair) for pair in pairs]
            else:
                rows = [_row(step, row) for row in rows]
    return np.array(rows)


def hash_of(scores: Array) -> int:
    """A number of 32 bits for the bits of scores (FNV-1a over whole words).

    Examples
    --------
    >>> hash_of(np.array([], np.float32))
    2166136261
    """
    found = _START
    for word in np.ascontiguousarray(scores, np.float32).view(np.uint32).ravel().tolist():
        found = (found ^ word) * _PRIME & 0xFFFFFFFF
    return found


def _along(cell: Cell, rows: list[Array]) -> list[Array]:
    state, out = CellState(cell.h0, cell.c0), []
    for row in rows:
        state = _cell(cell, state, row)
        out.append(state.h)
    return out


def _cell(cell: Cell, state: CellState, x: Array) -> CellState:
    H = len(state.h)
    z = _add(_add(cell.b, cell.W, x), cell.R, state.h)  # (4H,)
    gate, function = FUNCTIONS[cell.gate], FUNCTIONS[cell.state]
    i, f, o = (gate(z[n * H : (n + 1) * H]) for n in (0, 1, 3))  # (H,)
    g = function(z[2 * H : 3 * H])  # (H,)
    c = f * state.c + i * g  # (H,)
    return CellState(o * function(c), c)


def _add(start: Array, weights: Weights, x: Array) -> Array:
    """start + W x, summed over the inputs in order; (M,)."""
    if weights.factors is None:
        total = start
        for row, value in zip(weights.values, x, strict=True):
            total = total + row * value
        return total
    total = np.zeros_like(start)
    for row, value in zip(weights.values.astype(np.float32), x, strict=True):
        total = total + row * value
    return start + total * weights.factors


def _row(step: Step, x: Array) -> Array:
    """An operation that acts on one row by itself."""
    op = step.operation
    if isinstance(op, Normalize):
        return ((x - op.high) - op.low) * op.factor + op.offset
    if isinstance(op, Dense):
        return _add(op.b, op.W, x)
    if isinstance(op, Scale):
        return x * op.factor + op.offset
    assert isinstance(op, Pointwise)
    out: Array = FUNCTIONS[op.function](x)
    return out
