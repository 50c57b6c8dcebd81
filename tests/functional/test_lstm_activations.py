"""The LSTM with every pair of activations: gradients against the complex step, on each backend.
Also spans that are kept and restored, streams, and the threads, with activations not the usual."""

import itertools

import numpy as np
import pytest
from agreement import assert_gradient
from builders import lstm_arrays

import minilstm as ml
from minilstm.functional import activations
from minilstm.functional.lstm import lstm_forward
from minilstm.gradcheck import complex_step

GATES, STATES = tuple(activations.GATE_ACTIVATIONS), tuple(activations.STATE_ACTIVATIONS)
PAIRS = list(itertools.product(GATES, STATES))
pairs = pytest.mark.parametrize(("gate", "state"), PAIRS)
SHAPES = {"ragged": (3, 4, [2, 5, 1, 5]), "wider than a vector": (2, 19, [4, 3]), "1": (1, 1, [1])}


def problem(D, H, lengths):
    """Arrays by name, active, dh and dstate of a random problem whose gates reach their ends."""
    arrays, packed, *upstream = lstm_arrays(D, H, lengths, scale=1)
    arrays["R"] /= np.sqrt(H)
    return arrays, packed.active, *upstream


@pairs
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_gradients(backend, gate, state, shape):
    arrays, active, dh, dstate = problem(*shape)
    names = {"gate_activation": gate, "state_activation": state}
    h, _, cache = backend.lstm_forward(**arrays, active=active, **names)
    exact, _, _ = lstm_forward(**arrays, active=active, **names)
    np.testing.assert_allclose(h, exact, rtol=1e-12, atol=1e-14)
    dx, grads = backend.lstm_backward(dh, dstate, cache)
    for name, hand in {"x": dx, **grads._asdict()}.items():

        def loss(p, name=name):
            values = {key: value.astype(p.dtype) for key, value in arrays.items()}
            h, after, _ = lstm_forward(**{**values, name: p}, active=active, **names)
            total = (dh * h).sum() + (dstate.hidden * after.hidden).sum()
            return total + (dstate.cell * after.cell).sum()

        exact = complex_step(loss, arrays[name])
        assert np.abs(hand - exact).max() <= 1e-11 * max(np.abs(exact).max(), 1e-3), name


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softsign", "relu", "hard_sigmoid"])
def test_derivatives_from_the_output(name):
    z = np.linspace(-6, 6, 42)  # no kink is met
    function = getattr(activations, name)
    hand = getattr(activations, f"d{name}_from_output")(function(z))
    assert_gradient(hand, complex_step(lambda p: function(p).sum(), z), name, 1e-13)


def test_values():
    z = np.array([-100.0, -2.5, -1.0, 0.0, 1.0, 2.5, 100.0], np.float32)
    want = {
        "softsign": [-100 / 101, -2.5 / 3.5, -0.5, 0, 0.5, 2.5 / 3.5, 100 / 101],
        "relu": [0, 0, 0, 0, 1, 2.5, 100],
        "hard_sigmoid": [0, 0, 0.3, 0.5, 0.7, 1, 1],
    }
    for name, values in want.items():
        y = getattr(activations, name)(z)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, np.array(values), rtol=1e-6, atol=1e-7)
        assert np.isnan(getattr(activations, name)(np.array([np.nan]))).all()
    for name, ends in {"sigmoid": [0, 1], "tanh": [-1, 1]}.items():
        y = getattr(activations, name)(np.array([-1e4, 1e4], np.float32))
        assert y.tolist() == ends and y.dtype == np.float32


@pairs
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_span_that_is_kept_is_restored(backend, gate, state, dtype):
    arrays, active, _, _ = problem(3, 17, [6, 4, 1])
    x, h0, c0, W, R, b = (a.astype(dtype) for a in arrays.values())
    packed, names = backend.lstm_pack(W, R, b), (gate, state)
    h, after, cache = backend.lstm_forward(x, h0, c0, W, R, b, active, packed, *names)
    assert h.dtype == dtype and cache[-2:] == names
    for keep in ("state", "output", "gates"):
        got_h, got_after, gates = backend.lstm_advance(x, h0, c0, active, packed, keep, *names)
        assert (got_after.hidden == after.hidden).all() and (got_after.cell == after.cell).all()
        assert got_h is None if keep != "output" else (got_h == h).all()
    restored = backend.lstm_restore(gates, h0, c0, active, state)
    assert (restored[0] == cache.h).all() and (restored[1] == cache.c).all()


@pairs
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_streams_and_threads_give_the_same_bits(numba_backend, set_threads, gate, state, dtype):
    lstm = ml.LSTM(65, gate_activation_function=gate, state_activation_function=state)
    layers = [ml.SequenceInput(3), lstm, ml.FullyConnected(4), ml.Softmax()]
    x = np.random.default_rng(1).standard_normal((20, 3))
    with ml.use_backend("numba"):
        net = ml.Network(layers, rng=np.random.default_rng(0), dtype=dtype, classes=range(4))
        results = []
        for n in (1, 2):
            set_threads(n)
            results.append(net.predict(x))
        stream = net.stream()
        steps = np.stack([stream.step(x_t) for x_t in x])
    assert results[0].tobytes() == results[1].tobytes() == steps.tobytes()
    with ml.use_backend("numpy"):
        np.testing.assert_allclose(net.predict(x), steps, rtol=1e-4, atol=1e-6)
