"""What is the CUDA convolution's own: its tiles, its frames, the layouts of its results.
The same bits for any order of threads, any batch, any frames, and no hidden transfers."""

import importlib

import cuda_shim
import numpy as np
import pytest
from agreement import BROAD, assert_close, bits, dtypes
from builders import CONVOLUTIONS, MORE_CONVOLUTIONS, SAME, convolution_problem, run_convolution
from device_arrays import in_every_order, nothing_moves


def on_device(kernels, arrays, options, need_dx=True):
    """y, dx, dW and db of NumPy arrays, computed on the device."""
    moved = [kernels.to_device(a) for a in arrays]
    before = bits(map(kernels.to_host, moved))
    results = run_convolution(kernels, moved, options, need_dx)
    assert bits(map(kernels.to_host, moved)) == before, "an argument was written"
    return [None if a is None else kernels.to_host(a) for a in results]


def test_what_fills_the_last_tile_does_not_make_infinity_nan(cuda_kernels):
    arrays = [np.ones(shape) for shape in ((1, 40, 1, 1), (17, 1, 1, 1), (1,), (1, 24, 1, 1))]
    arrays[0][0, [0, -1]] = np.inf  # the first number of a window, and the last window
    y, _, dW, _ = on_device(cuda_kernels, arrays, [(1, 1), ((0, 0),) * 2, (1, 1)])
    assert np.isinf(y).ravel().tolist() == [True, *[False] * 22, True]
    assert np.isinf(dW).ravel().tolist() == [True, *[False] * 15, True]
    assert not np.isnan(y).any() and not np.isnan(dW).any()


@pytest.mark.parametrize("case", ["everything", "video 2", "volume, everything"])
@dtypes
def test_the_same_bits_in_any_order_of_threads(cuda_kernels, case, dtype):
    arrays, options = convolution_problem(MORE_CONVOLUTIONS[case], dtype)
    want = in_every_order(lambda: on_device(cuda_kernels, arrays, options), case)
    with cuda_shim.thread_order("warps", seed=2):
        assert bits(on_device(cuda_kernels, arrays, options)) == bits(want)


@pytest.mark.parametrize("case", ["everything", "wide", "volume, everything"])
@dtypes
def test_a_batch_gives_what_its_images_give_one_by_one(cuda_kernels, case, dtype):
    shape, *rest = MORE_CONVOLUTIONS[case]
    (x, W, b, dy), options = convolution_problem(((5, *shape[1:]), *rest), dtype)
    y, dx, *_ = on_device(cuda_kernels, [x, W, b, dy], options)
    for n in range(5):
        part = on_device(cuda_kernels, [x[n : n + 1], W, b, dy[n : n + 1]], options)
        assert bits(part[:2]) == bits([y[n : n + 1], dx[n : n + 1]])


def test_images_that_are_framed_in_groups_give_the_same_outputs(cuda_kernels, monkeypatch):
    arrays, options = convolution_problem(
        ((5, 9, 8, 3), (3, 3), 7, (2, 1), SAME, (1, 1)), np.float64
    )
    want = on_device(cuda_kernels, arrays, options)
    module = importlib.import_module("minilstm.kernels.cuda.convolution")
    monkeypatch.setattr(module, "FRAMED_NUMBERS", 2 * 11 * 10 * 3)  # two images of x
    got = on_device(cuda_kernels, arrays, options)
    assert bits(got[:2]) == bits(want[:2])
    for a, b in zip(got[2:], want[2:], strict=True):
        assert_close(a, b, BROAD[np.float64])


def test_any_memory_layout_gives_the_same_bits(cuda_kernels):
    arrays, options = convolution_problem(CONVOLUTIONS["everything"], np.float32)
    want = bits(on_device(cuda_kernels, arrays, options))
    assert bits(on_device(cuda_kernels, [np.asfortranarray(a) for a in arrays], options)) == want
    every_second = [cuda_kernels.to_device(np.repeat(a, 2, axis=0))[::2] for a in arrays]
    got = run_convolution(cuda_kernels, every_second, options)
    assert bits(map(cuda_kernels.to_host, got)) == want


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gradient_of_the_weights_has_their_layout(cuda_kernels, order):
    arrays, options = convolution_problem(CONVOLUTIONS["everything"], np.float32)
    moved = [cuda_kernels.to_device(np.asarray(a, order=order)) for a in arrays]
    dW = run_convolution(cuda_kernels, moved, options)[2]
    assert dW.strides == moved[1].strides and dW.flags[f"{order}_CONTIGUOUS"]


def test_nothing_is_moved_once_the_tables_are_on_the_device(cuda_kernels):
    arrays, options = convolution_problem(CONVOLUTIONS["everything"], np.float32)
    moved = [cuda_kernels.to_device(a) for a in arrays]
    run_convolution(cuda_kernels, moved, options)
    with nothing_moves():
        run_convolution(cuda_kernels, moved, options)
