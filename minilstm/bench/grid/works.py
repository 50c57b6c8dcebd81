"""The works of the grid: updates by the mini-batches of a shape, and their scores.
All engines hold the same weights; results are compared with the NumPy twin's before any timing.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

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

CLIP, CLIP_METHOD = 1.0, "global-l2norm"  # which PyTorch has in one call
# Steps of the longest sequences that PyTorch gets packed as well as padded: the time of its packed
# sequences grows with the square of their length.
MOST_PACKED = 1000


def grid_works(shape: Shape, against: Sequence[str], scale: float, threads: int) -> list[Work]:
    """Training and prediction of a shape, all results checked."""
    batches = make_batches(shape, scale)
    return [make(shape, batches, against, threads) for make in (training, prediction)]


def training(shape: Shape, batches: Sequence[Batch], against: Sequence[str], threads: int) -> Work:
    """One update by each mini-batch: forward, loss, backward, bound of the gradient, Adam."""
    net = make_network(shape)
    sequences = [x for x, _ in batches]
    x, y = _beginnings(*batches[0])
    exact = exact_gradients(net, x, y)
    check_gradients(net, x, y, exact, "auto")
    trainer = Trainer(net, [packed_batch(*b) for b in batches], "auto", CLIP, CLIP_METHOD)
    runs: dict[str, Run] = {OURS: trainer.epoch}
    if "torch" in against:
        for name, way in _torch_ways(sequences).items():
            check = x, y, exact
            run = bench_torch.training(net, batches, way, threads, CLIP, check, together=True)
            runs[name] = run
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
    given = [np.stack(x) if len({len(a) for a in x}) == 1 else x for x in sequences]

    def ours() -> list[Any]:
        return [net.predict(x) for x in given]

    with use_backend("numpy"):
        expected = [list(scores) for scores in ours()]
    for found, wanted in zip(ours(), expected, strict=True):
        for scores, right in zip(found, wanted, strict=True):
            require_same(scores, right)
    runs: dict[str, Run] = {OURS: ours}
    if "torch" in against:
        for name, way in _torch_ways(sequences).items():
            runs[name] = bench_torch.prediction(net, sequences, expected, way, threads)
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


def _beginnings(x: Sequence[Array], y: Sequence[Array]) -> Batch:
    """The first steps of sequences and their classes: CHECKED_STEPS of the longest, at most."""
    share = min(1.0, CHECKED_STEPS / max(len(a) for a in x))
    cuts = [math.ceil(share * len(a)) for a in x]
    begun = [[a[:n] for a, n in zip(arrays, cuts, strict=True)] for arrays in (x, y)]
    return begun[0], begun[1]


def _torch_ways(batches: Batches) -> dict[str, str]:
    """PyTorch's ways for sequences (T_b, D), by the name of the engine: plain, padded, packed."""
    lengths = {len(a) for x in batches for a in x}
    if len(lengths) == 1:
        return {"torch": "padded"}  # with no padding in it
    ways = bench_torch.WAYS if max(lengths) <= MOST_PACKED else ("padded",)
    return {f"torch, {way}": way for way in ways}
