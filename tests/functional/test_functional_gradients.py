"""Functions of `minilstm.functional`: a ragged batch one by one, extreme scores, complex numbers.
Gradients of every layer and loss are held against the complex step in `proof`."""

import numpy as np
import pytest
from agreement import assert_gradient
from builders import lstm_arrays

from minilstm.functional import (
    cross_entropy,
    lstm,
    ragged,
    sequence_input,
    softmax,
)
from minilstm.functional.lstm import LSTMState
from minilstm.gradcheck import complex_step


def test_one_sequence_needs_no_active_counts():
    arrays, (_, active, _), _, _ = lstm_arrays(3, 4, [6])
    h, state, cache = lstm.lstm_forward(**arrays)
    assert (h == lstm.lstm_forward(**arrays, active=active)[0]).all()
    assert (state.hidden[0] == h[-1]).all() and (cache.active == 1).all() and len(h) == 6


def test_a_ragged_batch_gives_what_its_sequences_give_one_by_one():
    arrays, (_, active, _), dh, dstate = lstm_arrays(3, 4, [2, 5, 1, 5])
    h, state, cache = lstm.lstm_forward(**arrays, active=active)
    dx, grads = lstm.lstm_backward(dh, dstate, cache)
    order = np.arange(active[0])
    x_parts, h_parts, dh_parts, dx_parts = (
        ragged.unpack(rows, active, order) for rows in (arrays["x"], h, dh, dx)
    )
    total = {name: 0 for name in "WRb"}
    for j in order:
        part = {**arrays, "x": x_parts[j], "h0": arrays["h0"][[j]], "c0": arrays["c0"][[j]]}
        h_j, state_j, cache_j = lstm.lstm_forward(**part)
        up_j = LSTMState(dstate.hidden[[j]], dstate.cell[[j]])
        dx_j, grads_j = lstm.lstm_backward(dh_parts[j], up_j, cache_j)
        assert_gradient(h_parts[j], h_j, "h")
        assert_gradient(state.hidden[[j]], state_j.hidden, "final hidden")
        assert_gradient(state.cell[[j]], state_j.cell, "final cell")
        assert_gradient(dx_parts[j], dx_j, "x")
        assert_gradient(grads.h0[[j]], grads_j.h0, "h0")
        assert_gradient(grads.c0[[j]], grads_j.c0, "c0")
        total = {name: total[name] + getattr(grads_j, name) for name in total}
    for name, value in total.items():
        assert_gradient(getattr(grads, name), value, name)


@pytest.mark.parametrize("shift", [0.0, 800.0])
def test_softmax(shift):
    rng = np.random.default_rng(3)
    z, dy = 3 * rng.standard_normal((4, 5)) + shift, rng.standard_normal((4, 5))
    _, cache = softmax.softmax_forward(z)
    exact = complex_step(lambda p: (dy * softmax.softmax_forward(p)[0]).sum(), z)
    assert_gradient(softmax.softmax_backward(dy, cache), exact, "z")


def test_a_hopeless_row_keeps_a_finite_loss_and_gradient(backend):
    logits, targets = np.array([[2000.0, 0.0], [0.0, 1.0]]), np.array([1, 1])
    loss, cache = backend.softmax_cross_entropy_forward(logits, targets)
    assert loss == pytest.approx((2000 + np.log(1 + np.exp(-1))) / 2, rel=1e-14)
    dlogits = backend.softmax_cross_entropy_backward(cache)
    np.testing.assert_allclose(dlogits[0], [0.5, -0.5], rtol=0, atol=1e-15)


def test_channel_mean_counts_real_steps_only():
    parts = [np.full((1, 2), 7.0, np.float32), np.zeros((6, 2), np.float32)]
    assert sequence_input.statistics(parts, "channel", "zerocenter")["mean"].tolist() == [1.0, 1.0]
    # In float32 the 1 would vanish beside 1e8.
    far = np.array([[1e8], [1], [-1e8], [2]], "f4")
    assert sequence_input.statistics([far], "channel", "zerocenter")["mean"] == 0.75


def test_complex_numbers_without_an_imaginary_part_give_the_real_results():
    arrays, (_, active, _), dh, dstate = lstm_arrays(3, 4, [2, 5, 1, 5])
    results = []
    for dtype in (np.float64, np.complex128):
        up = LSTMState(*(part.astype(dtype) for part in dstate))
        values = {key: value.astype(dtype) for key, value in arrays.items()}
        h, state, cache = lstm.lstm_forward(**values, active=active)
        dx, grads = lstm.lstm_backward(dh.astype(dtype), up, cache)
        scores, softmax_cache = softmax.softmax_forward(h)
        dz = softmax.softmax_backward(dh.astype(dtype), softmax_cache)
        targets = np.arange(len(h)) % 4
        loss, fused_cache = cross_entropy.softmax_cross_entropy_forward(h, targets)
        dlogits = cross_entropy.softmax_cross_entropy_backward(fused_cache)
        results.append([h, *state, dx, *grads, scores, dz, np.asarray(loss), dlogits])
    for real, widened in zip(*results, strict=True):
        assert widened.dtype == np.complex128
        np.testing.assert_allclose(widened, real, rtol=1e-13, atol=1e-15)
