"""Trials of the simpler functions: fully connected, batch normalisation, softmax and others.
Each is a row of `TRIALS`: the ways in which the user's function may be it, and the test of one way.

Axes: N rows, D inputs, C classes or channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np

from minilstm.functional.batch_normalization import batch_normalization_forward
from minilstm.functional.convolution import convolution_forward, convolution_size
from minilstm.functional.cross_entropy import softmax_cross_entropy_forward
from minilstm.functional.fully_connected import fully_connected_forward
from minilstm.functional.softmax import softmax_forward
from minilstm.proof.causes.recognition.arrangements import arrangements, same
from minilstm.proof.derivatives.problem import Array

Arrays = Mapping[str, Array]
Names = tuple[str, ...]
Backward = Callable[..., Any]
Found = tuple[str, str, Callable[[Backward], dict[str, Array]]]  # title, backward pass, replay


class Given(NamedTuple):
    """What is known of the user's function, which has one output."""

    arrays: Arrays  # of floating-point numbers
    others: Arrays
    y: Array
    up: Array  # upstream gradient
    tolerance: float  # relative to the largest entry

    def is_like(self, ours: Array, wanted: Array) -> bool:
        """Whether outputs of the NumPy twin are the user's, which may have another shape."""
        return ours.size == wanted.size and same(ours, wanted.reshape(ours.shape), self.tolerance)


def find_row_function(
    arrays: Arrays, others: Arrays, outputs: Sequence[Array], ups: Sequence[Array], tolerance: float
) -> Found | None:
    """The title, the name of the backward pass and a replay of it, of the function that it is."""
    if len(outputs) != 1:
        return None
    given = Given(arrays, others, outputs[0], ups[0], tolerance)
    tried = (trial(given, *way) for ways, trial in TRIALS for way in ways(given))
    return next((found for found in tried if found is not None), None)


def _orders(given: Given, *counts: int) -> Iterator[Names]:
    """Orders of names, those that begin with an x first, where there are so many arrays."""
    if len(given.arrays) in counts and not given.others:
        yield from permutations(sorted(given.arrays, key=lambda n: not n.lower().startswith("x")))


def _fully_connected(given: Given, names: Names, columns: bool, turned: bool) -> Found | None:
    """y = x W^T + b with W turned or not, on rows or on columns, with or without b."""
    x, W, *bias = (given.arrays[n] for n in names)
    rows, wanted, dy = (a.T if columns else a for a in (x, given.y, given.up))
    M = W.T if turned else W  # (C, D)
    if rows.ndim < 1 or W.ndim != 2 or wanted.shape[:-1] != rows.shape[:-1]:
        return None
    if M.shape != (*wanted.shape[-1:], *rows.shape[-1:]):
        return None
    b = bias[0] if bias else np.zeros(len(M))
    if not arrangements(b.shape, (len(M),)):
        return None
    ours, cache = fully_connected_forward(rows.reshape(-1, rows.shape[-1]), M, b.reshape(-1))

    def replay(wrong: Backward) -> dict[str, Array]:
        dx, (dW, db) = wrong(dy.reshape(ours.shape), cache)
        dx = dx.reshape(rows.shape)
        grads = (dx.T if columns else dx, dW.T if turned else dW, db.reshape(b.shape))
        return dict(zip(names, grads, strict=False))

    title = f"a fully connected layer with {names[1]} {'(D, C)' if turned else '(C, D)'}"
    return (title, "fully_connected_backward", replay) if given.is_like(ours, wanted) else None


def _batch_normalization(given: Given, names: Names, rounded: bool) -> Found | None:
    """Channels last, with the statistics of the batch; epsilon is found from the outputs."""
    x, scale, offset = (given.arrays[n] for n in names)
    C = x.shape[-1] if x.ndim > 1 else 0
    if x.shape != given.y.shape or not all(arrangements(a.shape, (C,)) for a in (scale, offset)):
        return None
    gain, shift = scale.reshape(C), offset.reshape(C)
    epsilon = max(_epsilon(x.reshape(-1, C), gain, shift, given.y.reshape(-1, C)), 0.0)
    epsilon = float(f"{epsilon:.2g}") if rounded else epsilon
    ours, cache = batch_normalization_forward(x, gain, shift, epsilon)

    def replay(wrong: Backward) -> dict[str, Array]:
        dx, (dscale, doffset) = wrong(given.up, cache)
        grads = (dx, dscale.reshape(scale.shape), doffset.reshape(offset.shape))
        return dict(zip(names, grads, strict=True))

    title = f"batch normalisation with epsilon {epsilon:.3g}"
    return (title, "batch_normalization_backward", replay) if given.is_like(ours, given.y) else None


def _epsilon(x: Array, scale: Array, offset: Array, y: Array) -> float:
    """scale (x - mean) is sqrt(variance + epsilon) times (y - offset)."""
    n = y - offset  # (M, C)
    squares = (n * n).sum(axis=0)
    root = (scale * (x - x.mean(axis=0)) * n).sum(axis=0) / np.where(squares > 0, squares, np.nan)
    found = root * root - x.var(axis=0)  # (C,)
    return float(found[int(np.nanargmin(x.var(axis=0) + 0 * found))])


