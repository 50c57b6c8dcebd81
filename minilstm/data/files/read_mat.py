"""Reading sequences from MATLAB's .mat files, MathWorks' own example files among them.
SciPy cannot decode MATLAB's categorical arrays, so the package mat-io does it, when asked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import Sequences, check_file, check_x
from minilstm.data.files.mat_labels import decode_labels
from minilstm.errors import DataError


def read_mat(
    path: str | os.PathLike[str],
    *,
    x_name: str | None = None,
    y_name: str | None = None,
    layout: str | None = None,
    missing_labels: Collection[str] | None = None,
) -> Sequences:
    """Read one pair of variables, such as XTrain and YTrain, from a .mat file.

    Parameters
    ----------
    path : the file, of any version that mat-io reads (v4 to v7.3)
    x_name : the variable with the sequences: a cell array of matrices, one matrix (one sequence),
        or a D x T x B array. By default the only variable whose name starts with X or x
    y_name : the variable with the labels: categorical, string, cellstr, char, logical or whole
        numbers; a cell array with T labels in each cell, or B labels for B sequences. By default
        the name in `x_name` with Y, or T, in place of the X. ``y_name=""`` reads no labels
    layout : "CT": matrices are D x T, as MathWorks stores them, and are transposed; "TC": they are
        T x D. By default the number of labels per step tells which side is time; where there are
        none, or both sides fit, it is "CT"
    missing_labels : as :func:`minilstm.data.read_sequences` describes it

    Returns
    -------
    Sequences, as :func:`minilstm.data.read_sequences` describes it, with the float type of the file

    Raises
    ------
    ImportError
        Without SciPy and mat-io.
    DataError
        When the file is broken, or the variables are missing or do not fit together.
    """
    if layout not in (None, "CT", "TC"):
        raise DataError(
            f"layout is {layout!r}, but 'CT' (D x T) or 'TC' (T x D) was wanted: choose one."
        )
    found = check_file(path)
    load, who = _mat_io()
    names = sorted(_attempt(found, who))
    x_name, y_name = _choose(found, names, x_name, y_name)
    wanted = [name for name in (x_name, y_name) if name]
    variables = _attempt(found, lambda file: load(file, variable_names=wanted))
    cells, places = _matrices(variables[x_name], x_name)
    y = decode_labels(variables[y_name], y_name, [m.shape for m in cells]) if y_name else None
    steps = None if y is None or isinstance(y, np.ndarray) else [len(part) for part in y]
    if _is_ct(cells, places, steps, layout):
        cells = [cell.T for cell in cells]
    x = [np.ascontiguousarray(cell) for cell in cells]  # B of (T, D)
    check_x(x, [f"{place} of {str(found)!r}" for place in places])
    return Sequences(x, y, None, places)


def _mat_io() -> tuple[Callable[..., dict[str, Any]], Callable[..., dict[str, Any]]]:
    """The two functions of mat-io that are needed."""
    try:
        # mat-io sets an option of pandas that pandas 3 calls deprecated; users cannot mend that.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from matio import load_from_mat, whosmat
    except ImportError as error:
        raise ImportError(
            "Reading .mat files needs SciPy and mat-io: pip install 'minilstm[mat]'."
        ) from error
    return load_from_mat, whosmat


def _attempt(path: Path, work: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Call mat-io, and turn whatever goes wrong in it into one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {k: v for k, v in work(str(path)).items() if k and not k.startswith("__")}
    except Exception as error:  # mat-io raises OSError, KeyError, its own errors, and more
        reason = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        raise DataError(
            f"path {str(path)!r} cannot be read ({reason}), but a whole MAT-file was wanted: save "
            "it again in MATLAB with the option '-v7'."
        ) from error


def _choose(
    path: Path, names: list[str], x_name: str | None, y_name: str | None
) -> tuple[str, str | None]:
    """The names of the two variables; no name of labels when there are none."""
    listed = ", ".join(names) or "none"
    for argument, name in (("x_name", x_name), ("y_name", y_name)):
        if name and name not in names:
            raise DataError(
                f"{argument} is {name!r}, but the variables of {str(path)!r} are {listed}: name "
                "one of them."
            )
    if x_name is None:
        candidates = [name for name in names if name[0] in "Xx"]
        if len(candidates) != 1:
            raise DataError(
                f"path {str(path)!r} holds the variables {listed}, but one whose name starts with "
                "X (such as XTrain) was wanted: choose with x_name."
            )
        x_name = candidates[0]
    if y_name is None:
        rest = x_name[1:]
        # A bare T or t is more often the time than the target, so it has to be asked for.
        partners = [first + rest for first in ("YyTt" if rest else "Yy")]
        pair = [name for name in partners if name in names and x_name[0] in "Xx"]
        lonely = [
            name
            for name in names
            if name[0] in "Yy" and not {"X" + name[1:], "x" + name[1:]} & set(names)
        ]
        if not pair and lonely:
            raise DataError(
                f"path {str(path)!r} holds {', '.join(lonely)}, but no labels that go with "
                f"{x_name} by name: choose with y_name, or give y_name='' to read none."
            )
        y_name = pair[0] if pair else None
    return x_name, y_name or None


def _matrices(value: Any, name: str) -> tuple[list[NDArray[Any]], list[str]]:
    """The matrices of a cell array, of one matrix, or of the pages of a D x T x B array."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        cells = list(value.ravel(order="F"))
        places = [f"{name}{{{k + 1}}}" for k in range(len(cells))]
    elif isinstance(value, np.ndarray) and value.ndim == 3:
        cells = [value[:, :, k] for k in range(value.shape[2])]
        places = [f"{name}(:,:,{k + 1})" for k in range(len(cells))]
    else:
        cells, places = [value], [name]
    if not cells:
        raise DataError(f"{name} is an empty cell array, but sequences were wanted: fill it.")
    return [_real(cell, place) for cell, place in zip(cells, places, strict=True)], places


