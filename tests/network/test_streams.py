"""Many streams and long ones: side by side, in threads, on any memory, in flat memory.
Each stream of several gives what it gives alone."""

import copy
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from agreement import assert_streamed, bits, refuses, refuses_data
from agreement import dtype_names as dtypes
from builders import doubled

import minilstm as ml

FEATURES = 3


@pytest.fixture
def backend(backend):
    with ml.use_backend(backend.name):
        yield backend.name


def network(hidden=7, dtype="float32"):
    layers = [
        ml.SequenceInput(FEATURES, "zerocenter", [0.5, -1.0, 9.8]),
        ml.FullyConnected(9),
        ml.LSTM(hidden),
        ml.LSTM(5, "last"),
        ml.FullyConnected(4),
        ml.Softmax(),
    ]
    return doubled(layers, dtype)


# ---------------------------------------------------------------- streams that step together


@dtypes
@pytest.mark.parametrize("n", [1, 2, 6, 7, 13])
def test_streams_together_give_what_each_gives_alone(backend, dtype, n):
    net = network(dtype=dtype)
    x = np.random.default_rng(1).standard_normal((6, n, FEATURES))
    together, alone = net.stream(batch=n), [net.stream() for _ in range(n)]
    for t, x_t in enumerate(x):
        if t == 4:
            together.reset()
            for one in alone:
                one.reset()
        got = together.step(x_t)
        assert got.shape[0] == n
        for b, one in enumerate(alone):
            assert_streamed(got[b], one.step(x_t[b]), backend, dtype)
    for name, pair in together.state.items():
        for b, one in enumerate(alone):
            for value, want in zip(pair, one.state[name], strict=True):
                assert_streamed(value[[b]], want, backend, dtype)
    again = net.stream(batch=n)
    again.state = together.state
    assert again.step(x[0]).tobytes() == together.step(x[0]).tobytes()


def test_streams_together_refuse_what_does_not_fit(backend):
    net, x = network(), np.ones((2, FEATURES), np.float32)
    stream, undisturbed = net.stream(batch=2), net.stream(batch=2)
    bad = x.copy()
    bad[1, 2] = -np.inf
    for value, message in [
        (x[0], "x_t has shape (3,), but one time step of these 2 streams is (2, 3); pass one row "
         "for each stream."),
        (bad, "x_t holds -inf at stream 1, feature 2 (1 such values), but every value must be "
         "finite; remove or fill them first."),
    ]:  # fmt: skip
        with refuses_data(message):
            stream.step(value)
    with pytest.raises(ml.DataError, match=r"has shape \(1, 7\), but this batch wants \(2, 7\)"):
        stream.state = net.initial_state(1)
    assert stream.step(x).tobytes() == undisturbed.step(x).tobytes()
    for wrong in (0, -1, 2.0, True, "2"):
        with pytest.raises(ValueError, match=r"^stream: batch is .*; give a whole number"):
            net.stream(batch=wrong)


# ---------------------------------------------------------------- arrays in, arrays out


@pytest.mark.parametrize("batch", [None, 3])
def test_any_array_is_a_step_whatever_its_memory(backend, batch):
    net, shape = network(), (FEATURES,) if batch is None else (batch, FEATURES)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    wide = np.zeros((*shape[:-1], 2 * FEATURES), np.float32)
    wide[..., ::2] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    odd = np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(shape)
    same = [wide[..., ::2], frozen, odd, x.tolist(), x.astype(">f4"), x.astype(np.float64)]
    same += [np.asfortranarray(x), x[::-1].copy()[::-1], x.astype(object).astype(np.float32)]
    want = net.stream(batch=batch).step(x).tobytes()
    for value in same:
        assert net.stream(batch=batch).step(value).tobytes() == want


