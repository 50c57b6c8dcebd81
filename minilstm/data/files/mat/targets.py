"""Turning MATLAB's numbers to be predicted into (T, R) for each sequence, or (B, R) for all.
MathWorks stores R x T; T x R is found by the steps of the sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.checks import finite_targets
from minilstm.data.files.mat.foreign import refusal
from minilstm.data.files.mat.values import Cell
from minilstm.errors import DataError


def decode_targets(
    value: Any, name: str, ways: list[list[int]], count: int
) -> list[NDArray[np.float64]] | NDArray[np.float64]:
    """Numbers, in a cell array or one array, of B sequences.

    Parameters
    ----------
    value : an array, or `Cell`
    name : of the variable
    ways : for each way in which the axes of x may stand, the B numbers of steps
    count : B

    Returns
    -------
    B arrays (T, R), or one array (B, R)
    """
    if isinstance(value, Cell):
        parts = [_matrix(v, f"{name}{{{k + 1}}}") for k, v in enumerate(value.items)]
    elif getattr(value, "ndim", 0) == 3:
        parts = [_matrix(value[:, :, k], name) for k in range(value.shape[2])]
    else:
        whole = _matrix(value, name)
        if count > 1 or whole.size == max(whole.shape) == 1:
            return _of_sequences(whole, name, count)
        parts = [whole]
    if len(parts) == count:
        for steps in ways:
            for each in ([part.T for part in parts], parts):
                if [len(part) for part in each] == steps and len({p.shape[1] for p in each}) == 1:
                    return [np.ascontiguousarray(part) for part in each]
        if len({part.size for part in parts}) == 1 and all(1 in part.shape for part in parts):
            return np.stack([part.ravel() for part in parts])  # (B, R)
    shapes = ", ".join(str(part.shape) for part in parts[:3])
    raise DataError(
        f"{name} has {len(parts)} arrays of shape {shapes}, but there are {count} sequences of "
        f"{', '.join(map(str, ways[0][:3]))} steps: give each an R x T matrix, or give one B x R "
        "matrix, or say with layout which axis is which."
    )


def _matrix(value: Any, place: str) -> NDArray[np.float64]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or value.ndim != 2:
        raise refusal(value, place, "a matrix of real numbers")
    return finite_targets(value, place)


def _of_sequences(whole: NDArray[np.float64], name: str, count: int) -> NDArray[np.float64]:
    """One row for each sequence, (B, R)."""
    if len(whole) == count:
        return whole
    if whole.shape[1] == count:
        return np.ascontiguousarray(whole.T)
    raise DataError(
        f"{name} has shape {whole.shape}, but there are {count} sequences: give a row for each, or "
        "a cell array with an R x T matrix for each."
    )
