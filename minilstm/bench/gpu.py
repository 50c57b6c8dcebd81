"""What the benchmark times on a GPU: training steps, whole sequences and single steps.
Wall clock around a synchronised run, the clock of the device beside it, and the floor of a step.

The floor: a recurrent kernel that stays on the device must let its blocks exchange the hidden units
once a step, forward and backward. Kernels that do nothing but exchange are timed in the same turns,
with the hidden units of a single sequence, since blocks may share a batch out among them.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minilstm.backend import measuring, use_backend
from minilstm.bench import torch_gpu, works
from minilstm.bench.gpu_checks import check_network, first_steps
from minilstm.bench.stream import streaming
from minilstm.bench.torch import WAYS
from minilstm.bench.turns import OURS, Array, Measure, Turns, Work, require_same
from minilstm.functional.ragged import IntArray
from minilstm.network.network import Network

Run = Callable[[], Any]

GPU_WORKS = ("training", "batches", "inference", "streaming")
BATCHES = (64, 256)  # sequences of a large batch
BATCH_HIDDEN, BATCH_STEPS = 512, 1000  # units and steps of a large batch
EXCHANGES = 5000  # of hidden units among the blocks, in one turn
CLIP = 2.0  # bound on the norm of each gradient


class Engine(NamedTuple):
    """Something that is timed, and the memory that it took from the device."""

    run: Run
    mib: float
    close: Callable[[], object] = lambda: None


def gpu_work(name: str, against: Sequence[str], scale: float) -> list[Work]:
    """The works of one name of GPU_WORKS, their results checked; `against` is "torch" or empty.

    The lengths of the training sequences are scaled.
    """
    if name == "training":
        return [training(works.HIDDEN, *works.random_sequences(scale), against)]
    if name == "inference":
        return [inference(works.HIDDEN, works.random_sequences(scale)[0], against)]
    if name == "streaming":
        return [streaming(works.HIDDEN, against)]
    found = []
    for batch in BATCHES:
        x, y = dense_sequences(batch, BATCH_STEPS)
        found += [training(BATCH_HIDDEN, x, y, against), inference(BATCH_HIDDEN, x, against)]
    return found


def dense_sequences(batch: int, steps: int) -> tuple[list[Array], list[IntArray]]:
    """Sequences (T, D) of one length, with a class (T,) for every step."""
    rng = np.random.default_rng(batch)
    x = rng.standard_normal((batch, steps, works.FEATURES)).astype(np.float32)
    return list(x), list(rng.integers(0, works.CLASSES, (batch, steps)))


def training(
    hidden: int, x: Sequence[Array], y: Sequence[IntArray], against: Sequence[str]
) -> Work:
    """One update by a whole batch: forward, loss, backward, clip, Adam; the data are there."""
    net = works.network(hidden)
    exact = check_network(net, x, y)
    batch = [works.packed_batch(x, y)]
    engines = {
        name: _ours(net, batch, budget)
        for name, budget in ((OURS, "auto"), (f"{OURS}, all kept", works.EVERYTHING))
    }
    if "torch" in against:
        for way in WAYS:
            torch_gpu.check_training(net, first_steps(x), first_steps(y), exact, way)
            engines[f"torch, {way}"] = Engine(*torch_gpu.training(net, x, y, way, CLIP))
    return _work("training step", hidden, x, engines)


def inference(hidden: int, x: Sequence[Array], against: Sequence[str]) -> Work:
    """Scores of whole sequences, from arrays of the host to arrays of the host."""
    net = works.network(hidden)
    first = first_steps(x)
    with use_backend("numpy"):
        expected = net.predict(first)
    found = [net.predict(first) for _ in range(2)]
    for one, again, wanted in zip(*found, expected, strict=True):
        require_same(one, wanted)
        if not np.array_equal(one, again):
            raise AssertionError("scores differ from run to run; nothing was timed.")
    mib, _ = with_memory(lambda: net.predict(list(x)))
    engines = {OURS: Engine(partial(net.predict, list(x)), mib)}
    if "torch" in against:
        for way in WAYS:
            torch_gpu.check_inference(net, first, expected, way)
            engines[f"torch, {way}"] = Engine(*torch_gpu.inference(net, x, way))
    return _work("inference", hidden, x, engines)


# ---------------------------------------------------------------- time, memory, the floor


def on_both_clocks(run: Run, counts: int) -> Measure:
    """A measure: microseconds of one run by the wall clock and by the device's, over `counts`."""
    device = measuring()

    def measure() -> dict[str, float]:
        device.synchronize()
        started = time.perf_counter()
        events = device.event_seconds(run)
        device.synchronize()
        wall = time.perf_counter() - started
        return {"us a step": wall / counts * 1e6, "us a step, events": events / counts * 1e6}

    return measure


def with_memory(run: Callable[[], Any]) -> tuple[float, Any]:
    """MiB that the memory pool took from the device for a run, at most, and what the run gave."""
    device = measuring()
    gc.collect()
    before = device.used_bytes()
    result = run()
    device.synchronize()
    return max(0, device.held_bytes() - before) / 2**20, result


def _ours(net: Network, batch: Sequence[Any], budget: float | str) -> Engine:
    def start() -> works.Trainer:
        trainer = works.Trainer(net, batch, budget, CLIP)
        trainer.epoch()
        return trainer

    mib, trainer = with_memory(start)
    return Engine(trainer.epoch, mib, trainer.close)


def _work(what: str, hidden: int, x: Sequence[Array], engines: Mapping[str, Engine]) -> Work:
    """The engines, exchanges of hidden units in the same turns, and what both come to."""
    steps = max(len(a) for a in x)
    device = measuring()
    measures = {name: on_both_clocks(engine.run, steps) for name, engine in engines.items()}

    def exchange(group: Any) -> Measure:
        return lambda: {"us an exchange": 1e6 * device.exchange_seconds(hidden, EXCHANGES, group)}

    exchanges = {f"exchange, {group}": exchange(group) for group in device.exchange_groups()}

    def derived(turns: Turns) -> Turns:
        floor = np.min([turns[name]["us an exchange"] for name in exchanges], axis=0)
        out: Turns = {}
        for name, engine in engines.items():
            pairs = zip(turns[name]["us a step"], floor, strict=True)
            out[name] = {
                "exchanges a step": [float(us / least) for us, least in pairs],
                "MiB of the device": [engine.mib] * len(floor),
            }
        return out

    close = partial(works.close_all, engines.values())
    name = f"{what}, B {len(x)}, H {hidden}, T {steps}"
    return Work(name, {**measures, **exchanges}, derive=derived, close=close)
