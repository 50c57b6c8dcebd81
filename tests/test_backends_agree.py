"""Every function of the other backends against its NumPy twin: all outputs, gradients, shapes.
Signatures are compared too, and that no function of any writes into what it is given."""

import copy
import dataclasses
import inspect

import numpy as np
import pytest
from agreement import BROAD, NUMPY, TOLERANCE, assert_agree, dtypes, widened
from builders import loss_calls, lstm_problem, run_lstm
from hypothesis import example, given
from hypothesis import strategies as st

from minilstm.functional.adam import AdamRule
from minilstm.functional.lstm import LSTMState
from minilstm.functional.rmsprop import RmspropRule
from minilstm.functional.sgdm import SgdmRule

# A stepper has no twin: NumPy steps layer by layer; tests/network/test_stream.py compares them.
# Nor have the steps of all parameters at once, which tests/training/test_solvers.py compares.
NO_TWIN = {"name", "make_stepper", "solver_steps", "to_device", "to_host", "gpu_bytes"}
FUNCTIONS = [f.name for f in dataclasses.fields(NUMPY) if f.name not in NO_TWIN]
lengths = st.lists(st.integers(1, 40), min_size=1, max_size=9)
features = st.integers(1, 20)
hidden = st.sampled_from([1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64])
seeds = st.integers(0, 2**16)


@dtypes
@given(lengths=lengths, D=features, H=hidden, seed=seeds)
@example(lengths=[1], D=1, H=1, seed=0)
@example(lengths=[2] * 7, D=20, H=16, seed=0)
@example(lengths=list(range(9, 0, -1)), D=4, H=15, seed=0)
@example(lengths=[140, 30, 2], D=600, H=17, seed=0)  # cut into blocks, and more rows than one
@example(lengths=[1], D=513, H=1, seed=0)
@example(lengths=[140, 30, 2], D=1030, H=17, seed=0)  # cut into blocks, and more rows than one
@example(lengths=[1], D=1024, H=1, seed=0)
def test_lstm(fast_backend, dtype, lengths, D, H, seed):
    problem = lstm_problem(lengths, D, H, seed, dtype)
    got, want = run_lstm(fast_backend, *problem), run_lstm(NUMPY, *problem)
    assert_agree(got, want, TOLERANCE[dtype])
    if dtype == np.float32:
        exact = run_lstm(NUMPY, *widened(problem))
        assert_agree(got, exact, TOLERANCE[dtype], "against float64:")


@dtypes
def test_a_large_lstm_is_as_accurate_as_its_dtype(any_backend, dtype):
    problem = lstm_problem([40, 25, 1, 40], 3, 200, 0, dtype)
    got, exact = run_lstm(any_backend, *problem), run_lstm(NUMPY, *widened(problem))
    assert_agree(got, exact, BROAD[dtype])


def test_long_sums_keep_their_digits(fast_backend):
    rng = np.random.default_rng(0)
    # All of one sign: added one by one in float32, the sums would be wrong by 1e-5.
    x, dy = rng.uniform(0.5, 1.5, (2, 200_000, 2)).astype(np.float32)
    cache = fast_backend.fully_connected_forward(x, x[:2], x[0])[1]
    _, grads = fast_backend.fully_connected_backward(dy, cache)
    assert_agree(grads.W, dy.astype(np.float64).T @ x.astype(np.float64), 1e-6)
    assert_agree(grads.b, dy.sum(axis=0, dtype=np.float64), 1e-6)


@dtypes
@given(N=st.integers(1, 60), D=st.integers(1, 70), C=st.integers(1, 40), seed=seeds)
@example(N=9000, D=5, C=3, seed=0)  # beyond the rows after which partial sums are flushed
@example(N=1, D=1, C=1, seed=0)
def test_rows(fast_backend, dtype, N, D, C, seed):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)

    x, W, b, dy, targets = draw(N, D), draw(C, D), draw(C), draw(N, C), rng.integers(0, C, N)
    logits = dtype(2) * draw(N, C)

    def run(backend, x, W, b, dy, logits):
        y, cache = backend.fully_connected_forward(x, W, b)
        results = [y, backend.fully_connected_backward(dy, cache)]
        scores, cache = backend.softmax_forward(logits)
        results += [scores, backend.softmax_backward(dy, cache)]
        loss, cache = backend.softmax_cross_entropy_forward(logits, targets)
        return (*results, loss, cache, backend.softmax_cross_entropy_backward(cache))

    arguments = (x, W, b, dy, logits)
    got, want = run(fast_backend, *arguments), run(NUMPY, *arguments)
    # One class leaves a loss and gradients of exactly 0, up to rounding: nothing to be relative to.
    parts = len(got) if C > 1 else 3
    assert_agree(got[:parts], want[:parts], TOLERANCE[dtype])
    if dtype == np.float32:
        exact = run(NUMPY, *widened(arguments))
        assert_agree(got[:parts], exact[:parts], TOLERANCE[dtype], "against float64:")


