"""How commands read a file of sequences: with the options given, features in the network's order.
What was taken for what is said on standard error, as nothing is guessed in silence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data import Sequences, read_sequences
from minilstm.data.feature_names import column_order
from minilstm.data.files.checks import check_file
from minilstm.data.files.read_csv import Columns, read_csv_and_columns
from minilstm.data.labels import as_labels
from minilstm.data.sequences import as_batch
from minilstm.errors import DataError
from minilstm.layers import SequenceInput
from minilstm.network.network import Network

_OPTIONS = (
    "id_column",
    "label_column",
    "label_per",
    "missing_labels",
    "layout",
    "x_name",
    "y_name",
)
_MOST_NAMES = 12  # features or labels that a line names


def read_data(
    path: Path,
    options: argparse.Namespace,
    output_mode: str,
    names: Sequence[str] | None = None,
    classes: Any = None,
    dtype: Any = None,
) -> tuple[Sequences, dict[str, Any]]:
    """Sequences of a file and the facts about it, which are said as well.

    `output_mode` "last" makes the labels of a .csv file those of sequences. Columns are brought
    into the order of `names`, the features of the network. Where `classes`, those of the network,
    are text, so are labels that a file without types has written as numbers.
    """
    given = {name: value for name in _OPTIONS if (value := getattr(options, name)) is not None}
    columns = None
    check_file(path)
    if path.suffix.lower() == ".safetensors":
        raise DataError(
            f"{path} is a model file by its name, but a file of sequences was wanted; name one "
            "that ends in .csv, .npz, .mat or .ts."
        )
    # Options of other formats are refused by `read_sequences`.
    if path.suffix.lower() == ".csv" and not given.keys() & {"layout", "x_name", "y_name"}:
        if output_mode == "last":
            given.setdefault("label_per", "sequence")
        data, columns = read_csv_and_columns(path, known=names or (), **given)
    else:
        data = read_sequences(path, **given)
    if columns is not None:
        kept = options.dtype if dtype is None else dtype
        _check_range(path, data, columns, kept, "dtype" in options)
    facts = _facts(path, data, columns)
    _say(facts)
    if names is not None and data.feature_names is not None:
        order = column_order(data.feature_names, names, repr(str(path)))
        if order is not None:
            x = [a[:, order] for a in data.x]
            data = data._replace(x=x, feature_names=list(names))
    is_text = getattr(classes, "dtype", np.dtype(int)).kind == "U"
    if is_text and data.y is not None and path.suffix.lower() in (".csv", ".ts"):
        y = [a.astype(str) for a in data.y] if isinstance(data.y, list) else data.y.astype(str)
        data = data._replace(y=y)
    return data, facts


def _check_range(
    path: Path, data: Sequences, columns: Columns, dtype: Any, may_choose: bool
) -> None:
    """Refuse a number of a .csv file that the network's dtype cannot hold, by line and column."""
    largest, step = np.finfo(dtype).max, 0
    for values in data.x:  # (T, D)
        if max(values.max(), -values.min()) > largest:
            t, d = np.argwhere(np.abs(values) > largest)[0]
            way = ", or train with --dtype float64" if may_choose else ""
            raise DataError(
                f"line {columns.lines[step + t]} of {path} has {values[t, d]} in column "
                f"{columns.features[d]!r}, beyond the range of {np.dtype(dtype)}; correct it{way}."
            )
        step += len(values)


def learned_names(net: Network) -> list[str] | None:
    """The names of the features that a network was trained on, if it knows them."""
    first = net.layers[net.wiring.inputs[0]]
    assert isinstance(first, SequenceInput)  # the wiring has checked
    return None if first.feature_names is None else list(first.feature_names)


def ignored_labels(options: argparse.Namespace) -> list[str]:
    """The labels that count nowhere: "" is what a missing one is read as."""
    return [] if options.missing_labels in (None, []) else [""]


def checked_labels(
    data: Sequences,
    path: Path,
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
        raise DataError(f"{path} has no labels, but a classifier learns from labels; add them.")
    per_step = isinstance(data.y, list)
    if per_step != (output_mode == "sequence"):
        has, learns = ("step", "sequence") if per_step else ("sequence", "step")
        raise DataError(
            f"{path} has one label a {has}, but a network with the output mode {output_mode!r} "
            f"has one a {learns}; train with --output-mode {'sequence' if per_step else 'last'}."
        )
    allowed = list(classes)
    if options.missing_labels is not None:
        allowed += np.unique(np.concatenate(as_list(data.y))).tolist()
    batch = as_batch(data.x, size, getattr(options, "dtype", "float64"), str(path))
    return as_labels(data.y, batch, output_mode, str(path), allowed)


def as_list(labels: Any) -> list[Any]:
    """Labels as a list of arrays, whether they belong to steps or to sequences."""
    return labels if isinstance(labels, list) else [labels]


def _facts(path: Path, data: Sequences, columns: Columns | None) -> dict[str, Any]:
    lengths = [len(a) for a in data.x]
    facts: dict[str, Any] = {
        "path": str(path),
        "sequences": len(lengths),
        "steps": sum(lengths),
        "shortest": min(lengths),
        "longest": max(lengths),
        "features": data.feature_names or data.x[0].shape[1],
        "empty_lines": columns.empty if columns else 0,
        "id_column": columns.id if columns else None,
        "label_column": columns.label if columns else None,
        "label_per": None,
        "labels": None,
        "missing_labels": 0,
    }
    if data.y is not None:
        values, counts = np.unique(np.concatenate(as_list(data.y)), return_counts=True)
        facts["label_per"] = "step" if isinstance(data.y, list) else "sequence"
        labels = zip(map(str, values.tolist()), counts.tolist(), strict=True)
        facts["labels"] = dict(labels)
        facts["missing_labels"] = facts["labels"].pop("", 0)
    return facts


def _say(facts: dict[str, Any]) -> None:
    """One line of what was read, and one of its labels."""
    shortest, longest = facts["shortest"], facts["longest"]
    each = f" ({shortest if shortest == longest else f'{shortest} to {longest}'} each)"
    features = facts["features"]
    is_number = isinstance(features, int)
    named = _count(features, "feature") if is_number else f"features {_some(features)}"
    whose = f", id column {facts['id_column']!r}" if facts["id_column"] is not None else ""
    counted = f"{_count(facts['sequences'], 'sequence')}, {_count(facts['steps'], 'step')}{each}"
    skipped = facts["empty_lines"]
    empty = f", {_count(skipped, 'line')} of empty cells skipped" if skipped else ""
    lines = [
        f"{counted}, {named}{whose}{empty}",
        "no labels",
    ]
    if facts["labels"] is not None:
        column = facts["label_column"]
        where = f"column {column!r}, " if column is not None else ""
        counts = _some(f"{label!r} {count:,}" for label, count in facts["labels"].items())
        missing = f", {facts['missing_labels']:,} missing" if facts["missing_labels"] > 0 else ""
        lines[1] = f"labels ({where}one a {facts['label_per']}) {counts}{missing}"
    for line in lines:
        print(f"{facts['path']}: {line}", file=sys.stderr)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more
