"""The commands that take a trained model: let it predict the labels of a file, and draw it.
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

from minilstm.command_line.facts import facts, files, scores_line
from minilstm.command_line.reading import (
    checked_labels,
    ignored_labels,
    learned_names,
    read_data,
)
from minilstm.data.files.csv_text import csv_line
from minilstm.data.labels import scores_to_labels, to_targets
from minilstm.errors import DataError, ModelFileError
from minilstm.files import write_atomically
from minilstm.losses import CrossEntropy
from minilstm.network.network import Network
from minilstm.paths import check_apart, check_readable, check_target


def predict_file(options: argparse.Namespace) -> dict[str, Any]:
    """Write a label and scores for every step, or every sequence, of a file."""
    to_file = options.out is not None and str(options.out) != "-"
    if to_file:
        check_target(options.out, "--out")
        check_apart(options.out, [options.model, options.data])
    net = load_classifier(options.model, "are MODEL and DATA swapped?")
    mode, path = net.output_mode, options.data
    data, read = read_data(path, options, mode, learned_names(net), net.classes, net.dtype)
    judge = None
    if data.y is not None and len(read["labels"]):
        # What evaluate would refuse is refused before anything is written.
        judge, ignored = with_ignored_labels(net, options)
        allowed = [*judge.classes.tolist(), *ignored]
        labels = checked_labels(data, path, net.input_size, mode, options, allowed)
        to_targets(labels, judge.classes, str(path), ignored)
    started = time.perf_counter()
    scores = net.predict(data.x)
    seconds = time.perf_counter() - started
    text = "".join(map(csv_line, _prediction_rows(net, scores, data.ids)))
    if to_file:
        write_atomically(options.out, lambda file: file.write(text.encode()))
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    result = None
    if judge is not None:
        result = judge.evaluate(data.x, data.y, name=str(path), label_name="its labels")
        print(scores_line(result), file=sys.stderr)
    return {**facts(seconds, result), "read": [read]}


def with_ignored_labels(net: Network, options: argparse.Namespace) -> tuple[Any, list[Any]]:
    """The network whose loss ignores missing labels too, and all the labels that it ignores."""
    given = net.losses[0] if net.losses is not None else None
    loss = given if isinstance(given, CrossEntropy) else CrossEntropy()
    missing = ignored_labels(options)
    if missing == [] or net.classes is None:
        return net, list(loss.ignored_labels)
    if net.classes.dtype.kind != "U":  # where words are missing labels, all labels are read as text
        text = np.array([str(c) for c in net.classes.tolist()])  # (C,)
        ignored = [*map(str, loss.ignored_labels), *missing]
        return net.replace(classes=text, losses=[CrossEntropy(ignored_labels=ignored)]), ignored
    ignored = [*loss.ignored_labels, *(m for m in missing if m not in loss.ignored_labels)]
    return net.replace(losses=[dataclasses.replace(loss, ignored_labels=ignored)]), ignored


def plot_model(options: argparse.Namespace) -> dict[str, Any]:
    """Draw the layers of a model file and the arrows between them."""
    path = options.model.with_suffix(".png") if options.out is None else options.out
    check_apart(path, [options.model])
    net = load_model(options.model)
    net.plot(path)
    return {
        "layers": len(net.layers),
        "learnables": sum(v.size for v in net.parameters.values()),
        "files": files([path]),
    }


def load_model(path: Path, advice: str = "name a file that train wrote.") -> Network:
    """A model file; one that does not start like one is refused with the advice."""
    with open(check_readable(path), "rb") as file:
        start = file.read(9)  # a length in 8 bytes, and a brace
    if len(start) == 9 and start[8:] != b"{":
        raise ModelFileError(f"{path} is no model file, as its first bytes show; {advice}")
    return Network.load(path)


def load_classifier(path: Path, advice: str = "name a file that train wrote.") -> Network:
    """A model file with one input and one output of classes; arguments as for `load_model`."""
    net = load_model(path, advice)
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
