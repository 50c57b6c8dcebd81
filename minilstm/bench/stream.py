"""Streaming: one time step at a time through Python, every call on the clock by itself.
A mean would hide what a sensor's deadline meets, so the rows are p50, p99 and the first call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minilstm.backend import current_backend, use_backend
from minilstm.bench import onnx as bench_onnx
from minilstm.bench import torch as bench_torch
from minilstm.bench import torch_gpu
from minilstm.bench.turns import OURS, Measure, Work, require_same
from minilstm.bench.works import FEATURES, network

SIZES = (32, 200, 512)  # hidden units
STEPS = 5000
GPU_STEPS = 2000  # which take many times as long
CHECKED_STEPS = 50

# Makes a new running sequence; what it returns takes a step and gives its scores.
Start = Callable[[], Callable[[Any], Any]]


def per_call(start: Start, steps: Sequence[Any]) -> dict[str, float]:
    """Microseconds of single calls on a new sequence.

    Parameters
    ----------
    start : makes a new running sequence
    steps : what its function is called with, one after another

    Returns
    -------
    dict with the median and the 99th percentile of all calls but the first, and the first
    """
    step, clock = start(), time.perf_counter_ns
    nanoseconds = []
    for x_t in steps:
        started = clock()
        step(x_t)
        nanoseconds.append(clock() - started)
    p50, p99 = np.percentile(nanoseconds[1:], (50, 99)) / 1e3
    return {"us, p50": float(p50), "us, p99": float(p99), "us, first call": nanoseconds[0] / 1e3}


def streaming(hidden: int, against: Sequence[str]) -> Work:
    """One step at a time, from the host to the host, the state carried along; one thread."""
    on_gpu = current_backend().gpu_bytes is not None
    rng = np.random.default_rng(hidden)
    x = rng.standard_normal((GPU_STEPS if on_gpu else STEPS, FEATURES)).astype(np.float32)
    net = network(hidden)
    with use_backend("numpy"):
        expected = net.predict(x[:CHECKED_STEPS])
    stream = net.stream()
    require_same(np.stack([stream.step(x_t) for x_t in x[:CHECKED_STEPS]]), expected)
    engines: dict[str, Measure] = {OURS: partial(per_call, lambda: net.stream().step, list(x))}
    if "torch" in against and on_gpu:
        engines["torch"] = torch_gpu.streaming(net, x, expected, per_call)
    elif "torch" in against:
        engines["torch, 1 thr"] = bench_torch.streaming(net, x, expected, per_call)
    if "onnxruntime" in against:
        engines["onnxruntime, 1 thr"] = bench_onnx.streaming(net, x, expected, per_call)
    return Work(f"streaming, H {hidden}", engines)
