"""Known mistakes of the fully connected layer, the softmax and the cross-entropy.
The end of a classifier, which is all three in one function, is made of the wrong parts.

Axes: N rows, D inputs, C classes or outputs.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from minilstm.functional.classifier_loss import ClassifierLoss
from minilstm.functional.cross_entropy import (
    CrossEntropyCache,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from minilstm.functional.fully_connected import (
    FullyConnectedCache,
    FullyConnectedGradients,
    fully_connected_backward,
    fully_connected_forward,
)
from minilstm.functional.softmax import SoftmaxCache, softmax_backward
from minilstm.proof.causes.mistakes.base import Array, Backward, Mistake, Table, follow, read, table

WORDS = {
    "sum_of": "sum of {0}",
    "sum_over_rows": "sum of {0} over the rows",
    "mean_over_rows": "mean of {0} over the rows",
    "sum_over_classes": "sum of {0} over the classes",
    "last_row": "dy of the last row",
    "at_target": "1 at the target",
    "at_every_class": "1 at every class",
}

# ------------------------------------------------------------------ fully connected

FULLY_CONNECTED: Table = table(
    WORDS,
    # (1) y = W x + b
    dx="dy @ W",  # (N, D)
    dW="dy.T @ x",  # (C, D)
    db="sum_over_rows(dy)",  # (C,)
)


def fully_connected_backward_by(rules: Table) -> Backward:
    """The backward pass that follows a table, of the contract of `functional.fully_connected`."""

    def fully_connected_backward(
        dy: Array, cache: FullyConnectedCache, need_dx: bool = True
    ) -> tuple[Array | None, FullyConnectedGradients]:
        v = SimpleNamespace(**cache._asdict(), dy=dy, N=len(dy), last_row=dy[-1])
        v.sum_over_rows = v.sum_of = lambda rows: rows.sum(axis=0)
        v.mean_over_rows = lambda rows: rows.mean(axis=0)
        follow(rules, v)
        return (v.dx if need_dx else None), FullyConnectedGradients(v.dW, v.db)

    return fully_connected_backward


_FULLY_CONNECTED = read(
    "fully_connected_backward",
    FULLY_CONNECTED,
    fully_connected_backward_by,
    """
dW transposed | the gradient of the weights is transposed | dW = alike(x.T @ dy, dy.T @ x)
W transposed in dx | the gradient goes back through the transposed weights | dx: alike(W.T, W) for W
W missing in dx | the gradient goes back past the weights | dx = alike(dy, dy @ W)
dx zero | no gradient arrives at the input | dx: zero
dW zero | no gradient arrives at the weights | dW: zero
bias forgotten | the bias is forgotten | db: zero | tracel-ai/burn#5235
dW and db zero | no gradient arrives at the parameters | dW, db: zero
gradient equal to the weights | the weights themselves are returned for their gradient | dW = W
db is a mean | the bias gradient is the mean and not the sum | db: mean_over_rows for sum_over_rows
db of one row | the bias gradient is that of a single row | db = last_row
dW divided by the rows |
        the sum over the rows is divided by their number, as the loss has done already
    dW: over N
dW and db divided by the rows |
        the sums over the rows are divided by their number, as the loss has done already
    dW: over N
    db = sum_of(dy) / N
""",
)

# ------------------------------------------------------------------ softmax

SOFTMAX: Table = table(
    WORDS,
    # (2), (1) y_c = e_c / sum_k e_k
    inner="sum_over_classes(dy * y)",  # (N, 1)
    dz="y * (dy - inner)",  # (N, C)
)


def softmax_backward_by(rules: Table) -> Backward:
    """The backward pass that follows a table, of the contract of `functional.softmax`."""

    def softmax_backward(dy: Array, cache: SoftmaxCache) -> Any:
        v = SimpleNamespace(dy=dy, y=cache.y)
        v.sum_over_classes = lambda rows: rows.sum(axis=1, keepdims=True)
        v.sum_over_rows = lambda rows: rows.sum(axis=0, keepdims=True)
        return follow(rules, v).dz

    return softmax_backward


_SOFTMAX = read(
    "softmax_backward",
    SOFTMAX,
    softmax_backward_by,
    """
Jacobian skipped | the gradient goes past the softmax as if it were not there | dz = dy
Jacobian without its outer product | the part of the Jacobian that all classes share is missing
    dz: drop inner
diagonal of the Jacobian | only the diagonal of the Jacobian is used, as for a sigmoid
    dz = y * (1 - y) * dy
y missing in dz | the factor y is missing | dz: drop y
y missing in the inner product | the inner product lacks the scores | inner: drop y
sign of the inner product | the inner product has the wrong sign | dz: dy + inner for dy - inner
inner product over the rows | the inner product runs over the rows
    inner: sum_over_rows for sum_over_classes
