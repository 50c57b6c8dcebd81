"""The CUDA losses against their NumPy twins: values, gradients, rows without a class, weights.
What comes to the host is counted: one array for a loss, and nothing for a gradient."""

import math

import cuda_shim
import numpy as np
import pytest
from agreement import NUMPY, TOLERANCE, assert_agree, dtypes, widened
from builders import loss_calls
from device_arrays import call, moved

import minilstm as ml

SIZES = [(1, 1), (1, 5), (31, 2), (32, 17), (33, 16), (33, 1000), (1000, 5), (1000, 33), (5000, 5)]
sizes = pytest.mark.parametrize(("N", "C"), SIZES)
WAYS = ("plain", "counted", "unknown", "weighted")
ways = pytest.mark.parametrize("way", WAYS)


def problem(dtype, N, C, way, seed=0):
    """Logits, targets, and what else a loss takes: count and weights."""
    rng = np.random.default_rng(seed)
    z, targets = 3 * rng.standard_normal((N, C)).astype(dtype), rng.integers(0, C, N)
    count, weights = None if way == "plain" else N + 3, None
    if way in ("unknown", "weighted"):
        targets[::2] = -1
        z[0, 0] = np.nan  # of a row without a class, so it does not matter
    if way == "weighted":
        weights = rng.uniform(0.1, 3, N).astype(dtype)
    return z, targets, count, weights


