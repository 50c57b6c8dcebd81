"""The command train: files of sequences in; a model, its history, a report and figures out.
Everything that can be refused is refused before the training starts."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import numpy as np

from minilstm.backend import is_installed
from minilstm.command_line.complaints import in_words_of_options
from minilstm.command_line.facts import INTERRUPTED, facts, files, scores_line
from minilstm.command_line.judging import (
    PICTURES,
    REPORTS,
    Judged,
    card_scores,
    judge_folds,
    judge_test,
    write_report,
)
from minilstm.command_line.material import (
    Material,
    held_out_lines,
    known_of,
    read_material,
)
from minilstm.command_line.outputs import output_folder, save_model
from minilstm.command_line.reading import as_list, shown
from minilstm.data import Sequences
from minilstm.functional.sequence_input import USES
from minilstm.layers import LSTM, BiLSTM, Dropout, FullyConnected, SequenceInput, Softmax
from minilstm.losses import CrossEntropy
from minilstm.network.card import data_facts, make_card, utc_day
from minilstm.network.network import Network
from minilstm.paths import check_apart, make_folder
from minilstm.training.history import TrainingInfo
from minilstm.training.options import TrainingOptions
from minilstm.training.ranks.world import find_world, launched
from minilstm.training.resume import resume
from minilstm.training.target_scale import TargetScale
from minilstm.training.train import train

NORMALIZATIONS = tuple(USES)
_WRITTEN = ("model.safetensors", "history.csv", "training-progress.png")


def train_files(options: argparse.Namespace) -> dict[str, Any]:
    """Train, judge, and write the model, its history, reports and figures.

    Where there are several ranks, each trains, and rank 0 does the rest.
    """
    rank, size = launched()
    if rank:  # rank 0 alone says something
        options.quiet, options.json = True, False
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if options.shards is None and size > 1:
        raise ValueError(
            f"mpiexec started {size} ranks, but --shards is not given, so each would train the "
            f"same; give --shards {size}, or leave mpiexec out."
        )
    with find_world(options).together() as world:
        return _train_files(options, world.rank)


def _train_files(options: argparse.Namespace, rank: int) -> dict[str, Any]:
    out, others = options.out, [options.test, options.validation]
    read = [path for paths in (options.train, *others) if paths is not None for path in paths]
    every = [*_WRITTEN, *REPORTS, *PICTURES[True], *PICTURES[False]]
    for name in every:
        check_apart(out / name, read)
    material = read_material(options)
    for line in [] if options.quiet else held_out_lines(material, options):
        print(line, flush=True)
    how, draw = _how(options, material), is_installed("matplotlib")
    model, history, picture = (out / name for name in _WRITTEN)
    names = [model.name, history.name, *([picture.name] if draw else [])]
    if material.test is not None or material.folds:
        names += [*REPORTS, *(PICTURES[material.task == "classify"] if draw else [])]
    live = {"plots": "training-progress", "plot_file": picture} if draw and not rank else {}
    started = time.perf_counter()
    with nullcontext() if rank else output_folder(out, names):
        judged = judge_folds(partial(_fold, material, options, how), material, options)
        if judged is not None and not options.quiet:
            print("the network that is saved: trained on all of them", flush=True)
        with _checkpoints(options) as kept:
            net, info = _trained(material.data, material, options, {**how, **live, **kept})
        if rank:
            return {}
        judged = judge_test(_knowing(net, material), material) if judged is None else judged
        result = _measured(net, material, judged, shown(options.train))
        net = net.replace(about=known_of(material, _card(how, material, judged, result)))
        paths = [save_model(net, model), info.to_csv(history), *([picture] if draw else [])]
        paths += [] if judged is None else write_report(judged, out, draw)
    if judged is not None and not options.quiet:
        print(f"\n{judged.text}\n")
    return _told(options, material, info, judged, result, started, paths)


def _how(options: argparse.Namespace, material: Material) -> dict[str, Any]:
    """The training options, by name."""
    default = ["accuracy"] if material.task == "classify" else ["rmse"]
    given = {
        "learn_rate_schedule": options.learn_rate_schedule,
        "learn_rate_drop_factor": options.learn_rate_drop_factor,
        "learn_rate_drop_period": options.learn_rate_drop_period,
        "validation_patience": options.patience,
        "validation_share": options.validation_share,
        "output_network": "best-validation" if options.best else None,
        "initial_learn_rate": options.learn_rate,  # None: the default of the solver
    }
    return {
        "solver": options.solver,
        "max_epochs": options.epochs,
        "mini_batch_size": options.mini_batch_size,
        "sequence_length": options.padding,
        "gradient_threshold": options.gradient_threshold,
        "metrics": default if options.metrics is None else options.metrics,
        "dtype": options.dtype,
        "memory_budget": options.memory_budget,
        "seed": options.seed,
        "shards": options.shards,
        "verbose": not options.quiet,
        "validation_frequency": "epoch",
        **{name: value for name, value in given.items() if value is not None},
    }


@contextmanager
def _checkpoints(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The training options about checkpoints; their folder goes again if none was written."""
    folder = options.out / "checkpoints"
    make_folder(folder, "--out")
    try:
        yield {
            "checkpoint_path": folder,
            "checkpoint_frequency": math.inf,
            "checkpoint_seconds": options.checkpoint_seconds,
        }
    finally:
        with suppress(OSError):
            folder.rmdir()


