"""Convolution: outputs against a loop that follows the definition, gradients by complex step.
Then the same bits for any threads, any batch and any memory layout."""

import importlib
import itertools

import numpy as np
import pytest
from agreement import BROAD, NUMPY, assert_close, bits, dtypes
from builders import CONVOLUTIONS, MORE_CONVOLUTIONS, SAME, convolution_problem, run_convolution

from minilstm.functional.convolution import convolution_forward

cases = pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)


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


# ---------------------------------------------------------------- values


@cases
def test_outputs_follow_the_definition(backend, case):
    (x, W, b, _), options = convolution_problem(case)
    assert_close(backend.convolution_forward(x, W, b, *options)[0], slow(x, W, b, *options), 1e-14)


@cases
def test_gradients_by_complex_step(backend, case):
    arrays, options = convolution_problem(case, seed=1)
    dy = arrays[3]
    _, *hand = run_convolution(backend, arrays, options)
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


@pytest.mark.parametrize("case", MORE_CONVOLUTIONS.values(), ids=MORE_CONVOLUTIONS)
@dtypes
def test_every_backend_agrees_with_numpy_and_keeps_the_dtype(any_backend, case, dtype):
    arrays, options = convolution_problem(case, dtype)
    before = bits(arrays)
    exact = run_convolution(NUMPY, [a.astype(np.float64) for a in arrays], options)
    results = run_convolution(any_backend, arrays, options)
    for got, want in zip(results, exact, strict=True):
        assert got.dtype == dtype
        assert_close(got, want, BROAD[dtype])
    without = run_convolution(any_backend, arrays, options, need_dx=False)
    assert without[1] is None and bits(without[2:]) == bits(results[2:])
    assert bits(arrays) == before


def test_complex_numbers_without_an_imaginary_part_give_the_real_results():
    arrays, options = convolution_problem(CONVOLUTIONS["everything"])
    wide = run_convolution(NUMPY, [a.astype(complex) for a in arrays], options)
    for got, want in zip(wide, run_convolution(NUMPY, arrays, options), strict=True):
        assert got.dtype == np.complex128
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("shape", [(50, 64, 64, 1), (1, 141, 142, 56)], ids=["parts", "one chain"])
def test_long_sums_keep_their_digits(fast_backend, monkeypatch, shape):
    rng = np.random.default_rng(0)
    # All of one sign, 20 000 windows and more: added one by one in float32, they lose digits.
    *_, Cin = shape
    F = 3 if Cin == 1 else 64
    if Cin > 1 and fast_backend.name == "cupy":
        module = importlib.import_module("minilstm.kernels.cuda.convolution")
        monkeypatch.setattr(module, "BLOCKS", 1)
    x = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    W, dy = np.ones((2, 1, Cin, F), np.float32), rng.uniform(0.5, 1.5, (*shape[:3], F))[:, 1:]
    arrays, options = [x, W, W[0, 0, 0], dy.astype(np.float32)], [(1, 1), ((0, 0),) * 2, (1, 1)]
    exact = run_convolution(NUMPY, [a.astype(np.float64) for a in arrays], options, need_dx=False)
    got = run_convolution(fast_backend, arrays, options, need_dx=False)
    for a, b in zip(got[2:], exact[2:], strict=True):
        assert_close(a, b, 1e-6)


def test_bad_numbers_stay_where_they_are(any_backend):
    case = ((3, 6, 6, 1), (3, 3), 5, (1, 1), SAME, (1, 1))
    arrays, options = convolution_problem(case, np.float32)
    arrays[0][1, 0, 0] = np.nan
    arrays[3][2, 5, 5, 3] = np.nan
    y, dx, dW, db = run_convolution(any_backend, arrays, options)
    bad = np.zeros(y.shape, bool)
    bad[1, :2, :2] = True
    assert (np.isnan(y) == bad).all()
    bad = np.zeros(dx.shape, bool)
    bad[2, 4:, 4:] = True
    assert (np.isnan(dx) == bad).all()
    # The corner of an image is seen by four entries of a filter; dy belongs to all of one filter.
    bad = np.zeros(dW.shape, bool)
    bad[:2, :2], bad[..., 3] = True, True
    assert (np.isnan(dW) == bad).all()
    assert np.isnan(db).tolist() == [False, False, False, True, False]


# ---------------------------------------------------------------- the same bits


@cases
@dtypes
def test_any_number_of_threads_gives_the_same_bits(numba_backend, on_any_threads, case, dtype):
    arrays, options = convolution_problem(case, dtype)
    on_any_threads(lambda: run_convolution(numba_backend, arrays, options))


@pytest.mark.parametrize("images", [1, 3, 40])
def test_a_sum_over_many_windows_does_not_depend_on_threads(numba_backend, on_any_threads, images):
    # Parts of the batch shared among threads, or rows of the weights where there are few parts.
    case = ((images, 20, 30, 3), (3, 3), 7, (1, 1), ((1, 1), (1, 1)), (1, 1))
    arrays, options = convolution_problem(case, np.float32)
    on_any_threads(lambda: run_convolution(numba_backend, arrays, options), (1, 2, 3, 4))


@cases
@dtypes
def test_a_batch_gives_what_its_images_give_one_by_one(numba_backend, case, dtype):
    (shape, *rest) = case
    (x, W, b, dy), options = convolution_problem(((5, *shape[1:]), *rest), dtype)
    y, dx, *_ = run_convolution(numba_backend, [x, W, b, dy], options)
    for cuts in ([0, 1, 2, 3, 4, 5], [0, 2, 5]):
        for n, end in itertools.pairwise(cuts):
            part = run_convolution(numba_backend, [x[n:end], W, b, dy[n:end]], options)
            assert bits(part[:2]) == bits([y[n:end], dx[n:end]])


def test_any_memory_layout_gives_the_same_bits(numba_backend):
    arrays, options = convolution_problem(CONVOLUTIONS["everything"], np.float32)
    want = bits(run_convolution(numba_backend, arrays, options))
    frozen = [a.copy() for a in arrays]
    for a in frozen:
        a.flags.writeable = False
    for other in ([np.asfortranarray(a) for a in arrays], frozen):
        assert bits(run_convolution(numba_backend, other, options)) == want


@pytest.mark.parametrize("padding", [SAME, ((0, 0), (0, 0))], ids=["padded", "plain"])
def test_no_images_give_no_outputs(any_backend, padding):
    arrays, options = convolution_problem(((0, 5, 5, 2), (3, 3), 4, (1, 1), padding, (1, 1)))
    y, dx, dW, db = run_convolution(any_backend, arrays, options)
    assert y.shape == arrays[3].shape and dx.shape == (0, 5, 5, 2)
    assert dW.shape == (3, 3, 2, 4) and not dW.any() and not db.any()