def test_any_memory_layout_gives_the_same_bits(any_backend):
    arguments, dh, dstate = lstm_problem([5, 9, 1, 9], 3, 17, 0, np.float32)
    arrays = (*arguments[:-1], dh, *dstate)
    frozen = [a.copy() for a in arrays]
    for n in (0, 6):  # x and dh, as a read-only memory map would bring them
        frozen[n].flags.writeable = False
    every_second = [np.repeat(a, 2, axis=0)[::2] for a in arrays]
    columns = [np.asfortranarray(a) for a in arrays]
    want = run_lstm(any_backend, arguments, dh, dstate)
    # BLAS picks another order of summation for another layout; the kernels must not.
    tolerance = 0 if any_backend.name == "numba" else TOLERANCE[np.float32]
    for case in (every_second, columns, frozen):
        got = run_lstm(any_backend, (*case[:6], arguments[-1]), case[6], LSTMState(*case[7:]))
        assert_agree(got, want, tolerance)


@dtypes
@given(lengths=lengths, D=features, H=hidden, seed=seeds)
@example(lengths=[1], D=1, H=1, seed=0)
@example(lengths=[9, 9, 9, 2, 1, 1, 1], D=3, H=9, seed=0)
def test_a_span_that_is_kept_is_restored(fast_backend, dtype, lengths, D, H, seed):
    (x, h0, c0, W, R, b, active), _, _ = lstm_problem(lengths, D, H, seed, dtype)
    for backend in (NUMPY, fast_backend):
        packed = backend.lstm_pack(W, R, b)
        h, state, cache = backend.lstm_forward(x, h0, c0, W, R, b, active, packed)
        assert_agree(backend.lstm_forward(x, h0, c0, W, R, b, active)[0], h, 0)
        output, after, gates = backend.lstm_advance(x, h0, c0, active, packed, "output")
        assert_agree((output, after, gates), (h, state, None), 0)
        output, after, gates = backend.lstm_advance(x, h0, c0, active, packed, "state")
        assert_agree((output, after, gates), (None, state, None), 0)
        output, after, gates = backend.lstm_advance(x, h0, c0, active, packed, "gates")
        assert_agree((output, after, gates), (None, state, cache.gates), 0)
        assert_agree(backend.lstm_restore(gates, h0, c0, active), (cache.h, cache.c), 0)


@dtypes
@given(N=st.integers(1, 300), D=st.integers(1, 40), C=st.integers(2, 20), seed=seeds)
@example(N=129, D=200, C=5, seed=0)
@example(N=1, D=1, C=2, seed=0)
def test_the_end_of_a_classifier(fast_backend, dtype, N, D, C, seed):
    rng = np.random.default_rng(seed)
    x, W = rng.standard_normal((N, D)).astype(dtype), rng.standard_normal((C, D)).astype(dtype)
    b, targets = rng.standard_normal(C).astype(dtype), rng.integers(0, C, N)
    W /= np.sqrt(dtype(D))
    got = fast_backend.classifier_loss(x, W, b, targets, N + 3)
    want = NUMPY.classifier_loss(x, W, b, targets, N + 3)
    assert got.correct == want.correct
    assert_agree(got._replace(correct=None), want._replace(correct=None), TOLERANCE[dtype])
    wide = NUMPY.classifier_loss(*widened((x, W, b)), targets, N + 3)
    assert_agree(got._replace(correct=None), wide._replace(correct=None), TOLERANCE[dtype])

    weights = rng.uniform(0.1, 3, N).astype(dtype)
    targets[1::2] = -1
    got = fast_backend.classifier_loss(x, W, b, targets, N + 3, weights)
    want = NUMPY.classifier_loss(x, W, b, targets, N + 3, weights)
    assert got.correct == want.correct <= len(targets[::2])
    assert not got.dx[1::2].any()
    assert_agree(got._replace(correct=None), want._replace(correct=None), TOLERANCE[dtype])