def _trained(
    data: Sequences, material: Material, options: argparse.Namespace, how: dict[str, Any]
) -> tuple[Network, TrainingInfo]:
    """The network of some sequences, in the units of their answers."""
    y, other, scale = data.y, material.validation, None
    held = None if other is None else (other.x, other.y)
    loss: Any = "mse" if options.loss is None else options.loss
    if material.classes is not None:
        # Classes that are named may read like missing labels, such as "nan".
        named = None if options.missing_labels is None else _classes(data, material)
        weights = "inverse-frequency" if options.class_weights == "balanced" else None
        loss = CrossEntropy(weights, named, ignored_labels=material.ignored)
        outputs = len(_classes(data, material))
    else:
        scale = TargetScale.of(y)
        y, outputs = scale.down(y), len(scale.mean)
        held = held and (held[0], scale.down(held[1]))
    layers = _layers(data, material, options, outputs)
    groups = data.groups if options.validation_share is not None else None
    settings = TrainingOptions(**how, validation_data=held)
    given: dict[str, Any] = {"loss": loss, "options": settings, "groups": groups}
    folder = how.get("checkpoint_path")  # None in a fold
    if options.resume and folder is not None:
        if any(folder.glob("checkpoint-*")):
            net, info = resume(folder, data.x, y, layers, **given)
            return net if scale is None else scale.up(net), info
        print(f"minilstm: no checkpoint in {folder}: the training begins", file=sys.stderr)
    net, info = train(data.x, y, layers, **given)
    return net if scale is None else scale.up(net), info


def _fold(
    material: Material, options: argparse.Namespace, how: dict[str, Any], data: Sequences
) -> Network:
    """The network of a fold, which was not cut short."""
    net, info = _trained(data, material, options, {**how, "verbose": False})
    if "Ctrl-C" in info.stop_reason:
        raise KeyboardInterrupt
    return _knowing(net, material._replace(data=data))


def _knowing(net: Network, material: Material) -> Network:
    """The network with what a report tells of its training: names, horizon, counts of labels."""
    data = material.data
    known = {"data": {"training": data_facts(data.x, data.y, data.groups)}}
    return net.replace(about=known_of(material, known))


def _classes(data: Sequences, material: Material) -> list[Any]:
    """The labels that some of the sequences have: in a fold one may be missing."""
    found = {label for part in as_list(data.y) for label in np.unique(part).tolist()}
    return sorted(found - {*material.ignored})


def _layers(
    data: Sequences, material: Material, options: argparse.Namespace, outputs: int
) -> list[Any]:
    first = SequenceInput(
        data.x[0].shape[1],
        normalization=options.normalization,
        feature_names=data.feature_names,
    )
    layers: list[Any] = [first]
    for k, units in enumerate(options.hidden):
        mode = material.mode if k + 1 == len(options.hidden) else "sequence"
        layers.append((BiLSTM if options.bilstm else LSTM)(units, output_mode=mode))
        layers += [Dropout(options.dropout)] if options.dropout > 0 else []  # 0 drops nothing
    return [*layers, FullyConnected(outputs), *([Softmax()] if material.task == "classify" else [])]


def _measured(
    net: Network, material: Material, judged: Judged | None, name: str
) -> dict[str, float]:
    """Scores of the network that is saved, or of the report on what it never saw."""
    if judged is not None:
        return judged.scores
    x, y = material.data.x, material.data.y
    # Of the network that was saved: the history has its mini-batches before their updates.
    return net.evaluate(x, y, name=name, label_name="its labels")


def _card(
    how: dict[str, Any], material: Material, judged: Judged | None, result: dict[str, float]
) -> dict[str, Any]:
    scores = {"measured_on": "training", **result} if judged is None else card_scores(judged)
    sets = {"training": material.data, "test": material.test, "validation": material.validation}
    data = {}
    for name, one in sets.items():
        if one is not None:
            told = material.read.get(name, material.read["training"])
            data[name] = {**data_facts(one.x, one.y, one.groups), "path": told["path"]}
    return make_card(TrainingOptions(**how), data, scores, date=utc_day())


def _told(
    options: argparse.Namespace,
    material: Material,
    info: TrainingInfo,
    judged: Judged | None,
    result: dict[str, float],
    started: float,
    paths: list[Any],
) -> dict[str, Any]:
    """What is said at the end, for people and for scripts."""
    whose = "training" if judged is None else judged.whose
    print(f"{whose} {scores_line(result)}")
    if "validation_loss" in info.history:
        print(f"{info.stop_reason} {_kept(info)}" if options.quiet else _kept(info))
    exit_code = INTERRUPTED if "Ctrl-C" in info.stop_reason else 0
    if judged is None and not math.isfinite(result["loss"]):
        print(
            f"minilstm: the {whose} loss of the saved network is {result['loss']}, so the training "
            "diverged; try a lower --learn-rate.",
            file=sys.stderr,
        )
        exit_code = exit_code or 1
    notes = judged.report.notes if judged is not None and material.classes is None else []
    given = [*info.hints, *(f"In the {whose} data {note}." for note in notes)]
    hints = [in_words_of_options(hint, options) for hint in given]
    for hint in hints:
        print(f"hint: {hint}")
    more = {k: v if math.isfinite(v) else None for k, v in result.items()}
    return {
        **facts(time.perf_counter() - started, result, options.seed),
        **{k: v for k, v in more.items() if k not in ("accuracy", "loss")},
        "task": material.task,
        "measured_on": whose,
        "stop_reason": info.stop_reason,
        "hints": hints,
        "read": list(material.read.values()),
        "files": files(paths),
        "exit_code": exit_code,
    }


def _kept(info: TrainingInfo) -> str:
    """Which epoch the saved network is of, and its validation."""
    history, at = info.history, int(np.argmax(info.history["iteration"] == info.output_iteration))
    scores = {
        name.removeprefix("validation_"): float(values[at])
        for name, values in history.items()
        if name.startswith("validation_") and math.isfinite(values[at])
    }
    told = f" (validation {scores_line(scores)})" if scores else ""
    return f"The saved network is that of epoch {history['epoch'][at]}{told}."
