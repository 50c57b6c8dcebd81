"""The functions that act on rows: rectifier, dropout, batch normalisation, column-major flattening.
Masks and statistics against their definitions; gradients of layers are in `proof`.
"""

import numpy as np
import pytest
from agreement import NUMPY, assert_gradient, dtypes
from builders import draw

from minilstm.functional import batch_normalization, dropout, flatten
from minilstm.functional.channel_statistics import moving_statistic, pool_statistics
from minilstm.gradcheck import complex_step

# ------------------------------------------------------------------------------- rectifier


@dtypes
def test_relu_is_flat_at_zero_and_hides_no_nan(backend, dtype):
    x = np.array([[0.0, -0.0, np.nan, np.inf, -np.inf, 1.0]], dtype)
    y, cache = backend.relu_forward(x)
    np.testing.assert_array_equal(y, np.array([[0, 0, np.nan, np.inf, 0, 1]], dtype))
    dx = backend.relu_backward(np.ones_like(x), cache)
    assert dx.tolist() == [[0, 0, 1, 1, 0, 1]] and y.dtype == dx.dtype == dtype
    assert cache.passes.nbytes == x.size


# --------------------------------------------------------------------------------- dropout


def test_the_hash_is_splitmix64():
    # The first numbers of the published generator for the seed 1234567.
    counter = np.uint64(1234567) + np.uint64(dropout.STEP) * np.arange(1, 6, dtype=np.uint64)
    assert dropout._hash(counter).tolist() == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
        16408922859458223821,
    ]  # fmt: skip


@dtypes
@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 0.99])
def test_dropout_keeps_its_share_and_scales_it(backend, dtype, probability):
    N, K = 400, 300
    y, _ = backend.dropout_forward(np.ones((N, K), dtype), probability, 2**64 - 5)
    assert y.dtype == dtype
    assert set(y.ravel().tolist()) <= {0.0, float(dtype(1 / (1 - probability)))}
    kept = y != 0
    keep, spread = 1 - probability, np.sqrt(probability * (1 - probability))
    assert abs(kept.mean() - keep) <= 4 * spread / np.sqrt(N * K)
    # Rows, that is time steps, and columns by themselves: the largest of a few hundred draws.
    assert abs(kept.mean(axis=1) - keep).max() <= 5 * spread / np.sqrt(K)
    assert abs(kept.mean(axis=0) - keep).max() <= 5 * spread / np.sqrt(N)


def test_neighbours_and_keys_are_independent():
    masks = [dropout.dropout_mask((500, 200), 0.5, key) for key in (0, 1, 2, 2**40)]
    centred = [m - 0.5 for m in masks]  # correlations below are 4 times a mean of products
    first = centred[0]
    pairs = [first[1:] * first[:-1], first[:, 1:] * first[:, :-1], first[1:, 1:] * first[:-1, :-1]]
    pairs += [first * other for other in centred[1:]]
    for pair in pairs:
        assert abs(4 * pair.mean()) <= 4 / np.sqrt(pair.size)


@pytest.mark.parametrize("cut", [1, 99, 100, 399])
@pytest.mark.parametrize("row", [0, 2**33])
def test_a_part_of_a_batch_gets_its_part_of_the_mask(backend, cut, row):
    x = draw(400, 5, 3, 2, dtype=np.float32)
    whole = backend.dropout_forward(x, 0.4, 9, row)[0]
    parts = [backend.dropout_forward(x[:cut], 0.4, 9, row)[0]]
    parts.append(backend.dropout_forward(x[cut:], 0.4, 9, row + cut)[0])
    assert (np.concatenate(parts) == whole).all()


@dtypes
def test_every_backend_and_thread_count_draws_the_same_mask(numba_backend, set_threads, dtype):
    x = draw(3000, 7, dtype=dtype)
    for key in (0, 123456789, 2**63 + 1, 2**64 - 1):
        want, cache = NUMPY.dropout_forward(x, 0.25, key, 17)
        for threads in (1, 2, 3):
            set_threads(threads)
            got = numba_backend.dropout_forward(x, 0.25, key, 17)[0]
            assert got.tobytes() == want.tobytes()
            assert numba_backend.dropout_backward(x, cache).tobytes() == want.tobytes()


# --------------------------------------------------------------------- batch normalisation


def normalization_problem(shape, seed=0):
    C = shape[-1]
    arrays = {"x": 2 * draw(*shape, seed=seed) + 1, "scale": draw(C, seed=seed + 1)}
    return arrays | {"offset": draw(C, seed=seed + 2)}, draw(*shape, seed=seed + 3)