def assert_loss(got, want, dtype):
    """Loss, divisor and weights; scores are compared where they are numbers."""
    assert isinstance(got[0], float) and math.isfinite(got[0])
    assert got[0] == pytest.approx(float(want[0]), rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])
    assert got[1].divisor == want[1].divisor
    np.testing.assert_array_equal(got[1].targets, want[1].targets)
    finite = np.isfinite(want[1].scores).all(axis=1)
    assert finite.any() or len(finite) == 1
    np.testing.assert_array_equal(np.isfinite(got[1].scores).all(axis=1), finite)
    tolerance = {"rtol": 10 * TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(got[1].scores, want[1].scores, **tolerance)
    assert got[1].scores.dtype == dtype
    assert (got[1].weights is None) == (want[1].weights is None)


@dtypes
@sizes
@ways
def test_softmax_and_cross_entropy(cuda_kernels, dtype, N, C, way):
    z, *rest = problem(dtype, N, C, way)
    want = NUMPY.softmax_cross_entropy_forward(z, *rest)
    got = call(cuda_kernels, "softmax_cross_entropy_forward", z, *rest)
    assert_loss(got, want, dtype)
    got_dz = call(cuda_kernels, "softmax_cross_entropy_backward", want[1])
    want_dz = NUMPY.softmax_cross_entropy_backward(want[1])
    if C > 1 and want_dz.any():
        assert_agree(got_dz, want_dz, TOLERANCE[dtype])
    else:
        assert got_dz.shape == want_dz.shape and not got_dz.any()
    assert not got_dz[rest[0] < 0].any() and got_dz.dtype == dtype


@dtypes
@sizes
@ways
def test_cross_entropy_of_scores(cuda_kernels, dtype, N, C, way):
    z, *rest = problem(dtype, N, C, way)
    scores = NUMPY.softmax_forward(z)[0]
    if N > 5:
        scores[[1, 3]] = 0  # counts as the smallest normal number
    want = NUMPY.cross_entropy_forward(scores, *rest)
    assert_loss(call(cuda_kernels, "cross_entropy_forward", scores, *rest), want, dtype)
    got = call(cuda_kernels, "cross_entropy_backward", want[1])
    np.testing.assert_allclose(
        got, NUMPY.cross_entropy_backward(want[1]), rtol=TOLERANCE[dtype], atol=0
    )
    assert got.dtype == dtype


@dtypes
@sizes
@ways
def test_the_end_of_a_classifier(cuda_kernels, dtype, N, C, way):
    D = 9
    _, targets, _, weights = problem(dtype, N, C, way)
    rng = np.random.default_rng(1)
    x, W, b = (rng.standard_normal(s).astype(dtype) for s in ((N, D), (C, D), C))
    for layout in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        arguments = layout, np.asfortranarray(W), b, targets, N + 3, weights
        got = call(cuda_kernels, "classifier_loss", *arguments)
        want = NUMPY.classifier_loss(*widened((x, W, b)), targets, N + 3, weights)
        assert isinstance(got.loss, float) and isinstance(got.correct, int)
        assert got.correct == want.correct
        assert got.loss == pytest.approx(float(want.loss), rel=TOLERANCE[dtype], abs=1e-12)
        for name in ("dx", "W", "b"):
            g, w = getattr(got, name), getattr(want, name)
            assert g.dtype == dtype and g.shape == w.shape
            if C > 1 and w.any():
                assert_agree(g, w, TOLERANCE[dtype], name)
            else:
                assert np.abs(g).max() < 1e-6
        assert not got.dx[targets < 0].any() and got.W.flags.f_contiguous


@pytest.mark.parametrize("C", [4, 40])
def test_the_first_of_equal_logits_is_the_answer(cuda_kernels, C):
    rng = np.random.default_rng(0)
    z = rng.integers(0, 3, (300, C)).astype(float)  # many draws
    targets = rng.integers(0, C, 300)
    got = call(cuda_kernels, "classifier_loss", z, np.eye(C), np.zeros(C), targets, 300)
    want = NUMPY.classifier_loss(z, np.eye(C), np.zeros(C), targets, 300)
    assert got.correct == want.correct > 0


@pytest.mark.parametrize("C", [3, 33])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_logit_is_seen_in_the_loss(cuda_kernels, C, bad):
    z, targets, _, _ = problem(np.float64, 5, C, "plain")
    z[2, 1] = bad
    assert np.isnan(call(cuda_kernels, "softmax_cross_entropy_forward", z, targets)[0])
    end = call(cuda_kernels, "classifier_loss", z, np.eye(C), np.zeros(C), targets, 5)
    assert np.isnan(end.loss) and np.isnan(end.dx[2]).all() and np.isfinite(end.dx[[0, 4]]).all()


def test_no_rows_at_all(cuda_kernels):
    z, targets = np.zeros((0, 3)), np.zeros(0, np.int64)
    for name in ("softmax_cross_entropy", "cross_entropy"):
        loss, cache = call(cuda_kernels, f"{name}_forward", z, targets)
        assert loss == 0 and cache.divisor == 1
        assert call(cuda_kernels, f"{name}_backward", cache).shape == (0, 3)
    end = call(cuda_kernels, "classifier_loss", z, np.ones((2, 3)), np.ones(2), targets, 4)
    assert (end.loss, end.correct) == (0, 0) and not end.W.any() and not end.b.any()


@dtypes
@pytest.mark.parametrize("rows", [1, 33, 1000])
def test_losses_on_numbers(cuda_kernels, dtype, rows):
    rng = np.random.default_rng(0)
    y, weights = 2 * rng.standard_normal((rows, 4)).astype(dtype), rng.random(rows).astype(dtype)
    targets = rng.integers(0, 4, rows)
    for name, arguments in loss_calls(NUMPY, y, targets, weights):
        got = call(cuda_kernels, name, *arguments)
        want = getattr(NUMPY, name)(*arguments)
        if name.endswith("forward"):
            assert isinstance(got[0], float)
        assert_agree(got, want, TOLERANCE[dtype], name)
        if name.endswith("forward"):  # and with weights of 1, and the numbers the other way round
            arguments = (np.asfortranarray(arguments[0]), *arguments[1:3])
            got, want = call(cuda_kernels, name, *arguments), getattr(NUMPY, name)(*arguments)
            assert_agree(got, want, TOLERANCE[dtype], name)


def test_bad_numbers_are_seen_in_the_losses_on_numbers(cuda_kernels):
    y, t = np.array([[0.5, np.nan], [0.5, 0.5]]), np.ones((2, 2))
    names = "absolute_error binary_cross_entropy huber sigmoid_binary_cross_entropy squared_error"
    for name in names.split():
        loss, cache = call(cuda_kernels, f"{name}_forward", y, t, 4.0)
        gradient = call(cuda_kernels, f"{name}_backward", cache)
        assert np.isnan(loss) and np.isnan(gradient[0, 1]) and np.isfinite(gradient[1]).all()


def test_what_comes_to_the_host(cuda_kernels):
    rng = np.random.default_rng(0)
    y, targets = rng.random((50, 4)), rng.integers(0, 4, 50)
    y, targets, weights = moved((y, targets, rng.random(50)), cuda_kernels.to_device)
    calls = [("softmax_cross_entropy_forward", (y, targets), 16)]
    calls += [("classifier_loss", (y, y[:4], y[0], targets, 50, weights), 16)]
    cache = cuda_kernels.softmax_cross_entropy_forward(y, targets)[1]
    calls += [("softmax_cross_entropy_backward", (cache,), 0)]
    for name, arguments in loss_calls(cuda_kernels, y, targets, weights):
        forward = name.endswith("forward")
        calls.append((name, arguments, 0 if not forward else 16 if name[0] == "c" else 8))
    for name, arguments, there in calls:
        cuda_shim.counts.reset()
        with ml.count_transfers() as counts:
            getattr(cuda_kernels, name)(*arguments)
        assert cuda_shim.counts.synchronisations <= counts.to_host, f"{name} waits unseen"
        assert (counts.to_device, counts.to_host_bytes) == (0, there), name
        assert counts.to_host == bool(there), name
