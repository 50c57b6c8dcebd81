"""Reading sequences from a file: one call for the four formats, chosen by the suffix.
The writers beside it turn arrays into files that the same call reads back."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

from minilstm.data.files.checks import Sequences, check_file, check_missing_labels
from minilstm.data.files.mat.read_mat import read_mat
from minilstm.data.files.read_csv import read_csv
from minilstm.data.files.read_npz import read_npz
from minilstm.data.files.read_ts import read_ts
from minilstm.data.files.writers import write_csv, write_npz
from minilstm.errors import DataError
from minilstm.paths import as_path

__all__ = ["Sequences", "read_sequences", "write_csv", "write_npz"]

_READERS: dict[str, Callable[..., Sequences]] = {
    ".mat": read_mat,
    ".npz": read_npz,
    ".csv": read_csv,
    ".ts": read_ts,
}


def read_sequences(
    path: str | os.PathLike[str],
    *,
    x_name: str | None = None,
    y_name: str | None = None,
    layout: str | None = None,
    id_column: str | None = None,
    label_column: str | None = None,
    label_per: str | None = None,
    missing_labels: Collection[str] | None = None,
) -> Sequences:
    """Read the sequences, and the labels where there are any, of one file.

    Parameters
    ----------
    path : a file whose name ends in .mat, .npz, .csv or .ts. The pages of `read_mat`, `read_npz`,
        `read_csv` and `read_ts` say what each of them may hold
    x_name, y_name : for .mat: the variables to read. By default the one whose name starts with X,
        and its partner with Y (or T) in place of the X; ``y_name=""`` reads no labels
    layout : for .mat, .npz and .ts: a letter for each axis of an array, B sequences, T steps, C
        features. By default a .mat file has "CT" (MathWorks' way) unless labels per step say
        "TC", and pages "CTB"; an .npz file has "TC" and "BTC"; a .ts file "TC". "BT" is a row for
        each sequence of one feature. A layout that is given is taken without a warning
    id_column, label_column : for .csv: the columns with the name of the sequence and with the label
    label_per : for .csv: "step" or "sequence", whether the labels belong to steps (the default) or
        to whole sequences
    missing_labels : words, such as ``["NA"]``, that mark a missing label. Such a label is read as
        "", and all labels as strings; train with
        ``loss=minilstm.CrossEntropy(ignored_labels=[""])``. By default the words that other
        programs write there ("", "NaN", "NA", "?", "<undefined>" and such) are refused; with
        ``[]`` every word but "" is a class

    Returns
    -------
    `x`, B arrays (T, D); `y`, B arrays (T,) for labels per step, one array (B,) for labels per
    sequence, None without labels; `feature_names`, D strings or None; `ids`, B strings

    Raises
    ------
    DataError
        When the file is of another kind, is broken, or holds NaN or infinity.
    FileNotFoundError, PermissionError
        When there is no such file, or it may not be read.

    Warns
    -----
    UserWarning
        When the sizes of an array do not tell which axis is time, and no layout was given.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "steps.csv")
    ...     _ = file.write_text("sequence,speed,label\\na,0.5,go\\na,0.0,stop\\nb,0.1,stop\\n")
    ...     data = read_sequences(file)
    >>> [x.shape for x in data.x], [y.tolist() for y in data.y], data.ids
    ([(2, 1), (1, 1)], [['go', 'stop'], ['stop']], ['a', 'b'])
    """
    suffix = as_path(path).suffix.lower()
    if suffix not in _READERS:
        raise DataError(
            f"path {str(Path(path))!r} ends in {suffix!r}, but a file of sequences ends in .mat, "
            ".npz, .csv or .ts: convert it to one of those, with minilstm.data.write_npz say."
        )
    options = {
        "x_name": (x_name, [".mat"]),
        "y_name": (y_name, [".mat"]),
        "layout": (layout, [".mat", ".npz", ".ts"]),
        "id_column": (id_column, [".csv"]),
        "label_column": (label_column, [".csv"]),
        "label_per": (label_per, [".csv"]),
    }
    given = {name: value for name, (value, _) in options.items() if value is not None}
    for name, value in given.items():
        kinds = options[name][1]
        if suffix not in kinds:
            raise DataError(
                f"{name}={value!r} was given for a {suffix} file, but {name} is an option of "
                f"{', '.join(kinds)} files only: leave it out."
            )
    check_missing_labels(missing_labels)
    return _READERS[suffix](check_file(path), missing_labels=missing_labels, **given)
