"""Checks training data against the layers, and builds the network that a training starts from.
Losses, classes and the weight of every row are settled here, so the loop asks no more questions.

Axes: T time, N rows, C classes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_numbers, parts_of
from minilstm.data.padding import NO_CLASS
from minilstm.data.stored import Stored, is_by_index, lengths_of, listed, mapped, part_of
from minilstm.errors import DataError
from minilstm.evaluation.splits import Split, split_share
from minilstm.layers import Layer, SequenceInput
from minilstm.losses import row_weights
from minilstm.network.about import without_card
from minilstm.network.examples import (
    Answers,
    answers_beside,
    as_answers,
    as_batches,
    by_port,
    classes_by_output,
    names_of_inputs,
)
from minilstm.network.graph.connections import Connections
from minilstm.network.graph.wiring import Wiring, wire
from minilstm.network.metrics import find_metric
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head, find_heads
from minilstm.training.batches import TrainingData, label_counts
from minilstm.training.options import TrainingOptions

Array = NDArray[Any]


def prepare(
    x: Any,
    y: Any,
    layers: Sequence[Layer] | Connections | Network,
    loss: Any,
    options: TrainingOptions,
    step_weights: Any,
    groups: Any,
    rng: np.random.Generator,
) -> tuple[Network, tuple[Head, ...], TrainingData, TrainingData | None]:
    """Check everything, and build the network that training starts from.

    The last of the four is what `validation_share` holds out; statistics, weights of classes and
    all else are those of the others.

    Arguments are those of `minilstm.train`, and a generator for first values of learnables. Raises
    DataError, ValueError or TypeError where anything does not fit; nothing was computed then.
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
    batches = as_batches(wiring, x, dtype, data_format, learns=True)
    known = classes_by_output(old.classes if old else None, wiring, heads, needed=False)
    answers = as_answers(
        wiring, heads, batches[0], y, known, "y", options.target_data_formats, dtype=dtype
    )
    _check_metrics(heads, options)
    _check_rates(options, dtype)
    split = _held_out(heads, answers, options, groups)
    by_class = _class_weights(heads, answers, split)
    names = [wiring.nodes[h.output].layer.name for h in heads]
    parts: list[Any] = [None] * len(heads)
    if step_weights is not None:
        parts = [part for _, part in by_port(step_weights, names, "step_weights")]
    weights = _weights(answers, by_class, parts, dtype, "y")
    layers_now = list(wiring.graph.layers)
    learned = names_of_inputs(wiring, x, data_format)
    for n, batch, feature_names in zip(wiring.inputs, batches, learned, strict=True):
        first = wiring.nodes[n].layer
        assert isinstance(first, SequenceInput)  # the wiring has checked
        reset = options.reset_input_normalization
        learned_from = batch.sequences
        if split is not None:
            learned_from = part_of(batch.sequences, split.train)
        ready = first.with_statistics(learned_from, reset)
        if feature_names is not None and first.feature_names is None:
            ready = dataclasses.replace(ready, feature_names=tuple(feature_names))
        layers_now[layers_now.index(first)] = ready
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
        about=without_card(old.about) if old else None,
    )
    sequences = [listed(b.sequences) for b in batches]
    data = TrainingData(sequences, answers.targets, weights, by_class)
    if split is None:
        return net, heads, data, None
    return net, heads, data.part(split.train), data.part(split.test)


def check_validation(
    net: Network, heads: Sequence[Head], data: TrainingData, options: TrainingOptions
) -> TrainingData | None:
    """Checked validation data, weighted as the training data are by class; or None."""
    if options.validation_data is None:
        return None
    x, y = options.validation_data
    y = answers_beside(x, y)
    batches = as_batches(net.wiring, x, net.dtype, net.data_format, "validation x")
    known = classes_by_output(net.classes, net.wiring, heads, needed=False)
    answers = as_answers(
        net.wiring,
        heads,
        batches[0],
        y,
        known,
        "validation y",
        options.target_data_formats,
        dtype=net.dtype,
    )
    by_class = data.class_weights
    weights = _weights(answers, by_class, [None] * len(heads), net.dtype, "validation y")
    sequences = [listed(b.sequences) for b in batches]
    return TrainingData(sequences, answers.targets, weights, by_class)


def _losses(loss: Any, wiring: Wiring, old: Network | None) -> Any:
    if loss is None:
        return old.losses if old else None
    names = [wiring.nodes[n].layer.name for n in wiring.outputs]
    if isinstance(loss, tuple) and len(names) == 1:
        return [loss]  # a pair of functions
    return [part for _, part in by_port(loss, names, "loss")]


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


def _check_rates(options: TrainingOptions, dtype: str) -> None:
    for name in ("initial_learn_rate", "epsilon"):
        value = getattr(options, name)
        if value <= float(np.finfo(dtype).smallest_subnormal) / 2:
            raise ValueError(
                f"{name} is {value!r}, which is 0 in {dtype}; give a larger one, or train with "
                "dtype='float64'."
            )


