"""The same works on PyTorch, with the same weights and checked results.
It is needed for comparisons only and imported only then.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minilstm.bench.turns import Array, Measure, per_call, require_same, require_same_gradients
from minilstm.network.network import Network

Arrays = Mapping[str, Array]
Run = Callable[[], Any]
Batch = tuple[Sequence[Array], Sequence[Array]]  # sequences (T_b, D), classes of each

# Packed sequences hold real steps alone; padded ones are as long as the longest.
WAYS = ("packed", "padded")
NO_CLASS = -100  # the class number of padded steps, which count nowhere


class Model:
    """A network in PyTorch: same weights, cross-entropy, clipping of each array, L2, Adam."""

    def __init__(self, net: Network, threads: int, clip: float, **where: Any) -> None:
        self.torch = torch = import_torch()
        self.threads, self.clip, self.device = threads, clip, where.get("device", "cpu")
        torch.set_num_threads(threads)
        _, H = net.parameters["lstm/recurrent_weights"].shape
        self.lstm = torch.nn.LSTM(net.input_size, H, **where)
        self.dense = torch.nn.Linear(H, len(net.parameters["fc/bias"]), **where)
        self.by_name = {
            "lstm/input_weights": self.lstm.weight_ih_l0,  # gates i, f, g, o, as ours
            "lstm/recurrent_weights": self.lstm.weight_hh_l0,
            "lstm/bias": self.lstm.bias_ih_l0,
            "fc/weights": self.dense.weight,
            "fc/bias": self.dense.bias,
        }
        with torch.no_grad():
            for key, target in self.by_name.items():
                target.copy_(torch.tensor(np.ascontiguousarray(net.parameters[key])))
            self.lstm.bias_hh_l0.zero_()  # PyTorch has two biases; ours is their sum
        self.parameters = [*self.lstm.parameters(), *self.dense.parameters()]
        weights = [p for p in self.parameters if p.ndim == 2]
        biases = [p for p in self.parameters if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": 1e-4}, {"params": biases}]
        self.adam = torch.optim.Adam(groups, lr=1e-3)
        self.cross_entropy = torch.nn.CrossEntropyLoss(ignore_index=NO_CLASS)

    def gradients(self, logits: Run, targets: Any) -> dict[str, Array]:
        """Of the mean cross-entropy, by our names."""
        self.adam.zero_grad()
        self.cross_entropy(logits(), targets).backward()
        return {key: p.grad.cpu().numpy().copy() for key, p in self.by_name.items()}

    def update(self, logits: Run, targets: Any) -> None:
        """Forward, backward, clip, Adam."""
        self.adam.zero_grad()
        self.cross_entropy(logits(), targets).backward()
        for p in self.parameters:
            self.torch.nn.utils.clip_grad_norm_([p], self.clip)
        self.adam.step()

    def put_together(self, arrays: Sequence[Array], way: str, padding: float = 0.0) -> Any:
        """Arrays (T_b, ...) as what the LSTM takes, longest first: packed, or padded (T, B, ...).

        Padding is PyTorch's fastest way on a CPU, although it computes the padded steps as well:
        its packed sequences take a path many times slower for large batches.
        """
        rnn = self.torch.nn.utils.rnn
        tensors = [self.torch.tensor(arrays[b]) for b in _longest_first(arrays)]
        if way == "packed":
            return rnn.pack_sequence(tensors)
        return rnn.pad_sequence(tensors, padding_value=padding)

    def work(self, x: Sequence[Array], y: Sequence[Array], way: str) -> tuple[Run, Any]:
        """Logits and targets where they are computed, of every step or of the last ones.

        Classes are (T_b,) for every step, or (1,) for the last one.
        """
        torch, device = self.torch, self.device
        rows = self.put_together(x, way).to(device)
        if all(len(classes) == 1 for classes in y):
            order = _longest_first(x)
            targets = torch.tensor(np.concatenate([y[b] for b in order])).to(device)  # (B,)
            ends = torch.tensor([len(x[b]) - 1 for b in order]), torch.arange(len(x))
            if way == "packed":
                return lambda: self.dense(self.lstm(rows)[1][0][0]), targets
            return lambda: self.dense(self.lstm(rows)[0][ends]), targets
        targets = self.put_together(y, way, NO_CLASS).to(device)
        if way == "packed":
            return lambda: self.dense(self.lstm(rows)[0].data), targets.data
        return lambda: self.dense(self.lstm(rows)[0]).flatten(0, 1), targets.reshape(-1)

    def scores(self, x: Any, state: Any = None) -> Any:
        """Scores (T, B, C) of rows (T, B, D), and the state after them."""
        h, state = self.lstm(x, state)
        return self.torch.softmax(self.dense(h), -1), state

    step = scores  # of a stream: from the host to the host


def _longest_first(arrays: Sequence[Array]) -> list[int]:
    return sorted(range(len(arrays)), key=lambda b: -len(arrays[b]))


def check_training(
    model: Model, x: Sequence[Array], y: Sequence[Array], exact: Arrays, way: str
) -> None:
    """PyTorch's gradients of one mini-batch against the NumPy twin's."""
    require_same_gradients(model.gradients(*model.work(x, y, way)), exact, f"torch, {way}")


def training(
    net: Network,
    batches: Sequence[Batch],
    way: str,
    threads: int,
    clip: float,
    check: tuple[Sequence[Array], Sequence[Array], Arrays] | None = None,
) -> Run:
    """An epoch in PyTorch, one update for each batch; the data are put together before.

    `check` holds sequences and classes, and the gradients of the NumPy twin for them.
    """
    if check is not None:
        check_training(Model(net, threads, clip), *check, way)
    model = Model(net, threads, clip)
    works = [model.work(*batch, way) for batch in batches]

    def epoch() -> None:
        for work in works:
            model.update(*work)

    return _on_threads(model, epoch)


def inference(net: Network, x: Array, expected: Array, threads: int) -> Run:
    """Whole sequences (B, T, D); `expected` (B, t, C) holds the scores of their first steps."""
    time_major = np.ascontiguousarray(x.transpose(1, 0, 2))  # (T, B, D)
    model = Model(net, threads, 1.0)
    scores = model.torch.inference_mode()(model.scores)
    rows = model.torch.tensor(time_major)
    first = scores(rows[: expected.shape[1]])[0].numpy().transpose(1, 0, 2)
    require_same(first, expected, "torch")
    return _on_threads(model, partial(scores, rows))


def streaming(net: Network, x: Array, expected: Array) -> Measure:
    """One step (D,) of x (T, D) at a time, on one thread: a single row gains nothing from more.

    `expected` (t, C) holds the scores of the first steps.
    """
    return step_by_step(Model(net, 1, 1.0), x, expected)


def step_by_step(model: Model, x: Array, expected: Array) -> Measure:
    """Time `Model.step` for each step of x (T, D), its first scores (t, C) checked."""
    torch = model.torch
    steps = list(torch.tensor(x)[:, None, None])  # T tensors (1, 1, D)

    def start() -> Callable[[Any], Any]:
        state = None

        def step(x_t: Any) -> Any:
            nonlocal state
            scores, state = model.step(x_t, state)
            return scores

        return step

    def measure() -> dict[str, float]:
        torch.set_num_threads(1)
        with torch.inference_mode():
            return per_call(start, steps)

    with torch.inference_mode():
        step = start()
        first = np.stack([step(x_t).numpy()[0, 0] for x_t in steps[: len(expected)]])
    require_same(first, expected, "torch")
    return measure


def _on_threads(model: Model, run: Run) -> Run:
    """Set PyTorch's threads for every run: works with another number may come in between."""

    def wrapped() -> Any:
        model.torch.set_num_threads(model.threads)
        return run()

    return wrapped


def import_torch() -> Any:
    """PyTorch, or one error with the line that installs it."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("--against torch needs PyTorch: pip install torch.") from error
    return torch
