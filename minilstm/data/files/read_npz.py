"""Reading sequences from NumPy's .npz, the format to convert data into.
No pickled object is ever loaded, so a file from a stranger can do no harm."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import (
    Sequences,
    check_file,
    check_names,
    check_x,
    check_y,
    label_kind,
)
from minilstm.errors import DataError

_NUMBERED = re.compile(r"([xy])_(\d+)")
_PLAIN = ("x", "lengths", "y", "label_per", "feature_names", "ids")


def read_npz(
    path: str | os.PathLike[str], *, missing_labels: Collection[str] | None = None
) -> Sequences:
    """Read an .npz file in one of three layouts.

    Parameters
    ----------
    path : the file. Its arrays, B sequences of T steps (N steps in all) and D features:

        - flat: ``x`` (N, D) and ``lengths`` (B,); ``y`` (N,) or (B,). Where N equals B,
          ``label_per`` ("step" or "sequence") says which. Without ``lengths``, one sequence.
        - dense: ``x`` (B, T, D); ``y`` (B, T) or (B,).
        - numbered: ``x_0000``, ``x_0001``, ... each (T, D); ``y_0000``, ... each (T,), or
          one ``y`` (B,).

        Everywhere ``y`` may be absent, and ``feature_names`` (D,) and ``ids`` (B,) present.
        Numbers that are not floats become float64.
    missing_labels : as :func:`minilstm.data.read_sequences` describes it

    Returns
    -------
    Sequences, as :func:`minilstm.data.read_sequences` describes it

    Raises
    ------
    DataError
        When the file is truncated, holds objects, or its arrays do not fit together.
    """
    found = check_file(path)
    arrays = _load(found)
    numbered = sorted(
        (match[1], int(match[2]), name) for name in arrays if (match := _NUMBERED.fullmatch(name))
    )
    names = [name for _, _, name in numbered]
    unknown = sorted(set(arrays) - set(_PLAIN) - set(names))
    x_names = [name for name in names if name[0] == "x"]
    y_names = [name for name in names if name[0] == "y"]
    if unknown or ("x" in arrays) == bool(x_names):
        raise DataError(
            f"path {str(found)!r} holds the arrays {', '.join(sorted(arrays)) or 'none'}, but x "
            f"(or x_0000, x_0001, ...) with {', '.join(_PLAIN[1:])} were wanted: rename or "
            "remove the others."
        )
    flat = "x" in arrays and arrays["x"].ndim == 2
    for name in ("lengths", "label_per"):
        if name in arrays and not flat:
            raise DataError(
                f"{name} in {str(found)!r} belongs to a flat x (N, D), but x is "
                f"{arrays['x'].shape if 'x' in arrays else 'numbered'}: remove {name}, or write "
                "the sequences flat."
            )
    if x_names:
        x, places, y = _numbered(arrays, x_names, y_names)
    else:
        x, places, y = _plain(arrays)
    floats = [_as_float(values, place) for values, place in zip(x, places, strict=True)]
    check_x(floats, [f"{place} of {str(found)!r}" for place in places])
    check_y(y, floats)
    ids = _strings(arrays, "ids", len(x), "sequences")
    return Sequences(
        floats,
        y,
        _strings(arrays, "feature_names", floats[0].shape[1], "features"),
        ids or [str(k) for k in range(len(x))],
    )


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the file, none of them pickled."""
    # Imported here, as every prediction imports this room, and these two cost milliseconds.
    import zipfile
    import zlib

    broken = (ValueError, zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, RuntimeError)
    arrays: dict[str, NDArray[Any]] = {}
    name = "the index"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
        with np.load(path, allow_pickle=False) as file:
            for member in members:
                name = member.removesuffix(".npy")
                arrays[name] = file[name]
                if not isinstance(arrays[name], np.ndarray):
                    raise ValueError("not an array")
    except broken as error:
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise DataError(
                f"path {str(path)!r} holds Python objects in {name}, which are never loaded as "
                "they can run code: write numbers and strings only, with minilstm.data.write_npz."
            ) from None
        raise DataError(
            f"path {str(path)!r} is broken at {name}, but a whole .npz file was wanted: write it "
            "again."
        ) from error
    return arrays


