"""The command evaluate: a model and labelled files in; a report out, with pictures where asked.
Everything that can be refused is refused before the network predicts."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from minilstm.backend import is_installed
from minilstm.command_line.facts import facts, files
from minilstm.command_line.models import load_model, with_ignored_labels
from minilstm.command_line.outputs import output_folder
from minilstm.command_line.reading import checked_labels, learned_names, read_data
from minilstm.data import Sequences
from minilstm.errors import DataError
from minilstm.evaluation import ClassReport, report
from minilstm.files import write_atomically
from minilstm.network.network import Network
from minilstm.paths import check_apart

_CLASSES = ("confusion.png", "roc.png", "precision-recall.png", "calibration.png")
_NUMBERS = ("regression.png", "residuals.png", "residual-histogram.png")


def evaluate_files(options: argparse.Namespace) -> dict[str, Any]:
    """Judge a model on files whose answers are known; print the report, or write it to a folder."""
    net = load_model(options.model, "are MODEL and DATA swapped?")
    if len(net.input_names) > 1 or len(net.output_names) > 1:
        raise DataError(
            f"{options.model} has several inputs or outputs, but a file gives one input and takes "
            "one output; call minilstm.Network.evaluate in Python."
        )
    pictures = _NUMBERS if net.classes is None else _CLASSES
    names = ["report.md", "report.json", *(pictures if is_installed("matplotlib") else ())]
    if options.out is not None:
        for name in names:
            check_apart(options.out / name, [options.model, *options.data])
    net, ignored = with_ignored_labels(net, options)
    data, read = _read(net, ignored, options)
    started = time.perf_counter()
    how: dict[str, Any] = {
        "groups": data.groups,
        "ids": data.ids,
        "times": data.times,
        "ignored_labels": ignored,
    }
    if options.out is None:
        found, written = report(net, data.x, data.y, **how), []
    else:
        with output_folder(options.out, names):
            found = report(net, data.x, data.y, **how)
            written = [options.out / name for name in names[:2]]
            texts = [found.to_markdown(), json.dumps(found.to_plain(), indent=1) + "\n"]
            for path, text in zip(written, texts, strict=True):
                _write(path, text)
            written += found.plot(options.out) if len(names) > 2 else []
    seconds = time.perf_counter() - started
    print(found)
    result = None
    if isinstance(found, ClassReport):
        loss = math.nan if found.cross_entropy is None else found.cross_entropy
        result = {"accuracy": found.accuracy, "loss": loss}
    plain = {key: value for key, value in found.to_plain().items() if key != "curves"}
    return {**facts(seconds, result), "read": read, "report": plain, "files": files(written)}


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _read(
    net: Network, ignored: list[Any], options: argparse.Namespace
) -> tuple[Sequences, list[dict[str, Any]]]:
    """The recordings of all files, and the facts about each file."""
    mode, parts, read = net.output_mode, [], []
    for path in options.data:
        data, told = read_data(path, options, mode, learned_names(net), net.classes, net.dtype)
        if data.y is None:
            raise DataError(
                f"{path} has no labels or target numbers to compare with; add them, or use the "
                "command predict."
            )
        if net.classes is not None:
            allowed = [*net.classes.tolist(), *ignored]
            checked_labels(data, path, net.input_size, mode, options, allowed)
        if len(options.data) > 1:  # the same names in two files are of two recordings
            data = data._replace(ids=[f"{path.stem}/{name}" for name in data.ids])
        parts.append(data)
        read.append(told)
    if len(parts) == 1:
        return parts[0], read
    return _joined(parts), read


def _joined(parts: list[Sequences]) -> Sequences:
    """The recordings of several files as those of one."""

    def all_of(values: list[Any]) -> Any:
        return None if any(v is None for v in values) else [one for v in values for one in v]

    y: Any = [part.y for part in parts]
    return Sequences(
        all_of([part.x for part in parts]),
        np.concatenate(y) if isinstance(y[0], np.ndarray) else all_of(y),
        parts[0].feature_names,
        all_of([part.ids for part in parts]),
        all_of([part.groups for part in parts]),
        all_of([part.times for part in parts]),
    )
