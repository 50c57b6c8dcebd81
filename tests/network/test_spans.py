"""Training in spans of time: every memory budget gives the bits of every other, and the truth.
Also the plan that is printed, and truncated backpropagation, which is another thing."""

import numpy as np
import pytest
from agreement import dtype_names as dtypes

import minilstm as ml
from minilstm.functional.ragged import pack_with_targets
from minilstm.layers import Signal
from minilstm.network.graph.wiring import Port, wire
from minilstm.network.passes import memory, prediction_pass
from minilstm.network.passes.memory import plan_memory
from minilstm.network.passes.walk import run_forward

LENGTHS = (40, 25, 1, 40, 7, 13)
KEEP_ALL = 1e12

modes = pytest.mark.parametrize("mode", ["sequence", "last"])


@pytest.fixture(autouse=True)
def short_spans(monkeypatch):
    """Spans of 4 steps for a batch of 6, so that a small problem has many."""
    monkeypatch.setattr(memory, "SPAN_ROWS", 24)
    monkeypatch.setattr(prediction_pass, "SPAN_BYTES", 0)


def problem(mode, dtype, hidden=(9,), tail=True, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    *lower, top = hidden
    layers = [ml.SequenceInput(3, normalization="zerocenter", mean=[1, 2, 3])]
    layers += [ml.LSTM(h) for h in lower] + [ml.LSTM(top, output_mode=mode)]
    layers += [ml.FullyConnected(6), ml.FullyConnected(4), ml.Softmax()] if tail else [ml.Softmax()]
    net = ml.Network(layers, rng=rng, dtype=dtype, classes=range(4))
    x = [rng.standard_normal((n, 3)).astype(dtype) for n in lengths]
    y = [rng.integers(0, 4, len(a) if mode == "sequence" else 1) for a in x]
    packed, targets = pack_with_targets(x, y)
    return net, Signal(packed.rows, packed.active), targets


def without_softmax(net):
    """The same network up to the numbers that softmax takes."""
    return ml.Network(net.layers[:-1], net.parameters, dtype=net.dtype)


def whole(net, signal, targets, backend):
    """Loss and gradients through whole sequences at once, by another way through the layers."""
    short = without_softmax(net)
    logits, _, caches = short.forward(signal, backend=backend)
    loss, cache = backend.softmax_cross_entropy_forward(logits.rows, targets)
    dlogits = backend.softmax_cross_entropy_backward(cache)
    grads, _, _ = short.backward(dlogits, caches, backend=backend)
    return loss, int((cache.scores.argmax(axis=1) == targets).sum()), grads


@dtypes
@modes
@pytest.mark.parametrize("hidden", [(9,), (8, 5), (17, 3, 4)], ids=str)
def test_every_budget_gives_the_same_bits_and_the_right_ones(backend, mode, dtype, hidden):
    net, signal, targets = problem(mode, dtype, hidden)
    loss, correct, grads = whole(net, signal, targets, backend)
    least = net.plan_memory(signal.active, 1)
    budgets = (1, *(least.used + share * least.everything for share in (0.3, 0.6)), KEEP_ALL)
    plans = [net.plan_memory(signal.active, b) for b in budgets]
    assert len(plans[0].spans) == 10
    assert plans[0].first_kept == 9 and plans[-1].first_kept == 0
    assert len({plan.first_kept for plan in plans}) == 4
    results = [
        net.loss_and_gradients(signal, targets, backend=backend, memory_budget=b) for b in budgets
    ]
    for result in results:
        assert result.loss == results[0].loss and result.correct == (correct,)
        assert result.loss == pytest.approx(loss, rel=1e-6 if dtype == "float32" else 1e-14)
        assert result.gradients.keys() == grads.keys()
        for key, g in result.gradients.items():
            assert g.tobytes() == results[0].gradients[key].tobytes()
            error = np.abs(g - grads[key]).max() / np.abs(grads[key]).max()
            assert error < (3e-6 if dtype == "float32" else 1e-13), key


@modes
def test_a_network_that_ends_without_a_fully_connected_layer(backend, mode):
    net, signal, targets = problem(mode, "float64", (5, 4), tail=False)
    loss, correct, grads = whole(net, signal, targets, backend)
    result = net.loss_and_gradients(signal, targets, backend=backend, memory_budget=1)
    assert result.loss == pytest.approx(loss, rel=1e-14) and result.correct == (correct,)
    for key, g in result.gradients.items():
        np.testing.assert_allclose(g, grads[key], rtol=1e-11, atol=1e-15)


@modes
def test_one_sequence_and_sequences_of_one_step(backend, mode):
    for lengths in ((50,), (1,), (1, 1, 1), (4, 4), (5, 4)):
        net, signal, targets = problem(mode, "float64", (5,), lengths=lengths)
        loss, _, grads = whole(net, signal, targets, backend)
        for budget in (1, KEEP_ALL):
            result = net.loss_and_gradients(signal, targets, backend=backend, memory_budget=budget)
            assert result.loss == pytest.approx(loss, rel=1e-14)
            for key, g in result.gradients.items():
                np.testing.assert_allclose(g, grads[key], rtol=1e-10, atol=1e-15)


def test_a_walk_runs_the_layers_that_were_chosen_and_no_other(backend):
    net, signal, _ = problem("sequence", "float64")
    arrays, state = net.by_layer(backend), net.initial_state(len(LENGTHS))
    done = run_forward(net.wiring, backend, arrays, [signal], state, nodes=[1, 0])
    assert set(done.caches) == {0, 1} and set(done.values) == {Port(1, 0)}


# ---------------------------------------------------------------------------------- the plan


def test_the_plan_says_what_it_does():
    active = np.full(60_000, 6)
    wiring = wire([ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()])
    memory.SPAN_ROWS = 4096
    gates = 4 * 200 * 4  # bytes a row
    all_kept, half, nothing = (plan_memory(wiring, active, "float32", b) for b in (2e9, 6e8, 1))
    assert all_kept.first_kept == 0 and all_kept.kept == all_kept.everything
    assert all_kept.kept == all_kept.spans[-1].row * gates
    assert str(all_kept).endswith("nothing is computed twice")
    assert half.kept + half.used <= 6e8 < half.kept + half.used + 4096 * gates
    assert "% of the steps are computed twice (keeping all would take 1," in str(half)
    assert nothing.kept == 0 and nothing.first_kept == len(nothing.spans) - 1
    assert str(nothing).startswith(
        f"memory for gradients: {nothing.used / 2**20:.0f} MiB (budget 0"
    )
    assert str(nothing).endswith("; the budget is less than the least possible")
    assert [p.spans for p in (half, nothing)] == [all_kept.spans] * 2


def test_the_bytes_of_a_row_and_of_a_sequence_are_summed_over_the_layers():
    layers = [ml.SequenceInput(3), ml.BiLSTM(5), ml.LSTM(7, output_mode="last")]
    row = 2 * (3 + 3) + (18 * 5 + 4 * 3) + (7 * 7 + 2 * 10)  # numbers
    sequence = 2 * (7 + 2) + 2 * (2 + 2)  # of what comes after "last"
    wiring = wire([*layers, ml.FullyConnected(2), ml.Softmax()])
    assert memory.used_bytes(wiring, 8) == (8 * row, 8 * sequence)
    assert [layer.kept_per_row(4) for layer in layers[1:]] == [0, 4 * 4 * 7]


def test_on_a_gpu_a_batch_is_one_span_where_it_fits():
    wiring = wire([ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()])
    active = np.full(60_000, 6)
    large, small = (plan_memory(wiring, active, "float32", gpu_bytes=n << 30) for n in (24, 2))
    assert len(large.spans) == 1 and large.used <= (24 << 30) / 4 and large.budget == 12 << 30
    assert 1 < len(small.spans) < 10 and 0 < small.first_kept < len(small.spans) - 1
    assert small.used <= 1.01 * (2 << 30) / 4 and small.kept + small.used <= small.budget == 1 << 30


@pytest.mark.alone
def test_memory_stays_within_the_estimate(numba_backend):
    import tracemalloc

    net, signal, targets = problem("sequence", "float32", (64,), lengths=[3000] * 8)
    memory.SPAN_ROWS = 2048
    peaks = {}
    for budget in (1, KEEP_ALL):
        plan = net.plan_memory(signal.active, budget)
        net.loss_and_gradients(signal, targets, backend=numba_backend, memory_budget=budget)
        tracemalloc.start()
        net.loss_and_gradients(signal, targets, backend=numba_backend, memory_budget=budget)
        peaks[budget] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peaks[budget] < 1.3 * (plan.kept + plan.used) + 2e6
    assert peaks[1] < peaks[KEEP_ALL] / 3


# ------------------------------------------------------------ truncated backpropagation


def test_truncation_cuts_gradients_and_nothing_else(backend):
    net, signal, targets = problem("sequence", "float64", (5,), lengths=(12, 9))
    full = net.loss_and_gradients(signal, targets, backend=backend)
    same = net.loss_and_gradients(signal, targets, backend=backend, truncation=12)
    cut = net.loss_and_gradients(signal, targets, backend=backend, truncation=5)
    assert cut.loss == pytest.approx(full.loss, rel=1e-14)
    np.testing.assert_allclose(
        same.gradients["lstm/recurrent_weights"], full.gradients["lstm/recurrent_weights"]
    )
    # By hand: three pieces, each started from the state before it and differentiated alone.
    want, state, short = {}, None, without_softmax(net)
    for first, last in ((0, 5), (5, 10), (10, 12)):
        rows = slice(signal.active[:first].sum(), signal.active[:last].sum())
        active = signal.active[first:last]
        piece = Signal(signal.rows[rows], active)
        if state is not None:
            state = {k: type(s)(*(a[: active[0]] for a in s)) for k, s in state.items()}
        logits, state, caches = short.forward(piece, state, backend=backend)
        _, cache = backend.softmax_cross_entropy_forward(logits.rows, targets[rows], len(targets))
        dlogits = backend.softmax_cross_entropy_backward(cache)
        for key, g in short.backward(dlogits, caches, backend=backend)[0].items():
            want[key] = want.get(key, 0) + g
    for key, g in cut.gradients.items():
        np.testing.assert_allclose(g, want[key], rtol=1e-11, atol=1e-15)
    difference = cut.gradients["lstm/recurrent_weights"] - full.gradients["lstm/recurrent_weights"]
    assert np.abs(difference).max() > 1e-5


def test_a_training_can_be_truncated():
    x = [np.random.default_rng(b).standard_normal((20, 1)) for b in range(4)]
    y = [(a[:, 0] > 0).astype(int) for a in x]
    layers = [ml.SequenceInput(1), ml.LSTM(3), ml.FullyConnected(2), ml.Softmax()]

    def trained(**option):
        options = ml.TrainingOptions(max_epochs=2, verbose=False, **option)
        return ml.train(x, y, layers, options=options)[0].parameters["lstm/recurrent_weights"]

    with pytest.warns(UserWarning, match="no sequence is longer than 20 steps"):
        weights = [trained(), trained(bptt_truncation=20)]
    weights.append(trained(bptt_truncation=3))
    np.testing.assert_allclose(weights[1], weights[0], atol=1e-7)
    assert np.abs(weights[2] - weights[0]).max() > 1e-6
