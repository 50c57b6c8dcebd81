"""Known mistakes in the backward pass of batch normalisation, most of them of the statistics.
Each changes a line of the table here, which is the backward pass of `functional`'s.

Axes: N rows, ... positions, C channels, M = N times the positions.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.batch_normalization import BatchNormalizationGradients
from minilstm.proof.causes.mistakes.base import Mistake, Rule, Table, follow, maker

Array = NDArray[Any]

RIGHT: Table = {
    # (3) n = (x - mean) / sqrt(variance + epsilon)
    "deviation": Rule("sqrt(variance + epsilon)", lambda v: np.sqrt(v.variance + v.epsilon)),
    "n": Rule("(x - mean) / deviation", lambda v: (v.x - v.mean) / v.deviation),  # (N, ..., C)
    # (4) y = scale n + offset
    "dscale": Rule("sum of dy * n", lambda v: (v.dy * v.n).sum(axis=v.over)),  # (C,)
    "doffset": Rule("sum of dy", lambda v: v.dy.sum(axis=v.over)),  # (C,)
    # (3) in reverse
    "factor": Rule("scale / deviation", lambda v: v.scale / v.deviation),  # (C,)
    # (1) mean = sum of x / M
    "through_mean": Rule("-sum of dy / M", lambda v: -v.dy.sum(axis=v.over) / v.M),  # (C,)
    # (2) variance = sum of (x - mean)^2 / M
    "through_variance": Rule(
        "-n * sum of dy * n / M", lambda v: -v.n * (v.dy * v.n).sum(axis=v.over) / v.M
    ),  # (N, ..., C)
    "dx": Rule(
        "factor * (dy + through_mean + through_variance)",
        lambda v: v.factor * (v.dy + v.through_mean + v.through_variance),
    ),  # (N, ..., C)
}
_CONSTANT = Rule("0", lambda v: 0.0)
#: the same with given statistics, through which no gradient goes
APPLY: Table = {
    name: _CONSTANT if name.startswith("through") else rule for name, rule in RIGHT.items()
}


def batch_normalization_backward_by(rules: Table) -> Callable[..., Any]:
    """The backward pass that follows a table, of the contracts of `batch_normalization`."""

    def backward(
        dy: Array, cache: Any, need_dx: bool = True
    ) -> tuple[Array | None, BatchNormalizationGradients]:
        x = cache.x
        v = SimpleNamespace(
            **cache._asdict(), dy=dy, over=tuple(range(dy.ndim - 1)), M=x.size // x.shape[-1]
        )
        follow(rules, v)
        grads = BatchNormalizationGradients(v.dscale.astype(x.dtype), v.doffset.astype(x.dtype))
        return (v.dx.astype(x.dtype) if need_dx else None), grads

    return backward


def _unbiased(v: Any) -> Array:
    out: Array = np.sqrt(v.variance * v.M / max(v.M - 1, 1) + v.epsilon)  # (C,)
    return out


def _shared(make: Any) -> tuple[Mistake, ...]:
    """Mistakes that do not concern the statistics: with those of the batch and with given ones."""
    return (
        make(
            "scale missing in dx",
            "the scale is missing on the way to dx",
            factor=Rule("1 / deviation", lambda v: 1 / v.deviation),
        ),
        make(
            "deviation missing in dx",
            "the deviation is missing on the way to dx",
            factor=Rule("scale", lambda v: v.scale),
        ),
        make(
            "variance for the deviation in dx",
            "the root of the variance is missing",
            factor=Rule("scale / (variance + epsilon)", lambda v: v.scale / v.deviation**2),
        ),
        make(
            "epsilon missing",
            "epsilon is left out of the backward pass",
            deviation=Rule("sqrt(variance)", lambda v: np.sqrt(v.variance)),
        ),
        make(
            "epsilon outside the root",
            "epsilon is added to the root",
            deviation=Rule("sqrt(variance) + epsilon", lambda v: np.sqrt(v.variance) + v.epsilon),
        ),
        make(
            "dscale with x",
            "the scale meets the normalised x",
            dscale=Rule("sum of dy * x", lambda v: (v.dy * v.x).sum(axis=v.over)),
        ),
        make(
            "dscale with x - mean",
            "the scale meets the normalised x, divided by the deviation",
            dscale=Rule(
                "sum of dy * (x - mean)", lambda v: (v.dy * (v.x - v.mean)).sum(axis=v.over)
            ),
        ),
        make("scale forgotten", "the scale is forgotten", dscale=Rule("0", lambda v: 0 * v.scale)),
        make(
            "offset forgotten",
            "the offset is forgotten",
            "tracel-ai/burn#5235",
            doffset=Rule("0", lambda v: 0 * v.scale),
        ),
        make(
            "doffset is a mean",
            "the gradient of the offset is the mean and not the sum",
            doffset=Rule("mean of dy", lambda v: v.dy.mean(axis=v.over)),
        ),
        make(
            "dscale is a mean",
            "the gradient of the scale is the mean and not the sum",
            dscale=Rule("mean of dy * n", lambda v: (v.dy * v.n).mean(axis=v.over)),
        ),
        make(
            "dscale and doffset are means",
            "the gradients of scale and offset are means and not sums",
            dscale=Rule("mean of dy * n", lambda v: (v.dy * v.n).mean(axis=v.over)),
            doffset=Rule("mean of dy", lambda v: v.dy.mean(axis=v.over)),
        ),
        make(
            "dscale and doffset swapped",
            "the gradients of scale and offset are interchanged",
            dscale=RIGHT["doffset"],
            doffset=RIGHT["dscale"],
        ),
        make("dx zero", "no gradient arrives at the input", dx=Rule("0", lambda v: 0 * v.x)),
    )


_make = maker("batch_normalization_backward", RIGHT, batch_normalization_backward_by)
_apply = maker("batch_normalization_apply_backward", APPLY, batch_normalization_backward_by)
_variance = RIGHT["through_variance"].value

MISTAKES: tuple[Mistake, ...] = (
    *_shared(_make),
    _make(
        "gradient through the mean missing",
        "the gradient through the mean is missing, as if the mean were a constant",
        through_mean=_CONSTANT,
    ),
    _make(
        "gradient through the variance missing",
        "the gradient through the variance is missing, as if the variance were a constant",
        through_variance=_CONSTANT,
    ),
    _make(
        "statistics as constants",
        "mean and variance are taken for constants, as in prediction",
        through_mean=_CONSTANT,
        through_variance=_CONSTANT,
    ),
    _make(
        "unbiased variance in its gradient",
        "the variance is divided by M in (2), and its gradient by M - 1",
        through_variance=Rule(
            "-n * sum of dy * n / (M - 1)", lambda v: _variance(v) * v.M / max(v.M - 1, 1)
        ),
    ),
    _make(
        "unbiased variance in the deviation",
        "the variance is divided by M in (2), and by M - 1 in the backward pass",
        deviation=Rule("sqrt(M / (M - 1) * variance + epsilon)", _unbiased),
    ),
    _make(
        "unbiased variance on the way to dx",
        "the variance is divided by M in (2), and by M - 1 on the way to dx",
        factor=Rule(
            "scale / sqrt(M / (M - 1) * variance + epsilon)", lambda v: v.scale / _unbiased(v)
        ),
    ),
    _make(
        "1/2 of the root missing",
        "the factor 1/2 of the square root's derivative is missing in the gradient of the variance",
        through_variance=Rule("-2 n * sum of dy * n / M", lambda v: 2 * _variance(v)),
    ),
    _make(
        "2 of the square missing",
        "the factor 2 of the square's derivative is missing in the gradient through the variance",
        through_variance=Rule("-n / 2 * sum of dy * n / M", lambda v: _variance(v) / 2),
    ),
    _make(
        "sign of the gradient through the variance",
        "the gradient through the variance has the wrong sign",
        through_variance=Rule("n * sum of dy * n / M", lambda v: -_variance(v)),
    ),
    _make(
        "sign of the gradient through the mean",
        "the gradient through the mean has the wrong sign",
        through_mean=Rule("sum of dy / M", lambda v: v.dy.sum(axis=v.over) / v.M),
    ),
    _make(
        "n missing in the gradient through the variance",
        "the second n is missing in the gradient through the variance",
        through_variance=Rule("-sum of dy * n / M", lambda v: -(v.dy * v.n).sum(axis=v.over) / v.M),
    ),
    *_shared(_apply),
    _apply(
        "given statistics taken for those of the batch",
        "the statistics are given and no gradient goes through them",
        through_mean=RIGHT["through_mean"],
        through_variance=RIGHT["through_variance"],
    ),
)
