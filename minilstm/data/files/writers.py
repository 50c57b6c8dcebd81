"""Writing sequences to files that `read_sequences` reads back: .npz for keeps, .csv for eyes.
Everything is checked before a file is touched, and the file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_numbers, axes_of, parts_of
from minilstm.data.feature_names import frame_names, in_order
from minilstm.data.files.checks import (
    check_names,
    check_suffix,
    check_x,
    check_y,
    is_number,
    label_kind,
    label_word,
)
from minilstm.data.files.csv_columns import label_names, usual_column
from minilstm.data.files.csv_text import NOT_TEXT, csv_cell, csv_line
from minilstm.data.labels import label_array
from minilstm.data.recordings.roles import read_as
from minilstm.errors import DataError
from minilstm.files import write_atomically


def write_npz(
    path: str | os.PathLike[str],
    x: Sequence[NDArray[Any]],
    y: Sequence[NDArray[Any]] | NDArray[Any] | None = None,
    *,
    feature_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
) -> None:
    """Write sequences as a flat .npz file that :func:`minilstm.data.read_sequences` reads back.

    Parameters
    ----------
    path : the file to write; its name must end in .npz. It appears whole or not at all
    x : B arrays (T, D), all of the same float type, finite
    y : labels, strings or integers: B arrays (T,), or one array (B,)
    feature_names : D names
    ids : B names; by default "0", "1", ...

    Raises
    ------
    DataError
        When the arrays do not fit together; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> from minilstm.data import read_sequences
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_npz(folder + "/two.npz", [np.zeros((3, 2)), np.ones((1, 2))], np.array([4, 7]))
    ...     data = read_sequences(folder + "/two.npz")
    >>> [x.shape for x in data.x], data.y.tolist()
    ([(3, 2), (1, 2)], [4, 7])
    """
    target = check_suffix(path, ".npz")
    batch, feature_names = _sequences(x, feature_names)
    kinds = sorted({str(values.dtype) for values in batch})
    if len(kinds) > 1 or any(values.dtype.kind != "f" for values in batch):
        raise DataError(
            f"x has the types {', '.join(kinds)}, but one float type for all was wanted: convert "
            "the arrays first."
        )
    labels = _checked(batch, y)
    arrays: dict[str, NDArray[Any]] = {
        "x": np.concatenate(batch),
        "lengths": np.array([len(values) for values in batch]),
    }
    if labels is not None:
        flat = labels if isinstance(labels, np.ndarray) else np.concatenate(labels)
        arrays["y"] = label_kind(flat, "y")
        arrays["label_per"] = np.array("sequence" if flat is labels else "step")
    width = batch[0].shape[1]
    listed = {
        "feature_names": check_names(feature_names, width, "feature_names", "features"),
        "ids": check_names(ids, len(batch), "ids", "sequences"),
    }
    arrays |= {name: np.array(v, np.str_) for name, v in listed.items() if v is not None}
    write_atomically(target, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def write_csv(
    path: str | os.PathLike[str],
    x: Sequence[NDArray[Any]],
    y: Sequence[NDArray[Any]] | NDArray[Any] | None = None,
    *,
    feature_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
) -> None:
    """Write sequences in long form, so that :func:`minilstm.data.read_sequences` reads them back.

    Parameters
    ----------
    path : the file to write; its name must end in .csv. It appears whole or not at all
    x : B arrays (T, D), finite. Every number is written so that it reads back the same
    y : labels, strings or integers: B arrays (T,), or one array (B,), which is repeated on every
        line of its sequence (read it with ``label_per="sequence"``). Text that is a plainly written
        integer reads back as an integer; text such as "1.0" or "0.5" is refused
    feature_names : D names; by default "feature_0", "feature_1", ...
    ids : B names; by default "0", "1", ...

    Raises
    ------
    DataError
        When the arrays do not fit together; nothing is written then.
    """
    target = check_suffix(path, ".csv")
    batch, feature_names = _sequences(x, feature_names)
    batch = [values.astype(np.float64, copy=False) for values in batch]
    labels = _checked(batch, y)
    width = batch[0].shape[1]
    names = check_names(feature_names, width, "feature_names", "features")
    names = names or [f"feature_{k}" for k in range(width)]
    titles = ["sequence", *names] + ([] if labels is None else ["label"])
    check_names(titles, width + 1 + (labels is not None), "feature_names", "columns")
    listed = check_names(ids, len(batch), "ids", "sequences")
    for argument, texts in (("feature_names", names), ("ids", listed or [])):
        _check_text(argument, texts)
    for column in names:
        if is_number(column):
            raise DataError(
                f"feature_names has {column!r}, but a header of names was wanted, which no reader "
                "takes for numbers: give it a name such as "
                f"'feature_{column}'."
            )
    taken = usual_column(label_names(titles), titles) if labels is None else None
    what = "labels"
    if taken is None:
        taken, what = next(((c, w) for c in names if (w := read_as(c)) is not None), (None, ""))
    if taken is not None:
        raise DataError(
            f"feature_names has {taken!r}, but read_sequences takes a column of that name for "
            f"{what}: give it a name such as 'feature_{taken}', or use write_npz."
        )
    listed = listed if listed is not None else [str(k) for k in range(len(batch))]
    lines = [csv_line(titles)]
    for k, (name, values) in enumerate(zip(listed, batch, strict=True)):
        start, ends = csv_cell(name), [""] * len(values)
        if labels is not None:
            kind = label_kind(np.asarray(labels[k]), f"y[{k}]")  # (T,), or () for all steps
            column = np.broadcast_to(kind, (len(values),)).tolist()
            _check_text(f"y[{k}]", set(column))
            _check_labels(f"y[{k}]", set(column))
            ends = [f",{csv_cell(label)}" for label in column]
        rows = values.tolist()
        lines += [f"{start},{','.join(map(repr, r))}{e}\n" for r, e in zip(rows, ends, strict=True)]
    write_atomically(target, lambda file: file.write("".join(lines).encode()))


def _check_text(argument: str, texts: Iterable[Any]) -> None:
    """Refuse what no .csv file can hold so that it reads back."""
    for text in texts:
        if isinstance(text, str) and not (text and NOT_TEXT.isdisjoint(text)):
            raise DataError(
                f"{argument} has {text!r}, but a .csv file cannot hold an empty text, a NUL or a "
                "byte order mark so that it reads back: rename it, or use write_npz."
            )


def _check_labels(argument: str, labels: Iterable[Any]) -> None:
    """Refuse text that would read back as another label, or as none."""
    for label in labels:
        if isinstance(label, str) and (read := label_word(label)) != label:
            what = "a fraction, which is no label" if read is None else f"the label {read!r}"
            raise DataError(
                f"{argument} has the label {label!r}, but a .csv file of it reads back as {what}: "
                "rename it, or use write_npz."
            )


def _checked(x: list[NDArray[Any]], y: Any) -> Sequence[NDArray[Any]] | NDArray[Any] | None:
    """Labels that fit checked sequences: B arrays (T,), one array (B,), or none."""
    check_x(x, [f"x[{k}]" for k in range(len(x))])
    parts = parts_of(y)
    labels: Any = None
    if parts and axes_of(parts[0]):
        labels = [label_array(part, f"y[{k}]", allowed=("",)) for k, part in enumerate(parts)]
    elif y is not None:
        array = label_array(y, "y", allowed=("",))
        labels = array if array.ndim == 1 else list(array)
    check_y(labels, x)
    return labels


def _sequences(x: Any, names: Sequence[str] | None) -> tuple[list[NDArray[Any]], Any]:
    """Plain arrays, and the names of the features: those of frames where none are given."""
    names = frame_names(x) if names is None else names
    ordered = in_order(x, None)
    parts: Any = parts_of(ordered)
    parts = as_numbers(ordered, "x", "sequences") if parts is None else parts
    return [as_numbers(part, f"x[{k}]", "sequences") for k, part in enumerate(parts)], names
