"""Known mistakes in the backward passes of functions that act on each number by itself.
Dropout, the rectifier and the sigmoid: one line each.

Axes: N rows, ... anything.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from minilstm.functional.dropout import DropoutCache, dropout_mask
from minilstm.proof.causes.mistakes.base import Array, Backward, Mistake, Table, follow, read, table

# ------------------------------------------------------------------ dropout

# (4) y = x m; `mask` is 1 where a number of these rows is kept, `another` is drawn anew
DROPOUT: Table = table({"mask(dy)": "mask"}, m="mask(dy) / (1 - p)", dx="dy * m")


def dropout_backward_by(rules: Table) -> Backward:
    """The backward pass that follows a table, of the contract of `functional.dropout`."""

    def dropout_backward(dy: Array, cache: DropoutCache) -> Any:
        p, key, row = cache

        def mask(rows: Array, key: int = key) -> Array:
            return dropout_mask(rows.shape, p, key, row).astype(rows.dtype)

        v = SimpleNamespace(dy=dy, p=p, mask=mask, another=lambda rows: mask(rows, key + 1))
        v.first_row = dy[:1]
        return follow(rules, v).dx

    return dropout_backward


_DROPOUT = """
mask forgotten | the mask is forgotten | dx: drop m
scale forgotten | what is kept is scaled in forward and not in backward | m: drop 1 - p
mask forgotten, scale kept | the gradient goes to the dropped numbers too | m: drop mask(dy)
mask of the first row for all | the mask of the first step is used for all steps | lmnt-com/haste#43
    m: first_row for dy
    fault: each row should have its own mask
another mask | the mask is drawn anew in backward
    m: another for mask
    fault: it should be the mask of forward
"""

# ------------------------------------------------------------------ the rectifier and the sigmoid

RELU: Table = table(
    {"one(passes)": "1 where x > 0, else 0", "one(where_positive)": "1 where dy > 0"},
    slope="one(passes)",
    dx="dy * slope",
)
SIGMOID: Table = table({}, slope="y * (1 - y)", dx="dy * slope")


def from_output_by(rules: Table) -> Backward:
    """A backward pass that follows a table, of the contracts of `relu` and `sigmoid`."""

    def backward(dy: Array, cache: Any) -> Any:
        v = SimpleNamespace(dy=dy, **cache._asdict(), where_positive=dy > 0)
        v.one = lambda where: where.astype(dy.dtype)
        v.sigmoid = lambda y: 1 / (1 + np.exp(-y))
        return follow(rules, v).dx

    return backward


_RELU = """
derivative missing | the rectifier is forgotten | slope = 1
zeroed where dy is negative | the gradient is cut off where it is negative itself, not where x is
    slope: where_positive for passes
"""
_SIGMOID = """
derivative missing | the sigmoid is forgotten | slope = 1
values for derivatives | the output stands where its derivative belongs | slope: drop 1 - y
half a derivative | half of the derivative is missing | slope: drop y
derivative of the activated value |
        y is already activated, and the sigmoid is applied to it a second time
    slope: sigmoid(y) for y
derivative of tanh | the derivative is that of tanh | slope = 1 - y**2
"""

MISTAKES: tuple[Mistake, ...] = (
    *read("dropout_backward", DROPOUT, dropout_backward_by, _DROPOUT),
    *read("relu_backward", RELU, from_output_by, _RELU),
    *read("sigmoid_backward", SIGMOID, from_output_by, _SIGMOID),
)
