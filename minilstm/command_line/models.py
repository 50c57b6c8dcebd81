"""The commands that hold a model: train one, let it predict, and draw it.
Each returns what ``--json`` prints."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import is_installed
from minilstm.command_line.facts import INTERRUPTED, facts, files, scores_line
from minilstm.command_line.reading import (
    as_list,
    checked_labels,
    ignored_labels,
    learned_names,
    read_data,
)
from minilstm.data.files.csv_text import csv_line
from minilstm.data.labels import find_classes, scores_to_labels, to_targets
from minilstm.data.padding import NO_CLASS
from minilstm.errors import DataError
from minilstm.files import write_atomically
from minilstm.functional.sequence_input import USES
from minilstm.layers import LSTM, BiLSTM, Dropout, FullyConnected, SequenceInput, Softmax
from minilstm.losses import CrossEntropy
from minilstm.network.network import Network
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train

NORMALIZATIONS = tuple(USES)


def train_files(options: argparse.Namespace) -> dict[str, Any]:
    """Train on one file, test on another, write model, history and figures."""
    data, read = read_data(options.train, options, None, options.output_mode)
    test, facts_of_files = None, [read]
    size, names = data.x[0].shape[1], data.feature_names
    labels = checked_labels(data, options.train, size, options.output_mode, options.dtype)
    ignored = ignored_labels(options)
    classes = find_classes(labels, str(options.train), ignored)  # (C,)
    if options.test is not None:
        test, read = read_data(options.test, options, names, options.output_mode)
        facts_of_files.append(read)
        labels = checked_labels(test, options.test, size, options.output_mode, options.dtype)
        _check_test(labels, classes, options.test, ignored)
    layers = [
        SequenceInput(size, normalization=options.normalization, feature_names=names),
        (BiLSTM if options.bilstm else LSTM)(options.hidden, output_mode=options.output_mode),
        *([Dropout(options.dropout)] if options.dropout > 0 else []),
        FullyConnected(len(classes)),
        Softmax(),
    ]
    draw = is_installed("matplotlib")
    settings = {
        "max_epochs": options.epochs,
        "mini_batch_size": options.mini_batch_size,
        "initial_learn_rate": options.learn_rate,  # None: the default of the solver
        "sequence_length": options.padding,
        "gradient_threshold": options.gradient_threshold,
        "metrics": ["accuracy"],
        "dtype": options.dtype,
        "memory_budget": options.memory_budget,
        "seed": options.seed,
        "verbose": not options.quiet,
    }
    TrainingOptions(options.solver, **settings)  # refuse bad values before a folder is made
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    if draw:
        settings |= {"plots": "training-progress", "plot_file": out / "training-progress.png"}
    started = time.perf_counter()
    chosen = TrainingOptions(options.solver, **settings)
    loss = CrossEntropy(ignored_labels=ignored)
    net, info = train(data.x, data.y, layers, loss=loss, options=chosen)
    paths = [net.save(out / "model.safetensors"), info.to_csv(out / "history.csv")]
    paths += [out / "training-progress.png"] if draw else []
    whose = "training"
    result = {"loss": float("nan"), "accuracy": float("nan")}
    if len(info.history["loss"]):
        result = {"loss": info.history["loss"][-1], "accuracy": info.history["accuracy"][-1]}
    if test is not None:
        whose = "test"
        result = net.evaluate(test.x, test.y, name=str(options.test), label_name="its labels")
        if draw:
            from minilstm import plots

            true = np.concatenate(as_list(test.y))  # (N,)
            predicted = np.concatenate(as_list(net.classify(test.x)))  # (N,)
            known = ~np.isin(true, ignored)  # (N,)
            axes = plots.plot_confusion(true[known], predicted[known])
            paths.append(plots.save_figure(axes, out / "confusion.png"))
    print(f"{whose} {scores_line(result)}")
    return {
        **facts(time.perf_counter() - started, result, options.seed),
        "measured_on": whose,
        "stop_reason": info.stop_reason,
        "read": facts_of_files,
        "files": files(paths),
        "exit_code": INTERRUPTED if "Ctrl-C" in info.stop_reason else 0,
    }


def predict_file(options: argparse.Namespace) -> dict[str, Any]:
    """Write a label and scores for every step, or every sequence, of a file."""
    net = load_classifier(options.model)
    mode, path = net.output_mode, options.data
    data, read = read_data(path, options, learned_names(net), mode)
    judge = None
    if data.y is not None and len(read["labels"]):
        # What evaluate would refuse is refused before anything is written.
        judge, ignored = _judge(net, options), ignored_labels(options)
        labels = checked_labels(data, path, net.input_size, mode, net.dtype)
        to_targets(labels, judge.classes, str(path), ignored)
    started = time.perf_counter()
    scores = net.predict(data.x)
    seconds = time.perf_counter() - started
    text = "".join(map(csv_line, _prediction_rows(net, scores, data.ids)))
    if options.out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_atomically(options.out, lambda file: file.write(text.encode()))
    result = None
    if judge is not None:
        result = judge.evaluate(data.x, data.y, name=str(path), label_name="its labels")
        print(scores_line(result), file=sys.stderr)
    return {**facts(seconds, result), "read": [read]}


def _check_test(
    labels: list[NDArray[Any]], classes: NDArray[Any], path: Path, ignored: list[str]
) -> None:
    """Refuse labels that the training does not have, before it starts."""
    if all((t == NO_CLASS).all() for t in to_targets(labels, classes, str(path), ignored)):
        raise DataError(
            f"{path} has no label but missing ones, so nothing can be tested on it; label some, or "
            "leave --test out."
        )


def _judge(net: Network, options: argparse.Namespace) -> Network:
    """The network with the loss and the kind of classes that labels with missing ones need."""
    ignored = ignored_labels(options)
    if ignored == [] or net.classes is None:
        return net
    given = net.losses[0] if net.losses is not None else None
    loss = given if isinstance(given, CrossEntropy) else CrossEntropy()
    text = np.array([str(c) for c in net.classes.tolist()])  # (C,), as labels are read then
    return net.replace(classes=text, losses=[dataclasses.replace(loss, ignored_labels=ignored)])


def plot_model(options: argparse.Namespace) -> dict[str, Any]:
    """Draw the layers of a model file and the arrows between them."""
    net = Network.load(options.model)
    path = options.model.with_suffix(".png") if options.out is None else options.out
    net.plot(path)
    return {
        "layers": len(net.layers),
        "learnables": sum(v.size for v in net.parameters.values()),
        "files": files([path]),
    }


def load_classifier(path: Path) -> Network:
    """A model file with one input and one output of classes."""
    net = Network.load(path)
    if net.classes is None:
        raise DataError(f"{path} is a network without classes; train it before predicting labels.")
    if isinstance(net.classes, dict) or len(net.input_names) > 1 or len(net.output_names) > 1:
        raise DataError(
            f"{path} has several inputs or outputs, but a file gives one input and takes one "
            "output; call predict in Python."
        )
    return net


def _prediction_rows(net: Network, scores: Any, ids: list[str]) -> Iterator[list[Any]]:
    assert net.classes is not None  # load_classifier has checked
    names = [f"score_{c}" for c in net.classes]
    labels = scores_to_labels(scores, net.classes)
    if net.output_mode == "last":
        yield ["sequence", "label", *names]
        for name, label, row in zip(ids, labels, scores, strict=True):
            yield [name, label, *written(row)]
        return
    yield ["sequence", "step", "label", *names]
    for name, sequence_labels, rows in zip(ids, labels, scores, strict=True):
        for step, (label, row) in enumerate(zip(sequence_labels, rows, strict=True)):
            yield [name, step, label, *written(row)]


def written(scores: Any) -> list[str]:
    """Scores as the CSV has them, with six digits."""
    return [f"{score:.6g}" for score in scores]