def _real(cell: Any, place: str) -> NDArray[Any]:
    """One matrix of real numbers, integers as float64."""
    if not isinstance(cell, np.ndarray) or cell.dtype.kind not in "fiub":
        kind = cell.dtype if isinstance(cell, np.ndarray) else type(cell).__name__
        raise DataError(
            f"{place} is of type {kind}, but a matrix of real numbers was wanted: convert it in "
            "MATLAB with double()."
        )
    if cell.ndim != 2 or cell.size == 0:
        raise DataError(
            f"{place} has shape {cell.shape}, but a filled D x T matrix was wanted: remove or "
            "reshape it."
        )
    return cell if cell.dtype.kind == "f" else cell.astype(np.float64)


def _is_ct(
    cells: list[NDArray[Any]], places: list[str], steps: list[int] | None, layout: str | None
) -> bool:
    """Whether the matrices are D x T: as asked for, or as the labels per step tell."""
    fits = {}
    for name, feature, time in (("CT", 0, 1), ("TC", 1, 0)):
        same = len({cell.shape[feature] for cell in cells}) == 1
        fits[name] = same and (steps is None or [cell.shape[time] for cell in cells] == steps)
    chosen = layout or ("CT" if fits["CT"] or not fits["TC"] or steps is None else "TC")
    if fits[chosen]:
        return chosen == "CT"
    time = 1 if chosen == "CT" else 0
    for k, cell in enumerate(cells):
        if steps is not None and cell.shape[time] != steps[k]:
            raise DataError(
                f"{places[k]} has shape {cell.shape}, but {steps[k]} labels, which is not its "
                f"number of steps in layout {chosen!r}: correct the labels, or give the other "
                "layout."
            )
    odd = next(k for k, c in enumerate(cells) if c.shape[1 - time] != cells[0].shape[1 - time])
    raise DataError(
        f"{places[odd]} has shape {cells[odd].shape} and {places[0]} has {cells[0].shape}, but in "
        f"layout {chosen!r} all need the same number of features: correct them, or give the other "
        "layout."
    )
