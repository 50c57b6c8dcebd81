"""How long a step of training takes on many machines: a model, and what is measured here.
Alone it prints the table of the model; under mpiexec, with --measure, what a step takes here.

The model has one line a part of the step; see docs/scale.md for what it leaves out. Axes: n ranks,
S shards, P learnables.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any, NamedTuple

import numpy as np

import minilstm as ml

FLOAT_BYTES = 4
D, H, C = 3, 200, 5  # the network of the human activity example


class Costs(NamedTuple):
    """What one rank needs, in seconds: measured, docs/scale.md. Its network: 10 Gbit/s Ethernet."""

    shard: float = 10.9e-3  # forward and backward of one shard, 2 sequences of 500 steps, one core
    rest: float = 2.4e-3  # what every rank does once a step: cut, clip, update, note
    told: float = 2e-6  # to read what one shard says of its loss
    adding: float = 1e10  # bytes a second that a rank sums
    latency: float = 20e-6  # of a message
    rate: float = 1.2e9  # bytes a second from each rank


def learnables(h: int) -> int:
    """Numbers in the LSTM and the layer that follows it."""
    return 4 * h * (D + h + 1) + C * (h + 1)


def exchanged_bytes(n: int, S: int, P: int) -> float:
    """Bytes that each rank sends in a step: slices of its shards, then its slice of the sum."""
    own, slice_ = S / n, P / n
    return FLOAT_BYTES * (n - 1) * (own * slice_ + slice_)


def step_seconds(costs: Costs, n: int, S: int, P: int, cores: int = 0) -> float:
    """One step, no two messages in each other's way; ranks take turns where cores are fewer."""
    turns = math.ceil(n / cores) if cores else 1
    messages = 2 * (n - 1) + math.ceil(math.log2(n))  # slices there, sums back, what is told
    return (
        turns * (math.ceil(S / n) * costs.shard + costs.rest)
        + S * costs.told
        + S * P / n * FLOAT_BYTES / costs.adding
        + messages * costs.latency
        + exchanged_bytes(n, S, P) / costs.rate
    )


def table(costs: Costs) -> list[str]:
    """A step and its speed-up, for 1,024 shards that stay, and for one shard a rank."""
    P = learnables(H)
    rows = ["ranks  1024 shards: ms  speed-up  1 shard a rank: ms  speed-up"]
    many, one = step_seconds(costs, 1, 1024, P), step_seconds(costs, 1, 1, P)
    for n in (1, 2, 4, 16, 64, 256, 1024):
        fixed, grown = step_seconds(costs, n, 1024, P), step_seconds(costs, n, n, P)
        rows.append(
            f"{n:5} {1e3 * fixed:16.1f} {many / fixed:9.1f} {1e3 * grown:19.1f} "
            f"{n * one / grown:9.1f}"
        )
    return rows


# ---------------------------------------------------------------- measured


def a_training(steps: int, S: int, T: int) -> float:
    """Seconds of a training of so many steps, 2 sequences a shard."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(T, D)).astype(np.float32) for _ in range(2 * S)]
    y = [rng.integers(C, size=T) for _ in x]
    layers = [ml.SequenceInput(D), ml.LSTM(H), ml.FullyConnected(C), ml.Softmax()]
    options = ml.TrainingOptions(
        max_epochs=steps, mini_batch_size=2 * S, shards=S, shuffle="never", verbose=False
    )
    begun = time.perf_counter()
    ml.train(x, y, layers, options=options)
    return time.perf_counter() - begun


def a_step(steps: int, S: int, T: int) -> float:
    """Seconds of one step of it: a longer training less a shorter one, the median of three."""
    short, long = (np.median([a_training(k, S, T) for _ in range(3)]) for k in (1, 1 + steps))
    return float(long - short) / steps


def messages(comm: Any, size: int, repeats: int = 50) -> float:
    """Seconds that a message of so many bytes takes from rank 0 to rank 1, the median."""
    message, seconds = np.zeros(size, np.uint8), []
    for _ in range(repeats):
        comm.Barrier()
        begun = time.perf_counter()
        if comm.rank == 0:
            comm.Send(message, 1)
            comm.Recv(message, 1)
        elif comm.rank == 1:
            comm.Recv(message, 0)
            comm.Send(message, 0)
        seconds.append((time.perf_counter() - begun) / 2)
    return float(np.median(seconds))


def measure(S: int, T: int, steps: int) -> dict[str, float]:
    """What this machine needs, as rank 0 sees it: `Costs`, and a step over all ranks."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    ml.set_num_threads(1)
    a_training(1, S, T)
    found = {"rank": comm.rank, "ranks": comm.size, "step": a_step(steps, S, T)}
    if comm.size == 1:
        found["shard"] = (a_step(steps, 2 * S, T) - found["step"]) / S
        found["rest"] = found["step"] - S * found["shard"]
    if comm.size > 1:
        large = 1 << 22
        found["latency"] = messages(comm, 1)
        found["rate"] = large / (messages(comm, large) - found["latency"])
    parts = np.ones((8, learnables(H)), np.float32)
    begun = time.perf_counter()
    for part in parts[1:]:
        part += parts[0]
    found["adding"] = parts[1:].nbytes / (time.perf_counter() - begun)
    said = MPI.pickle.dumps({s: (0.1, (1,), None, None, {"mean": np.ones(3)}) for s in range(1000)})
    begun = time.perf_counter()
    MPI.pickle.loads(said)
    found["told"] = (time.perf_counter() - begun) / 1000
    return found


def main() -> None:
    """Print the model's table, or with --measure what is measured here, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--length", type=int, default=500, help="time steps of a sequence")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    if not options.measure:
        print("\n".join(table(Costs())))
        return
    found = measure(options.shards, options.length, options.steps)
    if found.pop("rank") == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
