"""The command train: files of sequences in; a model, its history and figures out.
Everything that can be refused is refused before the training starts."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import is_installed
from minilstm.command_line.facts import INTERRUPTED, facts, files, scores_line
from minilstm.command_line.outputs import output_folder, save_model
from minilstm.command_line.reading import as_list, checked_labels, ignored_labels, read_data
from minilstm.data import Sequences
from minilstm.data.labels import find_classes, to_targets
from minilstm.functional.sequence_input import USES
from minilstm.layers import LSTM, BiLSTM, Dropout, FullyConnected, SequenceInput, Softmax
from minilstm.losses import CrossEntropy
from minilstm.network.network import Network
from minilstm.paths import check_apart
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train

NORMALIZATIONS = tuple(USES)
_WRITTEN = ("model.safetensors", "history.csv", "training-progress.png", "confusion.png")


class _Files(NamedTuple):
    """What was read: checked sequences and labels, and what is said of them."""

    data: Sequences
    test: Sequences | None
    classes: NDArray[Any]  # (C,)
    ignored: list[str]  # labels that count nowhere
    read: list[dict[str, Any]]  # facts of each file


def train_files(options: argparse.Namespace) -> dict[str, Any]:
    """Train on one file, test on another, write model, history and figures."""
    out = options.out
    for name in _WRITTEN:
        check_apart(out / name, [options.train, options.test])
    given = _read(options)
    data = given.data
    layers = [
        SequenceInput(
            data.x[0].shape[1],
            normalization=options.normalization,
            feature_names=data.feature_names,
        ),
        (BiLSTM if options.bilstm else LSTM)(options.hidden, output_mode=options.output_mode),
        *([Dropout(options.dropout)] if options.dropout > 0 else []),  # 0 drops nothing
        FullyConnected(len(given.classes)),
        Softmax(),
    ]
    # Classes that are named may read like missing labels, such as "nan".
    named = None if options.missing_labels is None else given.classes
    loss = CrossEntropy(classes=named, ignored_labels=given.ignored)
    draw = is_installed("matplotlib")
    model, history, picture, confusion = (out / name for name in _WRITTEN)
    how = TrainingOptions(
        options.solver,
        max_epochs=options.epochs,
        mini_batch_size=options.mini_batch_size,
        initial_learn_rate=options.learn_rate,  # None: the default of the solver
        sequence_length=options.padding,
        gradient_threshold=options.gradient_threshold,
        metrics=["accuracy"],
        dtype=options.dtype,
        memory_budget=options.memory_budget,
        seed=options.seed,
        verbose=not options.quiet,
        **({"plots": "training-progress", "plot_file": picture} if draw else {}),
    )
    drawn = [picture] if draw else []
    drawn += [confusion] if draw and given.test is not None else []
    started = time.perf_counter()
    with output_folder(out, [path.name for path in (model, history, *drawn)]):
        net, info = train(data.x, data.y, layers, loss=loss, options=how)
        paths = [save_model(net, model), info.to_csv(history), *drawn]
    whose, judged, path = "training", data, options.train
    if given.test is not None:
        whose, judged, path = "test", given.test, options.test
    # Of the network that was saved: the history has its mini-batches before their updates.
    result = net.evaluate(judged.x, judged.y, name=str(path), label_name="its labels")
    if given.test is not None and draw:
        _draw_confusion(net, given.test, given.ignored, confusion)
    print(f"{whose} {scores_line(result)}")
    exit_code = INTERRUPTED if "Ctrl-C" in info.stop_reason else 0
    if not math.isfinite(result["loss"]):
        print(
            f"minilstm: the {whose} loss of the saved network is {result['loss']}, so the training "
            "diverged; try a lower --learn-rate.",
            file=sys.stderr,
        )
        exit_code = exit_code or 1
    return {
        **facts(time.perf_counter() - started, result, options.seed),
        "measured_on": whose,
        "stop_reason": info.stop_reason,
        "read": given.read,
        "files": files(paths),
        "exit_code": exit_code,
    }


def _read(options: argparse.Namespace) -> _Files:
    """Both files, checked against each other."""
    mode, ignored = options.output_mode, ignored_labels(options)
    data, facts_of_data = read_data(options.train, options, mode)
    size = data.x[0].shape[1]
    labels = checked_labels(data, options.train, size, mode, options)
    classes = find_classes(labels, str(options.train), ignored)  # (C,)
    if options.test is None:
        return _Files(data, None, classes, ignored, [facts_of_data])
    test, facts_of_test = read_data(options.test, options, mode, data.feature_names, classes)
    labels = checked_labels(test, options.test, size, mode, options, classes.tolist())
    to_targets(labels, classes, str(options.test), ignored)
    return _Files(data, test, classes, ignored, [facts_of_data, facts_of_test])


def _draw_confusion(net: Network, test: Sequences, ignored: list[str], path: Path) -> None:
    from minilstm import plots

    true = np.concatenate(as_list(test.y))  # (N,)
    predicted = np.concatenate(as_list(net.classify(test.x)))  # (N,)
    known = ~np.isin(true, ignored)  # (N,)
    plots.save_figure(plots.plot_confusion(true[known], predicted[known]), path)
