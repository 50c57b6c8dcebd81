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


def _of_layer(
    passes: Callable[[Backend], tuple[Any, Any]], arrays: Any, dy: Array, *options: Any
) -> Results:
    """Results of the two passes of a layer for given numbers."""

    def results(where: Backend, dtype: Any) -> list[Any]:
        cast, (forward, backward) = _cast(where, dtype), passes(where)
        y, cache = forward(*map(cast, arrays), *options)
        dx, grads = backward(cast(dy), cache)
        return [y, dx, *grads]

    return results


def fully_connected(backend: Backend, rng: np.random.Generator) -> Bounded:
    """Forward and backward of a fully connected layer."""
    N, D, C = 13, 21, 5
    arrays, dy = (_draw(rng, N, D), _draw(rng, C, D), _draw(rng, C)), _draw(rng, N, C)
    results = _of_layer(
        lambda b: (b.fully_connected_forward, b.fully_connected_backward), arrays, dy
    )
    return bounded(fully_connected_error_bound(*arrays, dy), results, backend)


def convolution(backend: Backend, rng: np.random.Generator) -> Bounded:
    """Forward and backward of a convolution of images, padded and strided."""
    N, (h, w, C), (kh, kw, F) = 3, (6, 5, 2), (3, 2, 5)
    options = (1, 2), ((1, 1), (0, 1)), (1, 1)  # stride, padding, dilation
    arrays = _draw(rng, N, h, w, C), _draw(rng, kh, kw, C, F), _draw(rng, F)
    dy = _draw(rng, N, 6, 3, F)
    results = _of_layer(
        lambda b: (b.convolution_forward, b.convolution_backward), arrays, dy, *options
    )
    return bounded(convolution_error_bound(*arrays, dy, *options), results, backend)


def batch_normalization(backend: Backend, rng: np.random.Generator) -> Bounded:
    """Forward and backward by the statistics of the batch, of images away from 0."""
    arrays, dy = _images(rng)
    results = _of_layer(
        lambda b: (b.batch_normalization_forward, b.batch_normalization_backward), arrays, dy, 1e-5
    )
    return bounded(batch_normalization_error_bound(*arrays, dy, 1e-5), results, backend)


def batch_normalization_apply(backend: Backend, rng: np.random.Generator) -> Bounded:
    """The same by given statistics, as in prediction."""
    arrays, dy = _images(rng)
    statistics = _draw(rng, 5), rng.uniform(0.5, 2, 5).astype(np.float32)
    results = _of_layer(
        lambda b: (b.batch_normalization_apply, b.batch_normalization_apply_backward),
        (*arrays, *statistics),
        dy,
        1e-5,
    )
    bound = batch_normalization_error_bound(*arrays, dy, 1e-5, statistics)
    return bounded(bound, results, backend)


def _images(rng: np.random.Generator) -> tuple[tuple[Array, Array, Array], Array]:
    """x (N, h, w, C), scale and offset (C,), and a gradient like x."""
    x = 3 + 2 * _draw(rng, 4, 3, 2, 5)
    return (x, _draw(rng, 5), _draw(rng, 5)), _draw(rng, *x.shape)


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
    "fully_connected": fully_connected,
    "convolution": convolution,
    "batch_normalization": batch_normalization,
    "batch_normalization with given statistics": batch_normalization_apply,
    "softmax with crossentropy": softmax_cross_entropy,
}
