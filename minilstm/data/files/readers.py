"""Reading sequences: one call for every file, folder and frame, chosen by what the name ends in.
The writers beside it turn arrays into files that the same call reads back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from minilstm.arrays import column_labels
from minilstm.data.description import DataDescription
from minilstm.data.feature_names import column_order
from minilstm.data.files.checks import Sequences, check_file
from minilstm.data.files.mat.read_mat import read_mat
from minilstm.data.files.read_npz import read_npz
from minilstm.data.files.read_ts import read_ts
from minilstm.data.files.writers import write_csv, write_npz
from minilstm.data.recordings.facts import facts_of
from minilstm.data.recordings.files import ARRAYS, TABLES, Source, kind_of, sources_of
from minilstm.data.recordings.read import Read, sequences_of
from minilstm.data.tables.frame import frame_table
from minilstm.data.tables.read_table import read_table
from minilstm.errors import DataError

__all__ = ["Sequences", "read_sequences", "write_csv", "write_npz"]

_READERS: dict[str, Callable[..., Sequences]] = {".mat": read_mat, ".npz": read_npz, ".ts": read_ts}
_OF_NAMES = ("file_pattern", "missing_labels", "fill")  # fields that arrays have as well


def read_sequences(
    path: Any,
    *,
    description: DataDescription | None = None,
    x_name: str | None = None,
    y_name: str | None = None,
    layout: str | None = None,
    numeric_targets: bool = False,
    mapped: bool = False,
    **options: Any,
) -> Sequences:
    """Read the sequences, and the labels where there are any, of a data set.

    Parameters
    ----------
    path : a file, a folder, a pattern such as ``"walks/*.csv"``, or a list of them; or a frame, or
        a list of frames. A table has a line for each time step and a name above each column: .csv,
        .tsv and .txt (also packed, .gz), .parquet, .xlsx. The pages of `read_mat`, `read_npz` and
        `read_ts` say what .mat, .npz and .ts files may hold
    description : what the columns of tables are; `options` go before it
    x_name, y_name : for .mat: the variables to read. By default the one whose name starts with X,
        and its partner with Y (or T) in place of the X; ``y_name=""`` reads no labels
    layout : for .mat, .npz and .ts: a letter for each axis of an array, B sequences, T steps, C
        features. By default a .mat file has "CT" (MathWorks' way) unless labels per step say
        "TC", and pages "CTB"; an .npz file has "TC" and "BTC"; a .ts file "TC". "BT" is a row for
        each sequence of one feature. A layout that is given is taken without a warning
    numeric_targets : for .mat, .npz and .ts: the labels are numbers to be predicted
    mapped : for .npz: `x` stays in the file where nothing packs it, see `read_npz`; for data larger
        than memory
    options : fields of :class:`minilstm.data.DataDescription`, the most used ones:

        - ``id_column``: tells recordings apart; "" for one recording a file. Several files are one
          recording each, named as they are, unless a column is called "sequence", "sequence_id",
          "recording" or "recording_id"
        - ``time_column``, ``time_unit``: by default a column whose name says time; "" for none
        - ``label_column``: by default "label", "class" or "y"; "" for none. ``label_per``: "step"
          (the default) or "sequence"
        - ``target_columns``: numbers to be predicted, in the place of labels
        - ``features`` are by default all columns of numbers that are nothing else; ``drop`` leaves
          columns out; ``group_column`` names the person, machine or place of a recording
        - ``channel_column``, ``value_column``: of the long form, a line for each channel
        - ``sort_by``: a column by which the rows of a recording are sorted
        - ``fill``: "linear" or "previous" for gaps, which are an error otherwise; for tables also
          "split"
        - ``missing_labels``: words, such as ``["NA"]``, that mark a missing label. Such a label is
          read as "", and all labels as strings; train with
          ``loss=minilstm.CrossEntropy(ignored_labels=[""])``. By default the words that other
          programs write there ("", "NaN", "NA", "?", "<undefined>" and such) are refused; with
          ``[]`` every word but "" is a class
        - ``file_pattern``: what names of files say, such as ``"{group}_{label}_*"``

    Returns
    -------
    `x`, B arrays (T, D); `y`, B arrays (T,) for labels per step, one array (B,) for labels per
    sequence, float64 (T, R) or (B, R) for numbers to be predicted, None without; `feature_names`, D
    strings or None; `ids`, B strings; `groups`, B strings or None; `times`, B arrays (T,) of
    seconds or None; `facts`, which prints what was read; `recordings`, B names of what each piece
    was cut from, where `fill="split"` or a shaping has cut

    Raises
    ------
    DataError
        When a file is of another kind, is broken, or holds infinity or gaps; when a column is not
        clear: the message names the options that tell.
    FileNotFoundError, PermissionError
        When there is no such file, or it may not be read.

    Warns
    -----
    UserWarning
        When the sizes of an array do not tell which axis is time, and no layout was given; when the
        recordings of tables have different rates.

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
    given = {name: value for name, value in options.items() if value is not None}
    said = DataDescription.from_plain(given)
    said = said if description is None else said.over(description)
    known: dict[str, Any] = {"x_name": x_name, "y_name": y_name, "layout": layout}
    known |= {"numeric_targets": numeric_targets or None, "mapped": mapped or None}
    arrays = {name: value for name, value in known.items() if value is not None}
    kind, sources = kind_and_sources(path, said)
    _check_options(kind, given, arrays)
    if kind in ARRAYS and said.fill == "split":
        raise DataError(
            f"fill is 'split', but the gaps of {kind} files are filled: give 'linear' or "
            "'previous'."
        )
    if kind not in ARRAYS:
        data = read_tables(path, sources, said).sequences
        for text in data.facts.warnings:
            warnings.warn(f"{data.facts.path}: {text}.", UserWarning, stacklevel=2)
        return data
    missing, fill = said.missing_labels, None if said.fill == "error" else said.fill
    parts = []
    for source in sources:  # no comprehension: a warning counts the calls up to its line
        reader = _READERS[kind_of(source.path)]
        parts.append(reader(check_file(source.path), missing_labels=missing, fill=fill, **arrays))
    data = parts[0] if len(parts) == 1 else _merged(parts, sources)
    cells = sum(part.facts.cells for part in parts) if fill else 0
    if sources[0].group is not None:
        counts = [len(part.x) for part in parts]
        groups = [s.group or "" for s, n in zip(sources, counts, strict=True) for _ in range(n)]
        data = data._replace(groups=groups)
    more = {"filled": cells, "description": DataDescription(fill=fill)}
    return data._replace(facts=facts_of(_shown(path), [s.path for s in sources], data, **more))


def read_tables(
    given: Any,
    sources: Sequence[Source],
    said: DataDescription,
    known: Collection[str] = (),
    learned: DataDescription | None = None,
) -> Read:
    """The sequences of tables; arguments as for `minilstm.data.recordings.read.sequences_of`."""
    first = said if learned is None else said.over(learned)
    if _frames(given) is not None:
        frames = zip(_frames(given) or (), sources, strict=True)
        tables = [frame_table(frame, source.path, first) for frame, source in frames]
    else:
        tables = [read_table(source.path, first) for source in sources]
    return sequences_of(tables, sources, said, _shown(given), known, learned)


def kind_and_sources(path: Any, said: DataDescription) -> tuple[str, list[Source]]:
    """The ending of the files that are to be read, and those files."""
    frames = _frames(path)
    if frames is not None:
        alone = not isinstance(path, (list, tuple))
        return "frame", [
            Source(f"x[{n}]" if not alone else "x", str(n)) for n in range(len(frames))
        ]
    sources = sources_of(path, said.file_pattern)
    for source in sources:
        kind = kind_of(source.path)
        if kind not in (*TABLES, *ARRAYS):
            raise DataError(
                f"path {source.path!r} ends in {kind!r}, but a file of sequences ends in "
                f"{', '.join((*ARRAYS, *TABLES))}: convert it to one of those, with "
                "minilstm.data.write_npz say."
            )
    return kind_of(sources[0].path), sources


def _frames(given: Any) -> list[Any] | None:
    """One frame, or those of a list; None for paths."""
    parts = list(given) if isinstance(given, (list, tuple)) else [given]
    is_path = [isinstance(part, (str, os.PathLike)) for part in parts]
    if not parts or any(is_path) or any(column_labels(part) is None for part in parts):
        return None
    return parts


def _shown(given: Any) -> str:
    """What was given, for people."""
    frames = _frames(given)
    if frames is not None:
        return "x"
    return " ".join(map(str, given)) if isinstance(given, (list, tuple)) else str(given)


def _check_options(kind: str, given: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Refuse an option that says nothing about files of this kind."""
    of_arrays = {"x_name": [".mat"], "y_name": [".mat"], "layout": list(ARRAYS)}
    of_arrays |= {"numeric_targets": list(ARRAYS), "mapped": [".npz"]}
    wrong = [
        (name, value, f"{', '.join(of_arrays[name])} files")
        for name, value in arrays.items()
        if kind not in of_arrays[name]
    ]
    if kind in ARRAYS:
        tables = "tables, such as .csv files,"
        wrong += [(n, value, tables) for n, value in given.items() if n not in _OF_NAMES]
    for name, value, whose in wrong:
        raise DataError(
            f"{name}={value!r} was given for a {kind} file, but {name} is an option of {whose} "
            "only: leave it out."
        )


def _kind(y: Any) -> Any:
    """What answers of files need in common to go together."""
    one = y[0] if isinstance(y, list) else y
    return type(y), None if one is None else (one.dtype.kind, one.shape[1:])


def _merged(parts: list[Sequences], sources: Sequence[Source]) -> Sequences:
    """The sequences of several files of arrays; each is named by its file and its own name."""
    first, names = parts[0], [source.name for source in sources]
    x, y, ids = [], [], []
    for part, source in zip(parts, sources, strict=True):
        alike = part.x[0].shape[1] == first.x[0].shape[1] and _kind(part.y) == _kind(first.y)
        if not alike or (part.feature_names is None) != (first.feature_names is None):
            raise DataError(
                f"{source.path!r} has other features, names or kinds of labels than "
                f"{sources[0].path!r}, but all files need the same: read them apart."
            )
        order = None
        if part.feature_names is not None and first.feature_names is not None:
            order = column_order(part.feature_names, first.feature_names, repr(source.path))
        x += part.x if order is None else [a[:, order] for a in part.x]
        y += [] if part.y is None else list(part.y) if isinstance(part.y, list) else [part.y]
    for name, part in zip(names, parts, strict=True):
        ids += [name] if len(part.x) == 1 else [f"{name}/{i}" for i in part.ids]
    together: Any = (
        None if first.y is None else y if isinstance(first.y, list) else np.concatenate(y)
    )
    times = [t for part in parts for t in part.times or []]
    return Sequences(
        x, together, first.feature_names, ids, times=times if len(times) == len(x) else None
    )