@dtypes
@pytest.mark.parametrize("batch", [None, 3])
def test_scores_go_where_they_are_asked_for(backend, dtype, batch):
    net, shape = network(dtype=dtype), (4,) if batch is None else (batch, 4)
    x = np.ones((*shape[:-1], FEATURES), dtype)
    stream, other = net.stream(batch=batch), net.stream(batch=batch)
    out = np.full(shape, 9, dtype)
    for _ in range(3):
        assert stream.step(x, out) is out
        assert out.tobytes() == other.step(x).tobytes()
    before = stream.state
    frozen = np.zeros(shape, dtype)
    frozen.flags.writeable = False
    for wrong in (
        np.zeros(5, dtype), np.zeros((*shape, 1), dtype), np.zeros(shape, np.float16), frozen,
        np.zeros((*shape, 2), dtype)[..., 0], np.zeros(shape, dtype).tolist(),
    ):  # fmt: skip
        with pytest.raises(ml.DataError, match=r"^out is .*pass np\.empty\(.*, 'float"):
            stream.step(x, out=wrong)
    for name, pair in stream.state.items():
        np.testing.assert_array_equal(pair, before[name])


# ---------------------------------------------------------------- threads


def run_at_once(works):
    """Run functions in threads that start together; none of them may fail or hang."""
    gate, done = threading.Barrier(len(works)), []

    def run(work):
        gate.wait(30)
        work()
        done.append(work)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == len(works)


def test_streams_run_in_threads_of_their_own(backend):
    net, x = network(), np.random.default_rng(1).standard_normal((8, 300, FEATURES))
    want = []
    for sequence in x:
        stream = net.stream()
        want.append([stream.step(x_t).tobytes() for x_t in sequence])
    streams, got = [net.stream() for _ in x], [[] for _ in x]

    def work(n):
        for x_t in x[n]:
            got[n].append(streams[n].step(x_t).tobytes())

    run_at_once([lambda n=n: work(n) for n in range(len(x))])
    assert got == want


@pytest.mark.parametrize("batch", [None, 3])
def test_threads_that_share_a_stream_take_turns(backend, batch):
    net, shape = network(hidden=64), (FEATURES,) if batch is None else (batch, FEATURES)
    x = np.ones(shape, np.float32)  # the same for all: their order does not matter
    stream, alone, got = net.stream(batch=batch), net.stream(batch=batch), []
    want = [alone.step(x).tobytes() for _ in range(6 * 200)]
    end = {k: [a.tobytes() for a in pair] for k, pair in alone.state.items()}

    def work():
        for _ in range(200):
            got.append(stream.step(x).tobytes())

    run_at_once([work] * 6)
    assert sorted(got) == sorted(want)
    assert {k: [a.tobytes() for a in pair] for k, pair in stream.state.items()} == end


def test_a_state_is_read_and_set_whole_while_others_step(backend):
    net, x = network(hidden=64), np.ones(FEATURES, np.float32)
    stream = net.stream()
    known, state = set(), stream.state
    for _ in range(301):
        known.add(b"".join(a.tobytes() for pair in stream.state.values() for a in pair))
        stream.step(x)
    seen = []

    def look():
        for _ in range(300):
            seen.append(b"".join(a.tobytes() for pair in stream.state.values() for a in pair))

    stream.state = state
    run_at_once([lambda: [stream.step(x) for _ in range(300)], look, look])
    assert set(seen) <= known
    run_at_once([lambda: [stream.step(x) for _ in range(300)], *[stream.reset] * 3])
    end = b"".join(a.tobytes() for pair in stream.state.values() for a in pair)
    assert end in known


# ---------------------------------------------------------------- memory


def growth(work):
    """Bytes that Python and NumPy hold after some work beyond those they held before."""
    work()  # what is allocated once
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = work()
        after, peak = tracemalloc.get_traced_memory()
        del kept
        return after - before, peak - before
    finally:
        tracemalloc.stop()


@pytest.mark.alone
@pytest.mark.parametrize("batch", [None, 3])
def test_stepping_holds_no_more_memory_the_longer_it_goes(backend, batch):
    net, shape = network(), (FEATURES,) if batch is None else (batch, FEATURES)
    stream, x = net.stream(batch=batch), np.ones(shape, np.float32)
    out = np.empty((*shape[:-1], 4), np.float32)

    def work(repeats):
        for _ in range(repeats):
            stream.step(x)
            stream.step(x, out)

    held, peak = growth(lambda: work(2000))
    assert held < 2000 and peak < 20_000
    held_soon, peak_soon = growth(lambda: work(100))
    assert held - held_soon < 1000 and peak - peak_soon < 4000  # of 3800 steps more


