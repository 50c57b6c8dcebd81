"""What only a fresh process can show: how long until the first answer, and how much memory.
Each turn starts a new Python, which prints one line of JSON when it is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minilstm.backend import current_backend, use_backend
from minilstm.bench import torch as bench_torch
from minilstm.bench.machine import peak_resident_mib, resident_mib
from minilstm.bench.turns import OURS, Measure, Work, require_same
from minilstm.bench.works import CLASSES, FEATURES, HIDDEN, network, random_sequences
from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train

EPOCHS = 2  # the second reaches the peak: from then on memory is used again
STREAMED_STEPS = 1_000_000
TURNS = 3  # of a whole training
SCALE, CHECKED_SCALE = 1.0, 0.005  # of the lengths: timed whole, checked short

# What a user would write; the clock runs from the start of the process to the printed line.
FIRST_PREDICTION = """
import sys, json
import numpy as np, minilstm as ml
net = ml.load(sys.argv[1])
print(json.dumps(net.predict(np.ones((1, 3), np.float32)).tolist()), flush=True)
"""
FIRST_STREAMED_STEP = """
import sys, json
import numpy as np, minilstm as ml
stream = ml.load(sys.argv[1]).stream()
print(json.dumps([stream.step(np.ones(3, np.float32)).tolist()]), flush=True)
"""
FIRST_TRAINING_STEP = """
import json
import numpy as np, minilstm as ml
rng = np.random.default_rng(0)
x = [rng.standard_normal((n, 3)).astype(np.float32) for n in range(50, 56)]
y = [np.arange(len(a)) % 5 for a in x]
layers = [ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()]
options = ml.TrainingOptions("adam", max_epochs=1, gradient_threshold=2, verbose=False)
net, info = ml.train(x, y, layers, options=options)
print(json.dumps(float(info.history["loss"][0])), flush=True)
"""
MANY_STEPS = """
import sys, json
from minilstm.bench import process as bench_process
print(json.dumps(bench_process.many_steps(*map(json.loads, sys.argv[1:]))), flush=True)
"""
WHOLE_TRAINING = """
import sys, json
from minilstm.bench import process as bench_process
print(json.dumps(bench_process.whole_training(*map(json.loads, sys.argv[1:]))), flush=True)
"""


def cold(threads: int, *, empty_cache: bool = False) -> Work:
    """Seconds from the start of a process to its first answer.

    The kernels were compiled before; with `empty_cache` nothing has ever been compiled.
    """
    folder = tempfile.TemporaryDirectory()
    net = network(HIDDEN)
    model = net.save(Path(folder.name) / "model.safetensors")
    with use_backend("numpy"):
        expected = net.predict(np.ones((1, FEATURES), np.float32))  # (1, C)

    def first(program: str) -> Measure:
        def measure() -> dict[str, float]:
            with tempfile.TemporaryDirectory() as cache:
                variables = {"NUMBA_CACHE_DIR": cache} if empty_cache else {}
                seconds, answer = run_python(program, [str(model)], threads, **variables)
            if program != FIRST_TRAINING_STEP:
                require_same(np.array(answer), expected)
            elif not 1 < answer < 2.5:  # the loss of an untrained network is about ln 5
                raise AssertionError(f"the first loss is {answer}, not about 1.6.")
            return {"s": seconds}

        return measure

    programs = {"prediction": FIRST_PREDICTION, "streamed step": FIRST_STREAMED_STEP}
    if empty_cache:
        programs = {"prediction": FIRST_PREDICTION, "training step": FIRST_TRAINING_STEP}
    engines = {f"{OURS}, {what}": first(program) for what, program in programs.items()}
    if empty_cache:
        name = "cold start, empty cache"
        return Work(name, engines, repeats=1, uncounted=0, close=folder.cleanup)
    for measure in engines.values():
        measure()  # checks it, and compiles what is not in the cache yet
    return Work("cold start, warm cache", engines, close=folder.cleanup)


def flat_memory(threads: int) -> Work:
    """Resident memory of a process before and after a million steps of one stream."""
    rows = np.eye(FEATURES, dtype=np.float32)  # the first steps
    with use_backend("numpy"):
        expected = network(HIDDEN).predict(rows)

    def measure() -> dict[str, float]:
        _, result = run_python(MANY_STEPS, [json.dumps(STREAMED_STEPS)], threads)
        require_same(np.array(result["scores"]), expected)
        before, after = result["MiB"]
        if before is None or after is None:
            return {}
        return {"MiB before": before, "MiB after": after, "MiB grown": after - before}

    name = f"streaming, H {HIDDEN}, {STREAMED_STEPS} steps"
    return Work(name, {OURS: measure}, repeats=1, uncounted=0)


def many_steps(count: int) -> dict[str, Any]:
    """Stream so many steps in this process; called in a fresh one.

    Returns
    -------
    dict with "MiB", resident memory after the first 1,000 steps and at the end, and "scores"
    (D, C) of the first D steps, which are the unit vectors
    """
    stream = network(HIDDEN).stream()
    rows = list(np.eye(FEATURES, dtype=np.float32))
    scores = [stream.step(row).tolist() for row in rows]
    sizes = []
    for steps in (1000, count):
        for n in range(steps):
            stream.step(rows[n % FEATURES])
        sizes.append(resident_mib())
    return {"MiB": sizes, "scores": scores}


def memory(against: Sequence[str], threads: int) -> Work:
    """Peak resident memory of a process that trains a network of 200 units, and an epoch's time.

    It is checked on shorter sequences; then the losses of both budgets must be equal to the last
    bit in every turn.
    """
    losses: list[list[float]] = []

    def train_apart(engine: str, budget: float | str, scale: float) -> dict[str, Any]:
        arguments = [json.dumps(a) for a in (engine, budget, scale, threads)]
        return dict(run_python(WHOLE_TRAINING, arguments, threads)[1])

    def training(engine: str, budget: float | str) -> Measure:
        def measure() -> dict[str, float]:
            result = train_apart(engine, budget, SCALE)
            if engine == OURS:
                losses.append(result["losses"])
                if losses[-1] != losses[0]:
                    raise AssertionError(f"losses are {losses[-1]} and {losses[0]}, not equal.")
            peak = {} if result["MiB"] is None else {"MiB, peak": result["MiB"]}
            return {**peak, "s, last epoch": result["seconds"]}

        return measure

    with use_backend("numpy"):
        expected = whole_training(OURS, "auto", CHECKED_SCALE, threads)["losses"]
    for budget in ("auto", 1):  # this also compiles what is not in the cache yet
        found = train_apart(OURS, budget, CHECKED_SCALE)["losses"]
        if not np.allclose(found, expected, rtol=0, atol=1e-4):
            raise AssertionError(f"losses are {found}, not {expected} as those of the NumPy twin.")
    engines = {
        OURS: training(OURS, "auto"),
        f"{OURS}, smallest budget": training(OURS, 1),
    }
    if "torch" in against:
        engines["torch"] = training("torch", "auto")
    longest = max(len(a) for a in random_sequences(SCALE)[0])
    name = f"whole training, T {longest}, {EPOCHS} epochs"
    return Work(name, engines, repeats=TURNS, uncounted=0)


def whole_training(engine: str, budget: float | str, scale: float, threads: int) -> dict[str, Any]:
    """Train a network of 200 units in this process, as a user would; called in a fresh one.

    Returns
    -------
    dict with "seconds" of the last epoch, "losses" and "MiB", the peak of resident memory
    """
    x, y = random_sequences(scale)
    losses: list[float] = []
    if engine == "torch":
        update = bench_torch.training(network(HIDDEN), [(x, y)], "padded", threads, 2.0)
        for _ in range(EPOCHS):
            started = time.perf_counter()
            update()
        seconds = time.perf_counter() - started
    else:
        layers = [SequenceInput(FEATURES), LSTM(HIDDEN), FullyConnected(CLASSES), Softmax()]
        options = TrainingOptions(
            "adam",
            max_epochs=EPOCHS,
            gradient_threshold=2,
            memory_budget=budget,
            verbose=False,
        )
        _, info = train(x, y, layers, options=options)
        losses = [float(a) for a in info.history["loss"]]
        seconds = float(np.diff(info.history["time"])[-1])
    return {"seconds": seconds, "losses": losses, "MiB": peak_resident_mib()}


def run_python(
    program: str, arguments: Sequence[str], threads: int, **environment: str
) -> tuple[float, Any]:
    """Run a program that prints one line of JSON in a new Python process.

    Its environment is that of this process, with the threads of the kernels and more variables.

    Returns
    -------
    seconds : from the start of the process to its line
    answer : what the line said

    Raises
    ------
    ChildProcessError
        The process failed; the message ends with its last line.
    """
    variables = {
        **os.environ,
        "MINILSTM_BACKEND": current_backend().name,
        "MINILSTM_NUM_THREADS": str(threads),
        **environment,
    }
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
    ) as process:
        assert process.stdout is not None  # asked for above
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
        _, errors = process.communicate()
    if process.returncode != 0 or not line:
        last = (errors.strip().splitlines() or ["no message"])[-1]
        raise ChildProcessError(f"a process of the benchmark failed: {last}")
    return seconds, json.loads(line)
