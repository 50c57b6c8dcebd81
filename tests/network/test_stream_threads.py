"""Streams of several threads: the same bits, no thread too many, and no step that waits for one.
The crew that helps belongs to the process; machines of more cores are played here."""

import copy
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import numpy as np
import pytest
from agreement import bits, refuses
from agreement import dtype_names as dtypes
from builders import doubled

import minilstm as ml

pytest.importorskip("numba")
from minilstm.kernels.numba import stream as kernel_stream
from minilstm.kernels.numba import stream_crew
from minilstm.kernels.numba.stream_step import CLAIMED, DONE, EACH_MEMBER, POSTED, WATCHES

FEATURES = 3
STEPS = 300


@pytest.fixture(autouse=True)
def on_numba():
    with ml.use_backend("numba"):
        yield


@pytest.fixture(params=[4])
def cores(request, monkeypatch):
    """A machine of so many cores, whose crews are new; its threads go to sleep afterwards."""
    monkeypatch.setattr(kernel_stream, "cores", lambda: request.param)
    monkeypatch.setattr(stream_crew, "cores", lambda: request.param)
    monkeypatch.setattr(stream_crew, "_crews", {})
    return request.param


def network(hidden=128, dtype="float32"):
    layers = [
        ml.SequenceInput(FEATURES, "zerocenter", [0.5, -1.0, 9.8]),
        ml.LSTM(hidden),
        ml.LSTM(8),  # not worth a second thread alone
        ml.LSTM(hidden, gate_activation_function="hard-sigmoid"),
        ml.FullyConnected(4),
        ml.Softmax(),
    ]
    return doubled(layers, dtype)


def signals(batch, steps=STEPS):
    shape = (steps, FEATURES) if batch is None else (steps, batch, FEATURES)
    return np.random.default_rng(1).standard_normal(shape)


def scores(stream, x):
    return [stream.step(x_t).tobytes() for x_t in x]


def helpers():
    return [t for t in threading.enumerate() if t.name.startswith("minilstm-stream")]


@dtypes
@pytest.mark.parametrize("batch", [None, 2, 7])
def test_any_number_of_threads_gives_the_same_bits(cores, dtype, batch):
    net, x = network(dtype=dtype), signals(batch)
    alone = net.stream(batch)
    want = scores(alone, x)
    for threads in (2, 3, 4, 200):
        stream = net.stream(batch, threads=threads)
        assert scores(stream, x) == want
        assert bits(stream.state) == bits(alone.state)
        other = copy.copy(stream)
        assert scores(other, x[:20]) == scores(stream, x[:20])
        stream.reset()
        assert scores(stream, x[:20]) == want[:20]
    crew = stream_crew.stream_crew(np.dtype(dtype))
    assert crew.posts[POSTED] > 0 and crew._started == 3


@pytest.mark.parametrize("hidden", [65, 100, 129, 200])
def test_units_that_do_not_divide_give_the_same_bits(cores, hidden):
    net, x = doubled([ml.SequenceInput(FEATURES), ml.LSTM(hidden)], "float32"), signals(None, 60)
    want = scores(net.stream(), x)
    assert [score.tobytes() for score in net.predict(x.astype(np.float32))] == want
    for threads in (2, 3, 4):
        assert scores(net.stream(threads=threads), x) == want


def test_what_no_member_begins_is_done_by_the_caller(cores):
    net, x = network(), signals(None, 20)
    crew = stream_crew.stream_crew(np.dtype("float32"))
    crew.posts[WATCHES::EACH_MEMBER] = 1  # members that watch, but never come
    assert scores(net.stream(threads=4), x) == scores(net.stream(), x)
    assert crew.posts[POSTED] == 40  # two layers of each step were posted
    assert (crew.posts[CLAIMED::EACH_MEMBER] == 40).all()
    assert (crew.posts[DONE::EACH_MEMBER] == 40).all()


def test_a_member_computes_what_is_posted(cores, monkeypatch):
    came, serve = [], stream_crew.StreamCrew(np.dtype("float32"))._serve
    crew = stream_crew.stream_crew(np.dtype("float32"))
    monkeypatch.setattr(crew, "_serve", lambda *given: came.append(serve(*given)) or came[-1])
    net, x = network(), signals(None)
    want, stream = scores(net.stream(), x), net.stream(threads=2)
    until = time.monotonic() + 30
    while True not in came and time.monotonic() < until:
        assert scores(stream, x) == want
        stream.reset()
    assert True in came


