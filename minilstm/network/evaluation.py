"""How good a network is on sequences whose answers are known: its loss and metrics.
Every real step counts once, however long the sequences are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import Sequences
from minilstm.backend import load_backend
from minilstm.network.metrics import find_metric
from minilstm.network.passes.heads import Head

Array = NDArray[Any]


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
    outputs = predict(net, sequences)
    result = {"loss": 0.0}
    for head, output, parts, w in zip(heads, outputs, targets, weights, strict=True):
        rows = np.concatenate(output) if head.steps else np.asarray(output)  # (N, C)
        row_weights = None if w is None else np.concatenate(w)
        found = measure_rows(head, rows, np.concatenate(parts), metrics, row_weights)
        result["loss"] += found.pop("loss")
        prefix = f"{net.layers[head.output].name}/" if len(heads) > 1 else ""
        result.update({prefix + key: value for key, value in found.items()})
    return result


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
        counted = targets >= 0  # (N,) those with a class
        if not counted.all():
            rows, targets = rows[counted], targets[counted]
            weights = None if weights is None else weights[counted]
        true = rows[np.arange(len(targets)), targets]  # (N,)
        # A score that underflowed to 0 counts as the smallest number there is, not as infinite.
        true = np.maximum(true, np.finfo(true.dtype).tiny).astype(np.float64)
        losses = -np.log(true)  # (N,)
        losses = losses if weights is None else losses * weights
        # A mini-batch may have nothing but ignored labels.
        mean = float(losses.mean()) if len(losses) else math.nan
        found = {"loss": mean + 0.0, "accuracy": find_metric("accuracy").compute(rows, targets)}
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


def counted_rows(targets: Array) -> int:
    """How many rows of class numbers (N,) have a class; rows of numbers (N, R) all count.

    Examples
    --------
    >>> counted_rows(np.array([0, -1, 2]))
    2
    """
    return len(targets) if targets.ndim > 1 else int((targets >= 0).sum())
