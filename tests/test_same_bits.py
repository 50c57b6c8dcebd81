"""The promise of the Numba backend: the same bits for any threads, any batch, any cut of time.
Also that several Python threads, or a child process, may predict at once."""

import os
import select
import signal
import threading
import warnings

import numpy as np
import pytest
from agreement import bits
from agreement import dtype_names as dtypes
from builders import doubled, sequences

import minilstm as ml
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack_with_targets
from minilstm.layers import Signal

pytest.importorskip("numba")

THREADS = (1, 2, 4)
# Odd sizes leave remainders in every tile; 65 is one more than a tile row of float32.
SIZES = [(3, 17, 8), (2, 65, 3), (1, 1, 2), (5, 200, 5)]
sizes = pytest.mark.parametrize("size", SIZES, ids=str)
modes = pytest.mark.parametrize("mode", ["sequence", "last"])


@pytest.fixture(autouse=True)
def on_numba():
    with ml.use_backend("numba"):
        yield


def build(size, dtype, mode="sequence", layers=1, zerocenter=False):
    D, H, C = size
    options = {"normalization": "zerocenter", "mean": np.arange(D)} if zerocenter else {}
    chain = [ml.SequenceInput(D, **options)]
    chain += [ml.LSTM(H + n) for n in range(1, layers)]
    chain += [ml.LSTM(H, output_mode=mode), ml.FullyConnected(C), ml.Softmax()]
    return doubled(chain, dtype, classes=range(C))


# --------------------------------------------------------------------------------- threads


@dtypes
@sizes
@modes
def test_any_number_of_threads_gives_the_same_gradients(on_any_threads, size, dtype, mode):
    D, _, C = size
    net = build(size, dtype, mode)
    x = [s.astype(dtype) for s in sequences(D, lengths=[11, 7, 30, 1, 7, 12, 2])]
    rng = np.random.default_rng(1)
    y = [rng.integers(0, C, 1 if mode == "last" else len(s)) for s in x]
    packed, targets = pack_with_targets(x, y)
    state = net.initial_state(len(x))
    state = {
        k: LSTMState(*(rng.standard_normal(p.shape).astype(dtype) for p in s))
        for k, s in state.items()
    }
    logits = ml.Network(net.layers[:-1], net.parameters, dtype=dtype)  # without the softmax

    def run():
        out, after, caches = logits.forward(Signal(packed.rows, packed.active), state)
        dy = np.random.default_rng(2).standard_normal(out.rows.shape).astype(dtype)
        back = logits.backward(dy, caches, after, need_dx=True)
        result = net.loss_and_gradients(Signal(packed.rows, packed.active), targets)
        return out.rows, after, back, result.loss, result.correct, result.gradients, result.state

    on_any_threads(run, THREADS)


@dtypes
@modes
def test_any_number_of_threads_gives_the_same_training(on_any_threads, dtype, mode):
    x = sequences(3, lengths=[11, 7, 30, 1, 7, 12, 2])
    rng = np.random.default_rng(1)
    y = [rng.integers(0, 4, len(s)) for s in x]
    y = np.arange(7) % 4 if mode == "last" else y
    layers = build((3, 17, 4), dtype, mode, layers=2).layers
    options = ml.TrainingOptions(
        max_epochs=4,
        mini_batch_size=3,
        initial_learn_rate=0.01,
        gradient_threshold=0.5,
        shuffle="every-epoch",
        validation_data=(x[:3], y[:3]),
        validation_frequency=2,
        dtype=dtype,
        seed=3,
        verbose=False,
    )

    def run():
        net, info = ml.train(x, y, layers, options=options)
        return {k: v for k, v in info.history.items() if k != "time"}, net

    history, _ = on_any_threads(run, (*THREADS, 1))
    assert len(np.unique(history["loss"][1:])) == 12  # it did train


# --------------------------------------------------------------------------- batch and time


@dtypes
@sizes
@modes
def test_a_list_gives_what_its_sequences_give_one_by_one(set_threads, size, dtype, mode):
    net, x = (
        build(size, dtype, mode, zerocenter=True),
        sequences(size[0], lengths=[5, 9, 1, 9, 2, 6]),
    )
    one_by_one = [net.predict(s, return_state=True) for s in x]
    for n in THREADS:
        set_threads(n)
        scores, state = net.predict(x, return_state=True)
        for b, (alone, state_alone) in enumerate(one_by_one):
            assert bits(scores[b]) == bits(alone)
            for k, s in state.items():
                assert bits([s.hidden[[b]], s.cell[[b]]]) == bits(list(state_alone[k]))
    assert bits(net.predict(x[1:2])[0]) == bits(one_by_one[1][0])