""",
)

# ------------------------------------------------------------------ cross-entropy

_FACTORS = {
    "known": "has_class",  # (N, 1)
    "w": "weights",  # (N, 1)
    "scale": "1 / count",
}
CROSS_ENTROPY: Table = table(
    WORDS,
    # (1) loss = -sum of weight log(true score) / count
    slope="-1 / score",  # (N, C)
    chosen="at_target",  # (N, C)
    **_FACTORS,
    d="chosen * slope * (w * known * scale)",  # (N, C)
)
FUSED: Table = table(
    WORDS,
    # (2), (1) loss = sum of weight (-log softmax(logits)_target) / count
    p="y - onehot",  # (N, C)
    **_FACTORS,
    d="p * (w * known * scale)",  # (N, C)
)


def cross_entropy_backward_by(rules: Table) -> Backward:
    """A backward pass that follows one of the two tables, of the contracts of `cross_entropy`."""

    def backward(cache: CrossEntropyCache) -> Any:
        scores, targets, count, weights = cache
        N, C = scores.shape
        onehot = np.zeros_like(scores)  # (N, C)
        onehot[np.arange(N), targets] = 1  # a row without a class counts as the last
        v = SimpleNamespace(
            N=N, C=C, count=count, score=scores, y=scores, onehot=onehot, at_target=onehot,
            at_every_class=1.0, has_class=(targets >= 0).astype(scores.dtype)[:, None],
            weights=np.ones_like(scores[:, :1]) if weights is None else weights[:, None],
            softmax_backward=lambda dy: softmax_backward(dy, SoftmaxCache(scores)),
        )  # fmt: skip
        return follow(rules, v).d

    return backward


# those that both forms of the loss may have
_SHARED = """
sum for mean | the loss is a mean over the rows and its gradient is that of the sum
    scale = 1
    fault: the gradient should be divided by count, the number of rows
mean taken twice | the mean over the rows is taken twice
    scale = 1 / count**2
    fault: it should be divided by count once
mean over classes too | the mean runs over the classes too
    scale = 1 / (count * C)
    fault: the gradient is divided by count * C and should be divided by count
rows without a class counted | rows without a class are counted in the mean
    scale = 1 / N
    fault: the gradient is divided by N and should be divided by count
rows without a class in the last class |
        a row without a class (-1) is taken for one of the last class
    known = 1
    fault: its gradient should be 0
weights forgotten | the weights of the rows are forgotten
    w = 1
    fault: each row's gradient should be multiplied by its weight
weights squared | the weights of the rows are applied twice
    w = weights * weights
    fault: each row's gradient should be multiplied by its weight once
sign of the loss | the loss has a minus before the logarithm, and its gradient lacks it
    scale = -1 / count
    fault: all of it should have the other sign
"""
_CROSS_ENTROPY = read(
    "cross_entropy_backward",
    CROSS_ENTROPY,
    cross_entropy_backward_by,
    _SHARED
    + """
score missing | the derivative of the logarithm is missing | slope = -1
all classes | a row's loss has the score of the true class only | chosen = at_every_class
gradient of the logits |
        this is the gradient before the softmax, which goes through the softmax once more
    d = (y - onehot) * (w * known * scale)
    fault: dscores = (y - onehot) / count should be -onehot / (count * y)
gradient of the squared error | this is the gradient of another loss, the squared error
    d = 2 * (y - onehot) * (w * known * scale)
    fault: dscores = 2 (y - onehot) / count should be -onehot / (count * y)
""",
)
_FUSED = read(
    "softmax_cross_entropy_backward",
    FUSED,
    cross_entropy_backward_by,
    _SHARED
    + """
1 not subtracted at the target | 1 is not subtracted at the target | p: drop onehot
softmax skipped | the gradient of the scores is passed on as that of the logits, past the softmax
    p = -onehot / y
softmax twice | y - onehot has passed the softmax already and goes through it once more
    p = softmax_backward(y - onehot)
true class only | only the true class has a gradient | p = (y - 1) * onehot
other classes only | the true class has no gradient | p = y * (1 - onehot)
""",
)

# ------------------------------------------------------------------ the three in one

PREFIX = "end of a classifier: "


def classifier_loss_by(dense: Backward, entropy: Backward) -> Backward:
    """The end of a classifier with other backward passes, of the contract of `classifier_loss`."""

    def classifier_loss(
        x: Array, W: Array, b: Array, targets: Any, count: float, weights: Any = None
    ) -> ClassifierLoss:
        logits, kept = fully_connected_forward(x, W, b)  # (N, C)
        loss, cache = softmax_cross_entropy_forward(logits, targets, count, weights)
        correct = int((logits.real.argmax(axis=1) == targets).sum())
        dx, grads = dense(entropy(cache), kept)
        return ClassifierLoss(loss, correct, dx, grads.W, grads.b)

    return classifier_loss


_ENDS = (
    *((m, classifier_loss_by(m.wrong, softmax_cross_entropy_backward)) for m in _FULLY_CONNECTED),
    *((m, classifier_loss_by(fully_connected_backward, m.wrong)) for m in _FUSED),
)
MISTAKES: tuple[Mistake, ...] = (
    *_FULLY_CONNECTED,
    *_SOFTMAX,
    *_CROSS_ENTROPY,
    *_FUSED,
    *(m._replace(name=PREFIX + m.name, function="classifier_loss", wrong=w) for m, w in _ENDS),
)
