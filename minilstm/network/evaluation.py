"""How good a network is on sequences whose answers are known: its loss and metrics.
Every real step counts once, however long the sequences are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import Sequences
from minilstm.backend import load_backend
from minilstm.data.stored import Stored, cuts
from minilstm.network.metrics import find_metric
from minilstm.network.passes.heads import Head

Array = NDArray[Any]

_TOGETHER = 1 << 20  # numbers that are added in one call


def predicted(net: Any, sequences: Sequence[Sequences]) -> Sequence[Any]:
    """What a network puts out for checked sequences, for each output B arrays or (B, C)."""
    x = list(sequences)
    start = net.initial_state(len(x[0]))  # whatever state the network carries on
    outputs = net.predict(x if len(x) > 1 else x[0], state=start, data_format="auto")
    return outputs if len(net.wiring.outputs) > 1 else (outputs,)


def measure_outputs(
    net: Any,
    heads: Sequence[Head],
    sequences: Sequence[Sequences],
    targets: Sequence[Sequence[Array]],
    weights: Sequence[Sequence[Array] | None],
    metrics: Sequence[Any],
    predict: Callable[..., Sequence[Any]] = predicted,
) -> dict[str, float]:
    """Loss and metrics of checked sequences and targets.

    `sequences` holds for each input B arrays (T_b, *shape); `targets` and `weights` hold for each
    output B arrays. Weights count in the loss only, and may be None. `metrics` are names or
    functions besides "accuracy" for classes and "rmse" for numbers; `predict` may share the work.

    The dict has "loss", summed over outputs, and the metrics; with several outputs a metric is
    named "OUTPUT/METRIC".
    """
    parts = _measured(net, heads, sequences, targets, weights, predict)
    plain = not {find_metric(metric).name for metric in metrics} - {"accuracy"}
    if isinstance(sequences[0], Stored) and [h.loss.kind for h in heads] == ["classes"] and plain:
        return _streamed((part for (part,) in parts), targets[0])
    result = {"loss": 0.0}
    for head, some in zip(heads, zip(*parts, strict=True), strict=True):
        rows, answers, row_weights = (
            of[0] if len(of) == 1 or of[0] is None else np.concatenate(of)
            for of in zip(*some, strict=True)
        )
        found = measure_rows(head, rows, answers, metrics, row_weights)
        result["loss"] += found.pop("loss")
        prefix = f"{net.layers[head.output].name}/" if len(heads) > 1 else ""
        result.update({prefix + key: value for key, value in found.items()})
    return result


def _measured(
    net: Any,
    heads: Sequence[Head],
    sequences: Sequence[Sequences],
    targets: Sequence[Sequence[Array]],
    weights: Sequence[Sequence[Array] | None],
    predict: Callable[..., Sequence[Any]],
) -> Iterator[list[tuple[Array, Array, Array | None]]]:
    """For each output rows (N, C), targets and weights: of some stored sequences, or of all."""
    for some in cuts(sequences):
        outputs = predict(net, [s[some] for s in sequences])
        yield [
            (
                np.concatenate(output) if head.steps else np.asarray(output),
                np.concatenate(t[some]),
                None if w is None else np.concatenate(w[some]),
            )
            for head, output, t, w in zip(heads, outputs, targets, weights, strict=True)
        ]


def _streamed(
    parts: Iterator[tuple[Array, Array, Array | None]], targets: Sequence[Array]
) -> dict[str, float]:
    """Loss and accuracy of classes, with the bits of `measure_rows` for all rows at once."""
    count = sum(map(counted_rows, targets))
    right = 0

    def losses() -> Iterator[Array]:
        nonlocal right
        for rows, numbers, weights in parts:
            some, hits = _class_losses(rows, numbers, weights)
            right += hits
            yield some

    if not count:
        return {"loss": math.nan, "accuracy": math.nan}
    loss = mean_of_parts(losses(), count) + 0.0
    return {"loss": loss, "accuracy": right / count}


def mean_of_parts(parts: Iterator[Array], count: int) -> float:
    """The mean of float64 numbers that come in parts, with the bits of that of one array.

    NumPy adds up halves, and halves of these, so a large one is the sum of two others.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=1000)
    >>> mean_of_parts(iter(np.split(x, [17, 40])), 1000) == float(x.mean())
    True
    """
    kept = np.empty(0)

    def total(n: int) -> float:
        nonlocal kept
        if n > _TOGETHER:
            half = n // 2 - n // 2 % 8
            return total(half) + total(n - half)
        while len(kept) < n:
            kept = np.concatenate([kept, next(parts)])
        some, kept = kept[:n], kept[n:]
        return float(np.add.reduce(some))

    return total(count) / count


def measure_rows(
    head: Head,
    rows: Array,
    targets: Array,
    metrics: Sequence[Any],
    weights: Array | None = None,
) -> dict[str, float]:
    """Loss and metrics of the rows (N, C) of one output; weights (N,) count in the loss only.

    With classes the loss is the mean cross-entropy in nats: weights multiply that of each row, but
    the sum is still divided by N.
    """
    loss = head.loss
    if targets.ndim == 1 and loss.kind == "classes":
        losses, hits = _class_losses(rows, targets, weights)
        N = len(losses)  # a mini-batch may have nothing but ignored labels
        mean = float(losses.mean()) if N else math.nan
        found = {"loss": mean + 0.0, "accuracy": hits / N if N else math.nan}
    else:
        divisor = loss.divisor(counted_rows(targets), head.columns)
        if targets.dtype == np.float64:  # of more digits than the network has
            rows = rows.astype(np.float64, copy=False)
        value, _ = loss.forward(load_backend("numpy"), rows, targets, divisor, weights)
        found = {"loss": float(value)}
        if loss.kind == "numbers":
            found["rmse"] = find_metric("rmse").compute(rows, targets)
    for metric in metrics:
        how = find_metric(metric)
        if how.name not in found:
            found[how.name] = how.compute(rows, targets)
    return found


def _class_losses(rows: Array, targets: Array, weights: Array | None) -> tuple[Array, int]:
    """The loss of each row that has a class, float64, and how many of them are said rightly."""
    counted = targets >= 0  # (N,)
    if not counted.all():
        rows, targets = rows[counted], targets[counted]
        weights = None if weights is None else weights[counted]
    true = rows[np.arange(len(targets)), targets]  # (N,)
    # A score that underflowed to 0 counts as the smallest number there is, not as infinite.
    true = np.maximum(true, np.finfo(true.dtype).tiny).astype(np.float64)
    losses = -np.log(true)  # (N,)
    losses = losses if weights is None else losses * weights
    return losses, int((rows.argmax(axis=1) == targets).sum())


def counted_rows(targets: Array) -> int:
    """How many rows of class numbers (N,) have a class; rows of numbers (N, R) all count.

    Examples
    --------
    >>> counted_rows(np.array([0, -1, 2]))
    2
    """
    return len(targets) if targets.ndim > 1 else int((targets >= 0).sum())