@dtypes
@sizes
def test_streaming_gives_the_whole_sequence(size, dtype):
    net = build(size, dtype, layers=2, zerocenter=True)
    (x,) = sequences(size[0], lengths=[23])
    whole, state = net.predict(x, return_state=True)
    stream = net.stream()
    assert bits(np.stack([stream.step(x_t) for x_t in x])) == bits(whole)
    assert bits(stream.state) == bits(state)
    stream.reset()
    assert bits(stream.step(x[0])) == bits(whole[0])
    for k in range(1, len(x)):
        first, middle = net.predict(x[:k], return_state=True)
        rest, end = net.predict(x[k:], state=middle, return_state=True)
        assert bits(np.concatenate([first, rest])) == bits(whole)
        assert bits(end) == bits(state)


@dtypes
@modes
@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_spans_of_time_change_nothing(monkeypatch, dtype, mode, rows):
    net, x = build((3, 17, 8), dtype, mode, layers=2), sequences(3, lengths=[5, 40, 1, 40, 2, 16])
    rng = np.random.default_rng(4)
    start = {
        k: LSTMState(*(rng.uniform(-1, 1, p.shape) for p in s))
        for k, s in net.initial_state(len(x)).items()
    }
    whole = bits(net.predict(x, state=start, return_state=True))
    monkeypatch.setattr("minilstm.network.passes.memory.SPAN_ROWS", rows)
    monkeypatch.setattr("minilstm.network.passes.prediction_pass.SPAN_BYTES", 1)
    calls = []
    advance = ml.LSTM.advance
    monkeypatch.setattr(ml.LSTM, "advance", lambda *a, **k: calls.append(0) or advance(*a, **k))
    assert bits(net.predict(x, state=start, return_state=True)) == whole
    assert len(calls) > 2  # more than one span of the two layers


# --------------------------------------------------------------------- threads and processes


def test_several_python_threads_predict_at_once(set_threads):
    set_threads(2)
    net = build((3, 17, 8), "float32")
    batches = [sequences(3, lengths=[20, 30, 10 + n], seed=n) for n in range(6)]
    want = [bits(net.predict(x)) for x in batches]
    errors = []
    gate = threading.Barrier(len(batches))

    def work(n):
        with ml.use_backend("numba"):
            gate.wait(30)
            for _ in range(40):
                if bits(net.predict(batches[n])) != want[n]:
                    errors.append(n)

    workers = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(len(batches))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers) and errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_predicts(set_threads):
    set_threads(2)
    net, x = build((3, 17, 8), "float64"), sequences(3, lengths=[20, 30, 10])
    want = b"".join(b for *_, b in bits(net.predict(x)))  # the pool of threads runs from here on
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads: what is tested
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"".join(b for *_, b in bits(net.predict(x))))
        finally:
            os._exit(0)
    os.close(writer)
    got = b""
    try:
        while select.select([reader], [], [], 30)[0] and (chunk := os.read(reader, 65536)):
            got += chunk
    finally:
        os.close(reader)
        if not got:
            os.kill(child, signal.SIGKILL)  # it hangs
        os.waitpid(child, 0)
    assert got == want
    assert b"".join(b for *_, b in bits(net.predict(x))) == want


# ------------------------------------------------------------------------------- wide inputs


@dtypes
@modes
def test_a_wide_input_keeps_every_promise(set_threads, dtype, mode):
    # Wide enough for the products that are cut into blocks, with more rows than one block.
    net, x = build((1030, 17, 4), dtype, mode), sequences(1030, lengths=[300] * 5 + [7, 1])
    one_by_one = [net.predict(s) for s in x]
    packed, targets = pack_with_targets(
        [s.astype(dtype) for s in x], [np.arange(1 if mode == "last" else len(s)) % 4 for s in x]
    )
    results = []
    for n in THREADS:
        set_threads(n)
        assert bits(list(net.predict(x))) == bits(one_by_one)
        results.append(bits(net.loss_and_gradients(Signal(packed.rows, packed.active), targets)))
    assert results[0] == results[1] == results[2]
    if mode == "sequence":
        stream = net.stream()
        assert bits(np.stack([stream.step(x_t) for x_t in x[5]])) == bits(one_by_one[5])
