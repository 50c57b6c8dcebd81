"""Known mistakes in the backward pass of the convolution: of the filter, the steps and the edges.
Each changes a line of the table here, which is the backward pass of `functional.convolution`.

Axes: N images, S stands for all spatial axes, Cin channels of the input, F filters; k is a place of
the filter and o one of the output, vectors with an entry for each spatial axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from minilstm.functional.convolution import ConvolutionCache, ConvolutionGradients
from minilstm.proof.causes.mistakes.base import Array, Backward, Mistake, Table, follow, read, table
from minilstm.proof.causes.mistakes.rules import alike

OfPlace = Callable[[tuple[int, ...]], Array]  # an array for each place k of the filter

WORDS = {
    "padded(x, around)": "x with zeros around it",
    "padded(x, behind)": "x with all zeros behind it",
    "total": "sum of {0}",
    "sum_of": "sum of {0} over images and places",
    "mean_of": "mean of {0} over images and places",
    "sum_of(dy) / places": "sum over images of the mean of dy over the places",
    "sum_over_o(p, dy)": "sum over o of p_{s o + d k} dy_o",
    "transposed(sum_over_o(p, dy))": "sum over o of dy_o p_{s o + d k}",
    "all": "all {0}",
    "turned(dW_k)": "dW_{f-1-k}",
    "mirrored(all(dW_k))": "all dW_k, k with its two entries interchanged,",
    "through": "dy_o {0}^T",
    "turned(W_k)": "W_{f-1-k}",
    "through(transposed(W_k))": "dy_o W_k",
    "through(mirrored_W_k)": "dy_o W_k^T, k with its two entries interchanged,",
    "added": "sum over k of {0} at s o + d k",
    "cut(dp, before)": "dp without the zeros around it",
}
RIGHT: Table = table(
    WORDS,
    # where the filter reads and dx is written: steps between its places and its entries
    s_read="s",
    d_read="d",
    s_written="s",
    d_written="d",
    # (1) p = x with zeros around it
    p="padded(x, around)",  # (N, S + pads, Cin)
    # (2) y_o = b + sum_k p_{s o + d k} W_k
    db="sum_of(dy)",  # (F,)
    dW_k="sum_over_o(p, dy)",  # (Cin, F) of each k
    dW="all(dW_k)",  # (fS, Cin, F)
    part_k="through(W_k)",  # (N, oS, Cin) of each k
    dp="added(part_k)",  # (N, S + pads, Cin)
    # (1) in reverse
    dx="cut(dp, before)",  # (N, S, Cin)
)


def convolution_backward_by(rules: Table) -> Backward:
    """The backward pass that follows a table, of the contract of `functional.convolution`."""

    def convolution_backward(
        dy: Array, cache: ConvolutionCache, need_dx: bool = True
    ) -> tuple[Array | None, ConvolutionGradients]:
        x, W, padding = cache.x, cache.W, cache.padding
        size, axes = dy.shape[1:-1], tuple(range(dy.ndim - 1))

        def seen(k: Any, stride: Any, dilation: Any) -> tuple[slice, ...]:
            parts = zip(k, size, stride, dilation, strict=True)
            return slice(None), *(slice(n * d, n * d + (o - 1) * s + 1, s) for n, o, s, d in parts)

        def sum_over_o(p: Array, dy: Array) -> OfPlace:
            return lambda k: np.tensordot(p[seen(k, v.s_read, v.d_read)], dy, (axes, axes))

        def written(part_k: OfPlace, add: bool) -> Array:
            dp = np.zeros_like(v.p)  # (N, S + pads, Cin)
            for k in np.ndindex(W.shape[:-2]):
                place = seen(k, v.s_written, v.d_written)
                dp[place] = dp[place] + part_k(k) if add else part_k(k)
            return dp

        def turned(of_place: OfPlace) -> OfPlace:
            return lambda k: of_place(tuple(np.subtract(W.shape[:-2], 1) - k))

        def transposed(of_place: OfPlace) -> OfPlace:
            return lambda k: alike(of_place(k).T, of_place(k))

        v = SimpleNamespace(
            x=x, W=W, dy=dy, s=cache.stride, d=cache.dilation, ones=(1,) * len(size), N=len(x),
            around=padding, behind=[(0, a + b) for a, b in padding],
            padded=lambda x, padding: np.pad(x, ((0, 0), *padding, (0, 0))),
            sum_of=lambda dy: dy.sum(axis=axes), total=lambda dy: dy.sum(axis=axes),
            mean_of=lambda dy: dy.mean(axis=axes), places=int(np.prod(size)),
            sum_over_o=sum_over_o, turned=turned, transposed=transposed, mirrored=mirrored,
            all=lambda of_place: of_all_places(of_place, W), W_k=lambda k: W[k],
            mirrored_W_k=lambda k: mirrored(W)[k], through=lambda of_place: (
                lambda k: dy @ of_place(k).T
            ),
            added=lambda part_k: written(part_k, add=True),
            overwritten=lambda part_k: written(part_k, add=False),
            cut=lambda dp, starts: cut(dp, starts, x), first_zero=[0 for _ in padding],
            before=[a for a, _ in padding], after=[b for _, b in padding],
            one_late=[a + 1 for a, _ in padding], one_early=[a - 1 for a, _ in padding],
        )  # fmt: skip
        follow(rules, v)
        return (v.dx if need_dx else None), ConvolutionGradients(v.dW, v.db)

    return convolution_backward


def of_all_places(of_place: OfPlace, W: Array) -> Array:
    """The gradients of all places of the filter, in its shape."""
    out = np.empty_like(W)  # (fS, Cin, F)
    for k in np.ndindex(W.shape[:-2]):
        out[k] = of_place(k)
    return out


def cut(dp: Array, starts: Sequence[int], x: Array) -> Array:
    """The part of dp from these places on, as long as x; zeros a place over the edge."""
    wide = np.pad(dp, ((0, 0), *[(1, 1) for _ in starts], (0, 0)))  # a place more on each side
    parts = zip(starts, x.shape[1:-1], strict=True)
    return wide[(slice(None), *[slice(a + 1, a + 1 + n) for a, n in parts])]  # (N, S, Cin)


def mirrored(W: Array) -> Array:
    """The filter mirrored along its diagonal, where it is square."""
    return W.swapaxes(0, 1) if W.shape[0] == W.shape[1] else W


_MISTAKES = """
filter flipped in dx | the filter is turned over on the way to dx | part_k: turned(W_k) for W_k
filter flipped in dW | the gradient of the filter is turned over | dW: turned(dW_k) for dW_k
filter flipped in both | the filter is turned over
    part_k: turned(W_k) for W_k
    dW: turned(dW_k) for dW_k
