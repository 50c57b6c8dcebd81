"""Known mistakes in the backward pass of the convolution: of the filter, the steps and the edges.
Each changes a line of the table here, which is the backward pass of `functional.convolution`.

Axes: N images, S stands for all spatial axes, Cin channels of the input, F filters; k is a place of
the filter and o one of the output, vectors with an entry for each spatial axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.convolution import ConvolutionCache, ConvolutionGradients
from minilstm.proof.causes.mistakes.base import Mistake, Rule, Table, follow, maker

Array = NDArray[Any]

RIGHT: Table = {
    # where the filter reads and dx is written: steps between its places and between its entries
    "s_read": Rule("s", lambda v: v.stride),
    "d_read": Rule("d", lambda v: v.dilation),
    "s_written": Rule("s", lambda v: v.stride),
    "d_written": Rule("d", lambda v: v.dilation),
    # (1) p = x with zeros around it
    "p": Rule("x with zeros around it", lambda v: np.pad(v.x, v.around(v.padding))),
    # (2) y_o = b + sum_k p_{s o + d k} W_k
    "db": Rule("sum of dy over images and places", lambda v: v.dy.sum(axis=v.axes)),  # (F,)
    "dW_k": Rule(
        "sum over o of p_{s o + d k} dy_o",
        lambda v: (
            lambda k: np.tensordot(v.p[v.seen(k, v.s_read, v.d_read)], v.dy, (v.axes, v.axes))
        ),
    ),  # (Cin, F)
    "dW": Rule("all dW_k", lambda v: _every(v.dW_k, v.W)),  # (fS, Cin, F)
    "part_k": Rule("dy_o W_k^T", lambda v: lambda k: v.dy @ v.W[k].T),  # (N, oS, Cin)
    "dp": Rule("sum over k of dy_o W_k^T at s o + d k", lambda v: _written(v, add=True)),
    # (1) in reverse
    "dx": Rule("dp without the zeros around it", lambda v: _cut(v, [a for a, _ in v.padding])),
}


def convolution_backward_by(rules: Table) -> Callable[..., Any]:
    """The backward pass that follows a table, of the contract of `functional.convolution`."""

    def convolution_backward(
        dy: Array, cache: ConvolutionCache, need_dx: bool = True
    ) -> tuple[Array | None, ConvolutionGradients]:
        size = dy.shape[1:-1]

        def seen(k: Any, stride: Any, dilation: Any) -> tuple[slice, ...]:
            parts = zip(k, size, stride, dilation, strict=True)
            return slice(None), *(slice(n * d, n * d + (o - 1) * s + 1, s) for n, o, s, d in parts)

        v = SimpleNamespace(
            **cache._asdict(), dy=dy, axes=tuple(range(dy.ndim - 1)), seen=seen,
            around=lambda padding: ((0, 0), *padding, (0, 0)),
        )  # fmt: skip
        follow(rules, v)
        return (v.dx if need_dx else None), ConvolutionGradients(v.dW, v.db)

    return convolution_backward


def _every(of_place: Callable[[Any], Array], W: Array) -> Array:
    out = np.empty_like(W)  # (fS, Cin, F)
    for k in np.ndindex(W.shape[:-2]):
        out[k] = of_place(k)
    return out


def _written(v: Any, add: bool) -> Array:
    dp = np.zeros_like(v.p)  # (N, S + pads, Cin)
    for k in np.ndindex(v.W.shape[:-2]):
        place = v.seen(k, v.s_written, v.d_written)
        dp[place] = dp[place] + v.part_k(k) if add else v.part_k(k)
    return dp


def _cut(v: Any, starts: Any) -> Array:
    """dp from these places on, as long as x; zeros where that runs over the edge."""
    out = np.zeros_like(v.x)  # (N, S, Cin)
    sizes = v.x.shape[1:-1]
    inside = [slice(max(a, 0), a + n) for a, n in zip(starts, sizes, strict=True)]
    part = v.dp[(slice(None), *inside)]
    there = [
        slice(max(-a, 0), max(-a, 0) + m) for a, m in zip(starts, part.shape[1:-1], strict=True)
    ]
    out[(slice(None), *there)] = part
    return out


def _cut_at(starts: Callable[[Any], list[int]]) -> Rule:
    return Rule("", lambda v: _cut(v, starts(v)))


def _turned(k: Any, W: Array) -> tuple[int, ...]:
    """The place opposite to k in the filter."""
    return tuple(f - 1 - n for n, f in zip(k, W.shape[:-2], strict=True))


def _ones(v: Any) -> tuple[int, ...]:
    return (1,) * len(v.stride)


def _swapped_axes(W: Array) -> Array:
    """The filter mirrored along its diagonal, where it is square."""
    return W.swapaxes(0, 1) if W.shape[0] == W.shape[1] else W


def _as_many(v: Any) -> bool:
    return bool(v.W.shape[-1] == v.W.shape[-2])


def _ignored(what: str, letter: str) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
    """Name, cause and lines of a step that is taken for 1, in dx, in dW and in both."""
    place = {"s": "o + d k", "d": "s o + k"}[letter]
    written = f"dy_o W_k^T is added at {place} and should be added at s o + d k"
    read = f"dW_k meets p_{{{place}}} and should meet p_{{s o + d k}}"
    lines = f"{letter}_written", f"{letter}_read"
    return (
        ("in dx", f"the {what} is ignored on the way to dx", written, lines[:1]),
        ("in dW", f"the {what} is ignored in the gradient of the filter", read, lines[1:]),
        ("in both", f"the {what} is ignored", f"{written}, and {read}", lines),
    )


_make = maker("convolution_backward", RIGHT, convolution_backward_by)
_dW, _db, _dW_k, _p = (RIGHT[name].value for name in ("dW", "db", "dW_k", "p"))
_FLIPPED = Rule("all dW_{f-1-k}", lambda v: _every(lambda k: v.dW_k(_turned(k, v.W)), v.W))
_FLIPPED_DX = Rule("dy_o W_{f-1-k}^T", lambda v: lambda k: v.dy @ v.W[_turned(k, v.W)].T)
_STEP = Rule("1", _ones)

MISTAKES: tuple[Mistake, ...] = (
    _make("filter flipped in dx", "the filter is turned over on the way to dx", part_k=_FLIPPED_DX),
    _make("filter flipped in dW", "the gradient of the filter is turned over", dW=_FLIPPED),
    _make("filter flipped in both", "the filter is turned over", part_k=_FLIPPED_DX, dW=_FLIPPED),
    _make(
        "bias forgotten",
        "the bias is forgotten",
        "tracel-ai/burn#5235",
        db=Rule("0", lambda v: 0 * _db(v)),
    ),
    _make(
        "db is a mean over the places",
        "the bias is added at every place, so its gradient is a sum over them",
        db=Rule(
            "sum over images of the mean of dy over the places",
            lambda v: _db(v) / math.prod(v.dy.shape[1:-1]),
        ),
    ),
    _make(
        "db is a mean",
        "the bias gradient is the mean and not the sum",
        db=Rule("mean of dy over images and places", lambda v: v.dy.mean(axis=v.axes)),
    ),
    _make(
        "db divided by the images",
        "the bias gradient is divided by the number of images",
        db=Rule("sum of dy / N", lambda v: _db(v) / len(v.x)),
    ),
    _make(
        "dW divided by the images",
        "the sum over the images is divided by their number, as the loss has done already",
        dW=Rule("all dW_k / N", lambda v: _dW(v) / len(v.x)),
    ),
    _make(
        "dW and db divided by the images",
        "the sums over the images are divided by their number, as the loss has done already",
        dW=Rule("all dW_k / N", lambda v: _dW(v) / len(v.x)),
        db=Rule("sum of dy / N", lambda v: _db(v) / len(v.x)),
    ),
    _make("dW zero", "no gradient arrives at the filters", dW=Rule("0", lambda v: 0 * v.W)),
    _make("dx zero", "no gradient arrives at the images", dx=Rule("0", lambda v: 0 * v.x)),
    _make(
        "gradient equal to the filters",
        "the filters themselves are returned for their gradient",
        dW=Rule("W", lambda v: v.W),
    ),
    *(
        _make(f"{what} ignored {where}", how, fault=fault, **{line: _STEP for line in lines})
        for what, letter in (("stride", "s"), ("dilation", "d"))
        for where, how, fault, lines in _ignored(what, letter)
    ),
    _make(
        "overlapping places overwritten in dx",
        "places of the input that several places of the filter see are overwritten (= for +=)",
        fault="dp = dy_o W_k^T should be added to what is there",
        dp=Rule("", lambda v: _written(v, add=False)),
    ),
    *(
        _make(
            f"padding cut off {where}",
            "the zeros around the image are cut off at the wrong side",
            fault=f"dx starts {text} and should start right behind the zeros before the image",
            dx=_cut_at(starts),
        )
        for where, text, starts in (
            ("at the end only", "at the first zero", lambda v: [0 for _ in v.padding]),
            (
                "by the number after",
                "behind as many places as there are zeros after the image",
                lambda v: [b for _, b in v.padding],
            ),
            ("one too late", "one place too late", lambda v: [a + 1 for a, _ in v.padding]),
            ("one too early", "one place too early", lambda v: [a - 1 for a, _ in v.padding]),
        )
    ),
    _make(
        "padding after the image in dW",
        "the zeros stand all behind the image when the filter's gradient is computed",
        p=Rule(
            "x with all zeros behind it",
            lambda v: np.pad(v.x, v.around([(0, a + b) for a, b in v.padding])),
        ),
    ),
    _make(
        "spatial axes of dW swapped",
        "the rows and columns of the filter's gradient are interchanged",
        dW=Rule("all dW_k, k with its two entries interchanged,", lambda v: _swapped_axes(_dW(v))),
    ),
    _make(
        "spatial axes swapped in dx",
        "the rows and columns of the filter are interchanged on the way to dx",
        part_k=Rule(
            "dy_o W_k^T, k with its two entries interchanged,",
            lambda v: lambda k: v.dy @ _swapped_axes(v.W)[k].T,
        ),
    ),
    _make(
        "channels of dW swapped",
        "channels and filters are interchanged in the gradient of the filter",
        dW_k=Rule(
            "sum over o of dy_o p_{s o + d k}",
            lambda v: lambda k: _dW_k(v)(k).T if _as_many(v) else _dW_k(v)(k),
        ),
    ),
    _make(
        "channels swapped in dx",
        "channels and filters are interchanged on the way to dx",
        part_k=Rule("dy_o W_k", lambda v: lambda k: v.dy @ (v.W[k] if _as_many(v) else v.W[k].T)),
    ),
)