def _numbered(
    arrays: dict[str, NDArray[Any]], x_names: list[str], y_names: list[str]
) -> tuple[list[NDArray[Any]], list[str], list[NDArray[Any]] | NDArray[Any] | None]:
    """The layout with one array for each sequence."""
    x = [arrays[name] for name in x_names]
    if y_names and ("y" in arrays or [name[1:] for name in y_names] != [n[1:] for n in x_names]):
        raise DataError(
            f"y has the arrays {', '.join(y_names)}{', y' if 'y' in arrays else ''}, but x has "
            f"{', '.join(x_names)}: give each x_ its y_, or one y for all."
        )
    if y_names:
        return x, x_names, [label_kind(arrays[name], name) for name in y_names]
    return x, x_names, label_kind(arrays["y"], "y") if "y" in arrays else None


def _plain(
    arrays: dict[str, NDArray[Any]],
) -> tuple[list[NDArray[Any]], list[str], list[NDArray[Any]] | NDArray[Any] | None]:
    """The dense layout, and the flat one with its lengths."""
    x = arrays["x"]
    y = label_kind(arrays["y"], "y") if "y" in arrays else None
    if x.ndim == 3:
        per_step = y is not None and y.ndim == 2
        return list(x), [f"x[{k}]" for k in range(len(x))], list(y) if per_step else y  # type: ignore[arg-type]
    if x.ndim != 2:
        raise DataError(
            f"x has shape {x.shape}, but (N, D) with lengths, or (B, T, D), was wanted: reshape it."
        )
    lengths = arrays.get("lengths", np.array([len(x)]))
    if (
        lengths.ndim != 1
        or lengths.dtype.kind not in "iu"
        or (lengths < 1).any()
        or (int(lengths.sum()) != len(x))
    ):
        raise DataError(
            f"lengths has shape {lengths.shape}, type {lengths.dtype} and sum {lengths.sum()}, but "
            f"positive integers that add up to the {len(x)} rows of x were wanted: correct it."
        )
    edges = np.cumsum(lengths.astype(np.int64))[:-1]
    split = np.split(x, edges)
    places = [f"x[{k}]" for k in range(len(split))]
    if y is None or _label_per(arrays, y, len(x), len(split)) == "sequence":
        return split, places, y
    return split, places, np.split(y, edges)


def _label_per(arrays: dict[str, NDArray[Any]], y: NDArray[Any], rows: int, count: int) -> str:
    """Whether flat labels belong to steps or to sequences."""
    if y.shape not in ((rows,), (count,)):
        raise DataError(
            f"y has shape {y.shape}, but ({rows},), one label for each step, or ({count},), one "
            "for each sequence, was wanted: correct it."
        )
    if "label_per" in arrays:
        said = str(arrays["label_per"])
        if said not in ("step", "sequence") or y.shape != (rows if said == "step" else count,):
            raise DataError(
                f"label_per is {said!r} beside a y of shape {y.shape}, but 'step' with ({rows},) "
                f"or 'sequence' with ({count},) was wanted: correct it."
            )
        return said
    if rows == count:
        raise DataError(
            f"y has shape {y.shape}, which is both the number of steps and of sequences: add "
            "label_per, 'step' or 'sequence', to the file."
        )
    return "step" if y.shape == (rows,) else "sequence"


def _as_float(values: NDArray[Any], place: str) -> NDArray[Any]:
    """Numbers as they are when float, else as float64."""
    if values.dtype.kind == "f":
        return values
    if values.dtype.kind in "iub":
        return values.astype(np.float64)
    raise DataError(f"{place} has type {values.dtype}, but real numbers were wanted: convert it.")


def _strings(arrays: dict[str, NDArray[Any]], name: str, count: int, unit: str) -> list[str] | None:
    values = arrays.get(name)
    return check_names(None if values is None else list(values.ravel()), count, name, unit)
