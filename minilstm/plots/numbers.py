"""Numbers that a network predicts, as the figures of regression need them.
Checked, without rows that are not finite, and their errors in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.errors import DataError

Floats = NDArray[np.float64]


def as_numbers(name: str, values: ArrayLike | list[Any]) -> Floats:
    """Numbers as (N, R), of which there is at least one; a list of arrays is put end to end.

    Examples
    --------
    >>> as_numbers("true", [1.0, 2.0]).shape
    (2, 1)
    >>> as_numbers("true", [np.zeros((4, 3)), np.zeros((2, 3))]).shape
    (6, 3)
    """
    try:
        if isinstance(values, (list, tuple)) and any(np.ndim(v) > 0 for v in values):
            values = np.concatenate([np.asarray(v) for v in values])
        numbers: NDArray[Any] = np.asarray(values)
    except ValueError as error:
        raise DataError(
            f"{name} holds arrays of different kinds ({error}): pass arrays (T,), or all (T, R)."
        ) from error
    if numbers.ndim not in (1, 2) or 0 in numbers.shape or numbers.dtype.kind not in "fiub":
        raise DataError(
            f"{name} has shape {numbers.shape} and dtype {numbers.dtype} and should be real "
            "numbers, (N,) or (N, R), at least one: pass an array, or a list of arrays."
        )
    return numbers.astype(np.float64).reshape(len(numbers), -1)


def rmse(true: Floats, predicted: Floats) -> float:
    """Root of the mean squared error over what is finite in both; NaN if nothing is.

    Examples
    --------
    >>> rmse(np.array([1.0, 2.0, np.nan]), np.array([1.0, 4.0, 0.0])) ** 2
    2.0000000000000004
    """
    error = predicted - true
    error = error[np.isfinite(error)]
    return float(np.sqrt(np.mean(error * error))) if error.size else float("nan")


def rounded(value: float) -> str:
    """Three digits that matter.

    Examples
    --------
    >>> rounded(0.123456), rounded(1234.5), rounded(2e-7)
    ('0.123', '1,230', '2e-07')
    """
    if abs(value) >= 1000 and np.isfinite(value):
        return f"{float(f'{value:.3g}'):,.0f}" if abs(value) < 1e7 else f"{value:.3g}"
    return f"{value:.3g}"
