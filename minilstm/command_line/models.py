"""The commands that take a trained model: let it predict a file, and draw it.
Each returns what ``--json`` prints."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilstm.command_line.facts import facts, files, scores_line
from minilstm.command_line.reading import (
    check_rate,
    checked_labels,
    ignored_labels,
    learned_names,
    read_data,
    say_positions,
)
from minilstm.command_line.words.data import data_options
from minilstm.data import Sequences
from minilstm.data.description import DataDescription
from minilstm.data.files.csv_text import csv_line
from minilstm.data.labels import to_targets
from minilstm.data.scores import scores_to_labels
from minilstm.data.shaping.shape import Shaping, shape
from minilstm.errors import DataError, ModelFileError
from minilstm.files import write_atomically
from minilstm.layers import Recurrent
from minilstm.losses import CrossEntropy
from minilstm.network.about import horizon_of
from minilstm.network.gates import Gates, find_recurrent
from minilstm.network.network import Network
from minilstm.paths import check_apart, check_readable, check_target


class Shaped(NamedTuple):
    """What the network sees of the data, and where it stands in them."""

    data: Sequences
    ids: list[str]  # B, of the recordings
    starts: list[int] | None  # B, the first steps of windows; None for whole recordings


def predict_file(options: argparse.Namespace) -> dict[str, Any]:
    """Write a label and scores, or numbers, for every step, window or sequence of some files."""
    to_file = not is_on_output(options)
    if to_file:
        check_target(options.out, "--out")
        check_apart(options.out, [options.model, *options.data])
    net = load_predictor(options.model, "are MODEL and DATA swapped?")
    paths = options.data[0] if len(options.data) == 1 else options.data
    shown = " ".join(map(str, options.data))
    shaped, read = _read_as_learned(net, options)
    data = shaped.data
    # What evaluate would refuse is refused before anything is written.
    judge = _checked_judge(net, data, paths, options)
    started = time.perf_counter()
    scores = net.predict(data.x)
    seconds = time.perf_counter() - started
    result = None
    if judge is not None:
        result = judge.evaluate(data.x, data.y, name=shown, label_name="its labels")
    say_horizon(net)
    is_text = read.get("time_unit") == "text"
    text = "".join(map(csv_line, _prediction_rows(net, scores, shaped, is_text)))
    if to_file:
        write_atomically(options.out, lambda file: file.write(text.encode()))
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    if result is not None:
        print(scores_line(result), file=sys.stderr)
    return {**facts(seconds, result), "read": [read]}


def _read_as_learned(net: Network, options: argparse.Namespace) -> tuple[Shaped, dict[str, Any]]:
    """The files of options.data, read and shaped as those of the training, and what was read."""
    paths = options.data[0] if len(options.data) == 1 else options.data
    description, shaping = known_of(net)
    given = learned_names(net), net.classes, net.dtype, description
    data, read = read_data(paths, options, net.output_mode, *given)
    say_positions(net, data.feature_names)
    check_rate((net.about or {}).get("rate"), data, shaping, " ".join(map(str, options.data)))
    return shaped_as_learned(data, with_rate(shaping, options)), read


def say_horizon(net: Network) -> None:
    """Tell on standard error which steps the answers of a forecast are."""
    ahead = horizon_of(net.about)
    if ahead is not None:
        steps = f"{ahead:,} step{'s' * (ahead != 1)}"
        print(f"minilstm: a forecast: each row is {steps} ahead of its step.", file=sys.stderr)


def is_on_output(options: argparse.Namespace) -> bool:
    """Whether standard output holds the CSV, so that nothing else may stand there."""
    return options.out is None or str(options.out) == "-"


def known_of(net: Network) -> tuple[DataDescription | None, Shaping | None]:
    """How the data of a network were read and shaped, as far as it knows."""
    about = net.about or {}
    described, shaped = about.get("description"), about.get("shaping")
    return (
        None if described is None else DataDescription.from_plain(described),
        None if shaped is None else Shaping.from_plain(shaped),
    )


def with_rate(shaping: Shaping | None, options: argparse.Namespace) -> Shaping | None:
    """The shaping for recordings without times, whose rate --rate-in says."""
    if options.rate_in is None:
        return shaping
    if shaping is None or shaping.rate is shaping.gap_seconds is None:
        raise ValueError(
            f"--rate-in is {options.rate_in:g}, but the model needs no rate; leave it out."
        )
    return dataclasses.replace(shaping, rate_in=options.rate_in)


def shaped_as_learned(data: Sequences, shaping: Shaping | None) -> Shaped:
    """The data as those of the training were shaped, and said so."""
    if shaping is None or shaping == Shaping():
        return Shaped(data, data.ids, None)
    print(f"minilstm: shaped as in training: {shaping}", file=sys.stderr)
    plain = {**shaping.to_plain(), "window_length": None, "window_step": None}
    plain.pop("window_label", None)
    if data.y is None:
        plain["trim_unlabelled"] = False  # without labels nothing is known to be unlabelled
    whole = shape(data, Shaping.from_plain(plain))
    if shaping.windows is None:
        return Shaped(whole, whole.ids, None)
    cut = shaping.windows(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said by the line above
        places = shaping.windows.places([*map(len, whole.x)], whole.ids)
    return Shaped(cut, [whole.ids[b] for b in places.recordings], places.starts.tolist())


def _checked_judge(
    net: Network, data: Sequences, paths: Any, options: argparse.Namespace
) -> Network | None:
    """The network that measures, once the labels are known to fit; None where nothing can be."""
    if data.y is None or horizon_of(net.about) is not None:
        return None
    parts = data.y if isinstance(data.y, list) else [data.y]
    is_number = all(part.dtype.kind == "f" for part in parts)
    if net.classes is None:
        return net if is_number and net.losses is not None else None
    if is_number or all(part.dtype.kind == "U" and np.all(part == "") for part in parts):
        return None
    judge, ignored = with_ignored_labels(net, options)
    allowed = [*judge.classes.tolist(), *ignored]
    labels = checked_labels(data, paths, net.input_size, net.output_mode, options, allowed)
    to_targets(labels, judge.classes, str(paths), ignored)
    return judge


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
    """Draw the layers of a model file and the arrows between them, or its gates on data."""
    if options.gates is not None:
        return _plot_gates(options)
    for word in ("layer", "sequence", "show"):
        if getattr(options, word) is not None:
            raise ValueError(f"--{word} is of gates, but no data are given; add --gates DATA.")
    path = options.model.with_suffix(".png") if options.out is None else options.out
    check_apart(path, [options.model])
    net = load_model(options.model)
    net.plot(path)
    return {
        "layers": len(net.layers),
        "learnables": sum(v.size for v in net.parameters.values()),
        "files": files([path]),
    }


def _plot_gates(options: argparse.Namespace) -> dict[str, Any]:
    """Draw what a recurrent layer does inside along a recording, which is read as in training."""
    from minilstm.plots import plot_gates, save_figure

    path = options.model.with_suffix(".gates.png") if options.out is None else options.out
    check_apart(path, [options.model, *options.gates])
    check_target(path, "--out")
    net = load_predictor(options.model, "are MODEL and DATA swapped?")
    recurrent = [layer.name for layer in net.layers if isinstance(layer, Recurrent)]
    if not recurrent:
        raise ValueError(f"{options.model} has no recurrent layer, so no gates; leave --gates out.")
    layer = recurrent[0] if options.layer is None else options.layer
    find_recurrent(net, layer)
    plain = data_options().parse_args([])  # no word about columns: they are as in training
    plain.data, plain.rate_in = options.gates, None
    shaped, read = _read_as_learned(net, plain)
    wanted = shaped.ids[0] if options.sequence is None else options.sequence
    if wanted not in shaped.ids:
        known = ", ".join(map(repr, dict.fromkeys(shaped.ids[:10])))
        raise ValueError(f"--sequence is {wanted!r}, but the data have {known}; name one of them.")
    x = shaped.data.x[shaped.ids.index(wanted)]  # (T, D)
    names = learned_names(net) or shaped.data.feature_names
    title = f"{layer} along {wanted}: units sorted by what they follow"
    gates = net.gates(x, layer)
    assert isinstance(gates, Gates)  # as x is one sequence
    show = "cf" if options.show is None else options.show
    save_figure(plot_gates(gates, x, show=show, names=names, title=title)[0], path)
    found = {"layer": layer, "sequence": wanted, "steps": len(x), "units": gates.c.shape[1]}
    return {**found, "read": [read], "files": files([path])}


def load_model(path: Path, advice: str = "name a file that train wrote.") -> Network:
    """A model file; one that does not start like one is refused with the advice."""
    with open(check_readable(path), "rb") as file:
        start = file.read(9)  # a length in 8 bytes, and a brace
    if len(start) == 9 and start[8:] != b"{":
        raise ModelFileError(f"{path} is no model file, as its first bytes show; {advice}")
    return Network.load(path)


def load_predictor(path: Path, advice: str = "name a file that train wrote.") -> Network:
    """A model file with one input and one output; arguments as for `load_model`."""
    net = load_model(path, advice)
    if isinstance(net.classes, dict) or len(net.input_names) > 1 or len(net.output_names) > 1:
        raise DataError(
            f"{path} has several inputs or outputs, but a file gives one input and takes one "
            "output; call predict in Python."
        )
    return net


def _prediction_rows(
    net: Network, scores: Any, shaped: Shaped, is_text: bool
) -> Iterator[list[Any]]:
    """A heading, and a row for each answer: whose it is, when, and what.

    Times are in seconds, or as ISO text where they were text.
    """
    ids, starts = shaped.ids, shaped.starts
    at, when = ([] if shaped.data.times is None else ["time"]), _clock(shaped.data.times, is_text)
    if net.output_mode == "last":
        where = [] if starts is None else ["start", *at]
        yield ["sequence", *where, *answer_names(net)]
        for b, (name, row) in enumerate(zip(ids, answers(net, scores), strict=True)):
            yield [name, *([] if starts is None else [starts[b], *when(b, 0)]), *row]
        return
    yield ["sequence", "step", *at, *answer_names(net)]
    for b, (name, rows) in enumerate(zip(ids, scores, strict=True)):
        first = 0 if starts is None else starts[b]
        for step, row in enumerate(answers(net, rows)):
            yield [name, first + step, *when(b, step), *row]


def _clock(times: list[Any] | None, is_text: bool) -> Callable[[int, int], list[str]]:
    """What gives the time of a step of a sequence, to the microsecond; nothing without times."""
    if times is None:
        return lambda b, step: []
    if not is_text:
        return lambda b, step: [f"{times[b][step]:.6f}".rstrip("0").rstrip(".")]
    return lambda b, step: [_iso(times[b][step])]


def _iso(seconds: float) -> str:
    stamp = str(np.datetime64(round(seconds * 1e6), "us"))
    return stamp.rstrip("0").rstrip(".") if "." in stamp else stamp


def answer_names(net: Network) -> list[str]:
    """The names of what a network answers: a label and its scores, or numbers."""
    if net.classes is not None:
        return ["label", *(f"score_{c}" for c in net.classes)]
    size = sum(net.wiring.shape(net.wiring.outputs[0])[-1:])
    named: list[str] | None = (net.about or {}).get("targets")
    return [f"value_{n + 1}" for n in range(size)] if named is None else named


def answers(net: Network, scores: Any) -> Iterator[list[Any]]:
    """A row for each answer, from rows of scores (N, C)."""
    if net.classes is None:
        yield from map(written, scores)
        return
    for label, row in zip(scores_to_labels(scores, net.classes), scores, strict=True):
        yield [label, *written(row)]


def written(scores: Sequence[float]) -> list[str]:
    """Scores as the CSV has them, with six digits."""
    return [f"{score:.6g}" for score in scores]
