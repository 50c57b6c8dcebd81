"""The commands that hold a model: train one, let it predict or stream, and draw it.
Each returns what ``--json`` prints."""

from __future__ import annotations

import argparse
import csv
import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minilstm.backend import is_installed
from minilstm.command_line.facts import INTERRUPTED, facts, files, scores_line
from minilstm.data import Sequences, read_sequences
from minilstm.data.labels import scores_to_labels
from minilstm.errors import DataError
from minilstm.files import write_atomically
from minilstm.functional.sequence_input import USES
from minilstm.layers import LSTM, BiLSTM, Dropout, FullyConnected, SequenceInput, Softmax
from minilstm.network.network import Network
from minilstm.paths import check_target, make_folder
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train

NORMALIZATIONS = tuple(USES)


def train_files(options: argparse.Namespace) -> dict[str, Any]:
    """Train on one file, test on another, write model, history and figures."""
    data = _read(options.train, options)
    test = _read(options.test, options) if options.test else None
    for path, part in ((options.train, data), (options.test, test)):
        if part is not None and part.y is None:
            raise DataError(f"{path} has no labels, but a classifier learns from labels; add them.")
    num_classes = len(np.unique(np.concatenate([np.unique(a) for a in _as_list(data.y)])))
    layers = [
        SequenceInput(data.x[0].shape[1], normalization=options.normalization),
        (BiLSTM if options.bilstm else LSTM)(options.hidden, output_mode=options.output_mode),
        *([Dropout(options.dropout)] if options.dropout else []),
        FullyConnected(num_classes),
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
    out = make_folder(options.out, "--out")
    if draw:
        settings |= {"plots": "training-progress", "plot_file": out / "training-progress.png"}
    started = time.perf_counter()
    net, info = train(data.x, data.y, layers, options=TrainingOptions(options.solver, **settings))
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

            true = np.concatenate(_as_list(test.y))  # (N,)
            predicted = scores_to_labels(net.predict(test.x), net.classes)
            axes = plots.plot_confusion(true, np.concatenate(_as_list(predicted)))
            paths.append(plots.save_figure(axes, out / "confusion.png"))
    print(f"{whose} {scores_line(result)}")
    return {
        **facts(time.perf_counter() - started, result, options.seed),
        "measured_on": whose,
        "stop_reason": info.stop_reason,
        "files": files(paths),
        "exit_code": INTERRUPTED if "Ctrl-C" in info.stop_reason else 0,
    }


def predict_file(options: argparse.Namespace) -> dict[str, Any]:
    """Write a label and scores for every step, or every sequence, of a file."""
    to_file = options.out is not None and str(options.out) != "-"
    if to_file:
        check_target(options.out, "--out")
    net = _load_classifier(options.model)
    data = _read(options.data, options)
    started = time.perf_counter()
    scores = net.predict(data.x)
    seconds = time.perf_counter() - started
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_prediction_rows(net, scores, data.ids))
    if to_file:
        write_atomically(options.out, lambda file: file.write(text.getvalue().encode()))
    else:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    if data.y is None:
        return facts(seconds)
    result = net.evaluate(data.x, data.y, name=str(options.data), label_name="its labels")
    print(scores_line(result), file=sys.stderr)
    return facts(seconds, result)


def stream_lines(options: argparse.Namespace) -> dict[str, Any]:
    """Answer every line of standard input with a label and its scores."""
    net = _load_classifier(options.model)
    stream = net.stream()
    started = time.perf_counter()
    steps = 0
    for number, line in enumerate(iter(sys.stdin.readline, ""), 1):
        if not line.strip():
            stream.reset()
            continue
        try:
            x_t = np.array([float(cell) for cell in line.split(",")])  # (D,)
        except ValueError as error:
            if number == 1 and len(line.split(",")) == net.input_size:
                continue  # a line of names
            raise DataError(
                f"line {number} is {line.strip()!r}, but {net.input_size} numbers separated by "
                "commas were wanted; mend the line."
            ) from error
        try:
            scores = stream.step(x_t)  # (C,)
        except DataError as error:
            raise DataError(f"line {number}: {error}") from error
        label = scores_to_labels(scores, net.classes)
        print(",".join([str(label), *_written(scores)]), flush=True)
        steps += 1
    return {**facts(time.perf_counter() - started), "steps": steps}


def plot_model(options: argparse.Namespace) -> dict[str, Any]:
    """Draw the layers of a model file and the arrows between them."""
    net = Network.load(options.model)
    path = options.out or options.model.with_suffix(".png")
    net.plot(path)
    return {
        "layers": len(net.layers),
        "learnables": sum(v.size for v in net.parameters.values()),
        "files": files([path]),
    }


def _load_classifier(path: Path) -> Network:
    net = Network.load(path)
    if net.classes is None:
        raise DataError(f"{path} is a network without classes; train it before predicting labels.")
    return net


def _read(path: Path, options: argparse.Namespace) -> Sequences:
    is_csv = path.suffix.lower() == ".csv"
    given = {
        name: getattr(options, name)
        for name in ("id_column", "label_column", "label_per")
        if is_csv and getattr(options, name)
    }
    if is_csv and getattr(options, "output_mode", "") == "last":
        given.setdefault("label_per", "sequence")
    return read_sequences(path, **given)


def _as_list(labels: Any) -> list[Any]:
    return labels if isinstance(labels, list) else [labels]


def _prediction_rows(net: Network, scores: Any, ids: list[str]) -> Iterator[list[Any]]:
    assert net.classes is not None  # _load_classifier has checked
    names = [f"score_{c}" for c in net.classes]
    labels = scores_to_labels(scores, net.classes)
    if net.output_mode == "last":
        yield ["sequence", "label", *names]
        for name, label, row in zip(ids, labels, scores, strict=True):
            yield [name, label, *_written(row)]
        return
    yield ["sequence", "step", "label", *names]
    for name, sequence_labels, rows in zip(ids, labels, scores, strict=True):
        for step, (label, row) in enumerate(zip(sequence_labels, rows, strict=True)):
            yield [name, step, label, *_written(row)]


def _written(scores: Any) -> list[str]:
    """Scores as the CSV has them, with six digits."""
    return [f"{score:.6g}" for score in scores]