def test_one_number_a_channel_is_its_own_mean(backend):
    arrays, dy = normalization_problem((1, 4))
    y, cache = backend.batch_normalization_forward(*arrays.values(), 0.01)
    dx, grads = backend.batch_normalization_backward(dy, cache)
    np.testing.assert_allclose(y[0], arrays["offset"], rtol=1e-14)
    np.testing.assert_allclose(dx, 0, atol=1e-14)
    np.testing.assert_allclose(grads.scale, 0, atol=1e-14)
    np.testing.assert_allclose(grads.offset, dy[0], rtol=1e-12)


def test_batch_normalization_is_what_its_name_says(backend):
    x, scale, offset = normalization_problem((6, 5, 4, 3))[0].values()
    y, cache = backend.batch_normalization_forward(x, scale, offset, 1e-5)
    over = (0, 1, 2)
    np.testing.assert_allclose(cache.mean, x.mean(axis=over), rtol=1e-13)
    np.testing.assert_allclose(cache.variance, x.var(axis=over), rtol=1e-13)
    np.testing.assert_allclose(y.mean(axis=over), offset, atol=1e-13)
    np.testing.assert_allclose(y.std(axis=over), abs(scale), rtol=1e-4)
    assert cache.size == 120
    want = scale * (x - cache.mean) / np.sqrt(cache.variance + 1e-5) + offset
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-13)
    applied = backend.batch_normalization_apply(x, scale, offset, *cache[2:])[0]
    np.testing.assert_allclose(applied, y, rtol=1e-12, atol=1e-13)


def test_float32_far_from_zero_keeps_its_variance(backend):
    x = (1e4 + draw(3, 8, 8, 500, 4)).astype(np.float32)
    dy = draw(*x.shape, seed=1, dtype=np.float32)
    scale, offset = np.ones(4, np.float32), np.zeros(4, np.float32)
    y, cache = backend.batch_normalization_forward(x, scale, offset, 1e-5)
    dx, grads = backend.batch_normalization_backward(dy, cache)
    wide = (a.astype(np.float64) for a in (x, scale, offset))
    y64, cache64 = NUMPY.batch_normalization_forward(*wide, 1e-5)
    dx64, grads64 = NUMPY.batch_normalization_backward(dy.astype(np.float64), cache64)
    assert y.dtype == dx.dtype == grads.scale.dtype == grads.offset.dtype == np.float32
    np.testing.assert_allclose(cache.mean, cache64.mean, rtol=1e-12)
    np.testing.assert_allclose(cache.variance, cache64.variance, rtol=1e-10)
    assert_gradient(y, y64, "y", 3e-7)
    assert_gradient(dx, dx64, "dx", 3e-7)
    assert_gradient(grads.scale, grads64.scale, "scale", 1e-6)
    assert_gradient(grads.offset, grads64.offset, "offset", 1e-6)


@dtypes
def test_a_channel_without_variance_gives_its_offset(backend, dtype):
    x = np.concatenate([np.full((7, 1), 0.1), draw(7, 1)], axis=1).astype(dtype)
    scale, offset = np.array([3, 1], dtype), np.array([5, 0], dtype)
    y, cache = backend.batch_normalization_forward(x, scale, offset, 1e-5)
    np.testing.assert_allclose(y[:, 0], 5, rtol=1e-6)
    dx, grads = backend.batch_normalization_backward(np.ones_like(x), cache)
    assert np.isfinite(dx).all() and abs(grads.scale[0]) < 1e-6 and y.dtype == dtype


@dtypes
@pytest.mark.parametrize("sizes", [(1, 1), (40_000, 1), (7001, 3), (5000, 20), (64, 600), (1, 9)])
def test_blocks_and_lines_of_any_size(numba_backend, set_threads, dtype, sizes):
    """The kernels cut memory into lines and blocks; no size and no thread count shows."""
    x, dy = draw(*sizes, dtype=dtype) + dtype(3), draw(*sizes, seed=1, dtype=dtype)
    scale, offset = draw(2, sizes[1], seed=2, dtype=dtype)
    statistics = (offset, scale * scale, 1e-3)

    def run(backend):
        y, cache = backend.batch_normalization_forward(x, scale, offset, 1e-3)
        dx, grads = backend.batch_normalization_backward(dy, cache)
        applied, constant = backend.batch_normalization_apply(x, scale, offset, *statistics)
        dapplied, dgrads = backend.batch_normalization_apply_backward(dy, constant)
        rectified, passes = backend.relu_forward(x - dtype(3))
        drectified = backend.relu_backward(dy, passes)
        results = [y, cache.mean, cache.variance, dx, *grads, applied, dapplied, *dgrads]
        return [*results, rectified, drectified]

    want = run(NUMPY)
    results = []
    for threads in (1, 2, 3, 5):
        set_threads(threads)
        results.append(run(numba_backend))
    for got, exact in zip(results[0], want, strict=True):
        tolerance = 1e-12 if dtype == np.float64 else 2e-6
        assert got.dtype == exact.dtype and got.shape == exact.shape
        assert abs(got - exact).max() <= tolerance * max(abs(exact).max(), 1)
    for other in results[1:]:
        assert [a.tobytes() for a in other] == [a.tobytes() for a in results[0]]


