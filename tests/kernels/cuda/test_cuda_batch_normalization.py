"""The CUDA batch normalisation against its NumPy twin: outputs, statistics, gradients, types.
Then the same bits for any order of threads and any layout, NaN that stays seen, no transfers."""

import numpy as np
import pytest
from agreement import BROAD, NUMPY, TOLERANCE, assert_agree, bits, dtypes, flat, widened
from device_arrays import in_every_order, moved, nothing_moves

SHAPES = [(6, 1), (5, 3), (1, 4), (700, 20), (3, 5, 2, 33), (2, 2, 3, 2, 3), (40, 256), (7, 600)]
SHAPES += [(9000, 2), (5, 257)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def draw(shape, dtype, seed=0):
    """x, dy, scale, offset, and given mean and variance."""
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, *shape)) + 0.5
    scale, offset, mean = rng.standard_normal((3, shape[-1]))
    return [a.astype(dtype) for a in (x, dy, scale, offset, mean, mean**2 + 0.1)]


def run(functions, x, dy, scale, offset, mean, variance, epsilon=1e-5):
    """All results of the four functions, by the name of what gives them."""
    y, cache = functions.batch_normalization_forward(x, scale, offset, epsilon)
    back = functions.batch_normalization_backward(dy, cache)
    without = functions.batch_normalization_backward(dy, cache, False)
    given, kept = functions.batch_normalization_apply(x, scale, offset, mean, variance, epsilon)
    given_back = functions.batch_normalization_apply_backward(dy, kept)
    given_without = functions.batch_normalization_apply_backward(dy, kept, False)
    assert cache.x is x and kept.x is x and cache.size == x.size // x.shape[-1]
    return (
        (y, (cache.mean, cache.variance), back, without),
        (given, (kept.mean, kept.variance), given_back, given_without),
    )


def on_device(kernels, arrays):
    return moved(run(kernels, *map(kernels.to_device, arrays)), kernels.to_host)


@shapes
@dtypes
def test_outputs_statistics_and_gradients(cuda_kernels, shape, dtype):
    arrays = draw(shape, dtype)
    got, want = on_device(cuda_kernels, arrays), run(NUMPY, *arrays)
    exact = run(NUMPY, *widened(tuple(arrays)))
    if shape[0] == 1:  # one number a channel: y is the offset, and its slope along x is 0
        assert not got[0][2][0].any() and not got[0][2][1].scale.any()
        np.testing.assert_array_equal(got[0][0], np.broadcast_to(arrays[3], shape))
        got, want, exact = got[1], want[1], exact[1]
    assert_agree(got, want, TOLERANCE[dtype])
    assert_agree(got, exact, 10 * BROAD[dtype], "against float64:")  # terms of sums cancel
    for a, b in zip(flat(got), flat(want), strict=True):
        assert a is b is None or a.dtype == b.dtype


def test_statistics_of_data_far_from_zero_and_of_many_rows(cuda_kernels):
    rng = np.random.default_rng(0)
    x = rng.uniform(999.5, 1000.5, (60_000, 3)).astype(np.float32)
    dy, one = (x + rng.standard_normal(x.shape)).astype(np.float32), np.ones(3, np.float32)
    arrays = [x, dy, one, one, one, one]
    got = on_device(cuda_kernels, arrays)[0]
    exact = run(NUMPY, *widened(tuple(arrays)))[0]
    assert_agree(got[1], exact[1], 1e-12)
    assert_agree(got[0], exact[0], 1e-6)
    assert_agree(got[2], exact[2], 1e-6)


def test_a_channel_that_never_changes_gives_its_offset(cuda_kernels):
    x = np.full((50, 2), 0.1, np.float32)
    arrays = [x, x, *(np.array([v, -v], np.float32) for v in (3, 7, 1, 4))]
    y, (mean, variance), *_ = on_device(cuda_kernels, arrays)[0]
    np.testing.assert_allclose(y, np.broadcast_to(arrays[3], x.shape), rtol=1e-6)
    np.testing.assert_allclose(mean, x[0], rtol=1e-15)
    assert (variance < 1e-30).all()


@dtypes
def test_bad_numbers_stay_in_their_channel(cuda_kernels, dtype):
    arrays = draw((30, 2, 5), dtype)
    arrays[0][3, 1, 2] = np.nan
    arrays[1][4, 0, 4] = np.inf
    with np.errstate(invalid="ignore"):
        want = flat(run(NUMPY, *arrays))
    for got, twin in zip(flat(on_device(cuda_kernels, arrays)), want, strict=True):
        assert got is twin is None or (np.isfinite(got) == np.isfinite(twin)).all()
        assert twin is None or np.isfinite(twin).any()


@shapes
@dtypes
def test_the_same_bits_in_any_order_of_threads(cuda_kernels, shape, dtype):
    arrays = draw(shape, dtype)
    in_every_order(lambda: on_device(cuda_kernels, arrays))


def test_any_memory_layout_gives_the_same_bits(cuda_kernels):
    arrays = draw((6, 4, 7), np.float32)
    want = bits(flat(on_device(cuda_kernels, arrays)))
    columns = [np.asfortranarray(a) for a in arrays]
    assert bits(flat(on_device(cuda_kernels, columns))) == want
    every_second = [cuda_kernels.to_device(np.repeat(a, 2, axis=0))[::2] for a in arrays]
    got = moved(run(cuda_kernels, *every_second), cuda_kernels.to_host)
    assert bits(flat(got)) == want


@dtypes
def test_no_rows_by_given_statistics(cuda_kernels, dtype):
    arrays = draw((0, 3, 4), dtype)
    x, dy, *rest = map(cuda_kernels.to_device, arrays)
    y, cache = cuda_kernels.batch_normalization_apply(x, *rest, 1e-5)
    dx, grads = cuda_kernels.batch_normalization_apply_backward(dy, cache)
    assert y.shape == dx.shape == (0, 3, 4) and y.dtype == dx.dtype == dtype
    assert [cuda_kernels.to_host(g).tolist() for g in grads] == [[0] * 4] * 2


def test_nothing_is_moved_or_waited_for_or_written(cuda_kernels):
    arrays = draw((30, 6), np.float32)
    given = [cuda_kernels.to_device(a) for a in arrays]
    with nothing_moves():
        run(cuda_kernels, *given)
    assert bits(map(cuda_kernels.to_host, given)) == bits(arrays)
