"""What the engine computes in float32, beside the NumPy twin in float64 and a bound.
The bound is that of `minilstm.proof.rounding.lstm`: how far rounding can lead, entry by entry.

Axes: N rows, D features, H hidden units, C classes or channels, F filters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minilstm.backend import Backend, load_backend
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray, active_counts
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.rounding.lstm import lstm_error_bound
from minilstm.proof.rounding.rows import (
    batch_normalization_error_bound,
    convolution_error_bound,
    fully_connected_error_bound,
    softmax_cross_entropy_error_bound,
)

Results = Callable[[Backend, Any], list[Any]]


# Results in float32, in float64, and how far apart they may be, by name.
Bounded = tuple[dict[str, Array], dict[str, Array], dict[str, Array]]


def bounded(bound: Any, results: Results, backend: Backend) -> Bounded:
    """A backend's results in float32 beside the NumPy twin's in float64.

    `results` gives arrays or numbers in the order of the fields of `bound`.
    """
    single = [backend.to_host(v) for v in results(backend, np.dtype(np.float32))]
    double = results(load_backend("numpy"), np.dtype(np.float64))
    for name, value in zip(bound._fields, single, strict=True):
        if np.asarray(value).dtype == np.float64 and np.ndim(value):
            raise TypeError(f"{name} is float64, though all that went in is float32.")
    found, exact, limit = (
        {k: np.asarray(v, np.float64) for k, v in zip(bound._fields, values, strict=True)}
        for values in (single, double, bound)
    )
    return found, exact, limit


def _cast(where: Backend, dtype: Any) -> Callable[[Array], Any]:
    """Arrays in a dtype, where a backend computes."""
    return lambda array: where.to_device(array.astype(dtype))


def _draw(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def lstm(backend: Backend, rng: np.random.Generator) -> Bounded:
    """Forward and backward of an LSTM on three sequences, one of a single step."""
    lengths, D, H = (7, 4, 1), 3, 19
    N, B = sum(lengths), len(lengths)
    arrays: dict[str, Any] = {
        "x": _draw(rng, N, D),
        "h0": 0.5 * _draw(rng, B, H),
        "c0": _draw(rng, B, H),
    }
    arrays |= {"W": _draw(rng, 4 * H, D) / 2, "R": _draw(rng, 4 * H, H) / 5, "b": _draw(rng, 4 * H)}
    active = active_counts(np.array(lengths))  # (T,)
    dh, dstate = _draw(rng, N, H), LSTMState(_draw(rng, B, H), _draw(rng, B, H))
    return bounded_lstm(backend, arrays, dh, dstate, active)


def bounded_lstm(
    backend: Backend, arrays: dict[str, Any], dh: Array, dstate: LSTMState, active: IntArray
) -> Bounded:
    """Forward and backward of an LSTM for given numbers, float32.

    The arrays are x (N, D), h0 and c0 (B, H), W (G, D), R (G, H) and b (G,); upstream gradients dh
    (N, H) and dstate, (B, H) each; `active` (T,) int64 sequences run at each step.
    """

    def results(where: Backend, dtype: Any) -> list[Any]:
        cast = _cast(where, dtype)
        given = {k: cast(a) for k, a in arrays.items()}
        h, state, cache = where.lstm_forward(**given, active=active)
        dx, grads = where.lstm_backward(cast(dh), LSTMState(*map(cast, dstate)), cache)
        return [h, *state, dx, *grads]

    bound = lstm_error_bound(**arrays, dh=dh, dstate=dstate, active=active)
    return bounded(bound, results, backend)


def _layer(
    draw: Callable[[np.random.Generator], tuple[Any, Any, tuple[Any, ...]]],
    bound: Callable[..., Any],
    passes: Callable[[Backend], tuple[Any, Any]],
) -> Callable[[Backend, np.random.Generator], Bounded]:
    """Forward and backward of a layer whose arrays, gradient dy and options are drawn."""

    def problem(backend: Backend, rng: np.random.Generator) -> Bounded:
        arrays, dy, options = draw(rng)

        def results(where: Backend, dtype: Any) -> list[Any]:
            cast, (forward, backward) = _cast(where, dtype), passes(where)
            y, cache = forward(*map(cast, arrays), *options)
            dx, grads = backward(cast(dy), cache)
            return [y, dx, *grads]

        return bounded(bound(*arrays, dy, *options), results, backend)

    return problem


def _dense(rng: np.random.Generator) -> tuple[Any, Any, tuple[Any, ...]]:
    N, D, C = 13, 21, 5
    return (_draw(rng, N, D), _draw(rng, C, D), _draw(rng, C)), _draw(rng, N, C), ()


def _windows(rng: np.random.Generator) -> tuple[Any, Any, tuple[Any, ...]]:
    N, (h, w, C), (kh, kw, F) = 3, (6, 5, 2), (3, 2, 5)
    arrays = _draw(rng, N, h, w, C), _draw(rng, kh, kw, C, F), _draw(rng, F)
    options = (1, 2), ((1, 1), (0, 1)), (1, 1)  # stride, padding, dilation
    return arrays, _draw(rng, N, 6, 3, F), options


def _images(rng: np.random.Generator) -> tuple[Any, Any, tuple[Any, ...]]:
    """x (N, h, w, C) away from 0, scale and offset (C,), and a gradient like x."""
    x = 3 + 2 * _draw(rng, 4, 3, 2, 5)
    return (x, _draw(rng, 5), _draw(rng, 5)), _draw(rng, *x.shape), (1e-5,)


def _with_statistics(rng: np.random.Generator) -> tuple[Any, Any, tuple[Any, ...]]:
    arrays, dy, options = _images(rng)
    return (*arrays, _draw(rng, 5), rng.uniform(0.5, 2, 5).astype(np.float32)), dy, options


def softmax_cross_entropy(backend: Backend, rng: np.random.Generator) -> Bounded:
    """Loss and gradient of the softmax with its cross-entropy, weighted; one row has no class."""
    N, C = 13, 5
    z, weights = _draw(rng, N, C), rng.uniform(0, 2, N).astype(np.float32)
    targets = rng.integers(0, C, N)
    targets[3] = -1

    def results(where: Backend, dtype: Any) -> list[Any]:
        cast = _cast(where, dtype)
        loss, cache = where.softmax_cross_entropy_forward(
            cast(z), where.to_device(targets), float(N), cast(weights)
        )
        return [loss, where.softmax_cross_entropy_backward(cache)]

    bound = softmax_cross_entropy_error_bound(z, targets, float(N), weights)
    return bounded(bound, results, backend)


#: problems by name
SINGLE: dict[str, Callable[[Backend, np.random.Generator], Bounded]] = {
    "lstm": lstm,
    "fully_connected": _layer(
        _dense, fully_connected_error_bound,
        lambda b: (b.fully_connected_forward, b.fully_connected_backward),
    ),
    "convolution": _layer(
        _windows, convolution_error_bound,
        lambda b: (b.convolution_forward, b.convolution_backward),
    ),
    "batch_normalization": _layer(
        _images, batch_normalization_error_bound,
        lambda b: (b.batch_normalization_forward, b.batch_normalization_backward),
    ),
    "batch_normalization with given statistics": _layer(
        _with_statistics,
        lambda x, scale, offset, mean, variance, dy, epsilon: batch_normalization_error_bound(
            x, scale, offset, dy, epsilon, (mean, variance)
        ),
        lambda b: (b.batch_normalization_apply, b.batch_normalization_apply_backward),
    ),
    "softmax with crossentropy": softmax_cross_entropy,
}  # fmt: skip
