"""PyTorch on the same GPU, where its LSTM is that of cuDNN: same weights, data and checked results.
float32 without TF32, deterministic, and each thing in the way that PyTorch does fastest.

Axes: B batch, T time, N rows of a packed ragged batch, D features, H hidden units, C classes.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.bench import torch as bench_torch
from minilstm.bench.torch import Model, import_torch, step_by_step
from minilstm.bench.turns import Array, Measure, require_same
from minilstm.functional.ragged import pack, unpack
from minilstm.network.network import Network

Run = Callable[[], Any]

DEVICE = "cuda"


class _Model(Model):
    """The same on the device; all arrays are clipped, and all updated, in a few launches."""

    def __init__(self, net: Network, clip: float) -> None:
        super().__init__(net, 1, clip, device=DEVICE)

    def update(self, logits: Run, targets: Any) -> None:
        """Forward, backward, clip, Adam."""
        torch = self.torch
        self.adam.zero_grad()
        self.cross_entropy(logits(), targets).backward()
        gradients = [p.grad for p in self.parameters]
        norms = torch.stack(torch._foreach_norm(gradients))
        factors = (self.clip / (norms + 1e-6)).clamp(max=1)
        torch._foreach_mul_(gradients, list(factors.unbind()))
        self.adam.step()

    def step(self, x: Any, state: Any = None) -> Any:
        """Scores on the host of one step on the host, and the state on the device."""
        scores, state = self.scores(x.to(DEVICE), state)
        return scores.cpu(), state


def import_cuda() -> Any:
    """PyTorch with a GPU, exact and deterministic, or one error that says what is missing."""
    # cuBLAS reads it when it starts; without it the order of some sums is free.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch = import_torch()
    if not torch.cuda.is_available():
        raise ImportError(
            f"--against torch beside the backend 'cupy' needs a PyTorch that computes on this GPU, "
            f"but PyTorch {torch.__version__} finds none; install a build for your CUDA version "
            "(pytorch.org), or leave it out."
        )
    be_exact(torch)
    return torch


def be_exact(torch: Any) -> None:
    """No TF32, and the same bits in every run."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Which would also write NaN into all new memory, and take its time for it.
    torch.utils.deterministic.fill_uninitialized_memory = False


def check_training(
    net: Network, x: Sequence[Array], y: Sequence[Array], exact: Mapping[str, Array], way: str
) -> None:
    """PyTorch's gradients against the NumPy twin's."""
    bench_torch.check_training(_Model(net, 1.0), x, y, exact, way)


def training(
    net: Network, x: Sequence[Array], y: Sequence[Array], way: str, clip: float
) -> tuple[Run, float]:
    """One update of a whole batch that is on the device, and MiB of the device it takes."""

    def start() -> Run:
        model = _Model(net, clip)
        work = model.work(x, y, way)
        model.update(*work)
        return lambda: model.update(*work)

    return _with_memory(start)


def check_inference(net: Network, x: Sequence[Array], expected: Sequence[Array], way: str) -> None:
    """PyTorch's scores (T_b, C) of sequences (T_b, D) against the NumPy twin's."""
    scores = _inference(net, x, way)()
    for b, found in enumerate(_apart(scores, x, way)):
        require_same(found, expected[b], f"torch, {way}")


def inference(net: Network, x: Sequence[Array], way: str) -> tuple[Run, float]:
    """Scores of whole sequences, from the host to the host, and MiB of the device they take."""

    def start() -> Run:
        run = _inference(net, x, way)
        run()
        return run

    return _with_memory(start)


def streaming(net: Network, x: Array, expected: Array) -> Measure:
    """One step (D,) of x (T, D) at a time, its scores back on the host before the next.

    `expected` (t, C) holds the scores of the first steps.
    """
    model = _Model(net, 1.0)
    model.lstm.train(False)  # else cuDNN stores what backward would need
    return step_by_step(model, x, expected)


def _inference(net: Network, x: Sequence[Array], way: str) -> Run:
    """Scores on the host, packed rows (N, C) or padded (T, B, C), of sequences put together."""
    model = _Model(net, 1.0)
    model.lstm.train(False)  # else cuDNN stores what backward would need
    rows, torch = model.put_together(x, way), model.torch

    def run() -> Any:
        with torch.inference_mode():
            hidden, _ = model.lstm(rows.to(DEVICE))
            hidden = hidden.data if way == "packed" else hidden
            return torch.softmax(model.dense(hidden), -1).cpu()

    return run


def _apart(scores: Any, x: Sequence[Array], way: str) -> list[Array]:
    """Scores (T_b, C) of each sequence, in the order in which they came."""
    _, active, order = pack(x)
    rows = scores.numpy()
    if way == "packed":
        return unpack(rows, active, order)
    return [rows[: len(x[b]), k] for b, k in enumerate(np.argsort(order))]


def _with_memory(start: Callable[[], Run]) -> tuple[Run, float]:
    """What `start` makes, and MiB that PyTorch took from the device for it, at most."""
    cuda = import_torch().cuda
    gc.collect()
    cuda.empty_cache()
    before = cuda.memory_reserved()
    run = start()
    return run, max(0, cuda.memory_reserved() - before) / 2**20
