"""Known mistakes in the backward pass of batch normalisation, most of them of the statistics.
Each changes a line of the table here, which is the backward pass of `functional`'s.

Axes: N rows, ... positions, C channels, M = N times the positions.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from minilstm.functional.batch_normalization import BatchNormalizationGradients
from minilstm.proof.causes.mistakes.base import Array, Backward, Mistake, Table, follow, read, table

WORDS = {
    "sum_of": "sum of {0}",
    "mean_of": "mean of {0}",
    "twice": "2 {0}",
    "unbiased": "M / (M - 1) * {0}",
    "less_one": "({0} - 1)",
}
RIGHT: Table = table(
    WORDS,
    # (3) n = (x - mean) / sqrt(variance + epsilon)
    deviation="sqrt(variance + epsilon)",  # (C,)
    n="(x - mean) / deviation",  # (N, ..., C)
    # (4) y = scale n + offset
    dscale="sum_of(dy * n)",  # (C,)
    doffset="sum_of(dy)",  # (C,)
    # (3) in reverse
    factor="scale / deviation",  # (C,)
    # (1) mean = sum of x / M
    through_mean="-sum_of(dy) / M",  # (C,)
    # (2) variance = sum of (x - mean)^2 / M
    through_variance="-n * sum_of(dy * n) / M",  # (N, ..., C)
    dx="factor * (dy + through_mean + through_variance)",  # (N, ..., C)
)
#: the same with given statistics, through which no gradient goes
APPLY: Table = {**RIGHT, **table(WORDS, through_mean="0", through_variance="0")}


def batch_normalization_backward_by(rules: Table) -> Backward:
    """The backward pass that follows a table, of the contracts of `batch_normalization`."""

    def backward(
        dy: Array, cache: Any, need_dx: bool = True
    ) -> tuple[Array | None, BatchNormalizationGradients]:
        over, dtype = tuple(range(dy.ndim - 1)), cache.x.dtype
        v = SimpleNamespace(**cache._asdict(), dy=dy, M=dy.size // dy.shape[-1])
        v.sum_of = lambda rows: rows.sum(axis=over)  # (C,)
        v.mean_of = lambda rows: rows.mean(axis=over)  # (C,)
        v.twice = lambda number: 2 * number
        v.less_one = lambda M: max(M - 1, 1)  # a single row has no unbiased variance
        v.unbiased = lambda variance: variance * v.M / max(v.M - 1, 1)
        follow(rules, v)
        grads = BatchNormalizationGradients(v.dscale.astype(dtype), v.doffset.astype(dtype))
        return (v.dx.astype(dtype) if need_dx else None), grads

    return backward


# Those that do not concern the statistics: with those of the batch and with given ones.
_SHARED = """
scale missing in dx | the scale is missing on the way to dx | factor: drop scale
deviation missing in dx | the deviation is missing on the way to dx | factor: drop deviation
variance for the deviation in dx | the root of the variance is missing
    factor: variance + epsilon for deviation
epsilon missing | epsilon is left out of the backward pass | deviation: drop epsilon
epsilon outside the root | epsilon is added to the root | deviation = sqrt(variance) + epsilon
dscale with x | the scale meets the normalised x | dscale: x for n
dscale with x - mean | the scale meets the normalised x, divided by the deviation
    dscale: x - mean for n
scale forgotten | the scale is forgotten | dscale: zero
offset forgotten | the offset is forgotten | doffset: zero | tracel-ai/burn#5235
doffset is a mean | the gradient of the offset is the mean and not the sum
    doffset: mean_of for sum_of
dscale is a mean | the gradient of the scale is the mean and not the sum
    dscale: mean_of for sum_of
dscale and doffset are means | the gradients of scale and offset are means and not sums
    dscale, doffset: mean_of for sum_of
dscale and doffset swapped | the gradients of scale and offset are interchanged
    dscale: drop n
    doffset: dy * n for dy
dx zero | no gradient arrives at the input | dx: zero
"""
_OF_THE_BATCH = """
gradient through the mean missing |
        the gradient through the mean is missing, as if the mean were a constant
    through_mean = 0
gradient through the variance missing |
        the gradient through the variance is missing, as if the variance were a constant
    through_variance = 0
statistics as constants | mean and variance are taken for constants, as in prediction
    through_mean, through_variance = 0
unbiased variance in its gradient | the variance is divided by M in (2), and its gradient by M - 1
    through_variance: less_one(M) for M
unbiased variance in the deviation |
        the variance is divided by M in (2), and by M - 1 in the backward pass
    deviation: unbiased(variance) for variance
unbiased variance on the way to dx |
        the variance is divided by M in (2), and by M - 1 on the way to dx
    factor: sqrt(unbiased(variance) + epsilon) for deviation
1/2 of the root missing |
        the factor 1/2 of the square root's derivative is missing in the gradient of the variance
    through_variance: -twice(n) for -n
2 of the square missing |
        the factor 2 of the square's derivative is missing in the gradient through the variance
    through_variance: -n / 2 for -n
sign of the gradient through the variance | the gradient through the variance has the wrong sign
    through_variance: n for -n
sign of the gradient through the mean | the gradient through the mean has the wrong sign
    through_mean: sum_of(dy) for -sum_of(dy)
n missing in the gradient through the variance |
        the second n is missing in the gradient through the variance
    through_variance = -sum_of(dy * n) / M
"""
_OF_GIVEN_STATISTICS = """
given statistics taken for those of the batch |
        the statistics are given and no gradient goes through them
    through_mean = -sum_of(dy) / M
    through_variance = -n * sum_of(dy * n) / M
"""
MISTAKES: tuple[Mistake, ...] = tuple(
    mistake
    for name, right, text in (
        ("batch_normalization_backward", RIGHT, _SHARED + _OF_THE_BATCH),
        ("batch_normalization_apply_backward", APPLY, _SHARED + _OF_GIVEN_STATISTICS),
    )
    for mistake in read(name, right, batch_normalization_backward_by, text)
)
