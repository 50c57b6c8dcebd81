"""The CUDA convolution against its NumPy twin, in float64: outputs, gradients, types and layouts.
Then the same bits for any order of threads, any batch, any frames, and no hidden transfers."""

from __future__ import annotations

import importlib

import cuda_shim
import numpy as np
import pytest
from test_convolution import (
    CASES,
    NUMPY,
    TOLERANCE,
    assert_close,
    bits,
    draw,
    dtypes,
    run,
)

import minilstm as ml

SAME = ((1, 1), (1, 1))
MORE = {
    **CASES,
    # The two convolutions of the video network, and more windows than one part of a sum has.
    "video 1": ((2, 28, 28, 1), (5, 5), 20, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "video 2": ((5, 12, 12, 20), (3, 3), 40, (1, 1), SAME, (1, 1)),
    "33 channels to 33": ((2, 5, 4, 33), (3, 3), 33, (1, 1), SAME, (1, 1)),
    "more filters than a block": ((1, 3, 3, 2), (2, 2), 150, (1, 1), SAME, (1, 1)),
    "more weights than a block": ((2, 3, 3, 40), (3, 3), 8, (2, 1), SAME, (1, 1)),
}
cases = pytest.mark.parametrize("case", MORE.values(), ids=MORE)


def on_device(kernels, arrays, options, need_dx=True):
    """y, dx, dW and db of NumPy arrays, computed on the device."""
    moved = [kernels.to_device(a) for a in arrays]
    before = bits(map(kernels.to_host, moved))
    results = run(kernels, moved, options, need_dx)
    assert bits(map(kernels.to_host, moved)) == before, "an argument was written"
    return [None if a is None else kernels.to_host(a) for a in results]


@cases
@dtypes
def test_outputs_and_gradients(cuda_kernels, case, dtype):
    arrays, options = draw(case, dtype)
    exact = run(NUMPY, [a.astype(np.float64) for a in arrays], options)
    results = on_device(cuda_kernels, arrays, options)
    for got, want in zip(results, exact, strict=True):
        assert got.dtype == dtype
        assert_close(got, want, TOLERANCE[dtype])
    without = on_device(cuda_kernels, arrays, options, need_dx=False)
    assert without[1] is None and bits(without[2:]) == bits(results[2:])


@pytest.mark.parametrize("shape", [(50, 64, 64, 1), (1, 141, 142, 56)], ids=["parts", "one chain"])
def test_long_sums_keep_their_digits(cuda_kernels, monkeypatch, shape):
    rng = np.random.default_rng(0)
    # All of one sign, 20 000 windows and more: added one by one in float32, they lose digits.
    *_, Cin = shape
    F = 3 if Cin == 1 else 64
    if Cin > 1:
        module = importlib.import_module("minilstm.kernels.cuda.convolution")
        monkeypatch.setattr(module, "BLOCKS", 1)
    x = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    W, dy = np.ones((2, 1, Cin, F), np.float32), rng.uniform(0.5, 1.5, (*shape[:3], F))[:, 1:]
    arrays, options = [x, W, W[0, 0, 0], dy.astype(np.float32)], [(1, 1), ((0, 0),) * 2, (1, 1)]
    exact = run(NUMPY, [a.astype(np.float64) for a in arrays], options, need_dx=False)
    got = on_device(cuda_kernels, arrays, options, need_dx=False)
    for a, b in zip(got[2:], exact[2:], strict=True):
        assert_close(a, b, 1e-6)


def test_what_fills_the_last_tile_does_not_make_infinity_nan(cuda_kernels):
    arrays = [np.ones(shape) for shape in ((1, 40, 1, 1), (17, 1, 1, 1), (1,), (1, 24, 1, 1))]
    arrays[0][0, [0, -1]] = np.inf  # the first number of a window, and the last window
    y, _, dW, _ = on_device(cuda_kernels, arrays, [(1, 1), ((0, 0),) * 2, (1, 1)])
    assert np.isinf(y).ravel().tolist() == [True, *[False] * 22, True]
    assert np.isinf(dW).ravel().tolist() == [True, *[False] * 15, True]
    assert not np.isnan(y).any() and not np.isnan(dW).any()


def test_bad_numbers_stay_where_they_are(cuda_kernels):
    case = ((3, 6, 6, 1), (3, 3), 5, (1, 1), SAME, (1, 1))
    arrays, options = draw(case, np.float32)
    arrays[0][1, 0, 0] = np.nan
    arrays[3][2, 5, 5, 3] = np.nan
    y, dx, dW, db = on_device(cuda_kernels, arrays, options)
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


@pytest.mark.parametrize("case", ["everything", "video 2", "volume, everything"])
@dtypes
def test_the_same_bits_in_any_order_of_threads(cuda_kernels, case, dtype):
    arrays, options = draw(MORE[case], dtype)
    want = bits(on_device(cuda_kernels, arrays, options))
    for order, seed in (("forward", 0), ("reverse", 0), ("random", 1), ("warps", 1), ("warps", 2)):
        with cuda_shim.thread_order(order, seed):
            assert bits(on_device(cuda_kernels, arrays, options)) == want


@pytest.mark.parametrize("case", ["everything", "wide", "volume, everything"])
@dtypes
def test_a_batch_gives_what_its_images_give_one_by_one(cuda_kernels, case, dtype):
    shape, *rest = MORE[case]
    (x, W, b, dy), options = draw(((5, *shape[1:]), *rest), dtype)
    y, dx, *_ = on_device(cuda_kernels, [x, W, b, dy], options)
    for n in range(5):
        part = on_device(cuda_kernels, [x[n : n + 1], W, b, dy[n : n + 1]], options)
        assert bits(part[:2]) == bits([y[n : n + 1], dx[n : n + 1]])


def test_images_that_are_framed_in_groups_give_the_same_outputs(cuda_kernels, monkeypatch):
    arrays, options = draw(((5, 9, 8, 3), (3, 3), 7, (2, 1), SAME, (1, 1)), np.float64)
    want = on_device(cuda_kernels, arrays, options)
    module = importlib.import_module("minilstm.kernels.cuda.convolution")
    monkeypatch.setattr(module, "FRAMED", 2 * 11 * 10 * 3)  # two images of x
    got = on_device(cuda_kernels, arrays, options)
    assert bits(got[:2]) == bits(want[:2])
    for a, b in zip(got[2:], want[2:], strict=True):
        assert_close(a, b, TOLERANCE[np.float64])


def test_any_memory_layout_gives_the_same_bits(cuda_kernels):
    arrays, options = draw(CASES["everything"], np.float32)
    want = bits(on_device(cuda_kernels, arrays, options))
    assert bits(on_device(cuda_kernels, [np.asfortranarray(a) for a in arrays], options)) == want
    every_second = [cuda_kernels.to_device(np.repeat(a, 2, axis=0))[::2] for a in arrays]
    got = run(cuda_kernels, every_second, options)
    assert bits(map(cuda_kernels.to_host, got)) == want


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gradient_of_the_weights_has_their_layout(cuda_kernels, order):
    arrays, options = draw(CASES["everything"], np.float32)
    moved = [cuda_kernels.to_device(np.asarray(a, order=order)) for a in arrays]
    dW = run(cuda_kernels, moved, options)[2]
    assert dW.strides == moved[1].strides and dW.flags[f"{order}_CONTIGUOUS"]


def test_no_images_give_no_outputs(cuda_kernels):
    for padding in (SAME, ((0, 0), (0, 0))):
        arrays, options = draw(((0, 5, 5, 2), (3, 3), 4, (1, 1), padding, (1, 1)))
        y, dx, dW, db = on_device(cuda_kernels, arrays, options)
        assert y.shape == arrays[3].shape and dx.shape == (0, 5, 5, 2)
        assert dW.shape == (3, 3, 2, 4) and not dW.any() and not db.any()


def test_nothing_is_moved_once_the_tables_are_on_the_device(cuda_kernels):
    arrays, options = draw(CASES["everything"], np.float32)
    moved = [cuda_kernels.to_device(a) for a in arrays]
    run(cuda_kernels, moved, options)
    cuda_shim.counts.reset()
    with ml.count_transfers() as counted:
        run(cuda_kernels, moved, options)
    assert counted.to_device == counted.to_host == 0
    hidden = cuda_shim.counts
    assert (hidden.uploads, hidden.downloads, hidden.synchronisations) == (0, 0, 0)