@pytest.mark.alone
def test_streams_of_one_network_share_its_weights(numba_backend):
    net = network(hidden=128)  # 0.3 MB of weights
    with ml.use_backend("numba"):
        first = net.stream()
        held, _ = growth(lambda: [net.stream() for _ in range(20)])
        assert held < 20 * 20_000
        # Only equal weights are shared: another network, or one changed in place, has its own.
        x, key = np.ones(FEATURES, np.float32), "fc_2/bias"
        before = first.step(x).tobytes()
        net.parameters[key][:] += np.arange(4)
        changed = net.stream().step(x)
        assert changed.tobytes() == net.predict(x[None]).tobytes() != before
        first.reset()
        assert first.step(x).tobytes() == before


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_stream_goes_on_by_itself(backend, batch, how):
    shape = (6, FEATURES) if batch is None else (6, batch, FEATURES)
    x = np.random.default_rng(3).standard_normal(shape).astype("float32")
    net = network()
    stream = net.stream(batch)
    for x_t in x[:3]:
        stream.step(x_t)
    other = how(stream)
    assert bits(other.state) == bits(stream.state)
    ahead = [stream.step(x_t) for x_t in x[3:]]
    behind = [other.step(x_t) for x_t in x[3:]]  # unmoved by the steps of the first
    assert bits(ahead) == bits(behind) and bits(other.state) == bits(stream.state)
    other.reset()
    assert bits(other.state) != bits(stream.state)
    assert type(other._lock) is type(stream._lock) and other._lock is not stream._lock


@pytest.mark.parametrize("batch", [None, 3])
def test_a_pickled_stream_goes_on_where_it_stood(backend, batch):
    net, x = network(), np.ones((batch or 1, FEATURES), "float32")
    x = x if batch else x[0]
    stream = net.stream(batch)
    stream.step(x)
    again = pickle.loads(pickle.dumps(stream))
    assert bits(again.state) == bits(stream.state)
    stepped = [one.step(x) for one in (stream, stream, again, again)]
    assert bits(stepped[:2]) == bits(stepped[2:])


@pytest.mark.parametrize("batch", [None, 3])
def test_a_saved_state_goes_on_in_a_stream_of_the_same_network(backend, batch, tmp_path):
    net, x = network(), np.ones((batch or 1, FEATURES), "float32")
    x = x if batch else x[0]
    stream, path = net.stream(batch), tmp_path / "state.safetensors"
    stream.step(x)
    assert stream.save_state(path) == path
    net.save(tmp_path / "net.safetensors")
    again = ml.load(tmp_path / "net.safetensors").stream(batch)
    again.load_state(path)
    assert again.step(x).tobytes() == stream.step(x).tobytes()


def test_a_state_of_another_network_or_batch_or_file_is_refused(tmp_path):
    net, path = network(), tmp_path / "state"
    stream = net.stream()
    stream.step(np.ones(FEATURES))
    before = bits(stream.state)
    other = network()
    other.parameters["fc_1/bias"][0] += 1
    other.stream().save_state(path)
    with refuses(
        f"{path} holds states of a network with other weights; load them into the network that "
        "they were saved from.",
        ml.ModelFileError,
    ):
        stream.load_state(path)
    net.stream(batch=2).save_state(path)
    with refuses_data(
        "state['lstm_1'].hidden has shape (2, 7), but this batch wants (1, 7); pass the state of "
        "the same sequences."
    ):
        stream.load_state(path)
    net.pool().save_state(path)
    with refuses(
        f"{path} holds the states of a pool; load it with net.pool().load_state(path).",
        ml.ModelFileError,
    ):
        stream.load_state(path)
    stream.save_state(path)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:9], b"", b"x" * 99, net.save(tmp_path / "n").read_bytes()):
        path.write_bytes(damaged)
        with refuses(
            f"{path} is not a whole file of states; give one that save_state wrote.",
            ml.ModelFileError,
        ):
            stream.load_state(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with refuses(
        f"{path} is a file of states of another version or changed since it was saved; copy it "
        "again, or save the state again.",
        ml.ModelFileError,
    ):
        stream.load_state(path)
    assert bits(stream.state) == before
