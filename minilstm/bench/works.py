"""What the benchmark times in this process: training steps, short sequences, whole sequences.
Every engine's results are checked against the NumPy twin while its work is built.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from minilstm.backend import (
    current_backend,
    load_backend,
    multiply_add_peak,
    reuse_memory,
    use_backend,
)
from minilstm.bench import onnx as bench_onnx
from minilstm.bench import torch as bench_torch
from minilstm.bench.turns import (
    OURS,
    Array,
    Measure,
    Turns,
    Work,
    clocked,
    require_same,
    require_same_gradients,
)
from minilstm.data import datasets
from minilstm.data.datasets.human_activity import TRAIN_LENGTHS
from minilstm.functional.ragged import IntArray, pack_with_targets
from minilstm.layers import LSTM, FullyConnected, SequenceInput, Signal, Softmax
from minilstm.network.network import Network
from minilstm.network.passes.placement import moved_network
from minilstm.training.solvers import adam_init, update

Packed = tuple[Signal, IntArray]  # rows and targets of a mini-batch

LENGTHS = TRAIN_LENGTHS  # steps of the six training recordings of the activity example
FEATURES, CLASSES, HIDDEN = 3, 5, 200
INFERENCE_STEPS = 4096
SHORT_RUNS = 5  # of a work that takes milliseconds, timed together
CHECKED_STEPS = 700  # more than one span of six sequences
LONGEST = 1_000_000  # steps, with --long
SHORT = (1_000, 10_000, 100_000)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)  # sequences of a mini-batch
BATCH_STEPS, FILLED = 128, 256  # their steps; and sequences that a turn updates by, at least
EVERYTHING = 1e12  # bytes: a memory budget that keeps all
LEARN_RATE, L2 = 1e-3, 1e-4  # of every update
PEAK = "multiply-add peak"  # as an engine


def network(hidden: int, features: int = FEATURES, classes: int = CLASSES, **lstm: Any) -> Network:
    """A classifier with fixed first values: D features, one LSTM layer, C classes."""
    layers = [SequenceInput(features), LSTM(hidden, **lstm), FullyConnected(classes), Softmax()]
    return Network(layers, classes=np.arange(classes), rng=np.random.default_rng(0))


def random_sequences(scale: float = 1.0) -> tuple[list[Array], list[IntArray]]:
    """Six sequences (T_b, D) as long as those recordings, with a class (T_b,) for every step."""
    rng = np.random.default_rng(0)
    lengths = [max(1, round(T * scale)) for T in LENGTHS]
    x = [rng.standard_normal((T, FEATURES)).astype(np.float32) for T in lengths]
    return x, [rng.integers(0, CLASSES, T) for T in lengths]


class Trainer:
    """Updates of one network, made as `train` makes them.

    It works in a separate thread, because a thread uses the memory that it freed again: so
    each engine finds what it would find in a training, whatever has its turn in between.
    """

    def __init__(
        self,
        net: Network,
        batches: Sequence[Packed],
        memory_budget: float | str,
        clip: float,
        clip_method: str = "l2norm",
    ) -> None:
        self.backend = current_backend()
        move = self.backend.to_device  # once, as a training does
        self.net: Network = moved_network(net, move)
        self.budget = memory_budget
        bound: dict[str, Any] = {"gradient_threshold": clip}
        self.bound = {**bound, "gradient_threshold_method": clip_method}
        self.batches = [
            (Signal(move(signal.rows), signal.active), move(targets)) for signal, targets in batches
        ]
        self.adam = adam_init(self.net.parameters)
        self.l2 = {key: L2 for key in net.parameters if "weights" in key}
        memory = ExitStack()
        self.thread = ThreadPoolExecutor(
            1, initializer=lambda: memory.enter_context(reuse_memory(self.backend))
        )

    def epoch(self) -> None:
        """One update for each mini-batch."""
        self.thread.submit(self._epoch).result()

    def _epoch(self) -> None:
        for signal, targets in self.batches:
            net = self.net
            gradients = net.loss_and_gradients(
                signal, targets, backend=self.backend, memory_budget=self.budget
            ).gradients
            parameters, self.adam, _ = update(
                self.backend,
                net.parameters,
                gradients,
                self.adam,
                LEARN_RATE,
                l2=self.l2,
                **self.bound,
            )
            self.net = net.updated(parameters)

    def close(self) -> None:
        """End the thread, and with it the memory it kept."""
        self.thread.shutdown()


def training(scale: float, against: Sequence[str], threads: int) -> Work:
    """One full-batch update of 200 units: forward, backward, clip, Adam.

    A step counts all six sequences together, as many of them as are still running.
    """
    x, y = random_sequences(scale)
    net = network(HIDDEN)
    start = [a[:CHECKED_STEPS] for a in x], [a[:CHECKED_STEPS] for a in y]
    exact = exact_gradients(net, *start)
    for budget in ("auto", 1, EVERYTHING):
        check_gradients(net, *start, exact, budget)
    steps = max(len(a) for a in x)
    batch = [packed_batch(x, y)]
    trainers = {
        OURS: Trainer(net, batch, "auto", 2.0),
        f"{OURS}, all kept": Trainer(net, batch, EVERYTHING, 2.0),
    }
    engines = {name: clocked(trainer.epoch, steps) for name, trainer in trainers.items()}
    if "torch" in against:
        check = *start, exact
        run = bench_torch.training(net, [(x, y)], "padded", threads, 2.0, check)
        engines["torch"] = clocked(run, steps)
    # Forward, its gradient for the input, its gradient for the weights: 2 x 4H (H + D) each.
    flops = 3 * 2 * 4 * HIDDEN * (HIDDEN + FEATURES) * sum(len(a) for a in x)
    return with_peak(
        Work(
            f"training step, B 6, H {HIDDEN}, T {steps}",
            engines,
            close=partial(close_all, trainers.values()),
        ),
        {name: flops for name in trainers},
        steps * 1e-6,
    )


def with_peak(work: Work, flops: Mapping[str, float], seconds: float) -> Work:
    """A work whose rows of our engines, of `flops` each, get their shares of the peak.

    Their first unit, such as "us a step", times `seconds` is how long a whole run takes.
    """
    if current_backend().name != "numba":
        return work

    def shares(turns: Turns) -> Turns:
        peaks = turns[PEAK]["GFLOP/s"]
        out: Turns = {}
        for name, count in flops.items():
            pairs = zip(next(iter(turns[name].values())), peaks, strict=True)
            out[name] = {"% of peak": [count / (t * seconds * 1e7 * peak) for t, peak in pairs]}
        return out

    engines = {**work.engines, PEAK: lambda: {"GFLOP/s": multiply_add_peak()}}
    return work._replace(engines=engines, derive=shares)


def vowel_batches() -> list[tuple[list[Array], list[IntArray]]]:
    """Mini-batches of 27 recordings (T_b, 12) of about the same length, with their classes (1,)."""
    x, y, _, _ = datasets.japanese_vowels()
    order = np.argsort([-len(a) for a in x], kind="stable")
    cuts = [order[n : n + 27] for n in range(0, len(x), 27)]
    return [([x[b] for b in cut], [np.array([y[b] - 1]) for b in cut]) for cut in cuts]


def vowels(against: Sequence[str], threads: int) -> Work:
    """One epoch of Japanese Vowels: ten updates by 27 real sequences of about the same length."""
    batches = vowel_batches()
    net = network(100, features=12, classes=9, output_mode="last")
    exact = exact_gradients(net, *batches[0])
    check_gradients(net, *batches[0], exact, "auto")
    trainer = Trainer(net, [packed_batch(*batch) for batch in batches], "auto", 1.0)
    unit = "us a mini-batch"
    engines = {OURS: clocked(trainer.epoch, len(batches), unit, runs=SHORT_RUNS)}
    if "torch" in against:
        for way in bench_torch.WAYS:
            check = *batches[0], exact
            run = bench_torch.training(net, batches, way, threads, 1.0, check)
            engines[f"torch, {way}"] = clocked(run, len(batches), unit, runs=SHORT_RUNS)
    return Work("Japanese Vowels, one epoch", engines, close=trainer.close)


def inference(batch: int, against: Sequence[str], threads: int) -> Work:
    """Scores of whole sequences of one length."""
    rng = np.random.default_rng(batch)
    x = rng.standard_normal((batch, INFERENCE_STEPS, FEATURES)).astype(np.float32)
    net = network(HIDDEN)
    with use_backend("numpy"):
        expected = net.predict(x)
    require_same(net.predict(x), expected)
    runs: dict[str, Callable[[], object]] = {OURS: lambda: net.predict(x)}
    data = [list(x)], [list(expected)]
    if "torch" in against:
        runs["torch"] = bench_torch.prediction(net, *data, "padded", threads)
    if "onnxruntime" in against:
        for count in sorted({1, threads}):
            name = f"onnxruntime, {count} thr"
            runs[name] = bench_onnx.prediction(net, *data, count)
    if "openvino" in against:
        runs["openvino"] = bench_onnx.openvino_prediction(net, *data, threads)
    engines = {name: clocked(run, INFERENCE_STEPS, runs=SHORT_RUNS) for name, run in runs.items()}
    return Work(f"inference, B {batch}, H {HIDDEN}, T {INFERENCE_STEPS}", engines)


def length(long: bool) -> Work:
    """Updates by one sequence, short and long: a step should cost the same in all of them."""
    lengths = (*SHORT, LONGEST) if long else SHORT
    net = network(64)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((lengths[-1], FEATURES)).astype(np.float32)
    y = rng.integers(0, CLASSES, lengths[-1])
    start = [x[:CHECKED_STEPS]], [y[:CHECKED_STEPS]]
    check_gradients(net, *start, exact_gradients(net, *start), "auto")
    batches = {f"T {T}": packed_batch([x[:T]], [y[:T]]) for T in lengths}
    return _costs("cost against length, B 1, H 64", net, batches, SHORT[-1], "us a step", 0)


def batch() -> Work:
    """Updates by few and by many sequences: each should cost the same, past the first tile."""
    net = network(64)
    rng = np.random.default_rng(0)
    x = list(rng.standard_normal((SIZES[-1], BATCH_STEPS, FEATURES)).astype(np.float32))
    y = list(rng.integers(0, CLASSES, (SIZES[-1], BATCH_STEPS)))
    check_gradients(net, x[:9], y[:9], exact_gradients(net, x[:9], y[:9]), "auto")
    batches = {f"B {B}": packed_batch(x[:B], y[:B]) for B in SIZES}
    title = f"cost against batch, T {BATCH_STEPS}, H 64"
    return _costs(title, net, batches, FILLED * BATCH_STEPS, "us a step and sequence", -1)


def _costs(
    title: str, net: Network, batches: Mapping[str, Packed], fill: int, unit: str, base: int
) -> Work:
    """Updates by mini-batches of several sizes; the ratio is to the one at the place `base`.

    A turn makes as many updates as fill so many rows. Where the default memory budget computes a
    part twice, a row with everything kept stands beside it.
    """
    trainers = []
    engines: dict[str, Measure] = {}
    for name, (signal, targets) in batches.items():
        times = max(1, fill // len(signal.rows))
        all_kept = net.plan_memory(signal.active, "auto").first_kept == 0
        for budget, more in (("auto", ""), (EVERYTHING, ", kept"))[: 1 if all_kept else 2]:
            trainers.append(Trainer(net, [(signal, targets)] * times, budget, 2.0))
            run, counts = trainers[-1].epoch, len(signal.rows) * times
            engines[f"{OURS}, {name}{more}"] = clocked(run, counts, unit)
    return Work(title, engines, list(engines)[base], close=partial(close_all, trainers))


def close_all(held: Iterable[Any]) -> None:
    """Give back what trainers, or engines, hold."""
    for one in held:
        one.close()


def packed_batch(x: Sequence[Array], y: Sequence[IntArray]) -> Packed:
    """Sequences (T_b, D) and their classes, (T_b,) or (1,), as one mini-batch."""
    packed, targets = pack_with_targets(x, y)
    return Signal(packed.rows, packed.active), targets


def exact_gradients(net: Network, x: Sequence[Array], y: Sequence[IntArray]) -> dict[str, Array]:
    """Gradients of the NumPy twin in float64, by "layer/parameter"."""
    signal, targets = packed_batch([a.astype(np.float64) for a in x], y)
    numpy = load_backend("numpy")
    return net.replace(dtype="float64").loss_and_gradients(signal, targets, backend=numpy).gradients


def check_gradients(
    net: Network,
    x: Sequence[Array],
    y: Sequence[IntArray],
    exact: Mapping[str, Array],
    budget: float | str,
) -> None:
    """Gradients and the update of the backend in force against the NumPy twin in float64."""
    signal, targets = packed_batch(x, y)
    backend = current_backend()
    found = net.loss_and_gradients(signal, targets, memory_budget=budget).gradients
    gradients = {key: backend.to_host(g) for key, g in found.items()}
    require_same_gradients(gradients, exact)
    # The same gradients go to both, for where one is almost zero Adam looks at its sign alone.
    l2 = {key: L2 for key in net.parameters if "weights" in key}
    settings: dict[str, Any] = {"gradient_threshold": 2.0, "l2": l2}
    new = []
    for where, dtype in ((backend, np.float32), (load_backend("numpy"), np.float64)):
        parameters, grads = (
            {key: where.to_device(a.astype(dtype)) for key, a in arrays.items()}
            for arrays in (net.parameters, gradients)
        )
        state = adam_init(parameters)
        updated = update(where, parameters, grads, state, LEARN_RATE, **settings)[0]
        new.append({key: where.to_host(p) for key, p in updated.items()})
    for key, p in new[1].items():
        error = float(np.abs(new[0][key] - p).max())
        if not error < 1e-5:
            raise AssertionError(
                f"the update of {key} differs from the NumPy twin by {error:.1e}; nothing was "
                "timed."
            )