@dtypes
@given(size=st.integers(1, 70), seed=seeds)
def test_norms(fast_backend, dtype, size, seed):
    p, g = np.random.default_rng(seed).standard_normal((2, size)).astype(dtype)
    for factor in (1.0, 1e18, 1e-18):  # squares of float32 such as these leave its range
        args = p * dtype(factor), g * dtype(factor), 0.1
        assert fast_backend.gradient_norm(*args) == pytest.approx(NUMPY.gradient_norm(*args))


def test_norms_of_entries_that_are_not_finite(any_backend):
    for bad in (np.nan, np.inf, -np.inf):
        norm = any_backend.gradient_norm(np.zeros(9), np.array([1.0] * 8 + [bad]), 0.0)
        assert not np.isfinite(norm)
    assert any_backend.gradient_norm(np.zeros(9), np.zeros(9), 1.0) == 0
    huge = any_backend.gradient_norm(np.zeros(2), np.array([3e300, 4e300]), 0.0)
    assert huge == pytest.approx(5e300)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_equal(fast_backend, name):
    twins = [inspect.signature(getattr(b, name)).parameters.values() for b in (fast_backend, NUMPY)]
    ours, theirs = ([(p.name, p.kind, p.default) for p in twin] for twin in twins)
    assert ours == theirs


def test_bad_numbers_are_seen(any_backend):
    arguments, dh, dstate = lstm_problem([4, 2], 3, 17, 0, np.float32)
    for bad in (np.nan, np.inf):
        x = arguments[0].copy()
        x[2] = bad  # step 1 of the first sequence
        with np.errstate(invalid="ignore"):
            h, _, cache = any_backend.lstm_forward(x, *arguments[1:])
            dx, _ = any_backend.lstm_backward(dh, dstate, cache)
        if np.isnan(bad):
            assert np.isnan(h[2]).all() and np.isnan(h[4:]).all() and np.isnan(dx[2]).all()
        assert np.isfinite(h[[0, 1, 3]]).all()
    for bad in (np.nan, np.inf):
        logits = np.array([[0.0, bad, 1.0], [bad, 0.0, 1.0], [0.0, 1.0, bad], [0.0, 1.0, 2.0]])
        with np.errstate(invalid="ignore"):
            scores, _ = any_backend.softmax_forward(logits)
            loss, _ = any_backend.softmax_cross_entropy_forward(logits, np.zeros(4, np.int64))
        assert np.isnan(scores[:3]).any(axis=1).all() and np.isfinite(scores[3]).all()
        assert np.isnan(loss)


# ------------------------------------------------------------- what holds for every function