def _softmax(given: Given, names: Names, columns: bool) -> Found | None:
    """Along the last axis, or down the columns of a matrix."""
    z, y, dy = (a.T if columns else a for a in (given.arrays[names[0]], given.y, given.up))
    if z.shape != y.shape or z.ndim < 1 or (columns and z.ndim != 2):
        return None
    ours, cache = softmax_forward(z.reshape(-1, z.shape[-1]))  # (N, C)

    def replay(wrong: Backward) -> dict[str, Array]:
        dz = wrong(dy.reshape(ours.shape), cache).reshape(z.shape)
        return {names[0]: dz.T if columns else dz}

    title = "a softmax" + (" of columns" if columns else "")
    return (title, "softmax_backward", replay) if given.is_like(ours, y) else None


def _cross_entropy(given: Given, count: float | None, kind: str) -> Found | None:
    """Mean or sum over the rows, of logits with the numbers of the true classes."""
    if len(given.arrays) != 1 or len(given.others) != 1 or given.y.size != 1:
        return None
    ((name, z),), (classes,) = given.arrays.items(), given.others.values()
    if z.ndim < 1 or classes.dtype.kind not in "iu" or classes.size * z.shape[-1] != z.size:
        return None
    logits, targets = z.reshape(-1, z.shape[-1]), classes.reshape(-1)  # (N, C), (N,)
    if targets.min() < 0 or targets.max() >= z.shape[-1]:
        return None
    loss, cache = softmax_cross_entropy_forward(logits, targets.astype(np.int64), count)

    def replay(wrong: Backward) -> dict[str, Array]:
        return {name: (float(given.up.reshape(-1)[0]) * wrong(cache)).reshape(z.shape)}

    title = f"the {kind} cross-entropy of a softmax"
    is_like = given.is_like(np.reshape(loss, (1,)), given.y)
    return (title, "softmax_cross_entropy_backward", replay) if is_like else None


def _ways_of_convolution(given: Given) -> Iterator[tuple[Any, ...]]:
    for names, first in product(_orders(given, 2, 3), (False, True)):
        x, W = given.arrays[names[0]], given.arrays[names[1]]
        if x.ndim == W.ndim == given.y.ndim == 4:
            at, at_W = slice(2, 4) if first else slice(1, 3), slice(2, 4) if first else slice(2)
            for how in _strides(x.shape[at], W.shape[at_W], given.y.shape[at]):
                yield names, first, *how


def _convolution(
    given: Given, names: Names, first: bool, stride: Any, padding: Any
) -> Found | None:
    """Images (N, h, w, C) with filters (fh, fw, C, F), or (N, C, h, w) with (F, C, fh, fw)."""
    x, W, *bias = (given.arrays[n] for n in names)
    images, y, dy = (
        np.moveaxis(a, 1, 3) if first else a for a in (x, given.y, given.up)
    )  # (N, h, w, C)
    filters = W.transpose(2, 3, 1, 0) if first else W  # (fh, fw, C, F)
    b = bias[0] if bias else np.zeros(filters.shape[3])
    channels = (images.shape[3], y.shape[3], len(y))
    fits = channels == (*filters.shape[2:], len(images))
    if not fits or not arrangements(b.shape, filters.shape[3:]):
        return None
    ours, cache = convolution_forward(images, filters, b.reshape(-1), stride, padding, (1, 1))

    def replay(wrong: Backward) -> dict[str, Array]:
        dx, (dW, db) = wrong(dy, cache)
        if first:
            dx, dW = np.moveaxis(dx, 3, 1), dW.transpose(3, 2, 0, 1)
        return dict(zip(names, (dx, dW, db.reshape(b.shape)), strict=False))

    title = f"a convolution with stride {stride} and padding {padding}"
    return (title, "convolution_backward", replay) if given.is_like(ours, y) else None


def _strides(
    size: tuple[int, ...], filters: tuple[int, ...], wanted: tuple[int, ...]
) -> Iterator[tuple[Any, Any]]:
    """Strides and paddings that give the size wanted; even ones first."""
    axes = []
    for n, f, out in zip(size, filters, wanted, strict=True):
        axes.append([
            (s, (before, after))
            for s in (1, 2, 3, 4) for before in range(f) for after in range(f)
            if convolution_size((n,), (f,), (s,), ((before, after),), (1,)) == (out,)
        ])  # fmt: skip
    pairs = [(a, b) for a in axes[0] for b in axes[1]]
    pairs.sort(key=lambda pair: (pair[0] != pair[1], sum(abs(p - q) for _, (p, q) in pair)))
    for a, b in pairs:
        yield (a[0], b[0]), (a[1], b[1])


_BOTH = (False, True)
TRIALS: tuple[tuple[Callable[[Given], Any], Callable[..., Found | None]], ...] = (
    (lambda given: product(_orders(given, 2, 3), _BOTH, _BOTH), _fully_connected),
    # People write 1e-5, and rounding follows, so that epsilon is rounded first.
    (lambda given: product(_orders(given, 3), (True, False)), _batch_normalization),
    (lambda given: product(_orders(given, 1), _BOTH), _softmax),
    (lambda given: ((None, "mean"), (1.0, "sum")), _cross_entropy),
    (_ways_of_convolution, _convolution),
)
