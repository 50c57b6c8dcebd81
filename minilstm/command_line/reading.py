"""How commands read a file of sequences: with the options given, features in the network's order.
What was taken for what is said on standard error, as nothing is guessed in silence."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.command_line.complaints import in_words_of_options
from minilstm.data import DataDescription, Sequences, read_sequences
from minilstm.data.feature_names import by_position, column_order
from minilstm.data.files.readers import kind_and_sources, read_tables
from minilstm.data.labels import as_labels
from minilstm.data.recordings.files import ARRAYS
from minilstm.data.recordings.read import Read
from minilstm.data.sequences import Batch, as_batch
from minilstm.data.shaping.shape import Shaping
from minilstm.data.stored import is_stored
from minilstm.errors import DataError
from minilstm.layers import SequenceInput
from minilstm.network.network import Network

_OFF = 0.1  # how far a rate may be from the one that was learned, as a share
_LARGE = 1 << 28  # bytes of .npz files that are not read into memory where that can be
_OF_ARRAYS = ("layout", "x_name", "y_name")


def read_data(
    path: Path | Sequence[Path],
    options: argparse.Namespace,
    output_mode: str,
    names: Sequence[str] | None = None,
    classes: Any = None,
    dtype: Any = None,
    learned: DataDescription | None = None,
) -> tuple[Sequences, dict[str, Any]]:
    """Sequences of a data set and the facts about it, which are said as well.

    `output_mode` "last" makes the labels of tables those of sequences, unless windows are cut.
    Columns are brought into the order of `names`, the features of the network. Where `classes`,
    those of the network, are text, so are labels that a file without types has written as numbers.
    `learned` is how the data of the network were read; words go before it.
    """
    paths = [path] if isinstance(path, Path) else list(path)
    for one in paths:
        if one.suffix.lower() == ".safetensors":
            raise DataError(
                f"{one} is a model file by its name, but a file of sequences was wanted; name one "
                "that ends in .csv, .npz, .mat or .ts."
            )
    given: Any = paths[0] if len(paths) == 1 else paths
    said = described(options)
    arrays: dict[str, Any] = {
        name: v for name in _OF_ARRAYS if (v := getattr(options, name, None)) is not None
    }
    kind, sources = kind_and_sources(given, said)
    if learned is not None and learned.file_pattern is not None and said.file_pattern is None:
        named = dataclasses.replace(said, file_pattern=learned.file_pattern)
        try:
            kind, sources = kind_and_sources(given, named)
        except DataError:  # other files may be called otherwise
            kind, sources = kind_and_sources(paths, said)
    # A file of arrays does not say whether its numbers are classes.
    numbers = getattr(options, "task", None) == "regress" or (dtype is not None and classes is None)
    if numbers and kind in ARRAYS:
        arrays["numeric_targets"] = True
    if kind == ".npz" and (size := sum(os.path.getsize(s.path) for s in sources)) >= _LARGE:
        arrays["mapped"] = True
    if kind in ARRAYS and said.fill is None and learned is not None:
        said = dataclasses.replace(said, fill=learned.fill)
    if kind in ARRAYS or arrays:
        data = read_sequences(given, **arrays, **said.to_plain())
    else:
        windows = getattr(options, "window_length", None) is not None
        if output_mode == "last" and said.label_per is None and not windows and learned is None:
            said = dataclasses.replace(said, label_per="sequence")
        if output_mode == "sequence" and said.label_per is None and learned is None:
            said = dataclasses.replace(said, label_per="step")
        read = read_tables(given, sources, said, names or (), learned)
        kept = options.dtype if dtype is None else dtype
        _check_range(read, kept, "dtype" in options)
        data = read.sequences
    if "mapped" in arrays:
        stay = isinstance(data.x[0], np.memmap)
        told = "x stays there" if stay else "it is packed, so it is read; numpy.savez packs nothing"
        print(f"{data.facts.path}: {size:,} bytes; {told}", file=sys.stderr)
    _say(data.facts, options)
    if names is not None and data.feature_names is not None:
        can_drop = kind not in ARRAYS
        order = column_order(data.feature_names, names, repr(shown(path)), can_drop=can_drop)
        if order is not None:
            x = [a[:, order] for a in data.x]
            data = data._replace(x=x, feature_names=list(names))
    is_text = getattr(classes, "dtype", np.dtype(int)).kind == "U"
    if is_text and data.y is not None and kind not in (".mat", ".npz"):
        y = [a.astype(str) for a in data.y] if isinstance(data.y, list) else data.y.astype(str)
        data = data._replace(y=y)
    return data, data.facts.to_plain()


def described(options: argparse.Namespace) -> DataDescription:
    """What the words say of the columns, and below them the file of --describe."""
    fields = [field.name for field in dataclasses.fields(DataDescription)]
    given = {name: getattr(options, name, None) for name in fields}
    said = DataDescription.from_plain({n: v for n, v in given.items() if v is not None})
    file = getattr(options, "describe", None)
    return said if file is None else said.over(DataDescription.from_toml(file))


def shown(path: Path | Sequence[Path]) -> str:
    """One path, or several, as they were typed."""
    return str(path) if isinstance(path, Path) else " ".join(map(str, path))


def _check_range(read: Read, dtype: Any, may_choose: bool) -> None:
    """Refuse a number of a table that the network's dtype cannot hold, by line and column."""
    largest, step = np.finfo(dtype).max, 0
    for values in read.sequences.x:  # (T, D)
        if max(values.max(), -values.min()) > largest:
            t, d = (int(k) for k in np.argwhere(np.abs(values) > largest)[0])
            way = ", or train with --dtype float64" if may_choose else ""
            names = read.sequences.feature_names or []
            raise DataError(
                f"{read.place(step + t)} has {values[t, d]} in column {names[d]!r}, beyond the "
                f"range of {np.dtype(dtype)}; correct it{way}."
            )
        step += len(values)