def _held_out(
    heads: Sequence[Head], answers: Answers, options: TrainingOptions, groups: Any
) -> Split | None:
    """Which sequences train and which validate; None where the options hold none out."""
    share = options.validation_share
    if share is None:
        if groups is not None:
            raise ValueError(
                "groups is given, but validation_share is None, so no sequences are held out; set "
                "validation_share=0.2, or leave groups out."
            )
        return None
    labels: Any = next((t for t, c in zip(answers.targets, answers.classes, strict=True)
                   if c is not None), None)  # fmt: skip
    split = split_share(len(answers.targets[0]), share, options.seed, groups, labels)
    for side, numbers in zip(("training", "validation"), split, strict=True):
        for targets in answers.targets:
            if not any(np.any(_counted(targets[n])) for n in numbers):
                raise DataError(
                    f"validation_share is {share}, which leaves no answer that counts among the "
                    f"{side} data; give another share, another seed, or validation_data."
                )
    return split


def _class_weights(
    heads: Sequence[Head], answers: Answers, split: Split | None
) -> list[Array | None]:
    """The weight of each class (C,) for each output; None where all weigh the same."""
    out: list[Array | None] = [None] * len(heads)
    for k, classes in enumerate(answers.classes):
        if classes is not None:
            trained = answers.targets[k]
            trained = trained if split is None else part_of(trained, split.train)
            counts = label_counts(trained, len(classes))  # (C,)
            out[k] = heads[k].loss.weights_of_classes(classes, counts)
    return out


def _weights(
    answers: Answers,
    by_class: Sequence[Array | None],
    given: Sequence[Any],
    dtype: Any,
    name: str,
) -> list[Sequence[Array] | None]:
    """Weight of every row: of its class, times that of its step; one at least is above 0."""
    out: list[Sequence[Array] | None] = []
    for part, targets, of_classes in zip(given, answers.targets, by_class, strict=True):
        factors: list[Sequence[Array]] = [] if part is None else [_step_weights(part, targets)]
        if of_classes is not None:
            per_row = partial(row_weights, class_weights=of_classes, dtype=np.float64)
            factors.append(mapped(per_row, targets))
        rows = mapped(partial(_product, dtype), *factors) if factors else None
        if rows is not None and not all(np.isfinite(w).all() for w in rows):
            raise DataError(
                f"a weight of {name} is beyond the range of {dtype}; give smaller weights to the "
                "steps and classes, or train with dtype='float64'."
            )
        if rows is not None and not any(
            w[_counted(t)].any() for w, t in zip(rows, targets, strict=True)
        ):
            if any(
                all((w[_counted(t)] > 0).any() for w in ws)
                for t, *ws in zip(targets, *factors, strict=True)
            ):
                raise DataError(
                    f"every weight of {name} is 0 in {dtype}, so no answer is left; give larger "
                    "weights to the steps and classes, or train with dtype='float64'."
                )
            raise DataError(
                f"every answer of {name} has weight 0, so no answer is left; give a weight above 0 "
                "to a step, or to a class, that occurs."
            )
        out.append(rows)
    return out


def _product(dtype: str, *factors: Array) -> Array:
    with np.errstate(over="ignore"):
        narrow = [w.astype(dtype) for w in factors]
        return math.prod(narrow[1:], start=narrow[0])


def _counted(targets: Array) -> Any:
    """Rows that have an answer; targets without classes all have one."""
    return targets != NO_CLASS if targets.ndim == 1 else slice(None)


def _step_weights(given: Any, targets: Sequence[Array]) -> Sequence[Array]:
    what = "weights"
    parts: Any = given if is_by_index(given) else parts_of(given)
    if parts is None and not isinstance(given, (str, Mapping)):
        parts = as_numbers(given, "step_weights", what)
        parts = [parts] if parts.ndim == 1 and len(targets) == 1 else list(np.atleast_1d(parts))
    if parts is None or len(parts) != len(targets):
        raise DataError(
            f"step_weights is for {len(given) if hasattr(given, '__len__') else 'no'} sequences, "
            f"but there are {len(targets)}; give one array of weights for each."
        )
    lengths = lengths_of(targets)

    def checked(b: int) -> Array:
        array = np.atleast_1d(as_numbers(parts[b], f"step_weights[{b}]", what)).astype(np.float64)
        if array.shape != (lengths[b],):
            raise DataError(
                f"step_weights[{b}] has shape {array.shape}, but {lengths[b]} weights are wanted, "
                "one for each answer; give one number a step, or one a sequence behind a layer "
                "that keeps the last step."
            )
        if (wrong := array[~(np.isfinite(array) & (array >= 0))]).size:
            raise DataError(
                f"step_weights[{b}] holds {wrong[0]}; give finite weights of at least 0."
            )
        return array

    if not isinstance(targets, Stored):
        return [checked(b) for b in range(len(targets))]
    weights = Stored(checked, lengths)
    for _ in weights:  # each is checked as it is read
        pass
    return weights
