"""The works of the grid: updates by the mini-batches of a shape, and their scores.
All engines hold the same weights; results are compared with the NumPy twin's before any timing.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minilstm.backend import use_backend
from minilstm.bench import onnx as bench_onnx
from minilstm.bench import torch as bench_torch
from minilstm.bench.grid.shapes import (
    Batch,
    Shape,
    describe_shape,
    forward_flops,
    make_batches,
    make_network,
)
from minilstm.bench.turns import OURS, Array, Work, require_same, warmed
from minilstm.bench.works import (
    CHECKED_STEPS,
    Trainer,
    check_gradients,
    exact_gradients,
    packed_batch,
    with_peak,
)

Run = Callable[[], Any]
Batches = Sequence[Sequence[Array]]
Data = TypeVar("Data")  # what a way of PyTorch is made of

CLIP, CLIP_METHOD = 1.0, "global-l2norm"  # which PyTorch has in one call
# A way of PyTorch that takes so many times as long as the other, and so many milliseconds, for the
# first steps is not timed: packed sequences of many steps take minutes.
HOPELESS, HOPELESS_MS = 3.0, 30.0


def grid_works(shape: Shape, against: Sequence[str], scale: float, threads: int) -> list[Work]:
    """Training and prediction of a shape, all results checked."""
    batches = make_batches(shape, scale)
    return [make(shape, batches, against, threads) for make in (training, prediction)]


def training(shape: Shape, batches: Sequence[Batch], against: Sequence[str], threads: int) -> Work:
    """One update by each mini-batch: forward, loss, backward, bound of the gradient, Adam."""
    net = make_network(shape)
    x, y = first = _first_steps(batches[0][0]), _first_steps(batches[0][1])
    exact = exact_gradients(net, x, y)
    check_gradients(net, x, y, exact, "auto")
    trainer = Trainer(net, [packed_batch(*b) for b in batches], "auto", CLIP, CLIP_METHOD)
    runs: dict[str, Run] = {OURS: trainer.epoch}
    if "torch" in against:

        def make(data: Sequence[Batch], way: str) -> Run:
            check = x, y, exact
            return bench_torch.training(net, data, way, threads, CLIP, check, together=True)

        runs |= _torch_ways(make, [first], batches, _are_ragged(batches))
    flops = 3 * forward_flops(net, batches)  # forward, and the gradients of input and weights
    name = f"training, {describe_shape(shape, batches)}"
    return _work(name, runs, flops, len(batches))._replace(close=trainer.close)


def prediction(
    shape: Shape, batches: Sequence[Batch], against: Sequence[str], threads: int
) -> Work:
    """Scores of each mini-batch, ours from a user's arrays to arrays.

    The other engines get their rows laid out, and padded where they must be, beforehand.
    """
    net = make_network(shape)
    sequences = [x for x, _ in batches]
    # Sequences of one length come as one array (B, T, D), others as a list.
    given = [x if _are_ragged(batches) else np.stack(x) for x in sequences]

    def ours() -> list[Any]:
        return [net.predict(x) for x in given]

    with use_backend("numpy"):
        expected = [list(scores) for scores in ours()]
    for found, wanted in zip(ours(), expected, strict=True):
        for scores, right in zip(found, wanted, strict=True):
            require_same(scores, right)
    runs: dict[str, Run] = {OURS: ours}
    if "torch" in against:
        start = [_first_steps(sequences[0])], [_first_steps(expected[0])]

        def make(data: tuple[Batches, Batches], way: str) -> Run:
            return bench_torch.prediction(net, *data, way, threads)

        runs |= _torch_ways(make, start, (sequences, expected), _are_ragged(batches))
    for name, make_run in (
        ("onnxruntime", bench_onnx.prediction),
        ("openvino", bench_onnx.openvino_prediction),
    ):
        if name in against:
            runs[name] = make_run(net, sequences, expected, threads)
    name = f"prediction, {describe_shape(shape, batches)}"
    return _work(name, runs, forward_flops(net, batches), len(batches))


def _work(name: str, runs: dict[str, Run], flops: int, counts: int) -> Work:
    engines = {engine: warmed(run, counts) for engine, run in runs.items()}
    work = Work(name, engines, uncounted=0, rests=False)
    return with_peak(work, {OURS: flops}, counts * 1e-3)


def _are_ragged(batches: Sequence[Batch]) -> bool:
    return len({len(a) for x, _ in batches for a in x}) > 1


def _first_steps(arrays: Sequence[Array]) -> list[Array]:
    """At most CHECKED_STEPS of the steps of sequences, of their classes, or of their scores."""
    return [a[:CHECKED_STEPS] for a in arrays]


def _torch_ways(
    make: Callable[[Data, str], Run], first: Data, everything: Data, ragged: bool
) -> dict[str, Run]:
    """PyTorch's ways that are worth their time, by name: plain, or padded and packed."""
    if not ragged:
        return {"torch": make(everything, "padded")}  # with no padding in it
    times = {}
    for way in bench_torch.WAYS:
        measure = warmed(make(first, way))
        times[way] = min(measure()["ms"] for _ in range(2))
    longest = max(HOPELESS * min(times.values()), HOPELESS_MS)
    return {f"torch, {way}": make(everything, way) for way in times if times[way] <= longest}
