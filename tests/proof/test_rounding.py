"""Results in float32, of all backends, against float64 within a bound computed for each problem.
The bound is held to be neither broken nor so wide that it could hold no fault back."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from agreement import NUMPY, refuses
from hypothesis import given, settings
from hypothesis import strategies as st

import minilstm as ml
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import active_counts
from minilstm.proof.engine import checks, formulas, single
from minilstm.proof.rounding import lstm as rounding
from minilstm.proof.rounding import rows as rounding_rows


@pytest.fixture(scope="module")
def backend(any_backend):
    """Each of them, the CUDA kernels included."""
    return any_backend


def lstm_problem(D, H, lengths, seed=0, spread=1.0):
    """float32 arguments of a forward pass, and the gradients that arrive at its results."""
    rng = np.random.default_rng(seed)
    N, B = sum(lengths), len(lengths)
    shapes = {"x": (N, D), "h0": (B, H), "c0": (B, H)}
    shapes |= {"W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,)}
    scales = {"W": spread / np.sqrt(D), "R": spread / np.sqrt(H), "h0": 0.5}
    arrays = {
        k: (scales.get(k, 1) * rng.standard_normal(s)).astype(np.float32) for k, s in shapes.items()
    }
    dh = rng.standard_normal((N, H)).astype(np.float32)
    up = LSTMState(*rng.standard_normal((2, B, H)).astype(np.float32))
    return arrays, active_counts(np.sort(lengths)[::-1]), dh, up


def lstm_results(backend, problem, dtype=np.float32):
    arrays, active, dh, up = problem
    arrays = {k: a.astype(dtype) for k, a in arrays.items()}
    h, state, cache = backend.lstm_forward(**arrays, active=active)
    up = LSTMState(*(a.astype(dtype) for a in up))
    dx, grads = backend.lstm_backward(dh.astype(dtype), up, cache)
    results = [h, *state, dx, *grads]
    assert {a.dtype for a in results} == {np.dtype(dtype)}
    return [a.astype(np.float64) for a in results]


def lstm_bound(problem):
    arrays, active, dh, up = problem
    return rounding.lstm_error_bound(**arrays, dh=dh, dstate=up, active=active)


def held(got, want, bound):
    """Measured error over its bound, everywhere; a test fails where it is above 1."""
    ratios = {}
    for name, a, b, limit in zip(bound._fields, got, want, bound, strict=True):
        assert np.shape(limit) == np.shape(a) == np.shape(b), name
        assert np.isfinite(limit).all(), name
        error = np.abs(np.asarray(a, np.float64) - b)
        # Where all that is summed is 0, so are the result and its bound.
        ratios[name] = error / np.maximum(limit, 1e-300)
        assert (error <= limit).all(), f"{name}: {np.max(ratios[name]):.3f} of the bound"
    return ratios


def to_half(results):
    """The same with 11 significant bits, as float16 has them."""
    fractions, powers = zip(*map(np.frexp, results), strict=True)
    return [
        np.ldexp(np.round(f * 2**11) / 2**11, p) for f, p in zip(fractions, powers, strict=True)
    ]


sizes = st.one_of(st.integers(1, 6), st.integers(1, 64))
ragged = st.one_of(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.integers(1, 60), min_size=1, max_size=2),
)


# ---------------------------------------------------------------- the LSTM


@settings(max_examples=25)
@given(st.integers(1, 20), sizes, ragged, st.integers(0, 99), st.sampled_from([0.3, 1.0, 3.0]))
def test_an_lstm_of_any_shape(backend, D, H, lengths, seed, spread):
    problem = lstm_problem(D, H, lengths, seed, spread)
    held(lstm_results(backend, problem), lstm_results(NUMPY, problem, np.float64),
         lstm_bound(problem))  # fmt: skip


PAIRS = [("sigmoid", "tanh"), ("hard-sigmoid", "softsign"), ("sigmoid", "relu")]


@pytest.mark.parametrize("names", PAIRS, ids=str)
def test_inputs_with_errors_of_their_own(backend, names):
    (arrays, *rest), rng = lstm_problem(3, 8, [20]), np.random.default_rng(1)
    exact = {k: a.astype(np.float64) for k, a in arrays.items()}
    alone = {**exact, "h0": exact["h0"][0], "c0": exact["c0"][0]}
    how = dict(zip(("gate_activation", "state_activation"), names, strict=True))
    none = rounding.hidden_error_bound(**alone, x_error=np.zeros((20, 3)), gate=names[0],
                                       state=names[1])  # fmt: skip
    if names == ("sigmoid", "tanh"):
        assert np.array_equal(none, lstm_bound((arrays, *rest)).h)
    error = 1e-3 * abs(exact["x"])
    bound = rounding.hidden_error_bound(**alone, x_error=error, gate=names[0], state=names[1])
    want = NUMPY.lstm_forward(**exact, **how)[0]
    right = backend.lstm_forward(**arrays, **how)[0]
    assert (abs(right - want) <= none).all() and np.isfinite(bound).all()
    for _ in range(20):
        moved = exact["x"] + error * rng.choice([-1, 1], error.shape)
        got = backend.lstm_forward(**{**arrays, "x": moved.astype(np.float32)}, **how)[0]
        assert (none < abs(got - want)).any() and (abs(got - want) <= bound).all()


def test_how_tight_the_bound_is(backend):
    """Of a worst case over all roundings a sum of n random ones fills about 1 / sqrt(n)."""
    medians = []
    for seed in range(5):
        problem = lstm_problem(3, 4, [6, 3, 1], seed)
        exact = lstm_results(NUMPY, problem, np.float64)
        ratios = held(lstm_results(backend, problem), exact, lstm_bound(problem))
        medians.append([np.median(r) for r in ratios.values()])
    typical = dict(zip(ratios, np.median(medians, axis=0), strict=True))
    print(backend.name, {name: round(float(r), 5) for name, r in typical.items()})
    assert min(typical[n] for n in ("h", "hT", "cT")) > 0.004
    assert min(typical.values()) > 0.001


@pytest.mark.parametrize("shape", [(3, 4, [6, 3]), (2, 6, [5, 4, 4]), (12, 16, [20, 7])],
                         ids=str)  # fmt: skip
def test_eleven_bits_are_found_out(backend, shape):
    problem = lstm_problem(*shape)
    exact, bound = lstm_results(NUMPY, problem, np.float64), lstm_bound(problem)
    spoiled = to_half(lstm_results(backend, problem))
    for name, a, b, limit in zip(bound._fields, spoiled, exact, bound, strict=True):
        assert (abs(a - b) > limit).mean() > (0.5 if name in ("h", "hT", "cT") else 0), name


def test_a_last_term_left_out_is_found_out():
    problem = lstm_problem(5, 32, [25])
    exact, bound = lstm_results(NUMPY, problem, np.float64), lstm_bound(problem)
    arrays, *rest = problem
    cut = {**arrays, "R": np.where(np.arange(32) < 31, arrays["R"], np.float32(0))}
    wrong = lstm_results(NUMPY, (cut, *rest))
    for name, a, b, limit in zip(bound._fields, wrong, exact, bound, strict=True):
        assert (abs(a - b) > limit).mean() > 0.5, name


@pytest.fixture(scope="session")  # pytest comes back to this file for the second backend
def long_problem():
    """The network of the README through 200 steps: arguments, exact results and bounds."""
    problem = lstm_problem(3, 200, [200])
    layer, rng = ml.LSTM(200), np.random.default_rng(0)
    names = ("W", "R", "b")
    for name, p in zip(names, layer.parameters((3,)), strict=True):
        problem[0][name] = p.initializer(p.shape, rng).astype(np.float32)
    return problem, lstm_results(NUMPY, problem, np.float64), lstm_bound(problem)


def test_200_units_through_200_steps(backend, long_problem):
    problem, exact, bound = long_problem
    ratios = held(lstm_results(backend, problem), exact, bound)
    print(backend.name, {n: f"{np.max(r):.1e} {np.median(r):.1e}" for n, r in ratios.items()})
    # The bound of h stays below 1e-4 after 200 steps: it forgets as the network does.
    assert bound.h.max() < 1e-4 and np.median(ratios["h"]) > 3e-5
    assert (bound.h[-1] < 2 * bound.h[50]).all()
    for name, a, limit in zip(bound._fields, exact, bound, strict=True):
        assert np.median(limit) < 0.05 * abs(a).max(), name


def test_float64_has_its_own_bound():
    """With u = 2^-53 against long double, where that is wider."""
    if np.finfo(np.longdouble).nmant <= 53:
        pytest.skip("long double is no wider than float64 here")
    problem = lstm_problem(3, 5, [7, 4])
    arrays, active, dh, up = problem
    bound = rounding.lstm_error_bound(**arrays, dh=dh, dstate=up, active=active, u=2.0**-53)
    single = lstm_bound(problem)
    for a, b in zip(bound, single, strict=True):
        np.testing.assert_allclose(a, b * 2.0**-29, rtol=0.01)


# ---------------------------------------------------------------- the other layers


@given(N=st.integers(1, 40), D=st.integers(1, 70), C=st.integers(1, 20), seed=st.integers(0, 99))
def test_fully_connected(backend, N, D, C, seed):
    rng = np.random.default_rng(seed)
    x, W, b, dy = (
        rng.standard_normal(s).astype(np.float32) for s in ((N, D), (C, D), (C,), (N, C))
    )
    results = []
    for dtype, on in ((np.float32, backend), (np.float64, NUMPY)):
        y, cache = on.fully_connected_forward(*(a.astype(dtype) for a in (x, W, b)))
        dx, grads = on.fully_connected_backward(dy.astype(dtype), cache)
        results.append([y, dx, *grads])
    bound = rounding_rows.fully_connected_error_bound(x, W, b, dy)
    held(*results, bound)
    spoiled = to_half(results[0])
    if N * D * C > 20:
        with pytest.raises(AssertionError, match="of the bound"):
            held(spoiled, results[1], bound)


@given(
    shape=st.tuples(*[st.integers(1, 3)], *[st.integers(3, 7)] * 2, st.integers(1, 3)),
    filters=st.tuples(st.integers(1, 3), st.integers(1, 3)), F=st.integers(1, 5),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)), pad=st.integers(0, 2),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_convolution(backend, shape, filters, F, stride, pad, seed):
    rng = np.random.default_rng(seed)
    options = stride, ((pad, 0), (0, pad)), (1, 1)
    x, W, b = (
        rng.standard_normal(s).astype(np.float32) for s in (shape, (*filters, shape[-1], F), (F,))
    )
    dy = rng.standard_normal(NUMPY.convolution_forward(x, W, b, *options)[0].shape).astype("f4")
    results = []
    for dtype, on in ((np.float32, backend), (np.float64, NUMPY)):
        y, cache = on.convolution_forward(*(a.astype(dtype) for a in (x, W, b)), *options)
        dx, grads = on.convolution_backward(dy.astype(dtype), cache)
        results.append([y, dx, *grads])
    bound = rounding_rows.convolution_error_bound(x, W, b, dy, *options)
    held(*results, bound)
    if shape[0] > 1:
        with pytest.raises(AssertionError, match="of the bound"):
            held(to_half(results[0]), results[1], bound)


@settings(max_examples=60)
@given(
    shape=st.one_of(
        st.tuples(st.integers(1, 300), st.integers(1, 7)),
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 30)),
    ),
    far=st.sampled_from([0, 1, 30, 1e4, 1e7]), spread=st.sampled_from([0, 1e-3, 1, 50]),
    epsilon=st.sampled_from([1e-5, 1e-12, 1]), given_statistics=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_batch_normalization(backend, shape, far, spread, epsilon, given_statistics, seed):
    rng = np.random.default_rng(seed)
    x, dy = ((s * rng.standard_normal(shape)).astype(np.float32) for s in (spread, 1))
    x = x + np.float32(far) * rng.standard_normal(shape[-1]).astype(np.float32)
    scale, offset, mean = rng.standard_normal((3, shape[-1])).astype(np.float32)
    statistics = (mean + np.float32(far), rng.uniform(0.01, 3, shape[-1]).astype(np.float32))
    results = [
        normalization_results(on, dtype, x, scale, offset, dy, epsilon,
                              statistics if given_statistics else None)
        for dtype, on in ((np.float32, backend), (np.float64, NUMPY))
    ]  # fmt: skip
    bound = rounding_rows.batch_normalization_error_bound(
        x, scale, offset, dy, epsilon, statistics if given_statistics else None
    )
    held(*results, bound)
    if x.size > 60 and far <= 30 and spread >= 1:
        spoiled = to_half(results[0])
        for name, a, b, limit in zip(bound._fields, spoiled, results[1], bound, strict=True):
            apart = abs(a - b) > limit
            assert apart.mean() > 0.5 if name in ("y", "dx") else apart.any(), name


def normalization_results(on, dtype, x, scale, offset, dy, epsilon, statistics):
    """y, dx and the gradients of scale and offset, by the batch or by given statistics."""
    x, scale, offset, dy = (a.astype(dtype) for a in (x, scale, offset, dy))
    if statistics is None:
        y, cache = on.batch_normalization_forward(x, scale, offset, epsilon)
        dx, grads = on.batch_normalization_backward(dy, cache)
    else:
        own = (a.astype(dtype) for a in statistics)
        y, cache = on.batch_normalization_apply(x, scale, offset, *own, epsilon)
        dx, grads = on.batch_normalization_apply_backward(dy, cache)
    assert {a.dtype for a in (y, dx, *grads)} == {np.dtype(dtype)}
    return [y, dx, *grads]


@pytest.mark.parametrize("given_statistics", [False, True])
def test_how_tight_the_bound_of_batch_normalization_is(backend, given_statistics):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 200, 5)).astype(np.float32)
    scale, offset, mean, variance = rng.uniform(0.5, 2, (4, 5)).astype(np.float32)
    given_ = (mean, variance) if given_statistics else None
    rest = (x, scale, offset, dy, 1e-5, given_)
    exact = normalization_results(NUMPY, np.float64, *rest)
    ratios = held(normalization_results(backend, np.float32, *rest), exact,
                  rounding_rows.batch_normalization_error_bound(*rest))  # fmt: skip
    print(backend.name, {n: f"{np.max(r):.3f} {np.median(r):.3f}" for n, r in ratios.items()})
    assert np.median(ratios["y"]) > 0.03 and np.median(ratios["dx"]) > 0.01
    assert np.max(ratios["doffset"]) > 0.05 and np.max(ratios["dscale"]) > 1e-4


def test_a_channel_without_variance_and_epsilon_is_not_bounded():
    ones = np.ones((3, 1))
    bound = rounding_rows.batch_normalization_error_bound(ones, ones[0], ones[0], ones, 0.0)
    assert np.isinf(bound.y).all() and np.isinf(bound.dx).all()


@given(
    N=st.integers(1, 40), C=st.integers(1, 30), scale=st.sampled_from([0.1, 1, 10]),
    weighted=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_softmax_and_cross_entropy(backend, N, C, scale, weighted, seed):
    rng = np.random.default_rng(seed)
    z = (scale * rng.standard_normal((N, C))).astype(np.float32)
    targets = rng.integers(-1, C, N)
    targets[0] = 0
    weights = rng.uniform(0, 2, N).astype(np.float32) if weighted else None
    results = []
    for dtype, on in ((np.float32, backend), (np.float64, NUMPY)):
        own = None if weights is None else weights.astype(dtype)
        loss, cache = on.softmax_cross_entropy_forward(z.astype(dtype), targets, 7.0, own)
        results.append([loss, on.softmax_cross_entropy_backward(cache)])
    bound = rounding_rows.softmax_cross_entropy_error_bound(z, targets, 7.0, weights)
    held(*results, bound)
    if C > 4 and N > 1 and scale == 1:
        with pytest.raises(AssertionError, match="of the bound"):
            held([results[0][0], *to_half(results[0][1:])], results[1], bound)


# ---------------------------------------------------------------- the rows of `minilstm gradcheck`


@pytest.mark.parametrize("name", checks.SINGLE)
def test_each_float32_row_finds_results_of_eleven_bits(name):
    """Every function of the record spoils what it returns in float32."""

    def roughly(result):
        if isinstance(result, tuple):
            parts = [roughly(part) for part in result]
            return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
        if getattr(result, "dtype", None) == np.float32 and result.ndim:
            return result.astype(np.float16).astype(np.float32)
        return result

    def rough(function):
        # What forward keeps for backward stays as it is.
        return lambda *a, **k: (
            (roughly(r[0]), *r[1:]) if isinstance(r := function(*a, **k), tuple) else roughly(r)
        )

    functions = {
        k: rough(f) for k, f in vars(NUMPY).items() if callable(f) and k.endswith("ward")
    } | {"batch_normalization_apply": rough(NUMPY.batch_normalization_apply)}
    assert checks._single(name)(NUMPY, 0).passed
    found = checks._single(name)(dataclasses.replace(NUMPY, **functions), 0)
    assert not found.passed and found.error > 1
    assert "in float32, the NumPy twin in float64 gives" in found.report


def test_gradients_by_given_statistics_have_a_row_of_their_own():
    def through_the_batch(dy, cache):  # what a batch's own statistics would give
        x, scale, _, _, epsilon = cache
        _, cache = NUMPY.batch_normalization_forward(x, scale, scale, epsilon)
        return NUMPY.batch_normalization_backward(dy, cache)

    checked = checks._gradients(formulas.given_statistics_problem)
    assert checked(NUMPY, 0).passed
    found = checked(
        dataclasses.replace(NUMPY, batch_normalization_apply_backward=through_the_batch), 0
    )
    assert not found.passed and "scale" in found.report


def test_an_engine_that_widens_float32_is_found_out():
    wide = [np.ones(2), 1.0]  # the second is a number, which may be of any width
    bound = SimpleNamespace(_fields=("y", "loss"))
    with refuses("y is float64, though all that went in is float32.", TypeError):
        single.bounded(bound, lambda where, dtype: wide, NUMPY)