def test_steps_far_apart_wake_nobody(cores, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(stream_crew, "monotonic", lambda: now[0])
    before, stream = len(helpers()), network().stream(threads=4)
    for _ in range(5):
        stream.step(np.ones(FEATURES))
        now[0] += 1.001 * stream_crew.WATCH_SECONDS
    assert len(helpers()) == before
    now[0] -= 0.002 * stream_crew.WATCH_SECONDS
    stream.step(np.ones(FEATURES))
    assert len(helpers()) == before + 3


def test_a_thousand_streams_have_one_crew_which_sleeps(cores):
    before, net, x = len(helpers()), network(), signals(None, 3)
    want = scores(net.stream(), x)
    for _ in range(1000):
        assert scores(net.stream(threads=4), x) == want
    assert len(helpers()) - before <= 3
    crew, until = stream_crew.stream_crew(np.dtype("float32")), time.monotonic() + 30
    while crew.posts[WATCHES::EACH_MEMBER].any() and time.monotonic() < until:
        time.sleep(0.01)
    assert not crew.posts[WATCHES::EACH_MEMBER].any()
    assert scores(net.stream(threads=4), x) == want  # and wakes again


def test_threads_that_share_the_crew_get_the_same_bits(cores):
    net, x = network(), signals(None)
    want, got = scores(net.stream(), x), []

    def work():
        got.append(scores(net.stream(threads=3), x))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert got == [want] * 6


@pytest.mark.parametrize("started", [0, 1, 2])
def test_threads_that_cannot_be_started_are_done_without(cores, monkeypatch, started):
    net, x = network(), signals(None)
    want, real, count = scores(net.stream(), x), threading.Thread.start, [0]

    def start(thread):
        count[0] += 1
        if count[0] > started:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert scores(net.stream(threads=4), x) == want
    assert count[0] == started + 1  # it is not tried again and again
    assert stream_crew.stream_crew(np.dtype("float32"))._started == started


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_a_crew_of_its_own(cores):
    net, x = network(), signals(None)
    stream = net.stream(threads=4)
    want = scores(stream, x)
    stream.reset()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads: what is tested
        child = os.fork()
    if child == 0:
        try:
            same = scores(stream, x) == want == scores(net.stream(threads=2), x)
            os.write(writer, b"same, %d helpers" % len(helpers()) if same else b"other")
        finally:
            os._exit(0)
    os.close(writer)
    try:
        ready = select.select([reader], [], [], 60)[0]
        said = os.read(reader, 100) if ready else b"nothing"
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # if it hangs
        os.waitpid(child, 0)
    assert said == b"same, 3 helpers"
    assert scores(stream, x) == want


def test_a_program_ends_at_once_whatever_its_crew_does():
    program = """
        import numpy as np, minilstm as ml
        from minilstm.kernels.numba import stream, stream_crew
        stream.cores = stream_crew.cores = lambda: 3
        layers = [ml.SequenceInput(3), ml.LSTM(128), ml.FullyConnected(2)]
        stream = ml.Network(layers, rng=np.random.default_rng(0)).stream(threads=3)
        for _ in range(300):
            stream.step(np.ones(3))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_one_core_or_little_work_is_one_thread(monkeypatch):
    asked = []
    monkeypatch.setattr(kernel_stream, "stream_crew", asked.append)
    for cores, hidden in ((1, 200), (4, 24)):
        monkeypatch.setattr(kernel_stream, "cores", lambda cores=cores: cores)
        network(hidden).stream(threads=4).step(np.ones(FEATURES))
    assert asked == []


@pytest.mark.parametrize("threads", [0, -1, 2.0, True, "2", None, 100_000])
def test_a_number_of_threads_that_is_none_is_refused(threads):
    with refuses(f"stream: threads is {threads!r}; give a whole number from 1 to 256."):
        network().stream(threads=threads)


def test_threads_change_nothing_on_numpy():
    net, x = network(24), signals(None, 5)
    with ml.use_backend("numpy"):
        assert scores(net.stream(threads=2), x) == scores(net.stream(), x)