bias forgotten | the bias is forgotten | db: zero | tracel-ai/burn#5235
db is a mean over the places | the bias is added at every place, so its gradient is a sum over them
    db: over places
db is a mean | the bias gradient is the mean and not the sum | db: mean_of for sum_of
db divided by the images | the bias gradient is divided by the number of images | db = total(dy) / N
dW divided by the images |
        the sum over the images is divided by their number, as the loss has done already
    dW: over N
dW and db divided by the images |
        the sums over the images are divided by their number, as the loss has done already
    dW: over N
    db = total(dy) / N
dW zero | no gradient arrives at the filters | dW: zero
dx zero | no gradient arrives at the images | dx: zero
gradient equal to the filters | the filters themselves are returned for their gradient | dW = W

<what> ignored in dx | the <what> is ignored on the way to dx
    <letter>_written = ones
    fault: dy_o W_k^T is added at <place> and should be added at s o + d k
<what> ignored in dW | the <what> is ignored in the gradient of the filter
    <letter>_read = ones
    fault: dW_k meets p_{<place>} and should meet p_{s o + d k}
<what> ignored in both | the <what> is ignored
    <letter>_written, <letter>_read = ones
    fault: dy_o W_k^T is added at <place> and should be added at s o + d k, and
        dW_k meets p_{<place>} and should meet p_{s o + d k}

overlapping places overwritten in dx |
        places of the input that several places of the filter see are overwritten (= for +=)
    dp: overwritten for added
    fault: dp = dy_o W_k^T should be added to what is there
padding cut off at the end only | the zeros around the image are cut off at the wrong side
    dx: first_zero for before
    fault: dx starts at the first zero and should start right behind the zeros before
        the image
padding cut off by the number after | the zeros around the image are cut off at the wrong side
    dx: after for before
    fault: dx starts behind as many places as there are zeros after the image and should start
        right behind the zeros before the image
padding cut off one too late | the zeros around the image are cut off at the wrong side
    dx: one_late for before
    fault: dx starts one place too late and should start right behind the zeros before
        the image
padding cut off one too early | the zeros around the image are cut off at the wrong side
    dx: one_early for before
    fault: dx starts one place too early and should start right behind the zeros before
        the image
padding after the image in dW |
        the zeros stand all behind the image when the filter's gradient is computed
    p: behind for around

spatial axes of dW swapped | the rows and columns of the filter's gradient are interchanged
    dW = mirrored(all(dW_k))
spatial axes swapped in dx | the rows and columns of the filter are interchanged on the way to dx
    part_k: mirrored_W_k for W_k
channels of dW swapped | channels and filters are interchanged in the gradient of the filter
    dW_k = transposed(sum_over_o(p, dy))
channels swapped in dx | channels and filters are interchanged on the way to dx
    part_k: transposed(W_k) for W_k
"""


# the stride or the dilation taken for 1: in dx, in dW and in both
_STEPS = [
    {"what": "stride", "letter": "s", "place": "o + d k"},
    {"what": "dilation", "letter": "d", "place": "s o + k"},
]
MISTAKES: tuple[Mistake, ...] = read(
    "convolution_backward", RIGHT, convolution_backward_by, _MISTAKES, _STEPS
)
