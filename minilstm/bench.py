"""Times training, inference and streaming on this machine, alone or beside other engines.
Results are checked before anything is timed; engines take turns, so drift falls on all alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import current_backend, load_backend, use_backend
from minilstm.functional.ragged import pack_with_targets
from minilstm.layers import LSTM, FullyConnected, SequenceInput, Signal, Softmax
from minilstm.network import Network
from minilstm.optimizers import adam_init, adam_update, add_l2, clip_l2norm

Array = NDArray[Any]

LENGTHS = (64480, 53696, 56416, 50688, 51888, 54256)  # of the seed's training sequences
FEATURES, CLASSES = 3, 5
INFERENCE_STEPS = 4096
STREAM_STEPS = 2000
PEERS = ("torch", "onnxruntime")


class Work(NamedTuple):
    """One thing to time."""

    name: str
    unit: str  # what one count is: "us a step"
    counts: int  # how many of it one run does
    runs: dict[str, Callable[[], Any]]  # by engine; each does the whole work once


class Timing(NamedTuple):
    """Microseconds a step (of all sequences together) over the repeats."""

    work: str
    engine: str
    median: float
    low: float
    high: float
    ratio: float | None  # how many times slower than minilstm, the median over the turns


def run_bench(
    *,
    against: Sequence[str] = (),
    repeats: int = 5,
    scale: float = 0.1,
    threads: int = 1,
    say: Callable[[str], None] = print,
) -> list[Timing]:
    """Time every work.

    Parameters
    ----------
    against : other engines, "torch" and "onnxruntime"; each must be installed
    repeats : timed runs of each engine, after one that is not counted
    scale : of the lengths of the training sequences; the cost of a step does not depend on it
    threads : for every engine
    say : called with each line of text

    Returns
    -------
    list of Timing

    Raises
    ------
    ImportError
        An engine is not installed.
    AssertionError
        An engine's results differ from the NumPy reference; nothing was timed.
    """
    # A program that times others must not let one of them guess its threads from the machine.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    works = [_training(scale, against, threads)]
    works += [_inference(batch, against, threads) for batch in (1, 6)]
    works += [_streaming(hidden, against, threads) for hidden in (32, 200, 512)]
    say(f"{'work':<34} {'engine':<16} {'us a step':>10} {'from':>9} {'to':>9} {'ratio':>6}")
    timings = []
    for work in works:
        for timing in _timed(work, repeats):
            timings.append(timing)
            ratio = "" if timing.ratio is None else f"{timing.ratio:.2f}"
            say(
                f"{timing.work:<34} {timing.engine:<16} {timing.median:>10.2f} {timing.low:>9.2f} "
                f"{timing.high:>9.2f} {ratio:>6}"
            )
    return timings


def _timed(work: Work, repeats: int) -> list[Timing]:
    """Let the engines take turns; the first turn of each is not counted."""
    seconds: dict[str, list[float]] = {engine: [] for engine in work.runs}
    for turn in range(repeats + 1):
        for engine, run in work.runs.items():
            started = time.perf_counter()
            run()
            if turn > 0:
                seconds[engine].append(time.perf_counter() - started)
    out = []
    for engine, values in seconds.items():
        us = [v / work.counts * 1e6 for v in values]
        ratio = None
        if engine != "minilstm":
            turns = zip(values, seconds["minilstm"], strict=True)
            ratio = statistics.median(theirs / ours for theirs, ours in turns)
        out.append(Timing(work.name, engine, statistics.median(us), min(us), max(us), ratio))
    return out


def _network(hidden: int) -> Network:
    layers = [SequenceInput(FEATURES), LSTM(hidden), FullyConnected(CLASSES), Softmax()]
    return Network(layers, rng=np.random.default_rng(0))


def _training(scale: float, against: Sequence[str], threads: int) -> Work:
    """One full-batch update of the seed's network: forward, backward, clip, Adam."""
    rng = np.random.default_rng(0)
    x = [
        rng.standard_normal((max(1, round(T * scale)), FEATURES)).astype(np.float32)
        for T in LENGTHS
    ]
    y = [rng.integers(0, CLASSES, len(a)) for a in x]
    net = _network(200)
    _check_training(net, [a[:50] for a in x], [a[:50] for a in y])
    packed, targets = pack_with_targets(x, y)
    signal = Signal(packed.rows, packed.active)
    l2 = {key: 1e-4 for key in net.parameters if "weights" in key}
    backend = current_backend()
    held = (net, adam_init(net.parameters))

    def update() -> None:
        nonlocal held
        current, state = held
        _, _, grads = current.loss_and_gradients(signal, targets, backend=backend)
        grads = clip_l2norm(add_l2(grads, current.parameters, l2), 2.0)
        parameters, state = adam_update(current.parameters, grads, state, 1e-3)
        held = (current.replace(parameters=parameters), state)

    runs: dict[str, Callable[[], Any]] = {"minilstm": update}
    if "torch" in against:
        from minilstm import bench_peers

        runs["torch"] = bench_peers.torch_training(net, x, y, threads)
    steps = max(len(a) for a in x)
    return Work(f"training step, 6 sequences, H 200, T {steps}", "us a step", steps, runs)


def _inference(batch: int, against: Sequence[str], threads: int) -> Work:
    """Scores of whole sequences of one length."""
    rng = np.random.default_rng(batch)
    x = rng.standard_normal((batch, INFERENCE_STEPS, FEATURES)).astype(np.float32)
    net = _network(200)
    with use_backend("numpy"):
        expected = net.predict(x[:, :50])
    _require_same(net.predict(x[:, :50]), expected)
    runs: dict[str, Callable[[], Any]] = {"minilstm": lambda: net.predict(x)}
    if against:
        from minilstm import bench_peers

        runs |= bench_peers.inference(net, x, expected, against, threads)
    return Work(f"inference, B {batch}, H 200", "us a step", INFERENCE_STEPS, runs)


def _streaming(hidden: int, against: Sequence[str], threads: int) -> Work:
    """One step at a time through Python, state carried along."""
    rng = np.random.default_rng(hidden)
    x = rng.standard_normal((STREAM_STEPS, FEATURES)).astype(np.float32)
    net = _network(hidden)
    with use_backend("numpy"):
        expected = net.predict(x[:50])
    stream = net.stream()
    _require_same(np.stack([stream.step(x_t) for x_t in x[:50]]), expected)

    def step_through() -> None:
        for x_t in x:
            stream.step(x_t)

    runs: dict[str, Callable[[], Any]] = {"minilstm": step_through}
    if against:
        from minilstm import bench_peers

        runs |= bench_peers.streaming(net, x, expected, against, threads)
    return Work(f"streaming, H {hidden}", "us a step", STREAM_STEPS, runs)


def _check_training(net: Network, x: list[Array], y: list[Array]) -> None:
    """Gradients of the backend in force against the NumPy reference in float64."""
    packed, targets = pack_with_targets(x, y)
    signal = Signal(packed.rows, packed.active)
    _, _, grads = net.loss_and_gradients(signal, targets)
    wide = Signal(packed.rows.astype(np.float64), packed.active)
    _, _, exact = net.replace(dtype="float64").loss_and_gradients(
        wide, targets, backend=load_backend("numpy")
    )
    for key, g in exact.items():
        error = np.abs(grads[key] - g).max() / np.abs(g).max()
        if not error < 1e-3:
            raise AssertionError(f"{key} differs from the reference by {error:.1e}.")


def _require_same(scores: Array, expected: Array) -> None:
    error = float(np.abs(scores - expected).max())
    if not error < 1e-4:
        raise AssertionError(f"scores differ from the reference by {error:.1e}.")
