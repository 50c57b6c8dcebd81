"""Bounds of rounding errors for what acts on rows: products, batch normalisation, the softmax loss.
See `minilstm.proof.rounding.lstm` for the model, its source and what a bound leaves out.

Everywhere u is the unit roundoff of the precision that is bounded, 2^-24 for float32. Each bound
has the shape of its result.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minilstm.functional.convolution import convolution_backward, convolution_forward
from minilstm.functional.cross_entropy import softmax_cross_entropy_forward
from minilstm.functional.fully_connected import fully_connected_backward, fully_connected_forward
from minilstm.functional.ragged import IntArray
from minilstm.proof.rounding.lstm import EXP, FLOAT32_ROUNDOFF, LOG, SPARE, Array, gamma

FLOAT64_ROUNDOFF = 2.0**-53  # unit roundoff of the statistics of batch normalisation


class ProductErrors(NamedTuple):
    """Bounds of |computed - exact| for a layer y = W x + b."""

    y: Array
    dx: Array
    dW: Array
    db: Array


class NormalizationErrors(NamedTuple):
    """Bounds of |computed - exact| for batch normalisation."""

    y: Array  # (N, ..., C)
    dx: Array  # (N, ..., C)
    dscale: Array  # (C,)
    doffset: Array  # (C,)


class LossErrors(NamedTuple):
    """Bounds of |computed - exact| for a softmax with its cross-entropy."""

    loss: float
    dz: Array  # (N, C)


def fully_connected_error_bound(
    x: Array, W: Array, b: Array, dy: Array, u: float = FLOAT32_ROUNDOFF
) -> ProductErrors:
    """Bound the rounding errors of a fully connected layer: n u |a||b| for a sum of n products.

    x (N, D), W (C, D), b (C,), and dy (N, C), the gradient of the loss with respect to the output.
    """
    x, W, b, dy = _magnitudes(x, W, b, dy)
    (N, C), D = dy.shape, x.shape[1]
    y, cache = fully_connected_forward(x, W, b)
    sizes = y, fully_connected_backward(dy, cache)
    return _scaled(sizes, (D + 1, C, N, N), u)


def convolution_error_bound(
    x: Array, W: Array, b: Array, dy: Array, stride: Any, padding: Any, dilation: Any,
    u: float = FLOAT32_ROUNDOFF,
) -> ProductErrors:  # fmt: skip
    """Bound the rounding errors of a convolution: the same with the windows as rows.

    The arguments are as for `functional.convolution.convolution_forward`; dy is like its output.
    """
    x, W, b, dy = _magnitudes(x, W, b, dy)
    window, F = W[..., 0].size, W.shape[-1]
    y, cache = convolution_forward(x, W, b, stride, padding, dilation)
    sizes, places = (y, convolution_backward(dy, cache)), dy[..., 0].size
    return _scaled(sizes, (window + 1, window // W.shape[-2] * F, places, places), u)


def batch_normalization_error_bound(
    x: Array, scale: Array, offset: Array, dy: Array, epsilon: float,
    statistics: tuple[Array, Array] | None = None, u: float = FLOAT32_ROUNDOFF,
) -> NormalizationErrors:  # fmt: skip
    """Bound the rounding errors of batch normalisation, whose statistics are summed in float64.

    The arguments are as for `functional.batch_normalization.batch_normalization_forward`; dy is
    like x (N, ..., C); `statistics` are a mean and a variance that are given, (C,) each, None for
    those of the batch. Bounds are infinite for a channel whose variance and epsilon rounding may
    make 0.

    Summed in float64, M numbers far from 0 leave an error of M 2^-53 |x| in their mean. That is
    beside u times the deviation for an |x| of some 2^29 / M deviations, and so the float64
    run has it as well: it is counted twice. The sums of squares of a mean that is off by d
    are too large by M d^2, no more.
    """
    x, scale, offset, dy = (np.asarray(a, np.float64) for a in (x, scale, offset, dy))
    C, M = x.shape[-1], x.size // x.shape[-1]
    shape, x, dy = x.shape, x.reshape(M, C), dy.reshape(M, C)
    scale, offset = abs(scale), abs(offset)
    if statistics is None:
        mean, of_mean = (
            x.mean(axis=0),
            gamma(M + 1, FLOAT64_ROUNDOFF) * abs(x).mean(axis=0),
        )  # (C,) each
        variance = ((x - mean) ** 2).mean(axis=0)  # (C,)
        of_variance = of_mean**2 + gamma(M + 5, FLOAT64_ROUNDOFF) * (variance + of_mean**2)  # (C,)
    else:
        mean, variance = (np.asarray(a, np.float64) for a in statistics)  # (C,) each
        of_mean = of_variance = np.zeros(C)
    # By how many roundings of n y, n itself and dx differ: given statistics are in the dtype of x.
    in_y, in_n, in_dx = (4, 1, 5) if statistics is None else (6, 4, 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = of_variance / (variance + epsilon)  # (C,)
        of_inverse = np.where(share < 1, 1 / np.sqrt(1 - np.minimum(share, 1)) - 1, np.inf)
        inverse = (1 + of_inverse) / np.sqrt(variance + epsilon)  # (C,) as computed, at most
        # (3) n = (x - mean) / sqrt(variance + epsilon); its error is that of the statistics alone
        n = abs(x - mean) * inverse  # (M, C)
        of_n = of_mean * inverse + n * of_inverse  # (M, C)
        # Kernels take x - c, with c the mean in x's dtype, and put what is left in the offset.
        left = (of_mean + u * abs(mean)) * inverse  # (C,)
        n = n + left  # (M, C) as computed, at most
        # (4) y = scale n + offset
        y = scale * (_both(in_y, u) * n + 2 * of_n) + _both(2, u) * (offset + scale * left)
        # (4) the sums over dy n and over dy
        sums, of_sums = (abs(dy) * n).sum(axis=0), (abs(dy) * of_n).sum(axis=0)  # (C,) each
        of_dscale = _both(in_n + 1, u) * sums + 2 * (
            of_sums + gamma(M + 6, FLOAT64_ROUNDOFF) * sums
        )
        of_doffset = 2 * gamma(M, FLOAT64_ROUNDOFF) * abs(dy).sum(axis=0)  # (C,)
        dscale = abs((dy * (x - mean)).sum(axis=0)) * inverse + of_dscale  # (C,) at most
        doffset = abs(dy.sum(axis=0)) + of_doffset  # (C,) at most
        # (3), (2), (1) dx = factor (dy - doffset / M - n dscale / M)
        factor, size, errors = scale * inverse, abs(dy), np.zeros((M, C))
        if statistics is None:
            size = size + doffset / M + (n + left) * dscale / M  # (M, C)
            errors = (n * of_dscale + 2 * of_n * dscale + of_doffset) / M  # (M, C)
        dx = factor * ((_both(in_dx, u) + 2 * of_inverse) * size + errors)  # (M, C)
    bounds = y.reshape(shape), dx.reshape(shape), of_dscale + u * dscale, of_doffset + u * doffset
    return NormalizationErrors(*(np.nan_to_num(SPARE * a, nan=np.inf) for a in bounds))


def softmax_cross_entropy_error_bound(
    z: Array, targets: IntArray, count: float | None = None, weights: Array | None = None,
    u: float = FLOAT32_ROUNDOFF,
) -> LossErrors:  # fmt: skip
    """Bound the rounding errors of a softmax with its cross-entropy, in one or in two steps.

    The arguments are as for `functional.cross_entropy.softmax_cross_entropy_forward`.
    """
    z = np.asarray(z, np.float64)  # (N, C)
    N, C = z.shape
    _, cache = softmax_cross_entropy_forward(z, targets, count, weights)
    counts = (targets >= 0).astype(np.float64)  # (N,)
    if weights is not None:
        counts *= np.asarray(weights, np.float64)
    scale = counts / cache.divisor  # (N,)
    top = z.max(axis=1, keepdims=True)  # (N, 1)
    # exp of a rounded argument, by a function that has an error too.
    of_exp = (1 + EXP.relative * u) * np.exp(u * (top - z)) - 1  # (N, C)
    of_sum = (1 + of_exp.max(axis=1, keepdims=True)) * (1 + gamma(C, u)) - 1  # (N, 1)
    of_score = (1 + of_exp) * (1 + u) / (1 - of_sum) - 1  # (N, C)
    onehot = np.arange(C) == targets[:, None]  # (N, C)
    score_error = cache.scores * of_score
    size = abs(cache.scores - onehot) + score_error
    dz = abs(scale)[:, None] * (score_error + gamma(4, u) * size)
    log_sum = np.log(np.exp(z - top).sum(axis=1))  # (N,)
    sizes = log_sum + abs(top[:, 0]) + abs(z[np.arange(N), targets])  # (N,)
    rows = of_sum[:, 0] / (1 - of_sum[:, 0]) + LOG.relative * u * log_sum + gamma(3, u) * sizes
    loss = (abs(scale) * (rows + gamma(N + 3, u) * sizes)).sum()
    return LossErrors(float(SPARE * loss), SPARE * dz)


def _both(n: int, u: float) -> float:
    """n roundings, beside the few of float64 in what belongs to a channel."""
    return gamma(n, u) + gamma(10, FLOAT64_ROUNDOFF)


def _magnitudes(*arrays: Array) -> list[Array]:
    """Absolute values in float64: a sum of them is what rounding multiplies."""
    return [abs(np.asarray(a, np.float64)) for a in arrays]


def _scaled(sizes: Any, roundings: tuple[int, ...], u: float) -> ProductErrors:
    """Bounds from y and (dx, (dW, db)) of magnitudes, and the roundings of a sum in each."""
    y, (dx, grads) = sizes
    sizes = zip(roundings, (y, dx, *grads), strict=True)
    scaled = (SPARE * gamma(n, u) * size for n, size in sizes)
    return ProductErrors(*scaled)
