"""Known mistakes in the backward passes of functions that act on each number by itself.
Dropout, the rectifier and the sigmoid: one line each.

Axes: N rows, ... anything.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.dropout import DropoutCache, dropout_forward
from minilstm.proof.causes.mistakes.base import Mistake, Rule, Table, follow, maker

Array = NDArray[Any]

# ------------------------------------------------------------------ dropout

DROPOUT: Table = {
    # (4) y = x m
    "m": Rule("mask / (1 - p)", lambda v: v.mask(v.dy)),
    "dx": Rule("dy * m", lambda v: v.dy * v.m),
}


def dropout_backward_by(rules: Table) -> Callable[[Array, DropoutCache], Array]:
    """The backward pass that follows a table, of the contract of `functional.dropout`."""

    def dropout_backward(dy: Array, cache: DropoutCache) -> Array:
        v = SimpleNamespace(
            dy=dy,
            p=cache.probability,
            mask=lambda rows: dropout_forward(np.ones_like(rows), *cache)[0],
            other=lambda rows: dropout_forward(
                np.ones_like(rows), cache.probability, cache.key + 1, cache.row
            )[0],
        )
        follow(rules, v)
        dx: Array = v.dx
        return dx

    return dropout_backward


_dropout = maker("dropout_backward", DROPOUT, dropout_backward_by)
_DROPOUT = (
    _dropout("mask forgotten", "the mask is forgotten", dx=Rule("dy", lambda v: v.dy.copy())),
    _dropout(
        "scale forgotten",
        "what is kept is scaled in forward and not in backward",
        m=Rule("mask", lambda v: v.mask(v.dy) * (1 - v.p)),
    ),
    _dropout(
        "mask forgotten, scale kept",
        "the gradient goes to the dropped numbers too",
        m=Rule("1 / (1 - p)", lambda v: 1 / (1 - v.p)),
    ),
    _dropout(
        "mask of the first row for all",
        "the mask of the first step is used for all steps",
        "lmnt-com/haste#43",
        fault="each row should have its own mask",
        m=Rule("", lambda v: v.mask(v.dy[:1])),
    ),
    _dropout(
        "another mask",
        "the mask is drawn anew in backward",
        fault="it should be the mask of forward",
        m=Rule("", lambda v: v.other(v.dy)),
    ),
)

# ------------------------------------------------------------------ the rectifier

RELU: Table = {
    "slope": Rule("1 where x > 0, else 0", lambda v: v.passes.astype(v.dy.dtype)),
    "dx": Rule("dy * slope", lambda v: v.dy * v.slope),
}
SIGMOID: Table = {
    "slope": Rule("y * (1 - y)", lambda v: v.y * (1 - v.y)),
    "dx": Rule("dy * slope", lambda v: v.dy * v.slope),
}


def from_output_by(rules: Table) -> Callable[[Array, Any], Array]:
    """A backward pass that follows a table, of the contracts of `relu` and `sigmoid`."""

    def backward(dy: Array, cache: Any) -> Array:
        v = SimpleNamespace(dy=dy, **cache._asdict())
        follow(rules, v)
        dx: Array = v.dx
        return dx

    return backward


_relu = maker("relu_backward", RELU, from_output_by)
_RELU = (
    _relu("derivative missing", "the rectifier is forgotten", slope=Rule("1", lambda v: 1.0)),
    _relu(
        "zeroed where dy is negative",
        "the gradient is cut off where it is negative itself, not where x is",
        slope=Rule("1 where dy > 0", lambda v: (v.dy > 0).astype(v.dy.dtype)),
    ),
)

# ------------------------------------------------------------------ the sigmoid


def _sigmoid_of(y: Array) -> Array:
    out: Array = 1 / (1 + np.exp(-y))
    return out


def _slope(y: Array) -> Array:
    return y * (1 - y)


_sigmoid = maker("sigmoid_backward", SIGMOID, from_output_by)
_SIGMOID = (
    _sigmoid("derivative missing", "the sigmoid is forgotten", slope=Rule("1", lambda v: 1.0)),
    _sigmoid(
        "values for derivatives",
        "the output stands where its derivative belongs",
        slope=Rule("y", lambda v: v.y),
    ),
    _sigmoid(
        "half a derivative",
        "half of the derivative is missing",
        slope=Rule("1 - y", lambda v: 1 - v.y),
    ),
    _sigmoid(
        "derivative of the activated value",
        "y is already activated, and the sigmoid is applied to it a second time",
        slope=Rule("sigmoid(y) * (1 - sigmoid(y))", lambda v: _slope(_sigmoid_of(v.y))),
    ),
    _sigmoid(
        "derivative of tanh",
        "the derivative is that of tanh",
        slope=Rule("1 - y^2", lambda v: 1 - v.y * v.y),
    ),
)


MISTAKES: tuple[Mistake, ...] = (*_DROPOUT, *_RELU, *_SIGMOID)
