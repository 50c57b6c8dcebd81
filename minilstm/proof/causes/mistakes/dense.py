"""Known mistakes of the fully connected layer, the softmax and the cross-entropy.
The end of a classifier, which is all three in one function, is made of the wrong parts.

Axes: N rows, D inputs, C classes or outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from minilstm.proof.causes.mistakes.base import Mistake, Rule, Table, follow, maker

Array = NDArray[Any]

# ------------------------------------------------------------------ fully connected

FULLY_CONNECTED: Table = {
    # (1) y = W x + b
    "dx": Rule("dy W", lambda v: v.dy @ v.W),  # (N, D)
    "dW": Rule("dy^T x", lambda v: v.dy.T @ v.x),  # (C, D)
    "db": Rule("sum of dy over the rows", lambda v: v.dy.sum(axis=0)),  # (C,)
}


def fully_connected_backward_by(rules: Table) -> Callable[..., Any]:
    """The backward pass that follows a table, of the contract of `functional.fully_connected`."""

    def fully_connected_backward(
        dy: Array, cache: FullyConnectedCache, need_dx: bool = True
    ) -> tuple[Array | None, FullyConnectedGradients]:
        v = SimpleNamespace(dy=dy, x=cache.x, W=cache.W)
        follow(rules, v)
        return (v.dx if need_dx else None), FullyConnectedGradients(v.dW, v.db)

    return fully_connected_backward


def _square(wrong: Callable[[Any], Array], right: Callable[[Any], Array]) -> Any:
    """A formula that fits only where as many come out as go in; elsewhere the right one."""
    return lambda v: wrong(v) if v.W.shape[0] == v.W.shape[1] else right(v)


_fc = maker("fully_connected_backward", FULLY_CONNECTED, fully_connected_backward_by)
_dx, _dW, _db = (FULLY_CONNECTED[name].value for name in ("dx", "dW", "db"))
_FULLY_CONNECTED: tuple[Mistake, ...] = (
    _fc(
        "dW transposed",
        "the gradient of the weights is transposed",
        dW=Rule("x^T dy", _square(lambda v: v.x.T @ v.dy, _dW)),
    ),
    _fc(
        "W transposed in dx",
        "the gradient goes back through the transposed weights",
        dx=Rule("dy W^T", _square(lambda v: v.dy @ v.W.T, _dx)),
    ),
    _fc(
        "W missing in dx",
        "the gradient goes back past the weights",
        dx=Rule("dy", _square(lambda v: v.dy, _dx)),
    ),
    _fc("dx zero", "no gradient arrives at the input", dx=Rule("0", lambda v: 0 * _dx(v))),
    _fc("dW zero", "no gradient arrives at the weights", dW=Rule("0", lambda v: 0 * v.W)),
    _fc(
        "bias forgotten",
        "the bias is forgotten",
        "tracel-ai/burn#5235",
        db=Rule("0", lambda v: 0 * _db(v)),
    ),
    _fc(
        "dW and db zero",
        "no gradient arrives at the parameters",
        dW=Rule("0", lambda v: 0 * v.W),
        db=Rule("0", lambda v: 0 * _db(v)),
    ),
    _fc(
        "gradient equal to the weights",
        "the weights themselves are returned for their gradient",
        dW=Rule("W", lambda v: v.W),
    ),
    _fc(
        "db is a mean",
        "the bias gradient is the mean and not the sum",
        db=Rule("mean of dy over the rows", lambda v: v.dy.mean(axis=0)),
    ),
    _fc(
        "db of one row",
        "the bias gradient is that of a single row",
        db=Rule("dy of the last row", lambda v: v.dy[-1].copy()),
    ),
    _fc(
        "dW divided by the rows",
        "the sum over the rows is divided by their number, as the loss has done already",
        dW=Rule("dy^T x / N", lambda v: _dW(v) / len(v.x)),
    ),
    _fc(
        "dW and db divided by the rows",
        "the sums over the rows are divided by their number, as the loss has done already",
        dW=Rule("dy^T x / N", lambda v: _dW(v) / len(v.x)),
        db=Rule("sum of dy / N", lambda v: _db(v) / len(v.x)),
    ),
)

# ------------------------------------------------------------------ softmax

SOFTMAX: Table = {
    # (2), (1) y_c = e_c / sum_k e_k
    "inner": Rule("sum of dy * y over the classes", lambda v: (v.dy * v.y).sum(1, keepdims=True)),
    "dz": Rule("y * (dy - inner)", lambda v: v.y * (v.dy - v.inner)),  # (N, C)
}


def softmax_backward_by(rules: Table) -> Callable[[Array, SoftmaxCache], Array]:
    """The backward pass that follows a table, of the contract of `functional.softmax`."""

    def softmax_backward(dy: Array, cache: SoftmaxCache) -> Array:
        v = SimpleNamespace(dy=dy, y=cache.y)
        follow(rules, v)
        dz: Array = v.dz
        return dz

    return softmax_backward


_softmax = maker("softmax_backward", SOFTMAX, softmax_backward_by)
_SOFTMAX: tuple[Mistake, ...] = (
    _softmax(
        "Jacobian skipped",
        "the gradient goes past the softmax as if it were not there",
        dz=Rule("dy", lambda v: v.dy.copy()),
    ),
    _softmax(
        "Jacobian without its outer product",
        "the part of the Jacobian that all classes share is missing",
        dz=Rule("y * dy", lambda v: v.y * v.dy),
    ),
    _softmax(
        "diagonal of the Jacobian",
        "only the diagonal of the Jacobian is used, as for a sigmoid",
        dz=Rule("y * (1 - y) * dy", lambda v: v.y * (1 - v.y) * v.dy),
    ),
    _softmax(
        "y missing in dz",
        "the factor y is missing",
        dz=Rule("dy - inner", lambda v: v.dy - v.inner),
    ),
    _softmax(
        "y missing in the inner product",
        "the inner product lacks the scores",
        inner=Rule("sum of dy over the classes", lambda v: v.dy.sum(1, keepdims=True)),
    ),
    _softmax(
        "sign of the inner product",
        "the inner product has the wrong sign",
        dz=Rule("y * (dy + inner)", lambda v: v.y * (v.dy + v.inner)),
    ),
    _softmax(
        "inner product over the rows",
        "the inner product runs over the rows",
        inner=Rule("sum of dy * y over the rows", lambda v: (v.dy * v.y).sum(0, keepdims=True)),
    ),
)

# ------------------------------------------------------------------ cross-entropy

CROSS_ENTROPY: Table = {
    # (1) loss = -sum of weight log(true score) / count
    "slope": Rule("-1 / score", lambda v: -1 / v.scores),  # (N, C)
    "chosen": Rule("1 at the target", lambda v: v.onehot),  # (N, C)
    "known": Rule("1 where a row has a class", lambda v: v.has_class),  # (N, 1)
    "w": Rule("weights", lambda v: v.weights),  # (N, 1)
    "scale": Rule("1 / count", lambda v: 1 / v.count),
    "d": Rule("w * known * chosen * slope * scale", lambda v: v.chosen * v.slope * v.factor(v)),
}
FUSED: Table = {
    # (2), (1) loss = sum of weight (-log softmax(logits)_target) / count
    "p": Rule("y - onehot", lambda v: v.scores - v.onehot),  # (N, C)
    **{name: CROSS_ENTROPY[name] for name in ("known", "w", "scale")},
    "d": Rule("w * known * p * scale", lambda v: v.p * v.factor(v)),
}


def cross_entropy_backward_by(rules: Table) -> Callable[[CrossEntropyCache], Array]:
    """A backward pass that follows one of the two tables, of the contracts of `cross_entropy`."""

    def backward(cache: CrossEntropyCache) -> Array:
        scores, targets, count, weights = cache
        onehot = np.zeros_like(scores)  # (N, C)
        onehot[np.arange(len(targets)), targets] = 1  # a row without a class counts as the last
        v = SimpleNamespace(
            scores=scores, onehot=onehot, count=count, rows=len(targets), classes=scores.shape[1],
            has_class=(targets >= 0).astype(scores.dtype)[:, None],
            weights=np.ones_like(scores[:, :1]) if weights is None else weights[:, None],
            factor=lambda v: v.w * v.known * v.scale,
        )  # fmt: skip
        follow(rules, v)
        d: Array = v.d
        return d

    return backward


def _shared(make: Any) -> tuple[Mistake, ...]:
    """Mistakes that both forms of the loss may have."""
    return (
        make(
            "sum for mean",
            "the loss is a mean over the rows and its gradient is that of the sum",
            fault="the gradient should be divided by count, the number of rows",
            scale=Rule("1", lambda v: 1.0),
        ),
        make(
            "mean taken twice",
            "the mean over the rows is taken twice",
            fault="it should be divided by count once",
            scale=Rule("1 / count^2", lambda v: 1 / v.count**2),
        ),
        make(
            "mean over classes too",
            "the mean runs over the classes too",
            fault="the gradient is divided by count * C and should be divided by count",
            scale=Rule("1 / (count * C)", lambda v: 1 / (v.count * v.classes)),
        ),
        make(
            "rows without a class counted",
            "rows without a class are counted in the mean",
            fault="the gradient is divided by N and should be divided by count",
            scale=Rule("1 / N", lambda v: 1 / v.rows),
        ),
        make(
            "rows without a class in the last class",
            "a row without a class (-1) is taken for one of the last class",
            fault="its gradient should be 0",
            known=Rule("1", lambda v: 1.0),
        ),
        make(
            "weights forgotten",
            "the weights of the rows are forgotten",
            fault="each row's gradient should be multiplied by its weight",
            w=Rule("1", lambda v: 1.0),
        ),
        make(
            "weights squared",
            "the weights of the rows are applied twice",
            fault="each row's gradient should be multiplied by its weight once",
            w=Rule("weights^2", lambda v: v.weights * v.weights),
        ),
        make(
            "sign of the loss",
            "the loss has a minus before the logarithm, and its gradient lacks it",
            fault="all of it should have the other sign",
            scale=Rule("-1 / count", lambda v: -1 / v.count),
        ),
    )


_entropy = maker("cross_entropy_backward", CROSS_ENTROPY, cross_entropy_backward_by)
_CROSS_ENTROPY: tuple[Mistake, ...] = (
    *_shared(_entropy),
    _entropy(
        "score missing",
        "the derivative of the logarithm is missing",
        slope=Rule("-1", lambda v: -1.0),
    ),
    _entropy(
        "all classes",
        "a row's loss has the score of the true class only",
        chosen=Rule("1 at every class", lambda v: 1.0),
    ),
    _entropy(
        "gradient of the logits",
        "this is the gradient before the softmax, which goes through the softmax once more",
        fault="dscores = (y - onehot) / count should be -onehot / (count * y)",
        d=Rule("", lambda v: (v.scores - v.onehot) * v.factor(v)),
    ),
    _entropy(
        "gradient of the squared error",
        "this is the gradient of another loss, the squared error",
        fault="dscores = 2 (y - onehot) / count should be -onehot / (count * y)",
        d=Rule("", lambda v: 2 * (v.scores - v.onehot) * v.factor(v)),
    ),
)

_fused = maker("softmax_cross_entropy_backward", FUSED, cross_entropy_backward_by)
_FUSED: tuple[Mistake, ...] = (
    *_shared(_fused),
    _fused(
        "1 not subtracted at the target",
        "1 is not subtracted at the target",
        p=Rule("y", lambda v: v.scores.copy()),
    ),
    _fused(
        "softmax skipped",
        "the gradient of the scores is passed on as that of the logits, past the softmax",
        p=Rule("-onehot / y", lambda v: -v.onehot / v.scores),
    ),
    _fused(
        "softmax twice",
        "y - onehot has passed the softmax already and goes through it once more",
        p=Rule(
            "softmax_backward(y - onehot)",
            lambda v: softmax_backward(v.scores - v.onehot, SoftmaxCache(v.scores)),
        ),
    ),
    _fused(
        "true class only",
        "only the true class has a gradient",
        p=Rule("(y - 1) * onehot", lambda v: (v.scores - 1) * v.onehot),
    ),
    _fused(
        "other classes only",
        "the true class has no gradient",
        p=Rule("y * (1 - onehot)", lambda v: v.scores * (1 - v.onehot)),
    ),
)

# ------------------------------------------------------------------ the three in one

PREFIX = "end of a classifier: "


def classifier_loss_by(
    dense: Callable[..., Any], entropy: Callable[..., Any]
) -> Callable[..., Any]:
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


MISTAKES: tuple[Mistake, ...] = (
    *_FULLY_CONNECTED,
    *_SOFTMAX,
    *_CROSS_ENTROPY,
    *_FUSED,
    *(
        m._replace(name=PREFIX + m.name, function="classifier_loss", wrong=wrong)
        for m, wrong in (
            *(
                (m, classifier_loss_by(m.wrong, softmax_cross_entropy_backward))
                for m in _FULLY_CONNECTED
            ),
            *((m, classifier_loss_by(fully_connected_backward, m.wrong)) for m in _FUSED),
        )
    ),
)
