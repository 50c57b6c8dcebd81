"""Convolution: outputs against a loop that follows the definition, gradients by complex step.
Then the same bits for any threads, any batch and any memory layout."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from agreement import NUMPY, assert_close, bits, dtypes

from minilstm.functional.convolution import convolution_forward, convolution_size

# image (N, S, Cin), filter, F, stride, padding, dilation
CASES = {
    "plain": ((3, 6, 5, 2), (3, 2), 4, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "one of all": ((1, 1, 1, 1), (1, 1), 1, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "everything": ((2, 9, 10, 3), (3, 2), 5, (2, 3), ((1, 2), (0, 3)), (2, 1)),
    "filter of one, stride": ((2, 5, 7, 3), (1, 1), 2, (3, 2), ((0, 0), (0, 0)), (1, 1)),
    "stride shares a factor": ((2, 9, 8, 1), (3, 3), 3, (2, 4), ((0, 1), (2, 2)), (2, 2)),
    "padding wider than the filter": ((2, 3, 3, 2), (1, 2), 9, (1, 2), ((4, 0), (5, 5)), (1, 1)),
    "a place that no filter sees": ((1, 7, 7, 2), (2, 2), 2, (3, 3), ((0, 0), (0, 0)), (1, 1)),
    "wide": ((2, 4, 4, 17), (3, 3), 41, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "volume": ((2, 4, 5, 3, 2), (2, 3, 2), 3, (1, 1, 1), ((0, 0),) * 3, (1, 1, 1)),
    "volume, everything": (
        (2, 5, 6, 7, 2), (2, 3, 2), 17, (1, 2, 2), ((1, 0), (0, 1), (2, 0)), (1, 1, 2),
    ),
}  # fmt: skip
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-14}


def draw(case, dtype=np.float64, seed=0):
    """x, W, b and an upstream gradient, and the three options."""
    shape, filter_size, F, *options = case
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((*filter_size, shape[-1], F))
    x, b = rng.standard_normal(shape), rng.standard_normal(F)
    size = convolution_size(shape[1:-1], filter_size, *options)
    dy = rng.standard_normal((shape[0], *size, F))
    return [a.astype(dtype) for a in (x, W, b, dy)], options


def slow(x, W, b, stride, padding, dilation):
    """The definition, one product of two numbers at a time."""
    spatial = range(W.ndim - 2)
    size = [
        len(range(0, x.shape[1 + a] + sum(padding[a]) - (W.shape[a] - 1) * dilation[a], stride[a]))
        for a in spatial
    ]
    y = np.zeros((len(x), *size, W.shape[-1]))
    for n, *o, f in np.ndindex(y.shape):
        y[(n, *o, f)] = b[f]
        for *k, c in np.ndindex(W.shape[:-1]):
            at = [stride[a] * o[a] + dilation[a] * k[a] - padding[a][0] for a in spatial]
            if all(0 <= at[a] < x.shape[1 + a] for a in spatial):
                y[(n, *o, f)] += x[(n, *at, c)] * W[(*k, c, f)]
    return y


def run(backend, arrays, options, need_dx=True):
    """y, dx, dW and db."""
    x, W, b, dy = arrays
    y, cache = backend.convolution_forward(x, W, b, *options)
    dx, grads = backend.convolution_backward(dy, cache, need_dx)
    return [y, dx, *grads]


# ---------------------------------------------------------------- values


@cases
def test_outputs_follow_the_definition(backend, case):
    (x, W, b, _), options = draw(case)
    assert_close(backend.convolution_forward(x, W, b, *options)[0], slow(x, W, b, *options), 1e-14)


@cases
def test_gradients_by_complex_step(backend, case):
    arrays, options = draw(case, seed=1)
    dy = arrays[3]
    _, *hand = run(backend, arrays, options)
    # The output is linear in each array, so one step in a random direction and one in each of
    # some coordinates tell of every entry.
    rng = np.random.default_rng(2)
    for n, gradient in enumerate(hand):
        for entry in [None, *rng.integers(0, gradient.size, 25)]:
            direction = rng.standard_normal(gradient.shape)
            if entry is not None:
                direction = np.zeros(gradient.shape)
                direction.flat[entry] = 1
            moved = [a.astype(complex) for a in arrays[:3]]
            moved[n] += 1e-30j * direction
            slope = (dy * convolution_forward(*moved, *options)[0]).sum().imag / 1e-30
            scale = abs(gradient * direction).sum() + abs(gradient).max()
            assert abs((gradient * direction).sum() - slope) <= 1e-12 * scale


@cases
@dtypes
def test_the_kernel_agrees_with_numpy_and_keeps_the_dtype(numba_backend, case, dtype):
    arrays, options = draw(case, dtype)
    before = bits(arrays)
    exact = run(NUMPY, [a.astype(np.float64) for a in arrays], options)
    for backend in (NUMPY, numba_backend):
        for got, want in zip(run(backend, arrays, options), exact, strict=True):
            assert got.dtype == dtype
            assert_close(got, want, TOLERANCE[dtype])
        assert run(backend, arrays, options, need_dx=False)[1] is None
    assert bits(arrays) == before


def test_complex_numbers_without_an_imaginary_part_give_the_real_results():
    arrays, options = draw(CASES["everything"])
    wide = run(NUMPY, [a.astype(complex) for a in arrays], options)
    for got, want in zip(wide, run(NUMPY, arrays, options), strict=True):
        assert got.dtype == np.complex128
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14)


def test_long_sums_keep_their_digits(numba_backend):
    rng = np.random.default_rng(0)
    # All of one sign, 200 000 windows: added one by one in float32 it would be wrong by 1e-5.
    x = rng.uniform(0.5, 1.5, (50, 64, 64, 1)).astype(np.float32)
    W, dy = np.ones((2, 1, 1, 3), np.float32), rng.uniform(0.5, 1.5, (50, 63, 64, 3))
    arrays, options = [x, W, W[0, 0, 0], dy.astype(np.float32)], [(1, 1), ((0, 0),) * 2, (1, 1)]
    exact = run(NUMPY, [a.astype(np.float64) for a in arrays], options)
    for got, want in zip(run(numba_backend, arrays, options)[2:], exact[2:], strict=True):
        assert_close(got, want, 1e-6)


def test_bad_numbers_stay_where_they_are(backend):
    arrays, options = draw(((3, 6, 6, 1), (3, 3), 5, (1, 1), ((1, 1), (1, 1)), (1, 1)), np.float32)
    arrays[0][1, 0, 0] = np.nan
    y, _ = backend.convolution_forward(*arrays[:3], *options)
    bad = np.zeros(y.shape, bool)
    bad[1, :2, :2] = True
    assert (np.isnan(y) == bad).all()


# ---------------------------------------------------------------- the same bits


@cases
@dtypes
def test_any_number_of_threads_gives_the_same_bits(numba_backend, set_threads, case, dtype):
    arrays, options = draw(case, dtype)
    results = []
    for n in (1, 2, 4):
        set_threads(n)
        results.append(bits(run(numba_backend, arrays, options)))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("images", [1, 3, 40])
def test_a_sum_over_many_windows_does_not_depend_on_threads(numba_backend, set_threads, images):
    # Parts of the batch shared among threads, or rows of the weights where there are few parts.
    case = ((images, 20, 30, 3), (3, 3), 7, (1, 1), ((1, 1), (1, 1)), (1, 1))
    arrays, options = draw(case, np.float32)
    results = []
    for n in (1, 2, 3, 4):
        set_threads(n)
        results.append(bits(run(numba_backend, arrays, options)))
    assert all(r == results[0] for r in results)


@cases
@dtypes
def test_a_batch_gives_what_its_images_give_one_by_one(numba_backend, case, dtype):
    (shape, *rest) = case
    (x, W, b, dy), options = draw(((5, *shape[1:]), *rest), dtype)
    y, dx, *_ = run(numba_backend, [x, W, b, dy], options)
    for cuts in ([0, 1, 2, 3, 4, 5], [0, 2, 5]):
        for n, end in itertools.pairwise(cuts):
            part = run(numba_backend, [x[n:end], W, b, dy[n:end]], options)
            assert bits(part[:2]) == bits([y[n:end], dx[n:end]])


def test_any_memory_layout_gives_the_same_bits(numba_backend):
    arrays, options = draw(CASES["everything"], np.float32)
    want = bits(run(numba_backend, arrays, options))
    frozen = [a.copy() for a in arrays]
    for a in frozen:
        a.flags.writeable = False
    for other in ([np.asfortranarray(a) for a in arrays], frozen):
        assert bits(run(numba_backend, other, options)) == want


def test_no_images_give_no_outputs(backend):
    arrays, options = draw(((0, 5, 5, 2), (3, 3), 4, (1, 1), ((1, 1), (1, 1)), (1, 1)))
    y, dx, dW, db = run(backend, arrays, options)
    assert y.shape == (0, 5, 5, 4) and dx.shape == (0, 5, 5, 2)
    assert dW.shape == (3, 3, 2, 4) and not dW.any() and not db.any()
