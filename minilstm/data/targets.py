"""Checks the numbers that a network is to put out: responses of a regression, or 0 and 1.
They come in as users have them, and go out as one array a sequence in the network's dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilstm.arrays import as_array, as_numbers, axes_of
from minilstm.data.arrays import Array, finite, first_of, one_for_each
from minilstm.data.sequences import Batch
from minilstm.errors import DataError


def as_targets(
    y: Any,
    batch: Batch,
    last: bool,
    responses: int,
    name: str = "y",
    *,
    dtype: Any = None,
    binary: bool = False,
    digits: bool = False,
) -> list[Array]:
    """Check that targets fit their sequences and the outputs of the network.

    Parameters
    ----------
    y : one row of R numbers a step: (T, R) for one sequence, a list of B arrays (T_b, R), or
        (B, T, R); with `last` one row a sequence: (B, R). Without the last axis where R is 1.
        Integers or floats of any width.
    batch : the sequences
    last : a target is for a whole sequence, not for each step
    responses : R, outputs of the network
    name : of the argument, for the messages
    dtype : of the network; None means that of the sequences
    binary : every target is 0 or 1 (or bool), as "binary-crossentropy" wants them
    digits : targets that the dtype would round become float64 instead, for exact differences

    Returns
    -------
    list of B arrays in that dtype (see `digits`): (T_b, R), or (1, R) with `last`

    Raises
    ------
    DataError
        Another number of targets, another shape, not numbers, NaN or infinite, or not 0 or 1.

    Examples
    --------
    >>> batch = Batch([np.zeros((2, 3)), np.zeros((1, 3))], "list")
    >>> [a.tolist() for a in as_targets([[1.5, 2], [3]], batch, False, 1)]
    [[[1.5], [2.0]], [[3.0]]]
    >>> [a.tolist() for a in as_targets([[1, 2], [3, 4]], batch, True, 2)]
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    B = len(batch.sequences)
    dtype = batch.sequences[0].dtype if dtype is None else dtype
    if last:
        rows = _rows_of_sequences(_as_array(y, name, binary), B, responses, name)  # (B, R)
        rows = _converted(rows, dtype, name, "sequence", binary, digits)
        return [rows[b : b + 1] for b in range(B)]
    if batch.form == "single" and not _is_list_of_one(y, len(batch.sequences[0]), responses):
        items = [(name, y)]
    else:
        items = one_for_each(y, B, name, "targets")
    how: dict[str, Any] = {"dtype": dtype, "binary": binary, "digits": digits}
    given = zip(items, batch.sequences, strict=True)
    return [targets_of_steps(part, len(s), responses, n, **how) for (n, part), s in given]


def targets_of_steps(
    y: Any, T: int, responses: int, name: str, *, dtype: Any, binary: bool, digits: bool
) -> Array:
    """Targets (T, R) of one sequence of T steps; arguments as for `as_targets`."""
    array = _as_array(y, name, binary)
    if responses == 1 and array.shape == (T,):
        array = array[:, None]  # (T, 1)
    if array.shape != (T, responses):
        wanted = f"({T},) or ({T}, 1)" if responses == 1 else f"({T}, {responses})"
        hint = "" if array.shape != (responses, T) else f"; it looks transposed: pass {name}.T"
        raise DataError(
            f"{name} has shape {array.shape}, but its sequence has {T} time steps and the "
            f"network puts out {_counted(responses)} a step"
            f"{hint or f'; give one row a step, shape {wanted}'}."
        )
    return _converted(array, dtype, name, "time step", binary, digits)


def _rows_of_sequences(array: Array, B: int, responses: int, name: str) -> Array:
    """One row a sequence, (B, R), from any of the forms that mean it."""
    if array.shape == (B, responses):
        return array
    if responses == 1 and array.shape == (B,):
        return array[:, None]
    if B == 1 and (array.shape == (responses,) or (responses == 1 and array.ndim == 0)):
        return array.reshape(1, responses)
    wanted = f"({B},) or ({B}, 1)" if responses == 1 else f"({B}, {responses})"
    raise DataError(
        f"{name} has shape {array.shape}, but there are {B} sequences and the network puts out "
        f"{_counted(responses)} for each; give one row a sequence, shape {wanted}."
    )


def _is_list_of_one(y: Any, T: int, responses: int) -> bool:
    """Whether the targets of a single sequence came as a list of one array."""
    if not isinstance(y, (list, tuple)) or len(y) != 1:
        return False
    if axes_of(y[0]) > 1:
        return True
    shape = np.shape(as_array(y[0], "y[0]"))
    return shape == (T, responses) or (responses == 1 and shape == (T,))


def _as_array(y: Any, name: str, binary: bool) -> Array:
    wanted = (
        "one array was wanted; give one row of numbers a step, or one a sequence where the network "
        "keeps the last step only."
    )
    kinds, what = "biuf" if binary else "iuf", "targets of this loss"
    advice = "convert them, or train on labels with loss='crossentropy'"
    return as_numbers(y, name, what, kinds, wanted, advice=advice).copy()


def _converted(array: Array, dtype: Any, name: str, row: str, binary: bool, digits: bool) -> Array:
    """The numbers in the dtype of the network, all of them finite, and 0 or 1 if binary."""

    def place(at: tuple[int, ...]) -> str:
        return f"{row} {at[0]}, response {at[1]}"

    out = finite(array, dtype, name, place, "target", digits)
    if binary and not (fits := (array == 0) | (array == 1)).all():
        raise DataError(
            f"{name} holds {first_of(array, ~fits, place)}, but every target of "
            "loss='binary-crossentropy' is 0 or 1; give one column of 0 and 1 for each class."
        )
    return out


def _counted(responses: int) -> str:
    return "1 number" if responses == 1 else f"{responses} numbers"
