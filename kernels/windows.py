"""Where in memory the windows of a convolution lie: tables of places, for any number of axes.
A window's number k for the place o is ``corners[o] + steps[k]``, counted from its image's start.

Padding is not tested for in the inner loop: images that need it are copied into a frame of zeros,
a few at a time. The gradient of the input is a convolution of the upstream gradient; with a
stride, one for each class of places that the same entries of the filter reach.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minilstm.functional.convolution import Pads, Sizes, convolution_size
from minilstm.functional.ragged import IntArray

GROUP_PLACES = 256  # places of the output of the images that are framed together, about


class Windows(NamedTuple):
    """Tables of a convolution, in elements of one image or one frame."""

    size: int  # elements of an image, of all its channels
    frame: int  # elements of a framed image; 0 where no frame is needed
    lines: IntArray  # (L, 3) of each line copied into the frame: from, to, elements
    group: int  # images framed together
    corners: IntArray  # (O,)
    steps: IntArray  # (K,)
    places: IntArray  # (O,) where the output's channels begin


class Phase(NamedTuple):
    """A part of the gradient of the input: the entries of the filter that reach these places."""

    windows: Windows
    taps: tuple[IntArray, ...]  # indices into the spatial axes of W, for numpy.ix_


@lru_cache(maxsize=64)
def windows_of_input(
    size: Sizes, Cin: int, F: int, filter_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes
) -> Windows:
    """The windows of images of a spatial size, from which F outputs are computed each."""
    out = convolution_size(size, filter_size, stride, padding, dilation)
    frame = tuple(n + before + after for n, (before, after) in zip(size, padding, strict=True))
    corners = [np.arange(o) * s for o, s in zip(out, stride, strict=True)]
    steps = [np.arange(f) * d for f, d in zip(filter_size, dilation, strict=True)]
    places = _flat([np.arange(o) for o in out], (*out, F))
    before = tuple(pads[0] for pads in padding)
    return _windows(size, Cin, frame, before, corners, steps, places)


@lru_cache(maxsize=64)
def phases_of_gradient(
    size: Sizes, Cin: int, F: int, filter_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes
) -> tuple[Phase, ...]:
    """The windows of the upstream gradient (o, F) from which dx of a spatial size is computed.

    Entry k of the filter took part of the input's place i to o = (i + pad - d k) / s, where that
    is whole: i + pad and d k leave the same remainder r of s. With i + pad = s q + r and
    d k = s m + r it is o = q - m.
    """
    out = convolution_size(size, filter_size, stride, padding, dilation)
    before = [pads[0] for pads in padding]
    q = [(np.arange(n) + pad) // s for n, pad, s in zip(size, before, stride, strict=True)]
    m = [np.arange(f) * d // s for f, d, s in zip(filter_size, dilation, stride, strict=True)]
    low = tuple(int(a[0] - b[-1]) for a, b in zip(q, m, strict=True))
    frame = tuple(int(a[-1]) + 1 - least for a, least in zip(q, low, strict=True))
    phases = []
    for r in np.ndindex(stride):
        axes = zip(size, before, filter_size, dilation, stride, r, strict=True)
        chosen = [
            (
                np.flatnonzero((np.arange(n) + pad) % s == rest),
                np.flatnonzero(np.arange(f) * d % s == rest),
            )
            for n, pad, f, d, s, rest in axes
        ]
        i, taps = [a for a, _ in chosen], [b for _, b in chosen]
        corners = [a[here] - least for a, here, least in zip(q, i, low, strict=True)]
        steps = [-b[here] for b, here in zip(m, taps, strict=True)]
        places = _flat(i, (*size, Cin))
        windows = _windows(out, F, frame, tuple(-n for n in low), corners, steps, places)
        if len(places):
            phases.append(Phase(windows, tuple(taps)))
    return tuple(phases)


def _windows(
    size: Sizes, channels: int, frame: Sizes, before: Sizes,
    corners: list[IntArray], steps: list[IntArray], places: IntArray,
) -> Windows:  # fmt: skip
    framed = frame != size or any(before)
    inside = (*frame, channels)
    # Of each axis what lies inside both; the last axis is copied as a line.
    low = [max(0, -b) for b in before]
    high = [max(0, min(n, m - b)) for n, m, b in zip(size, frame, before, strict=True)]
    rows = [np.arange(a, z) for a, z in zip(low[:-1], high[:-1], strict=True)]
    source = _flat([*rows, np.array([low[-1]])], (*size, channels))
    moved = [a + b for a, b in zip([*rows, np.array([low[-1]])], before, strict=True)]
    target = _flat(moved, inside)
    count = np.full(len(source), max(0, high[-1] - low[-1]) * channels)
    return Windows(
        int(np.prod(size)) * channels,
        int(np.prod(inside)) if framed else 0,
        np.stack([source, target, count], axis=1).astype(np.int64),
        -(-GROUP_PLACES // max(1, len(places))),
        _flat(corners, inside),
        _flat([*steps, np.arange(channels)], inside),
        places,
    )


def _flat(indices: Iterable[IntArray], shape: Sizes) -> IntArray:
    """Elements of an array of a shape, for all combinations of indices of its first axes."""
    total = np.zeros(1, np.int64)
    for n, index in enumerate(indices):
        step = int(np.prod(shape[n + 1 :]))
        total = (total[:, None] + index.astype(np.int64) * step).reshape(-1)
    return total