def learned_names(net: Network) -> list[str] | None:
    """The names of the features that a network was trained on, if it knows them."""
    first = net.layers[net.wiring.inputs[0]]
    assert isinstance(first, SequenceInput)  # the wiring has checked
    return None if first.feature_names is None else list(first.feature_names)


def say_positions(net: Network, names: Sequence[str] | None) -> None:
    """Tell on standard error where columns have names, and the network has none for them."""
    if names is not None and learned_names(net) is None:
        told = by_position(names, "model")
        print(f"minilstm: {told}; send them in the order of the training.", file=sys.stderr)


def ignored_labels(options: argparse.Namespace) -> list[str]:
    """The labels that count nowhere: "" is what a missing one is read as."""
    return [] if options.missing_labels in (None, []) else [""]


def checked_labels(
    data: Sequences,
    path: Path | Sequence[Path],
    size: Any,
    output_mode: str,
    options: argparse.Namespace,
    classes: Iterable[Any] = (),
) -> list[NDArray[Any]]:
    """The labels of a file as `as_labels` gives them, or a DataError where they do not fit.

    `size` is the input size. Words that read like a missing label are labels where they are among
    the `classes`, or where --missing-labels has said which words are none.
    """
    if data.y is None:
        ways = "add them, or name their column with --label-column"
        if data.facts is not None and len(data.facts.files) > 1:
            ways = (
                "name their column with --label-column, or say which part of the files' names they "
                "are, as --file-pattern '{group}_{label}_*' does"
            )
        raise DataError(
            f"{shown(path)} has no labels, but a classifier learns from labels; {ways}."
        )
    per_step = isinstance(data.y, list)
    if per_step != (output_mode == "sequence"):
        if not per_step and getattr(options, "window_length", None) is not None:
            raise DataError(
                f"--output-mode is {output_mode!r}, one label a step, but windows have one label "
                "each; leave --output-mode out, or cut no windows."
            )
        has, learns = ("step", "sequence") if per_step else ("sequence", "step")
        raise DataError(
            f"{shown(path)} has one label a {has}, but a network with the output mode "
            f"{output_mode!r} has one a {learns}; train with --output-mode "
            f"{'sequence' if per_step else 'last'}."
        )
    allowed = list(classes)
    if options.missing_labels is not None:
        allowed += np.unique(np.concatenate(as_list(data.y))).tolist()
    if is_stored(data.x, 2):  # the training checks each as it is read
        batch = Batch(data.x, "list")
    else:
        batch = as_batch(data.x, size, getattr(options, "dtype", "float64"), shown(path))
    return as_labels(data.y, batch, output_mode, shown(path), allowed)


def check_rate(learned: float | None, data: Sequences, shaping: Shaping | None, name: str) -> None:
    """Refuse windows of a recording at another rate than the network learned; else warn.

    What is resampled has the right rate; without times nothing is known.
    """
    if learned is None or data.times is None or (shaping is not None and shaping.rate is not None):
        return
    for whose, times in zip(data.ids, data.times, strict=True):
        step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        if step <= 0 or abs(1 / (step * learned) - 1) <= _OFF:
            continue
        sentence = (
            f"the recording {whose!r} of {name} has {1 / step:.4g} Hz, but the model learned "
            f"{learned:.4g} Hz; bring the data to that rate, or train with --rate "
            f"{min(learned, 1 / step):.4g}, which resamples all data."
        )
        if shaping is not None and shaping.window_length is not None:
            raise DataError(sentence)
        warnings.warn(sentence, UserWarning, stacklevel=2)
        return


def as_list(labels: Any) -> list[Any]:
    """Labels as a list of arrays, whether they belong to steps or to sequences."""
    return labels if isinstance(labels, list) else [labels]


def _say(facts: Any, options: argparse.Namespace) -> None:
    """What was read, a line for each thing."""
    for line in facts.lines():
        if line in facts.hints:
            by = "split_gaps" if "gap_seconds" in line else "normalization"
            if getattr(options, by, "") not in (None, "none"):
                continue  # it is split or normalized already, or is no training
        print(f"{facts.path}: {in_words_of_options(line, options)}", file=sys.stderr)
