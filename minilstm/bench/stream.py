"""Streaming: one time step at a time through Python, every call on the clock by itself.
A mean would hide what a sensor's deadline meets, so the rows are p50, p99 and the first call.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from minilstm.backend import current_backend, use_backend
from minilstm.bench import onnx as bench_onnx
from minilstm.bench import torch as bench_torch
from minilstm.bench import torch_gpu
from minilstm.bench.turns import OURS, Measure, Work, per_call, require_same
from minilstm.bench.works import FEATURES, network

SIZES = (32, 200, 512)  # hidden units
STEPS = 5000
GPU_STEPS = 2000  # which take many times as long
CHECKED_STEPS = 50


def streaming(hidden: int, against: Sequence[str], threads: int = 1, team: int = 1) -> Work:
    """One step at a time, from the host to the host, the state carried along.

    Minilstm has a team of threads; ONNX Runtime has a turn with one thread and a turn with all.
    """
    on_gpu = current_backend().gpu_bytes is not None
    rng = np.random.default_rng(hidden)
    x = rng.standard_normal((GPU_STEPS if on_gpu else STEPS, FEATURES)).astype(np.float32)
    net = network(hidden)
    with use_backend("numpy"):
        expected = net.predict(x[:CHECKED_STEPS])
    stream = net.stream(threads=team)
    require_same(np.stack([stream.step(x_t) for x_t in x[:CHECKED_STEPS]]), expected)
    engines: dict[str, Measure] = {
        OURS: partial(per_call, lambda: net.stream(threads=team).step, list(x))
    }
    if "torch" in against and on_gpu:
        engines["torch"] = torch_gpu.streaming(net, x, expected)
    elif "torch" in against:
        engines["torch, 1 thr"] = bench_torch.streaming(net, x, expected)
    if "onnxruntime" in against:
        for count in sorted({1, threads}):
            measure = bench_onnx.streaming(net, x, expected, count)
            engines[f"onnxruntime, {count} thr"] = measure
    return Work(f"streaming, H {hidden}{'' if team == 1 else f', {team} threads'}", engines)
