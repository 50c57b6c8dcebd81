"""The CUDA kernels that act on rows against their NumPy twins: outputs, gradients, layouts, bits.
Sizes cross the borders of warps and blocks, and of the blocks in which long sums are cut."""

import numpy as np
import pytest
from agreement import NUMPY, TOLERANCE, assert_agree, dtypes, widened
from device_arrays import call

ROWS = (0, 1, 31, 32, 33, 1000)
CLASSES = (1, 2, 5, 16, 17, 33, 1000)
SIZES = [(n, c) for n in ROWS for c in (1, 5, 33)] + [(33, c) for c in CLASSES] + [(5000, 5)]
sizes = pytest.mark.parametrize(("N", "C"), SIZES)


def draw(dtype, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def layouts(a):
    """The same numbers row-major, column-major, and as every second row of a larger array."""
    return [a, np.asfortranarray(a), np.repeat(a, 2, axis=0)[::2]]


def assert_close(got, want, dtype, what=""):
    """`assert_agree`, also for arrays without numbers."""
    if isinstance(want, tuple):
        for g, w in zip(got, want, strict=True):
            assert_close(g, w, dtype, what)
    elif isinstance(want, np.ndarray) and not want.size:
        assert got.shape == want.shape and got.dtype == want.dtype, what
    else:
        assert getattr(got, "dtype", None) == getattr(want, "dtype", None), what
        assert_agree(got, want, TOLERANCE[dtype], what)


@dtypes
@sizes
def test_fully_connected(cuda_kernels, dtype, N, C):
    D = 7
    x, W, b, dy = draw(dtype, (N, D), (C, D), C, (N, C))
    W = np.asfortranarray(W)
    y, cache = call(cuda_kernels, "fully_connected_forward", x, W, b)
    want = NUMPY.fully_connected_forward(x, W, b)
    assert_close((y, cache), want, dtype)
    got = call(cuda_kernels, "fully_connected_backward", dy, cache)
    assert_close(got, NUMPY.fully_connected_backward(dy, want[1]), dtype)
    assert got[1].W.flags.f_contiguous
    without, grads = call(cuda_kernels, "fully_connected_backward", dy, cache, False)
    assert without is None and (grads.W == got[1].W).all() and (grads.b == got[1].b).all()


@dtypes
def test_fully_connected_beyond_a_block_of_rows(cuda_kernels, dtype):
    for N in (2048, 2049, 4096, 5000):
        x, W, dy = draw(dtype, (N, 4), (3, 4), (N, 3))
        got = call(cuda_kernels, "fully_connected_backward", dy, (x, W))
        want = NUMPY.fully_connected_backward(*widened((dy, (x, W))))
        assert_agree(got, want, 1e-5 if dtype == np.float32 else 1e-13)


def test_sums_that_cancel_keep_their_digits(cuda_kernels):
    rng = np.random.default_rng(0)
    half = rng.uniform(0.5, 1.5, (100_000, 2)).astype(np.float32)
    dy = np.concatenate((half, -half + np.float32(1e-3)))
    x, W = np.ones((len(dy), 1), np.float32), np.ones((2, 1), np.float32)
    arrays = map(cuda_kernels.to_device, (dy, x, W))
    dy_there, *cache = arrays
    grads = cuda_kernels.fully_connected_backward(dy_there, tuple(cache))[1]
    dW, db = map(cuda_kernels.to_host, grads)
    exact = dy.sum(axis=0, dtype=np.float64)  # about 100, of terms that add up to 100 000
    np.testing.assert_allclose(db, exact, rtol=1e-7)
    np.testing.assert_allclose(dW[:, 0], exact, rtol=1e-4)


@dtypes
@sizes
def test_softmax(cuda_kernels, dtype, N, C):
    z, dy = draw(dtype, (N, C), (N, C))
    z *= dtype(3)
    want = NUMPY.softmax_forward(z)
    want_dz = NUMPY.softmax_backward(dy, want[1])
    for z_now, dy_now in zip(layouts(z), layouts(dy), strict=True):
        assert_close(call(cuda_kernels, "softmax_forward", z_now), want, dtype)
        dz = call(cuda_kernels, "softmax_backward", dy_now, want[1])
        if C > 1:
            assert_close(dz, want_dz, dtype)
        else:  # one class has the score 1 whatever its logit is
            assert dz.shape == (N, 1) and not dz.any()


@pytest.mark.parametrize("C", [5, 33])
def test_softmax_sees_bad_numbers_and_survives_large_ones(cuda_kernels, C):
    z = np.zeros((6, C))
    z[[0, 1, 2], [2, 0, 4]] = np.nan, np.nan, np.inf
    z[3] = -np.inf
    z[[4, 5], 1] = 1e300, -np.inf
    with np.errstate(invalid="ignore"):
        want = NUMPY.softmax_forward(z)[0]
    y = call(cuda_kernels, "softmax_forward", z)[0]
    assert np.isnan(y[:4]).all() and np.isnan(want[[0, 1, 3]]).all()
    np.testing.assert_allclose(y[4:], want[4:], rtol=1e-12)


@dtypes
@pytest.mark.parametrize("C", [5, 33])
def test_a_row_alone_is_the_same_row_in_a_batch(cuda_kernels, dtype, C):
    z, dy = draw(dtype, (70, C), (70, C))
    y, cache = call(cuda_kernels, "softmax_forward", z)
    dz = call(cuda_kernels, "softmax_backward", dy, cache)
    for n in (0, 40, 69):
        alone, cache = call(cuda_kernels, "softmax_forward", z[n : n + 1])
        np.testing.assert_array_equal(alone, y[n : n + 1])
        alone = call(cuda_kernels, "softmax_backward", dy[n : n + 1], cache)
        np.testing.assert_array_equal(alone, dz[n : n + 1])


@dtypes
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (31, 5), (33, 2, 3, 4), (1000, 7)], ids=str)
def test_elementwise_layers(cuda_kernels, dtype, shape):
    x, dy = draw(dtype, shape, shape)
    if x.size > 9:
        x.flat[[0, 3]] = 0, np.nan
    for layout in layouts(x):
        y, cache = call(cuda_kernels, "relu_forward", layout)
        want, kept = NUMPY.relu_forward(x)
        np.testing.assert_array_equal(y, want)
        np.testing.assert_array_equal(cache.passes, kept.passes)
        assert y.dtype == dtype and cache.passes.dtype == bool
    for layout in layouts(dy):
        dx = call(cuda_kernels, "relu_backward", layout, cache)
        np.testing.assert_array_equal(dx, NUMPY.relu_backward(dy, kept))
    z = np.nan_to_num(x)
    got, want = call(cuda_kernels, "sigmoid_forward", z), NUMPY.sigmoid_forward(z)
    assert_close(got, want, dtype)
    got = call(cuda_kernels, "sigmoid_backward", dy, want[1])
    assert_close(got, NUMPY.sigmoid_backward(dy, want[1]), dtype)


@dtypes
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (33, 5), (7, 2, 3, 4), (1000, 3)], ids=str)
def test_dropout_gives_the_very_same_bits(cuda_kernels, dtype, shape):
    (x,) = draw(dtype, shape)
    if x.size > 9:
        x.flat[[1, 2]] = np.nan, -np.inf
    for probability, key, row in ((0.5, 7, 0), (0.1, 2**64 - 3, 12), (0.0, 0, 1), (0.999, -5, 0)):
        with np.errstate(invalid="ignore"):
            want, kept = NUMPY.dropout_forward(x, probability, key, row)
        for layout in layouts(x):
            y, cache = call(cuda_kernels, "dropout_forward", layout, probability, key, row)
            np.testing.assert_array_equal(y, want)
            assert (np.signbit(y) == np.signbit(want))[~np.isnan(y)].all()
            assert cache == kept and y.dtype == dtype
        dx = call(cuda_kernels, "dropout_backward", x, cache)
        np.testing.assert_array_equal(dx, want)
