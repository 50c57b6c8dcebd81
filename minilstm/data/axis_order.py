"""Brings data of another order of axes to ours, which is time, then space, then channels.
A format is a string with one letter for each axis: S space, C channel, B batch, T time.

In our order a vector sequence is "TC" and an image sequence "TSSC"; a dense batch has a B in
front. The reference's channel x time sequences are "CT". A list of arrays is described with or
without the B, which is then the list itself: "CTB" and "CT" say the same of a list.
"""

from __future__ import annotations

from typing import Any

from minilstm.arrays import as_array, parts_of
from minilstm.data.arrays import ONE_SEQUENCE, Array
from minilstm.errors import DataError


def arrange(
    x: Any, data_format: str, input_rank: int, name: str = "x", *, last: bool = False
) -> Any:
    """Move the axes of sequences to our order.

    Parameters
    ----------
    x : one sequence, a list of B sequences, or a dense batch
    data_format : letters of the axes as they come, such as "CTB", or "auto" for our order
    input_rank : axes of one step: 1 for vectors, 3 for images, 4 for volumes
    name : of the argument, for the messages
    last : x has no time, such as the responses of sequence-to-one regression

    Returns
    -------
    (T, *shape) for one sequence, a list of B such arrays, or (B, T, *shape), without the T where
    `last`; views of the data. With "auto" x itself.

    Raises
    ------
    ValueError
        A letter is unknown, repeated or missing.
    DataError
        An array has another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> arrange(np.zeros((3, 100)), "CT", 1).shape
    (100, 3)
    >>> [a.shape for a in arrange([np.zeros((3, 9)), np.zeros((3, 5))], "CTB", 1)]
    [(9, 3), (5, 3)]
    >>> arrange(np.zeros((28, 28, 1, 6, 50)), "SSCBT", 3).shape
    (6, 50, 28, 28, 1)
    """
    letters = check_format(data_format, input_rank, name, last=last)
    if letters == "auto":
        return x
    ours = ("" if last else "T") + "S" * (input_rank - 1) + "C"
    within = letters.replace("B", "")
    parts = parts_of(x)
    if parts is not None:
        return [_moved(s, within, ours, f"{name}[{b}]", letters) for b, s in enumerate(parts)]
    array = as_array(x, name, ONE_SEQUENCE)
    if "B" in letters and array.ndim != len(within):
        return _moved(array, letters, f"B{ours}", name, letters)
    return _moved(array, within, ours, name, letters)


def check_format(data_format: Any, input_rank: int, name: str = "x", *, last: bool = False) -> str:
    """Give the format, unless it describes no sequences of this network; arguments as `arrange`.

    Raises
    ------
    ValueError
        It is no string, or a letter is unknown, repeated or missing.
    """
    if data_format == "auto":
        return "auto"
    space, time = "S" * (input_rank - 1), "" if last else "T"
    needs = (f"{len(space)} letters S, " if space else "") + ("C once" if last else "C and T once")
    needs += "" if last else " each"
    wanted = f"use {needs}, and B for the batch if there is one, such as '{space}C{time}B'."
    if not isinstance(data_format, str):
        raise ValueError(f"the format of {name} is {data_format!r}, not a string; {wanted}")
    for letter in data_format:
        if letter not in f"{space}C{time}B":
            raise ValueError(
                f"the format of {name} is {data_format!r} with the letter {letter!r}; {wanted}"
            )
    for letter, times in (("S", len(space)), ("C", 1), ("T", len(time)), ("B", 1)):
        count = data_format.count(letter)
        if count > times or (count < times and letter != "B"):
            what = f"{count} times the letter {letter!r}" if count else f"no letter {letter!r}"
            raise ValueError(f"the format of {name} is {data_format!r} with {what}; {wanted}")
    return data_format


def _moved(x: Any, theirs: str, ours: str, name: str, letters: str) -> Array:
    """One array from their order of axes to ours; axes of space keep their order."""
    array = as_array(x, name, ONE_SEQUENCE)
    if array.ndim != len(theirs):
        raise DataError(
            f"{name} has shape {array.shape}, but the format {letters!r} describes {len(theirs)} "
            f"axes, {theirs!r}; give one letter for each axis, in the order of the axes."
        )
    space = iter([n for n, letter in enumerate(theirs) if letter == "S"])
    return array.transpose([next(space) if a == "S" else theirs.index(a) for a in ours])
