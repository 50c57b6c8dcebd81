"""What a training gets: files read and shaped, answers by the task, and what is held out of them.
Everything that does not fit is refused here, before a network is built."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.command_line.reading import (
    as_list,
    check_rate,
    checked_labels,
    described,
    ignored_labels,
    read_data,
    shown,
)
from minilstm.command_line.words.shaping import shaping_of
from minilstm.data import Sequences
from minilstm.data.labels import find_classes, to_targets
from minilstm.data.recordings.facts import gap_limit
from minilstm.data.recordings.files import sources_of
from minilstm.data.shaping.shape import Shaping, shape
from minilstm.errors import DataError
from minilstm.evaluation import Split, k_fold, leave_one_group_out, shared_names, split_share
from minilstm.network.about import features_of

_MOST_NAMES = 8  # of recordings or groups that a line lists
Array = NDArray[Any]
Paths = Sequence[Path]


class Material(NamedTuple):
    """Checked and shaped sequences with their answers, and what is said of them."""

    task: str  # "classify", "regress" or "forecast"
    mode: str  # "sequence" or "last"
    data: Sequences  # all that may train, folds as well
    test: Sequences | None
    validation: Sequences | None
    folds: list[Split]  # of the data; none where nothing is left out in turn
    classes: Array | None  # (C,)
    ignored: list[str]  # labels that count nowhere
    shaping: Shaping | None
    read: dict[str, dict[str, Any]]  # what was read for "training", "test" and "validation"
    facts: Any  # of the training data, `ReadFacts`
    horizon: int | None  # of a forecast, steps ahead


def read_material(options: argparse.Namespace) -> Material:
    """Read, shape and check all files of a training; hold out what the words ask for."""
    _check_words(options)
    asked = "" if options.output_mode is None else options.output_mode
    raw, told = read_data(options.train, options, asked)
    shaping = shaping_of(options, raw.facts.rate)
    task = _task(options, raw)
    ahead = (1 if options.horizon is None else options.horizon) if task == "forecast" else None
    data = with_later(_shaped(raw, shaping), ahead, shown(_one(options.train)))
    _hint(raw, data, shaping, task, options)
    found = "sequence" if isinstance(data.y, list) else "last"
    mode = found if options.output_mode is None else options.output_mode
    ignored = ignored_labels(options) if task == "classify" else []
    classes = None
    if task == "classify":
        labels = checked_labels(data, options.train, data.x[0].shape[1], mode, options)
        classes = find_classes(labels, shown(_one(options.train)), ignored)  # (C,)
    read = {"training": told}

    def other(name: str, paths: Paths | None) -> Sequences | None:
        if paths is None:
            return None
        how: Any = options, mode, data.feature_names, classes, None, raw.facts.description
        found, read[name] = read_data(paths, *how)
        _warn_of_shared(raw, found)
        check_rate(raw.facts.rate, found, shaping, shown(_one(paths)))
        found = with_later(_shaped(found, shaping), ahead, shown(_one(paths)))
        _check_like(found, data, options, paths, mode, classes, ignored)
        return found

    test = other("test", options.test)
    validation = other("validation", options.validation)
    if validation is not None and classes is not None:  # those of a test may be strangers
        to_targets(as_list(validation.y), classes, shown(_one(options.validation)), ignored)
    folds: list[Split] = []
    held = ""
    how: Any = data.groups, data.y if task == "classify" else None
    if options.test_share is not None:
        split = split_share(len(data.x), options.test_share, options.seed, *how)
        held, folds = f"--test-share {options.test_share}", [split]
    elif options.folds is not None:
        held, folds = "a fold", k_fold(len(data.x), options.folds, options.seed, *how)
    elif options.leave_one_group_out:
        held, folds = "a fold", leave_one_group_out(_groups(data, options))
    if classes is not None:
        _check_trained(labels, folds, ignored, held)
    if options.test_share is not None:
        data, test, folds = part_of(data, folds[0].train), part_of(data, folds[0].test), []
    given = task, mode, data, test, validation, folds, classes, ignored, shaping, read
    return Material(*given, raw.facts, ahead)


def held_out_lines(material: Material, options: argparse.Namespace) -> list[str]:
    """A line for each share that was asked for: how much is held out, and who."""
    lines, data = [], material.data
    if options.test_share is not None and material.test is not None:
        whole = len(data.x) + len(material.test.x)
        lines.append(_held("test", options.test_share, material.test, whole))
    if options.validation_share is not None:  # drawn as the training draws it
        labels = data.y if material.task == "classify" else None
        how: Any = options.validation_share, options.seed, data.groups, labels
        split = split_share(len(data.x), *how)
        held = part_of(data, split.test)
        lines.append(_held("validation", options.validation_share, held, len(data.x)))
    return lines


def _held(word: str, share: float, held: Sequences, whole: int) -> str:
    """What of a share is held out; a share that whole groups cannot meet is told."""
    found = len(held.x) / whole
    recordings = held.recordings or held.ids
    is_group = held.groups is not None and held.groups != recordings
    names = sorted(set((held.groups if is_group else recordings) or []))
    what = ("group" if is_group else "recording") + "s" * (len(names) != 1)
    line = f"{word}: {len(held.x):,} of {whole:,} sequences ({found:.0%}), {len(names):,} {what}"
    if len(names) <= _MOST_NAMES:
        line += f": {', '.join(names)}"
    if abs(found - share) > max(0.05, 0.6 / whole) or found > 2 * share:
        why = f"each {'group' if is_group else 'recording'} is kept whole"
        line += f" (--{word}-share is {share:g}, but {why})"
    return line


def _check_trained(labels: list[Array], folds: list[Split], ignored: list[str], held: str) -> None:
    """Refuse what leaves one class to train on."""
    for fold in folds:
        found = {label for k in fold.train for label in np.unique(labels[k]).tolist()} - {*ignored}
        if len(found) < 2:
            raise DataError(
                f"{held} leaves only {', '.join(map(repr, found)) or 'missing labels'} to train "
                "on, but a classifier needs at least two classes; hold out less, or record more."
            )


def _hint(
    raw: Sequences, data: Sequences, shaping: Shaping | None, task: str, options: argparse.Namespace
) -> None:
    """Say where windows lie across holes in time, and where labels are those of recordings."""
    windows = shaping is not None and shaping.window_length is not None
    facts, seconds = raw.facts, data.times or []
    if windows and facts.longest_step is not None and options.split_gaps is None:
        limit = gap_limit(facts.longest_step, facts.rate)
        across = sum(bool((np.diff(part) > float(limit)).any()) for part in seconds)
        if across:  # of what was resampled, another line tells
            print(
                f"minilstm: {across:,} of {len(data.x):,} windows lie across a hole in time; say "
                f"--split-gaps {limit}.",
                file=sys.stderr,
            )
    if task != "classify" or windows or not isinstance(raw.y, list):
        return
    mode = options.output_mode
    asked = described(options).label_per if mode is None else mode
    alike = [np.unique(part).tolist() for part in raw.y]
    if asked is None and all(len(one) == 1 for one in alike) and len({one[0] for one in alike}) > 1:
        print(
            "minilstm: every recording has one label only; say --label-per sequence, so that a "
            "recording gets one answer.",
            file=sys.stderr,
        )


def _groups(data: Sequences, options: argparse.Namespace) -> list[str]:
    if data.groups is None:
        raise DataError(
            f"{shown(_one(options.train))} has no groups to leave out; name them with "
            "--group-column, or with {group} in --file-pattern, or take --folds 5."
        )
    return data.groups


def part_of(data: Sequences, numbers: Array) -> Sequences:
    """Some of the sequences."""

    def of(values: Any) -> Any:
        if values is None or isinstance(values, np.ndarray):
            return None if values is None else values[numbers]
        return [values[n] for n in numbers]

    return data._replace(
        x=of(data.x), y=of(data.y), ids=of(data.ids), groups=of(data.groups), times=of(data.times),
        recordings=of(data.recordings),
    )  # fmt: skip


def _check_words(options: argparse.Namespace) -> None:
    """Words that cannot act beside each other."""
    validates = options.validation is not None or options.validation_share is not None
    for word, value in (("--patience", options.patience), ("--best", options.best or None)):
        if value is not None and not validates:
            raise ValueError(
                f"{word} needs data to validate on, but there are none; add --validation-share "
                "0.2, or --validation FILE."
            )
    if options.horizon is not None and options.task != "forecast":
        raise ValueError(f"--horizon is {options.horizon}, but it is of --task forecast; add that.")
    if options.task == "forecast" and described(options).target_columns:
        raise ValueError(
            "--target-columns names numbers to be predicted, but a forecast predicts the features; "
            "say --task regress, or leave --target-columns out."
        )
    if options.task == "forecast" and options.output_mode == "last":
        raise ValueError("--output-mode is 'last', but a forecast is one a step; leave it out.")


def _task(options: argparse.Namespace, data: Sequences) -> str:
    """What is asked for, or what the answers are: numbers or labels."""
    numbers = data.y is not None and as_list(data.y)[0].dtype.kind == "f"
    told = "regress" if numbers else "classify"
    task: str = told if options.task is None else options.task
    name = shown(_one(options.train))
    if task == "regress" and not numbers:
        raise DataError(
            f"{name} has no numbers to be predicted, but --task regress learns them; name them "
            "with --target-columns."
        )
    if task == "classify" and numbers:
        raise DataError(
            f"{name} has numbers to be predicted, but --task classify learns labels; name them "
            "with --label-column, or leave --task out."
        )
    if task != "classify":
        if options.class_weights is not None:
            raise ValueError(
                f"--class-weights is {options.class_weights!r}, which is for classes; leave it out."
            )
    elif options.loss is not None:
        raise ValueError(f"--loss is {options.loss!r}, which is for numbers; leave it out.")
    return task


def _shaped(data: Sequences, shaping: Shaping | None) -> Sequences:
    return data if shaping is None else shape(data, shaping)


def with_later(
    data: Sequences, ahead: int | None, path: str, way: str = "leave it out, or lower --horizon"
) -> Sequences:
    """For a forecast, sequences whose answers are their features so many steps later.

    `way` mends recordings that are too short.
    """
    if ahead is None:
        return data
    for name, x in zip(data.ids, data.x, strict=True):
        if len(x) <= ahead:
            raise DataError(
                f"the recording {name!r} of {path} has {len(x)} steps, but a "
                f"forecast of {ahead} ahead needs more; {way}."
            )
    times = None if data.times is None else [t[:-ahead] for t in data.times]
    later: list[Array] = [np.asarray(a[ahead:], np.float64) for a in data.x]  # (T, D) each
    return data._replace(x=[a[:-ahead] for a in data.x], y=later, times=times)


def _check_like(
    other: Sequences,
    data: Sequences,
    options: argparse.Namespace,
    paths: Paths,
    mode: str,
    classes: Array | None,
    ignored: list[str],
) -> None:
    """Answers of other files must be of the kind of those that train."""
    if classes is not None:
        known = [*classes.tolist(), *ignored]
        labels = checked_labels(other, paths, data.x[0].shape[1], mode, options, known)
        to_targets(labels, _with_strangers(labels, classes), shown(_one(paths)), ignored)
        return
    ours, theirs = (None if d.y is None else as_list(d.y)[0] for d in (data, other))
    assert ours is not None  # the task was told from them
    alike = theirs is not None and theirs.dtype.kind == "f" and ours.shape[1:] == theirs.shape[1:]
    if not alike or isinstance(data.y, list) != isinstance(other.y, list):
        raise DataError(
            f"{shown(_one(paths))} has other answers than the training data, which have numbers; "
            "give it numbers of the same columns."
        )


def _with_strangers(labels: list[Array], classes: Array) -> Array:
    """The classes, and behind them others of their kind, which a test may hold."""
    found = {label for part in labels for label in np.unique(part).tolist()}
    others = [
        c for c in found - {*classes.tolist()} if isinstance(c, str) == (classes.dtype.kind == "U")
    ]
    return np.concatenate([classes, np.array(sorted(others))]) if others else classes


def _warn_of_shared(data: Sequences, other: Sequences) -> None:
    """Files, recordings or groups that train and judge as well."""
    files = [{os.path.realpath(f): f for f in d.facts.files if f != "-"} for d in (data, other)]
    if shared := files[0].keys() & files[1].keys():
        names = sorted(files[1][path] for path in shared)
        shared_names(names, names, "files")
    elif data.groups is not None and other.groups is not None:
        shared_names(data.groups, other.groups, "groups")
    else:
        shared_names(_names(data, other), _names(other, data))


def _names(data: Sequences, other: Sequences) -> list[str]:
    """The ids of recordings; of one file alone its stem, where several others are called by it."""
    facts = data.facts
    if len(facts.files) > 1 or len(other.facts.files) == 1 or facts.description.id_column:
        return data.ids
    return [source.name for source in sources_of([*facts.files])]


def _one(paths: Paths) -> Path | Paths:
    return paths[0] if len(paths) == 1 else paths


def known_of(material: Material, card: dict[str, Any]) -> dict[str, Any]:
    """What the network is to know of its data, for `Network.replace(about=...)`."""
    data, facts, shaping = material.data, material.facts, material.shaping
    names = data.feature_names
    targets = list(facts.targets) if facts.targets is not None else None
    if material.task != "regress":
        targets = names if material.task == "forecast" else None
    rate = facts.rate if shaping is None or shaping.rate is None else shaping.rate
    return {
        "features": None if names is None else features_of(names),
        "targets": targets,
        **({} if material.horizon is None else {"forecast": {"horizon": material.horizon}}),
        "rate": rate,
        "description": facts.description.to_plain(),
        "shaping": None if shaping is None else shaping.to_plain(),
        "card": card,
    }
