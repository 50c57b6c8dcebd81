"""Checks training data against the layers, and cuts them into the mini-batches of an epoch.
Batches are ragged unless the options ask for the padding of the reference.

Axes: B batch, T time, N rows, C classes, R responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.data.padding import pad_batch, split_sequences
from minilstm.errors import DataError
from minilstm.functional.ragged import IntArray
from minilstm.layers import Layer, SequenceInput
from minilstm.losses import row_weights
from minilstm.network.answers import Answers, as_answers
from minilstm.network.examples import as_batches, by_output
from minilstm.network.graph.connections import Connections
from minilstm.network.graph.wiring import Wiring, wire
from minilstm.network.metrics import find_metric
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head, MiniBatch, find_heads
from minilstm.network.passes.mini_batch import mini_batch
from minilstm.training.options import TrainingOptions

Array = NDArray[Any]


class TrainingData(NamedTuple):
    """Checked sequences with their targets."""

    sequences: list[list[Array]]  # for each input B arrays (T_b, *shape)
    targets: list[list[Array]]  # for each output B arrays (T_b,) or (1,), (T_b, R) or (1, R)
    weights: list[list[Array] | None]  # for each output B arrays (T_b,) or (1,)
    class_weights: list[Array | None]  # for each output (C,), or None

    def __len__(self) -> int:
        return len(self.sequences[0])


class Piece(NamedTuple):
    """A mini-batch, and whether it goes on where the one before stopped."""

    batch: MiniBatch  # where the backend computes
    goes_on: bool
    targets: tuple[Array, ...]  # of the batch, on the host


def prepare(
    x: Any,
    y: Any,
    layers: Sequence[Layer] | Connections | Network,
    loss: Any,
    options: TrainingOptions,
    step_weights: Any = None,
    rng: np.random.Generator | None = None,
) -> tuple[Network, tuple[Head, ...], TrainingData]:
    """Check everything, and build the network that training starts from.

    Parameters
    ----------
    x, y, layers, loss, options, step_weights : as for `minilstm.train`
    rng : for first values of learnables

    Raises
    ------
    DataError, ValueError, TypeError
        Anything does not fit; nothing was computed.
    """
    old = layers if isinstance(layers, Network) else None
    wiring = old.wiring if old else wire(layers)  # type: ignore[arg-type]
    losses = _losses(loss, wiring, old)
    heads = find_heads(wiring, losses)
    dtype = options.dtype
    if dtype == "auto":
        dtype = old.dtype.name if old else "float32"
    data_format = options.data_format
    if old and data_format == "auto":
        data_format = old.data_format
    batches = as_batches(wiring, x, dtype, data_format)
    known = _known_classes(old, wiring, heads)
    answers = as_answers(wiring, heads, batches[0], y, known, "y", options.target_data_formats)
    _check_metrics(heads, options)
    by_class = _class_weights(heads, answers)
    weights = _weights(wiring, heads, answers, by_class, step_weights, dtype)
    layers_now = list(wiring.graph.layers)
    for n, batch in zip(wiring.inputs, batches, strict=True):
        first = wiring.nodes[n].layer
        assert isinstance(first, SequenceInput)  # the wiring has checked
        reset = options.reset_input_normalization
        layers_now[layers_now.index(first)] = first.with_statistics(batch.sequences, reset)
    names = [wiring.nodes[h.output].layer.name for h in heads]
    found = {k: c for k, c in zip(names, answers.classes, strict=True) if c is not None}
    classes: Any = next(iter(found.values())) if len(found) == 1 else found or None
    net = Network(
        wiring.graph.named(layers_now),
        old.parameters if old else None,
        classes=classes,
        dtype=dtype,
        rng=rng,
        statistics=old.statistics if old else None,
        losses=losses,
        data_format=data_format,
    )
    sequences = [b.sequences for b in batches]
    return net, heads, TrainingData(sequences, answers.targets, weights, by_class)


def check_validation(
    net: Network, heads: Sequence[Head], data: TrainingData, options: TrainingOptions
) -> TrainingData | None:
    """Checked validation data, weighted as the training data are by class; or None."""
    if options.validation_data is None:
        return None
    x, y = options.validation_data
    batches = as_batches(net.wiring, x, net.dtype, net.data_format, "validation x")
    known = _known_classes(net, net.wiring, heads)
    answers = as_answers(
        net.wiring, heads, batches[0], y, known, "validation y", options.target_data_formats
    )
    by_class = data.class_weights
    weights = _weights(net.wiring, heads, answers, by_class, None, net.dtype)
    return TrainingData([b.sequences for b in batches], answers.targets, weights, by_class)


def cuts(order: IntArray, options: TrainingOptions) -> list[IntArray]:
    """The sequences of each mini-batch of an epoch."""
    size = options.mini_batch_size
    parts = [order[n : n + size] for n in range(0, len(order), size)]
    if options.drop_partial_batch and len(parts) > 1 and len(parts[-1]) < size:
        parts.pop()
    return parts


def pieces_of(data: TrainingData, chosen: IntArray, options: TrainingOptions) -> int:
    """How many mini-batches the chosen sequences make: several where they are split in time."""
    if isinstance(options.sequence_length, str):
        return 1
    longest = max(len(data.sequences[0][b]) for b in chosen)
    return -(-longest // int(options.sequence_length))


def pieces(
    data: TrainingData,
    heads: Sequence[Head],
    chosen: IntArray,
    options: TrainingOptions,
    backend: Backend,
) -> Iterator[Piece]:
    """The chosen sequences as `Piece`, their arrays moved to where the backend computes."""
    for n, batch in enumerate(_packed(data, heads, chosen, options)):
        yield Piece(batch.moved(backend.to_device), n > 0, batch.targets)


def _packed(
    data: TrainingData, heads: Sequence[Head], chosen: IntArray, options: TrainingOptions
) -> Iterator[MiniBatch]:
    """The chosen sequences as one mini-batch, or as one after another where they are split."""
    sequences = [[s[b] for b in chosen] for s in data.sequences]
    targets = [[t[b] for b in chosen] for t in data.targets]
    weights = [None if w is None else [w[b] for b in chosen] for w in data.weights]
    if options.sequence_length == "ragged":
        yield mini_batch(heads, sequences, targets, weights)
        return
    length, direction = options.sequence_length, options.sequence_padding_direction
    value = options.sequence_padding_value
    lengths = sequences[0]
    sequences = [pad_batch(s, s, length, direction, value).sequences for s in sequences]
    for k, head in enumerate(heads):
        if head.steps:
            targets[k] = pad_batch(lengths, targets[k], length, direction, value).targets
            row_weights = weights[k]
            if row_weights is not None:
                weights[k] = pad_batch(lengths, row_weights, length, direction, 1.0).targets
    if isinstance(length, str):
        yield mini_batch(heads, sequences, targets, weights, padded=True)
        return
    count = -(-len(sequences[0][0]) // int(length))
    for n in range(count):

        def part(arrays: Any, steps: bool, n: int = n) -> Any:
            if arrays is None or not steps:
                return arrays
            return split_sequences(arrays, int(length))[n]

        yield mini_batch(
            heads,
            [part(s, True) for s in sequences],
            [part(t, h.steps) for t, h in zip(targets, heads, strict=True)],
            [part(w, h.steps) for w, h in zip(weights, heads, strict=True)],
            padded=True,
        )


def _losses(loss: Any, wiring: Wiring, old: Network | None) -> Any:
    if loss is None:
        return old.losses if old else None
    names = [wiring.nodes[n].layer.name for n in wiring.outputs]
    if isinstance(loss, tuple) and len(names) == 1:
        return [loss]  # a pair of functions
    return [part for _, part in by_output(loss, names, "loss")]


def _known_classes(
    net: Network | None, wiring: Wiring, heads: Sequence[Head]
) -> list[Array | None]:
    if net is None or net.classes is None:
        return [None] * len(heads)
    if isinstance(net.classes, dict):
        return [net.classes.get(wiring.nodes[h.output].layer.name) for h in heads]
    return [net.classes if h.loss.kind in ("classes", "any") else None for h in heads]


def _check_metrics(heads: Sequence[Head], options: TrainingOptions) -> None:
    for metric in options.metrics:
        how = find_metric(metric)
        for head in heads:
            if how.kind == "any" or head.loss.kind in (how.kind, "any"):
                continue
            if how.kind == "classes" and head.loss.kind == "multilabel":
                continue
            raise ValueError(
                f"metrics holds {how.name!r}, which is for {how.kind}, but the loss "
                f"{head.loss.name!r} has {head.loss.kind} as targets; choose another metric."
            )


def _class_weights(heads: Sequence[Head], answers: Answers) -> list[Array | None]:
    """The weight of each class (C,) for each output; None where all weigh the same."""
    out: list[Array | None] = []
    for head, targets, classes in zip(heads, answers.targets, answers.classes, strict=True):
        weights = None
        if classes is not None:
            every = np.concatenate(targets)  # (N,)
            counts = np.bincount(every[every >= 0], minlength=len(classes))  # (C,)
            weights = head.loss.weights_of_classes(classes, counts)
        out.append(weights)
    return out


def _weights(
    wiring: Wiring,
    heads: Sequence[Head],
    answers: Answers,
    by_class: Sequence[Array | None],
    given: Any,
    dtype: Any,
) -> list[list[Array] | None]:
    """Weight of every row: of its class, times that of its step."""
    names = [wiring.nodes[h.output].layer.name for h in heads]
    parts: list[Any] = [None] * len(heads)
    if given is not None:
        parts = [part for _, part in by_output(given, names, "step_weights")]
    out: list[list[Array] | None] = []
    for part, targets, of_classes in zip(parts, answers.targets, by_class, strict=True):
        rows = None if part is None else _step_weights(part, targets, dtype)
        if of_classes is not None:
            weighted: list[Any] = [row_weights(t, of_classes, dtype) for t in targets]
            rows = (
                weighted if rows is None else [a * b for a, b in zip(weighted, rows, strict=True)]
            )
        out.append(rows)
    return out


def _step_weights(given: Any, targets: Sequence[Array], dtype: Any) -> list[Array]:
    if isinstance(given, np.ndarray) and given.ndim == 1 and len(targets) == 1:
        given = [given]
    if not isinstance(given, (list, tuple, np.ndarray)) or len(given) != len(targets):
        raise DataError(
            f"step_weights is for {len(given) if hasattr(given, '__len__') else 'no'} sequences, "
            f"but there are {len(targets)}; give one array of weights for each."
        )
    out = []
    for b, (weights, t) in enumerate(zip(given, targets, strict=True)):
        array = np.atleast_1d(np.asarray(weights, np.float64))
        if array.shape != (len(t),):
            raise DataError(
                f"step_weights[{b}] has shape {array.shape}, but {len(t)} weights are wanted, one "
                "for each answer; give one number a step, or one a sequence behind a layer that "
                "keeps the last step."
            )
        if not np.isfinite(array).all() or (array < 0).any():
            raise DataError(
                f"step_weights[{b}] holds a negative or infinite number; give finite weights of at "
                "least 0."
            )
        out.append(array.astype(dtype))
    return out