def test_any_memory_layout_is_read(backend):
    x, dy = draw(9, 4, 5, 3), draw(9, 4, 5, 3, seed=1)
    frozen = x.copy()
    frozen.flags.writeable = False
    scale, offset = draw(2, 3, seed=2)
    want, cache = backend.batch_normalization_forward(x, scale, offset, 1e-5)
    dx = backend.batch_normalization_backward(dy, cache)[0]
    for other in (frozen, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        y, cache = backend.batch_normalization_forward(other, scale, offset, 1e-5)
        np.testing.assert_allclose(y, want, rtol=1e-13, atol=1e-14)
        got = backend.batch_normalization_backward(np.asfortranarray(dy), cache)[0]
        np.testing.assert_allclose(got, dx, rtol=1e-13, atol=1e-14)
        y, cache = backend.relu_forward(other)
        assert (y == np.maximum(x, 0)).all()
        assert (backend.relu_backward(np.asfortranarray(dy), cache) == dy * (x > 0)).all()
        assert (
            backend.dropout_forward(other, 0.5, 1)[0] == NUMPY.dropout_forward(x, 0.5, 1)[0]
        ).all()


def test_bad_numbers_are_seen(backend):
    x = draw(6, 2, 2, 3)
    x[1, 0, 1, 2] = np.nan
    y, cache = backend.batch_normalization_forward(x, np.ones(3), np.zeros(3), 1e-5)
    assert np.isnan(y[..., 2]).all() and np.isfinite(y[..., :2]).all()
    assert np.isnan(cache.mean[2]) and np.isnan(cache.variance[2])


def test_pooled_statistics_are_those_of_all_data_at_once():
    x = 1e3 + draw(100, 3)
    pooled = None
    for part in np.split(x, [1, 40, 41, 97]):
        pooled = pool_statistics(pooled, len(part), part.mean(axis=0), part.var(axis=0))
    assert pooled.size == 100
    np.testing.assert_allclose(pooled.mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(pooled.variance, x.var(axis=0), rtol=1e-12)


def test_the_running_mean_weights_the_new_batch_by_the_decay():
    old, batch = np.array([1.0, 2.0], np.float32), np.array([3.0, 2.0])
    got = moving_statistic(old, batch, 0.1)
    np.testing.assert_allclose(got, [1.2, 2.0], rtol=1e-6)
    assert got.dtype == np.float32


# --------------------------------------------------------------------------------- flatten


@pytest.mark.parametrize("shape", [(2, 3, 4, 2), (1, 1, 5, 1), (3, 6), (2, 2, 3, 4, 2)], ids=str)
def test_flatten_is_column_major(shape):
    x = draw(*shape)
    y, cache = flatten.flatten_forward(x)
    sizes = shape[1:]
    for n, *index in np.ndindex(shape):
        place, stride = 0, 1
        for i, size in zip(index, sizes, strict=True):  # the first index runs fastest
            place, stride = place + i * stride, stride * size
        assert y[n, place] == x[n, *index]
    dy = draw(*y.shape, seed=1)
    exact = complex_step(lambda p: (dy * flatten.flatten_forward(p)[0]).sum(), x)
    dx = flatten.flatten_backward(dy, cache)
    assert_gradient(dx, exact, "x")
    assert dx.flags.c_contiguous


def test_complex_numbers_without_an_imaginary_part_give_the_real_results():
    arrays, dy = normalization_problem((4, 3, 2, 2))
    statistics = (draw(2, seed=8), draw(2, seed=9) ** 2)
    results = []
    for dtype in (np.float64, np.complex128):
        x, scale, offset = (a.astype(dtype) for a in arrays.values())
        up = dy.astype(dtype)
        y, cache = NUMPY.batch_normalization_forward(x, scale, offset, 1e-5)
        dx, grads = NUMPY.batch_normalization_backward(up, cache)
        applied, constant = batch_normalization.batch_normalization_apply(
            x, scale, offset, *statistics, 1e-5
        )
        dapplied, dgrads = NUMPY.batch_normalization_apply_backward(up, constant)
        rectified, passes = NUMPY.relu_forward(x)
        dropped, place = NUMPY.dropout_forward(x, 0.5, 1)
        flat, shape = flatten.flatten_forward(x)
        results.append([
            y, cache.mean, cache.variance, dx, *grads, applied, dapplied, *dgrads, rectified,
            NUMPY.relu_backward(up, passes), dropped, NUMPY.dropout_backward(up, place), flat,
            flatten.flatten_backward(flat, shape),
        ])  # fmt: skip
    for real, widened in zip(*results, strict=True):
        assert widened.dtype == np.complex128
        np.testing.assert_allclose(widened, real, rtol=1e-12, atol=1e-14)
