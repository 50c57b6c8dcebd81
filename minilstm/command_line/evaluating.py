"""The command evaluate: a model and labelled files in; a report out, with pictures where asked.
Everything that can be refused is refused before the network predicts."""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

from minilstm.backend import is_installed
from minilstm.command_line.facts import facts, files
from minilstm.command_line.material import with_later
from minilstm.command_line.models import (
    Shaped,
    known_of,
    load_predictor,
    shaped_as_learned,
    with_ignored_labels,
    with_rate,
)
from minilstm.command_line.outputs import output_folder
from minilstm.command_line.reading import (
    check_rate,
    checked_labels,
    learned_names,
    read_data,
    say_positions,
    shown,
)
from minilstm.errors import DataError
from minilstm.evaluation import ClassReport, report
from minilstm.evaluation.predictions import training_facts
from minilstm.files import write_atomically
from minilstm.network.about import horizon_of
from minilstm.network.card import fingerprint
from minilstm.network.network import Network
from minilstm.paths import check_apart

_CLASSES = ("confusion.png", "roc.png", "precision-recall.png", "calibration.png")
_NUMBERS = ("regression.png", "residuals.png", "residual-histogram.png")


def evaluate_files(options: argparse.Namespace) -> dict[str, Any]:
    """Judge a model on files whose answers are known; print the report, or write it to a folder."""
    net = load_predictor(options.model, "are MODEL and DATA swapped?")
    pictures = _NUMBERS if net.classes is None else _CLASSES
    names = ["report.md", "report.json", *(pictures if is_installed("matplotlib") else ())]
    if options.out is not None:
        for name in names:
            check_apart(options.out / name, [options.model, *options.data])
    net, ignored = with_ignored_labels(net, options)
    shaped, read = _read(net, ignored, options)
    data = shaped.data
    how: dict[str, Any] = {"groups": data.groups, "ids": shaped.ids, "times": data.times}
    how["ignored_labels"] = ignored
    started = time.perf_counter()
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
) -> tuple[Shaped, list[dict[str, Any]]]:
    """The recordings of all files, shaped as those that trained, and what was read."""
    paths, mode = options.data[0] if len(options.data) == 1 else options.data, net.output_mode
    description, shaping = known_of(net)
    given = learned_names(net), net.classes, net.dtype
    data, read = read_data(paths, options, mode, *given, description)
    ahead = horizon_of(net.about)
    if data.y is None and ahead is None:
        raise DataError(
            f"{shown(paths)} has no labels or target numbers to compare with; add them, or use the "
            "command predict."
        )
    say_positions(net, data.feature_names)
    check_rate((net.about or {}).get("rate"), data, shaping, shown(paths))
    shaped = shaped_as_learned(data, with_rate(shaping, options))
    later = with_later(shaped.data, ahead, shown(paths), "leave it out")
    shaped = shaped._replace(data=later)
    if net.classes is not None:
        allowed = [*net.classes.tolist(), *ignored]
        checked_labels(shaped.data, paths, net.input_size, mode, options, allowed)
    known = training_facts(net).get("fingerprint")
    if known is not None and known == fingerprint(shaped.data.x, shaped.data.y):
        warnings.warn(
            f"{shown(paths)} is what the model was trained on, so the scores are too good; test it "
            "on others.",
            UserWarning,
            stacklevel=2,
        )
    return shaped, [read]
