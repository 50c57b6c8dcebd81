"""Trials of the simpler functions: fully connected, batch normalisation, softmax and others.
Each trial gives a title, the name of a backward pass and a replay of it, or None.

Axes: N rows, D inputs, C classes or channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from minilstm.functional.batch_normalization import batch_normalization_forward
from minilstm.functional.convolution import convolution_forward, convolution_size
from minilstm.functional.cross_entropy import softmax_cross_entropy_forward
from minilstm.functional.fully_connected import fully_connected_forward
from minilstm.functional.softmax import softmax_forward
from minilstm.proof.causes.recognition.arrangements import arrangements, same
from minilstm.proof.derivatives.problem import Array

Arrays = Mapping[str, Array]
Found = tuple[str, str, Callable[[Callable[..., Any]], dict[str, Array]]]


def _x_first(arrays: Arrays) -> Iterator[tuple[str, ...]]:
    """Orders of names, those that begin with an x first."""
    yield from permutations(sorted(arrays, key=lambda n: not n.lower().startswith("x")))


def fully_connected(
    arrays: Arrays, others: Arrays, outputs: Sequence[Array], ups: Sequence[Array], tolerance: float
) -> Found | None:
    """y = x W^T + b with W turned or not, on rows or on columns, with or without b."""
    if len(arrays) not in (2, 3) or others or len(outputs) != 1:
        return None
    y, up = outputs[0], ups[0]
    for names in _x_first(arrays):
        x, W = arrays[names[0]], arrays[names[1]]
        for columns in (False, True):
            rows, wanted, dy = (x.T, y.T, up.T) if columns else (x, y, up)
            if rows.ndim < 1 or W.ndim != 2 or wanted.shape[:-1] != rows.shape[:-1]:
                continue
            for turned in (False, True):
                M = W.T if turned else W  # (C, D)
                if M.shape != (*wanted.shape[-1:], *rows.shape[-1:]):
                    continue
                b = arrays[names[2]] if len(names) == 3 else np.zeros(len(M))
                if not arrangements(b.shape, (len(M),)):
                    continue
                flat = rows.reshape(-1, rows.shape[-1])  # (N, D)
                ours, cache = fully_connected_forward(flat, M, b.reshape(-1))
                if not same(ours, wanted.reshape(ours.shape), tolerance):
                    continue
                dy = dy.reshape(ours.shape)

                def replay(
                    wrong: Callable[..., Any],
                    cache: Any = cache, dy: Array = dy, shape: tuple[int, ...] = rows.shape,
                    columns: bool = columns, turned: bool = turned, b: Array = b,
                    names: tuple[str, ...] = names,
                ) -> dict[str, Array]:  # fmt: skip
                    dx, (dW, db) = wrong(dy, cache)
                    dx = dx.reshape(shape)
                    grads = (dx.T if columns else dx, dW.T if turned else dW, db.reshape(b.shape))
                    return dict(zip(names, grads, strict=False))

                shape = "(D, C)" if turned else "(C, D)"
                title = f"a fully connected layer with {names[1]} {shape}"
                return title, "fully_connected_backward", replay
    return None


def batch_normalization(
    arrays: Arrays, others: Arrays, outputs: Sequence[Array], ups: Sequence[Array], tolerance: float
) -> Found | None:
    """Channels last, with the statistics of the batch; epsilon is found from the outputs."""
    if len(arrays) != 3 or others or len(outputs) != 1:
        return None
    y, up = outputs[0], ups[0]
    for names in _x_first(arrays):
        x, scale, offset = (arrays[n] for n in names)
        C = x.shape[-1] if x.ndim > 1 else 0
        if x.shape != y.shape or not all(arrangements(a.shape, (C,)) for a in (scale, offset)):
            continue
        gain, shift = scale.reshape(C), offset.reshape(C)
        for epsilon in _epsilons(x.reshape(-1, C), gain, shift, y.reshape(-1, C)):
            ours, cache = batch_normalization_forward(x, gain, shift, epsilon)
            if not same(ours, y, tolerance):
                continue

            def replay(
                wrong: Callable[..., Any], cache: Any = cache, names: tuple[str, ...] = names,
                shapes: tuple[Any, ...] = (scale.shape, offset.shape),
            ) -> dict[str, Array]:  # fmt: skip
                dx, (dscale, doffset) = wrong(up, cache)
                grads = (dx, dscale.reshape(shapes[0]), doffset.reshape(shapes[1]))
                return dict(zip(names, grads, strict=True))

            title = f"batch normalisation with epsilon {epsilon:.3g}"
            return title, "batch_normalization_backward", replay
    return None


def _epsilons(x: Array, scale: Array, offset: Array, y: Array) -> Iterator[float]:
    """scale (x - mean) is sqrt(variance + epsilon) times (y - offset)."""
    n = y - offset  # (M, C)
    squares = (n * n).sum(axis=0)
    root = (scale * (x - x.mean(axis=0)) * n).sum(axis=0) / np.where(squares > 0, squares, np.nan)
    found = root * root - x.var(axis=0)  # (C,)
    k = int(np.nanargmin(x.var(axis=0) + 0 * found))
    yield float(f"{max(found[k], 0.0):.2g}")  # people write 1e-5, and rounding follows
    yield max(float(found[k]), 0.0)


def softmax(
    arrays: Arrays, others: Arrays, outputs: Sequence[Array], ups: Sequence[Array], tolerance: float
) -> Found | None:
    """Along the last axis, or down the columns of a matrix."""
    if len(arrays) != 1 or others or len(outputs) != 1:
        return None
    ((name, z),) = arrays.items()
    if z.shape != outputs[0].shape or z.ndim < 1:
        return None
    for columns in (False, True) if z.ndim == 2 else (False,):
        rows, y, dy = (a.T if columns else a for a in (z, outputs[0], ups[0]))
        flat = rows.reshape(-1, rows.shape[-1])  # (N, C)
        ours, cache = softmax_forward(flat)
        if not same(ours, y.reshape(flat.shape), tolerance):
            continue
        dy = dy.reshape(flat.shape)

        def replay(
            wrong: Callable[..., Any], cache: Any = cache, dy: Array = dy,
            shape: tuple[int, ...] = rows.shape, columns: bool = columns,
        ) -> dict[str, Array]:  # fmt: skip
            dz = wrong(dy, cache).reshape(shape)
            return {name: dz.T if columns else dz}

        return "a softmax" + (" of columns" if columns else ""), "softmax_backward", replay
    return None


def cross_entropy(
    arrays: Arrays, others: Arrays, outputs: Sequence[Array], ups: Sequence[Array], tolerance: float
) -> Found | None:
    """Mean or sum over the rows, of logits with the numbers of the true classes."""
    if len(arrays) != 1 or len(others) != 1 or len(outputs) != 1 or outputs[0].size != 1:
        return None
    ((name, z),), (classes,) = arrays.items(), others.values()
    if z.ndim < 1 or classes.dtype.kind not in "iu" or classes.size * z.shape[-1] != z.size:
        return None
    logits, targets = z.reshape(-1, z.shape[-1]), classes.reshape(-1)  # (N, C), (N,)
    if targets.min() < 0 or targets.max() >= z.shape[-1]:
        return None
    for count, title in ((None, "mean"), (1.0, "sum")):
        loss, cache = softmax_cross_entropy_forward(logits, targets.astype(np.int64), count)
        if same(np.reshape(loss, outputs[0].shape), outputs[0], tolerance):

            def replay(wrong: Callable[..., Any], cache: Any = cache) -> dict[str, Array]:
                return {name: (float(ups[0].reshape(-1)[0]) * wrong(cache)).reshape(z.shape)}

            title = f"the {title} cross-entropy of a softmax"
            return title, "softmax_cross_entropy_backward", replay
    return None


def convolution(
    arrays: Arrays, others: Arrays, outputs: Sequence[Array], ups: Sequence[Array], tolerance: float
) -> Found | None:
    """Images (N, h, w, C) with filters (fh, fw, C, F), or (N, C, h, w) with (F, C, fh, fw)."""
    if len(arrays) not in (2, 3) or others or len(outputs) != 1 or outputs[0].ndim != 4:
        return None
    for names in _x_first(arrays):
        x, W = arrays[names[0]], arrays[names[1]]
        if x.ndim != 4 or W.ndim != 4:
            continue
        for first in (False, True):
            images, y, dy = (
                np.moveaxis(a, 1, 3) if first else a for a in (x, outputs[0], ups[0])
            )  # (N, h, w, C)
            filters = W.transpose(2, 3, 1, 0) if first else W  # (fh, fw, C, F)
            b = arrays[names[2]] if len(names) == 3 else np.zeros(filters.shape[3])
            channels = (images.shape[3], y.shape[3], len(y))
            fits = channels == (*filters.shape[2:], len(images))
            if not fits or not arrangements(b.shape, filters.shape[3:]):
                continue
            for stride, padding in _strides(images.shape[1:3], filters.shape[:2], y.shape[1:3]):
                ours, cache = convolution_forward(
                    images, filters, b.reshape(-1), stride, padding, (1, 1)
                )
                if not same(ours, y, tolerance):
                    continue

                def replay(
                    wrong: Callable[..., Any], cache: Any = cache, dy: Array = dy,
                    first: bool = first, b: Array = b, names: tuple[str, ...] = names,
                ) -> dict[str, Array]:  # fmt: skip
                    dx, (dW, db) = wrong(dy, cache)
                    if first:
                        dx, dW = np.moveaxis(dx, 3, 1), dW.transpose(3, 2, 0, 1)
                    return dict(zip(names, (dx, dW, db.reshape(b.shape)), strict=False))

                title = f"a convolution with stride {stride} and padding {padding}"
                return title, "convolution_backward", replay
    return None


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


TRIALS = (fully_connected, batch_normalization, softmax, cross_entropy, convolution)
