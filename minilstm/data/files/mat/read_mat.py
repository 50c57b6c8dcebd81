"""Reading sequences from MATLAB's .mat files, MathWorks' own example files among them.
Numbers and text are read here; the package mat-io reads objects, such as categorical arrays."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

from minilstm.data.files.checks import Sequences, check_file
from minilstm.data.files.fill import filled
from minilstm.data.files.mat.elements import HEADER, MatFile
from minilstm.data.files.mat.objects import read_objects
from minilstm.data.files.mat.sequences import Wanted, choose, sequences_of
from minilstm.data.files.mat.values import Broken, holds_objects
from minilstm.data.files.mat.version4 import MatFile4
from minilstm.data.files.shapes import check_layout
from minilstm.errors import DataError

# What the parsing of bytes raises where the bytes are damaged.
_DAMAGE = (zlib.error, struct.error, UnicodeError, KeyError, OSError, MemoryError)


def read_mat(
    path: str | os.PathLike[str],
    *,
    x_name: str | None = None,
    y_name: str | None = None,
    layout: str | None = None,
    missing_labels: Collection[str] | None = None,
    numeric_targets: bool = False,
    fill: str | None = None,
) -> Sequences:
    """Read one pair of variables, such as XTrain and YTrain, from a .mat file.

    Parameters
    ----------
    path : the file, of any version from 4 to 7.3
    x_name : the variable with the sequences: a cell array of matrices, one matrix (one sequence),
        or a D x T x B array. By default the only variable whose name starts with X or x
    y_name : the variable with the labels: categorical, string, cellstr, char, logical or whole
        numbers; a cell array with T labels in each cell, or B labels for B sequences. By default
        the name in `x_name` with Y, or T, in place of the X. ``y_name=""`` reads no labels
    layout : "CT": matrices are D x T, as MathWorks stores them, and are transposed; "TC": they are
        T x D. By default the number of labels per step tells which side is time; where there are
        none, or both sides fit, it is "CT". An array with a B axis takes a letter for each axis,
        by default "CTB"; "BT" is one matrix with a row for each sequence of one feature
    missing_labels : as :func:`minilstm.data.read_sequences` describes it
    numeric_targets : the labels are numbers to be predicted: a cell array with R x T (or T x R)
        numbers in each cell, or a B x R matrix; they are read as float64 (T, R) each, or (B, R)
    fill : "linear" or "previous" fills NaN in the sequences, which is refused by default

    Returns
    -------
    Sequences, as :func:`minilstm.data.read_sequences` describes it, with the float type of the file

    Raises
    ------
    ImportError
        Without mat-io, when the file is of version 7.3 or holds objects.
    DataError
        When the file is broken, or the variables are missing or do not fit together.

    Warns
    -----
    UserWarning
        When sizes do not tell which axis is time and no layout was given; when mat-io warns.
    """
    check_layout(layout)
    wanted = Wanted(x_name, y_name, layout, missing_labels, numeric_targets, fill)
    data = _read(check_file(path), wanted)
    return filled(data, [f"{place} of {str(path)!r}" for place in data.ids], fill)


def _read(found: Path, wanted: Wanted) -> Sequences:
    """The sequences of a file; a gap that will be filled is NaN."""
    try:
        with open(found, "rb") as file:
            opened = _open(file)
            if opened is None:
                return read_objects(found, wanted)
            entries = opened.entries()
            asked = wanted.y_name
            wanted = choose(str(found), sorted(entries), wanted)
            if asked is None and not wanted.y_name:
                # Labels may have lost their name to damage, which a checksum shows.
                for entry in entries.values():
                    opened.check(entry)  # type: ignore[arg-type]
            x_value, y_value = (
                opened.value(entries[name]) if name else None  # type: ignore[arg-type]
                for name in wanted[:2]
            )
            if not holds_objects(x_value) and not holds_objects(y_value):
                return sequences_of(str(found), x_value, y_value, wanted)
            if isinstance(opened, MatFile):
                opened.check_objects()
            return read_objects(found, wanted)
    except (Broken, *_DAMAGE) as error:
        reason = " ".join(str(error).split())[:120].rstrip(".") or "it is damaged"
        advice = error.advice if isinstance(error, Broken) else Broken("").advice
        raise DataError(
            f"path {str(found)!r} cannot be read ({reason}), but a whole MAT-file was wanted: "
            f"{advice}."
        ) from error


def _open(file: IO[bytes]) -> MatFile | MatFile4 | None:
    """The reader for the version of a file; None for 7.3, which is an HDF5 file."""
    head = file.read(HEADER)
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    if 0 in head[:4]:  # where later versions have text
        return MatFile4(file, size)
    version = {b"IM": head[125:126], b"MI": head[124:125]}.get(head[126:128])
    if version == b"\2":
        return None
    if version != b"\1":
        raise Broken("it has no header of a MAT-file")
    return MatFile(file, size)
