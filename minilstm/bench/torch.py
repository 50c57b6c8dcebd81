"""The same works on PyTorch, with the same weights and checked results.
It is needed for comparisons only and imported only then.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.bench.turns import (
    Array,
    Measure,
    per_call,
    require_same,
    require_same_gradients,
    require_same_sequences,
)
from minilstm.functional.ragged import pack
from minilstm.layers.recurrent import LEARNABLES, Recurrent
from minilstm.network.network import Network

Arrays = Mapping[str, Array]
Run = Callable[[], Any]
Batch = tuple[Sequence[Array], Sequence[Array]]  # sequences (T_b, D), classes of each

# Packed sequences hold real steps alone; padded ones are as long as the longest.
WAYS = ("packed", "padded")
NO_CLASS = -100  # the class number of padded steps, which count nowhere


class Model:
    """A network in PyTorch: same weights, cross-entropy, bounded gradients, L2, Adam.

    The norm of each gradient is bounded, or with `together` that of all of them.
    """

    def __init__(
        self, net: Network, threads: int, clip: float, *, together: bool = False, **where: Any
    ) -> None:
        self.torch = torch = import_torch()
        self.threads, self.clip, self.device = threads, clip, where.get("device", "cpu")
        torch.set_num_threads(threads)
        layers = [layer for layer in net.layers if isinstance(layer, Recurrent)]
        H, ways = layers[0].num_hidden_units, layers[0].directions
        shape = {"num_layers": len(layers), "bidirectional": ways == 2}
        self.lstm = torch.nn.LSTM(net.input_size, H, **shape, **where)
        self.dense = torch.nn.Linear(ways * H, len(net.parameters["fc/bias"]), **where)
        # Arrays that stand below one another in ours; gates i, f, g, o in both.
        self.by_name = {"fc/weights": [self.dense.weight], "fc/bias": [self.dense.bias]}
        for n, layer in enumerate(layers):
            directions = self.lstm.all_weights[ways * n : ways * (n + 1)]
            for name, *targets in zip(LEARNABLES, *directions, strict=False):
                self.by_name[f"{layer.name}/{name}"] = targets
        with torch.no_grad():
            for *_, second_bias in self.lstm.all_weights:
                second_bias.zero_()  # PyTorch has two biases; ours is their sum
            for key, targets in self.by_name.items():
                for target, p in zip(
                    targets, np.split(net.parameters[key], len(targets)), strict=True
                ):
                    target.copy_(torch.tensor(np.ascontiguousarray(p)))
        self.parameters = [*self.lstm.parameters(), *self.dense.parameters()]
        self.bounded = [self.parameters] if together else [[p] for p in self.parameters]
        weights = [p for p in self.parameters if p.ndim == 2]
        biases = [p for p in self.parameters if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": 1e-4}, {"params": biases}]
        self.adam = torch.optim.Adam(groups, lr=1e-3, fused=True)
        self.cross_entropy = torch.nn.CrossEntropyLoss(ignore_index=NO_CLASS)

    def gradients(self, logits: Run, targets: Any) -> dict[str, Array]:
        """Of the mean cross-entropy, by our names."""
        self.adam.zero_grad()
        self.cross_entropy(logits(), targets).backward()
        return {
            key: np.concatenate([p.grad.cpu().numpy() for p in targets])
            for key, targets in self.by_name.items()
        }

    def update(self, logits: Run, targets: Any) -> None:
        """Forward, backward, clip, Adam."""
        self.adam.zero_grad()
        self.cross_entropy(logits(), targets).backward()
        for gradients in self.bounded:
            self.torch.nn.utils.clip_grad_norm_(gradients, self.clip)
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
        last = all(len(classes) == 1 for classes in y)
        logits = self.logits(x, way, last)
        if last:
            classes = np.concatenate([y[b] for b in _longest_first(x)])  # (B,)
            return logits, self.torch.tensor(classes).to(self.device)
        targets = self.put_together(y, way, NO_CLASS).to(self.device)
        return logits, targets.data if way == "packed" else targets.reshape(-1)

    def logits(self, x: Sequence[Array], way: str, last: bool) -> Run:
        """What computes logits (N, C) of sequences (T_b, D), of every step or of the last ones."""
        rows = self.put_together(x, way).to(self.device)
        if last and (way == "packed" or len({len(a) for a in x}) == 1):
            return lambda: self.dense(self.lstm(rows)[1][0][-1])
        if last:
            steps = self.torch.tensor([len(x[b]) - 1 for b in _longest_first(x)])
            ends = steps, self.torch.arange(len(x))
            return lambda: self.dense(self.lstm(rows)[0][ends])
        if way == "packed":
            return lambda: self.dense(self.lstm(rows)[0].data)
        return lambda: self.dense(self.lstm(rows)[0]).flatten(0, 1)

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
    *,
    together: bool = False,
) -> Run:
    """An epoch in PyTorch, one update for each batch; the data are put together before.

    `check` holds sequences and classes, and the gradients of the NumPy twin for them.
    """
    if check is not None:
        check_training(Model(net, threads, clip), *check, way)
    model = Model(net, threads, clip, together=together)
    works = [model.work(*batch, way) for batch in batches]

    def epoch() -> None:
        for work in works:
            model.update(*work)

    return _on_threads(model, epoch)


def prediction(
    net: Network,
    batches: Sequence[Sequence[Array]],
    expected: Sequence[Sequence[Array]],
    way: str,
    threads: int,
) -> Run:
    """Scores of batches of sequences (T_b, D), which are put together before.

    `expected` holds the scores of the NumPy twin, (T_b, C) or (C,) of each sequence.
    """
    model = Model(net, threads, 1.0)
    torch = model.torch
    last = expected[0][0].ndim == 1
    works = [model.logits(x, way, last) for x in batches]

    def scores_of_all() -> list[Any]:
        return [torch.softmax(logits(), -1).numpy() for logits in works]

    run = torch.inference_mode()(scores_of_all)
    for x, wanted, scores in zip(batches, expected, run(), strict=True):
        ordered = [wanted[b] for b in _longest_first(x)]
        if way == "packed" and not last:
            require_same(scores, pack(ordered).rows, f"torch, {way}")  # (N, C)
        else:
            by_step = scores if last else scores.reshape(-1, len(x), scores.shape[1])
            require_same_sequences(by_step, ordered, f"torch, {way}")
    return _on_threads(model, run)


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
