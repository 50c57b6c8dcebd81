"""Reading sequences from NumPy's .npz, the format to convert data into.
No pickled object is ever loaded, so a file from a stranger can do no harm."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_array
from minilstm.data.files.checks import (
    Sequences,
    check_file,
    check_names,
    check_x,
    check_y,
    finite_targets,
    grows_too_much,
    read_labels,
)
from minilstm.data.files.fill import filled
from minilstm.data.files.mapped import mapped_member
from minilstm.data.files.shapes import (
    check_layout,
    in_order,
    letters_for,
    warn_of_doubt,
    warn_of_turned_labels,
)
from minilstm.errors import DataError

_NUMBERED = re.compile(r"([xy])_(\d+)")
_PLAIN = ("x", "lengths", "y", "label_per", "feature_names", "ids")


def read_npz(
    path: str | os.PathLike[str],
    *,
    layout: str | None = None,
    missing_labels: Collection[str] | None = None,
    numeric_targets: bool = False,
    fill: str | None = None,
    mapped: bool = False,
) -> Sequences:
    """Read an .npz file in one of three layouts.

    Parameters
    ----------
    path : the file. Its arrays, B sequences of T steps (N steps in all) and D features:

        - flat: ``x`` (N, D) and ``lengths`` (B,); ``y`` (N,) or (B,). Where N equals B,
          ``label_per`` ("step" or "sequence") says which. Without ``lengths``, one sequence.
        - dense: ``x`` (B, T, D); ``y`` (B, T) or (B,). Where layout has T before B, a ``y``
          with an axis for each is turned as ``x`` is.
        - numbered: ``x_0000``, ``x_0001``, ... each (T, D); ``y_0000``, ... each (T,), or
          one ``y`` (B,).

        Everywhere ``y`` may be absent, and ``feature_names`` (D,) and ``ids`` (B,) present.
        Numbers that are not floats become float64.
    layout : a letter for each axis of ``x`` (or of each ``x_0000``) where they stand otherwise: B
        sequences, T steps, C features, such as "BCT", "CT", or "BT" for one feature
    missing_labels : as :func:`minilstm.data.read_sequences` describes it
    numeric_targets : ``y`` holds numbers to be predicted, read as float64 (T, R) each, or (B, R);
        its arrays may have an axis more, of R numbers
    fill : "linear" or "previous" fills NaN in ``x``, which is refused by default
    mapped : floats of ``x`` stay in the file, as memory maps, where `numpy.savez` wrote them, which
        packs nothing; such a file must not be written while they are in use

    Returns
    -------
    Sequences, as :func:`minilstm.data.read_sequences` describes it

    Raises
    ------
    DataError
        When the file is truncated, holds objects, or its arrays do not fit together.

    Warns
    -----
    UserWarning
        When sizes do not tell which axis is time, and no layout was given.
    """
    check_layout(layout)
    found = check_file(path)
    arrays = _load(found, mapped)
    x_names = _numbered_names(arrays, "x")
    flat = "x" in arrays and arrays["x"].ndim == 2
    for name in ("lengths", "label_per"):
        if name in arrays and not flat:
            raise DataError(
                f"{name} in {str(found)!r} belongs to a flat x (N, D), but x is "
                f"{arrays['x'].shape if 'x' in arrays else 'numbered'}: remove {name}, or write "
                "the sequences flat."
            )
    numbers = _take_numbers(arrays, layout) if numeric_targets else {}
    parts = _numbered(arrays, x_names, layout) if x_names else _plain(arrays, layout)
    y = parts.y if numeric_targets else _labels(parts, missing_labels)
    floats = [_as_float(v, place) for v, place in zip(parts.x, parts.places, strict=True)]
    places = [f"{place} of {str(found)!r}" for place in parts.places]
    if layout is None and x_names:
        _check_widths(floats, places)
    check_x(floats, places, fill)
    check_y(y, floats)
    if layout is None and "lengths" not in arrays:
        where = f"x of {str(found)!r}"
        if not warn_of_turned_labels(where, y, parts.letters):
            warn_of_doubt(where, floats, y, parts.letters, flat)
    if numeric_targets and y is not None:
        names = [n if n in numbers else "y" for n in parts.y_names]
        y = (
            numbers["y"][y]
            if isinstance(y, np.ndarray)
            else [numbers[name][rows] for name, rows in zip(names, y, strict=True)]
        )
    ids = _strings(arrays, "ids", len(floats), "sequences")
    data = Sequences(
        floats,
        y,
        _strings(arrays, "feature_names", floats[0].shape[1], "features"),
        ids or [str(k) for k in range(len(floats))],
    )
    return filled(data, places, fill)


class _Parts(NamedTuple):
    """Sequences as the file has them, and the array of labels of each, or one for all."""

    x: list[NDArray[Any]]  # B arrays (T, D)
    places: list[str]  # B names
    y: list[NDArray[Any]] | NDArray[Any] | None
    y_names: list[str]  # of the arrays in a list `y`
    letters: str


def _load(path: Path, stay: bool) -> dict[str, NDArray[Any]]:
    """Every array of the file, none of them pickled; names and sizes are looked at first."""
    import zipfile  # here, as every prediction imports this room, and this costs milliseconds

    arrays: dict[str, NDArray[Any]] = {}
    name = "the index"
    # Values may be changed, but not those of the file.
    whole = np.memmap(path, np.uint8, "c") if stay and path.stat().st_size else None
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_index(path, len(members), len(archive.comment))
            _check_members(path, [(m.filename, m.file_size) for m in members])
            for member in members:
                name = member.filename.removesuffix(".npy")
                kept = None if whole is None else mapped_member(whole, archive, member)
                if kept is not None:
                    arrays[name] = kept
                    continue
                with archive.open(member) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                    if file.read(1):  # also brings the reader to the checksum
                        raise ValueError("more bytes than numbers")
                arrays[name] = as_array(array, name)
    except DataError:
        raise
    except Exception as error:  # zipfile, its decompressors and NumPy raise what they like
        if "allow_pickle" in str(error):
            raise DataError(
                f"path {str(path)!r} holds Python objects in {name}, which are never loaded as "
                "they can run code: write numbers and strings only, with minilstm.data.write_npz."
            ) from None
        raise DataError(
            f"path {str(path)!r} is broken at {name}, but a whole .npz file was wanted: write it "
            "again."
        ) from error
    return arrays


def _check_index(path: Path, count: int, comment: int) -> None:
    """Hold the members that were found against their number in the last record of the file.

    zipfile does not, so that a damaged length lets members vanish.
    """
    with open(path, "rb") as file:
        file.seek(-22 - comment, os.SEEK_END)
        said = int.from_bytes(file.read(22)[10:12], "little")
    if said not in (count, 0xFFFF):  # 0xFFFF for more members than 16 bits can count
        raise ValueError(f"{count} members of {said}")


def _check_members(path: Path, members: list[tuple[str, int]]) -> None:
    """Refuse names that are not known, are there twice, or would fill the memory."""
    names = [name.removesuffix(".npy") for name, _ in members]
    known = [name for name in names if name in _PLAIN or _NUMBERED.fullmatch(name)]
    if known != names or ("x" in names) == any(name.startswith("x_") for name in names):
        raise DataError(
            f"path {str(path)!r} holds the arrays {', '.join(sorted(names)) or 'none'}, but x "
            f"(or x_0000, x_0001, ...) with {', '.join(_PLAIN[1:])} were wanted: rename or "
            "remove the others."
        )
    numbers = [(n[0], int(n[2:])) if n not in _PLAIN else (n, -1) for n in names]
    if len(set(numbers)) < len(numbers):
        twice = next(n for k, n in enumerate(names) if numbers[k] in numbers[:k])
        raise DataError(
            f"path {str(path)!r} holds {twice} twice, but one array of each name was wanted: "
            "write it again."
        )
    size, packed = sum(size for _, size in members), path.stat().st_size
    if grows_too_much(size, packed):
        raise DataError(
            f"path {str(path)!r} grows from {packed:,} to {size:,} bytes, which real data does "
            "not: write it with numpy.savez, which packs nothing."
        )


def _numbered_names(arrays: dict[str, NDArray[Any]], letter: str) -> list[str]:
    """The names such as x_0000, in the order of their numbers."""
    return sorted((n for n in arrays if n.startswith(f"{letter}_")), key=lambda n: int(n[2:]))


def _numbered(arrays: dict[str, NDArray[Any]], x_names: list[str], layout: str | None) -> _Parts:
    """The layout with one array for each sequence."""
    y_names = _numbered_names(arrays, "y")
    if y_names and ("y" in arrays or [name[1:] for name in y_names] != [n[1:] for n in x_names]):
        raise DataError(
            f"y has the arrays {', '.join(y_names)}{', y' if 'y' in arrays else ''}, but x has "
            f"{', '.join(x_names)}: give each x_ its y_, or one y for all."
        )
    letters = "TC" if layout is None else layout
    x = []
    for name in x_names:
        shape = arrays[name].shape
        asked = layout is not None
        each = letters_for(letters, len(shape), name, shape, many=True) if asked else "TC"
        x.append(in_order(arrays[name], each)[0] if len(shape) == 2 else arrays[name])
    y = [arrays[name] for name in y_names] if y_names else arrays.get("y")
    return _Parts(x, x_names, y, y_names, letters)


def _check_widths(x: list[NDArray[Any]], names: list[str]) -> None:
    """Refuse matrices that differ in columns and not in rows, which may be features."""
    if {v.ndim for v in x} != {2} or len({len(v) for v in x}) > 1:
        return
    odd = next((k for k, v in enumerate(x) if v.shape[1] != x[0].shape[1]), None)
    if odd is not None:
        raise DataError(
            f"{names[odd]} has {x[odd].shape[1]} features, but {names[0]} has {x[0].shape[1]} and "
            "all sequences of a file need the same: correct the odd one, or give layout='CT' where "
            f"the {len(x[0])} rows are features."
        )


def _plain(arrays: dict[str, NDArray[Any]], layout: str | None) -> _Parts:
    """The dense layout, and the flat one with its lengths."""
    x, y = arrays["x"], arrays.get("y")
    if x.ndim not in (2, 3):
        raise DataError(
            f"x has shape {x.shape}, but (N, D) with lengths, or (B, T, D), was wanted: reshape it."
        )
    letters = ("TC" if x.ndim == 2 else "BTC") if layout is None else layout
    dense = in_order(x, letters_for(letters, x.ndim, "x", x.shape, many=False))  # (B, T, D)
    if "B" in letters:
        if "lengths" in arrays:
            raise DataError(
                f"layout is {letters!r}, but x has lengths, so its rows are steps: give 'TC' or "
                "'CT', or remove lengths."
            )
        places = [f"x[{k}]" for k in range(len(dense))]
        names = [f"y[{k}]" for k in range(len(dense))]
        each = _per_step(y, dense, letters) if y is not None and y.ndim == 2 else y
        return _Parts(list(dense), places, each, names, letters)
    flat = dense[0]  # (N, D)
    lengths = arrays.get("lengths", np.array([len(flat)]))
    if (
        lengths.ndim != 1
        or lengths.dtype.kind not in "iu"
        or (lengths < 1).any()
        or (lengths > len(flat)).any()
        or (int(lengths.sum()) != len(flat))
    ):
        raise DataError(
            f"lengths has shape {lengths.shape}, type {lengths.dtype} and sum {lengths.sum()}, but "
            f"positive integers that add up to the {len(flat)} rows of x were wanted: correct it."
        )
    edges = np.cumsum(lengths.astype(np.int64))[:-1]
    split = np.split(flat, edges)
    places = [f"x[{k}]" for k in range(len(split))]
    names = [f"y[{k}]" for k in range(len(split))]
    if y is not None and _label_per(arrays, y, len(flat), len(split)) == "step":
        return _Parts(split, places, np.split(y, edges), names, letters)
    return _Parts(split, places, y, names, letters)


def _per_step(y: NDArray[Any], dense: NDArray[Any], letters: str) -> list[NDArray[Any]]:
    """Labels of all steps, in the order of the axes of x or as (B, T): B arrays (T,)."""
    count, steps = dense.shape[:2]
    turned = letters.index("T") < letters.index("B")
    if turned and y.shape == (steps, count):
        return list(y.T)
    if y.shape == (count, steps):
        return list(y)
    shape = f"{(steps, count)}, as the axes of x, or " * turned + f"{(count, steps)}"
    raise DataError(
        f"y has shape {y.shape}, but x has {count} sequences of {steps} steps: give labels of "
        f"shape {shape} for each step, or ({count},) for each sequence, or say with layout which "
        "axis of x is which."
    )


def _label_per(arrays: dict[str, NDArray[Any]], y: NDArray[Any], rows: int, count: int) -> str:
    """Whether flat labels belong to steps or to sequences."""
    if y.shape not in ((rows,), (count,)):
        raise DataError(
            f"y has shape {y.shape}, but ({rows},), one label for each step, or ({count},), one "
            "for each sequence, was wanted: correct it, or say with layout which axis of x is "
            "which."
        )
    if "label_per" in arrays:
        said = str(arrays["label_per"])
        if said not in ("step", "sequence") or y.shape != (rows if said == "step" else count,):
            rest = ", or give layout='BT' where each row of x is a sequence"
            rest = rest if said == "sequence" and "lengths" not in arrays else ""
            raise DataError(
                f"label_per is {said!r} beside a y of shape {y.shape}, but 'step' with ({rows},) "
                f"or 'sequence' with ({count},) was wanted: correct it{rest}."
            )
        return said
    if rows == count:
        rest = "" if "lengths" in arrays else ", or give layout='BT' where its row is a sequence"
        raise DataError(
            f"y has shape {y.shape}, which is both the number of steps and of sequences: add "
            f"label_per, 'step' or 'sequence', to the file{rest}."
        )
    return "step" if y.shape == (rows,) else "sequence"


def _labels(
    parts: _Parts, missing_labels: Collection[str] | None
) -> list[NDArray[Any]] | NDArray[Any] | None:
    """The labels, none of them missing."""
    if parts.y is None:
        return None
    if isinstance(parts.y, np.ndarray):
        flat = parts.y.ravel()  # a wrong shape is for `check_y`
        known = read_labels(flat, "y", lambda k: f"y at sequence {k}", missing_labels)
        return known.reshape(parts.y.shape)
    out = []
    for name, labels in zip(parts.y_names, parts.y, strict=True):
        flat = labels.ravel()
        known = read_labels(flat, name, lambda k, at=name: f"{at} at step {k}", missing_labels)  # type: ignore[misc]
        out.append(known.reshape(labels.shape))
    kinds = {labels.dtype.kind for labels in out}
    if len(kinds) > 1:
        raise DataError(
            "y holds text for some sequences and numbers for others, but one kind was wanted: "
            "convert the numbers with astype(str)."
        )
    return out


def _take_numbers(arrays: dict[str, NDArray[Any]], layout: str | None) -> dict[str, NDArray[Any]]:
    """Numbers to be predicted, by name as (n, R); their places are filled with row numbers.

    So they are dealt out as labels are, whatever the number of targets.
    """
    x, found = arrays.get("x"), {}
    usual = "TC" if x is None or x.ndim == 2 else "BTC"
    letters = usual if layout is None else layout
    steps: list[tuple[int, ...]] = []  # shapes of rows that are steps of a dense x
    if x is not None and "B" in letters and x.ndim == len(letters):
        sizes = x.shape[letters.index("B")], x.shape[letters.index("T")]
        steps = [sizes, sizes[::-1]]
    for name in sorted(n for n in arrays if n == "y" or n.startswith("y_")):
        y = finite_targets(arrays[name], name)
        rows = y.shape[:2] if y.shape[:2] in steps else y.shape[:1]
        arrays[name] = np.arange(math.prod(rows)).reshape(rows)
        found[name] = y.reshape(math.prod(rows), -1)
        first = next(iter(found.values())).shape[1]
        if found[name].shape[1] != first:
            raise DataError(
                f"{name} has shape {y.shape}, but {next(iter(found))} has targets of {first}, and "
                "all sequences need the same: correct the odd one."
            )
    return found


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