def calls(backend, dtype):
    """Each function with arguments it can be called with."""
    rng = np.random.default_rng(7)
    arguments, dh, dstate = lstm_problem([2, 5, 1, 5], 3, 4, 7, dtype)
    x, z, dy = rng.standard_normal((3, 6, 4)).astype(dtype)  # (6, 4) each
    W, b = rng.standard_normal((4, 4)).astype(dtype), rng.standard_normal(4).astype(dtype)
    targets, row_weights = rng.integers(0, 4, 6), rng.random(6).astype(dtype)
    unknown = np.where(np.arange(6) % 2, targets, -1)  # every second row has no class
    cache = backend.lstm_forward(*arguments)[2]
    rows, h0, c0, *weights, active = arguments
    packed = backend.lstm_pack(*weights)
    both = (rows, *(np.concatenate((s, -s), axis=1) for s in (h0, c0)))
    both = (*both, *(np.concatenate((w, -w)) for w in weights), active)
    both_cache = backend.bilstm_forward(*both)[2]
    images, filters = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((2, 3, 3, 4))
    convolution = images.astype(dtype), filters.astype(dtype), b, (1, 2), ((1, 0), (0, 2)), (2, 1)
    y, seen = backend.convolution_forward(*convolution)
    p, g, m, v = rng.standard_normal((4, 5, 3)).astype(dtype)  # (5, 3) each
    rule = AdamRule(0.1, 0.9, 0.99, 1e-8, 0.01, 0.5, 0.8)
    spans = [(rows, h0, c0, active, packed, keep) for keep in ("state", "output", "gates")]
    images, dimages = rng.standard_normal((2, 3, 5, 2, 4)).astype(dtype)  # (3, 5, 2, 4) each
    statistics = (b, b * b, 1e-5)
    normalized = backend.batch_normalization_forward(images, W[0], b, 1e-5)[1]
    applied = backend.batch_normalization_apply(images, W[0], b, *statistics)[1]
    return [
        ("lstm_forward", arguments),
        ("lstm_backward", (dh, dstate, cache)),
        ("lstm_backward", (None, dstate, cache)),
        ("lstm_backward", (dh, None, cache, False)),
        ("fully_connected_forward", (x, W, b)),
        ("fully_connected_backward", (dy, backend.fully_connected_forward(x, W, b)[1])),
        ("convolution_forward", convolution),
        ("convolution_backward", (y, seen)),
        ("convolution_backward", (y, seen, False)),
        ("softmax_forward", (z,)),
        ("softmax_backward", (dy, backend.softmax_forward(z)[1])),
        ("relu_forward", (images,)),
        ("relu_backward", (dimages, backend.relu_forward(images)[1])),
        ("dropout_forward", (images, 0.3, 5, 2)),
        ("dropout_backward", (dimages, backend.dropout_forward(images, 0.3, 5, 2)[1])),
        ("batch_normalization_forward", (images, W[0], b, 1e-5)),
        ("batch_normalization_backward", (dimages, normalized)),
        ("batch_normalization_backward", (dimages, normalized, False)),
        ("batch_normalization_apply", (images, W[0], b, *statistics)),
        ("batch_normalization_apply_backward", (dimages, applied)),
        ("batch_normalization_apply_backward", (dimages, applied, False)),
        ("sigmoid_forward", (z,)),
        ("sigmoid_backward", (dy, backend.sigmoid_forward(z)[1])),
        ("softmax_cross_entropy_forward", (z, targets)),
        ("softmax_cross_entropy_backward", (backend.softmax_cross_entropy_forward(z, targets)[1],)),
        ("lstm_forward", (*arguments, packed)),
        ("lstm_forward", (*arguments, packed, "hard-sigmoid", "softsign")),
        *(("lstm_advance", span) for span in spans),
        *(("lstm_advance", (*span, "hard-sigmoid", "relu")) for span in spans),
        ("bilstm_forward", both),
        ("bilstm_forward", (*both, None, "hard-sigmoid", "relu", False)),
        ("bilstm_backward", (np.concatenate((dh, dh), axis=1), None, both_cache)),
        ("bilstm_backward", (None, LSTMState(both[1], both[2]), both_cache)),
        ("lstm_restore", (cache.gates, h0, c0, active)),
        ("lstm_restore", (cache.gates, h0, c0, active, "softsign")),
        ("softmax_cross_entropy_forward", (z, unknown, 11, row_weights)),
        (
            "softmax_cross_entropy_backward",
            (backend.softmax_cross_entropy_forward(z, unknown, 11, row_weights)[1],),
        ),
        ("classifier_loss", (x, W, b, targets, 11)),
        ("classifier_loss", (x, W, b, unknown, 11, row_weights)),
        *loss_calls(backend, z, targets, row_weights),
        ("gradient_norm", (p, g, 0.1)),
        ("gradient_scale", ([3.0, 4.0], 2.0)),
        ("adam_step", (p, g, m, v * v, rule)),
        ("rmsprop_step", (p, g, v * v, RmspropRule(0.1, 0.9, 1e-8, 0.01, 0.5, 0.8))),
        ("sgdm_step", (p, g, v, SgdmRule(0.1, 0.9, 0.01, 0.5, 0.8))),
    ]


def test_every_function_is_called_below():
    # What `lstm_pack` returns is each backend's own affair; its users are called instead.
    assert {name for name, _ in calls(NUMPY, np.float64)} == set(FUNCTIONS) - {"lstm_pack"}


@dtypes
def test_no_function_writes_into_its_arguments_or_remembers_a_call(any_backend, dtype):
    for name, arguments in calls(any_backend, dtype):
        function, before = getattr(any_backend, name), copy.deepcopy(arguments)
        first = function(*arguments)
        kept = copy.deepcopy(first)
        assert_agree(arguments, before, 0, f"{name} wrote into an argument:")
        again = function(*arguments)
        assert_agree(again, first, 0, f"{name} gives something else the second time:")
        assert_agree(first, kept, 0, f"{name} wrote into what it had returned before:")


@dtypes
def test_dtype_is_kept(any_backend, dtype):
    def check(value, name):
        if isinstance(value, tuple):
            # The statistics of a batch, like the loss, are summed in float64.
            wide = ("mean", "variance") if name == "batch_normalization_forward" else ()
            for field, part in zip(getattr(value, "_fields", value), value, strict=True):
                if not (isinstance(field, str) and field in wide):
                    check(part, name)
        elif value is not None and not isinstance(value, str):
            array = np.asarray(value)
            wide = array.ndim == 0
            assert array.dtype in (np.float64 if wide else dtype, np.int64, np.bool_), name

    for name, arguments in calls(any_backend, dtype):
        check(getattr(any_backend, name)(*arguments), name)
