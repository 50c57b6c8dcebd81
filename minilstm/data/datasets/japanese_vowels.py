"""The Japanese Vowels data: nine speakers, 640 short utterances, 12 coefficients a step.
The real measurements are embedded beside this file, with their source and licence."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FILE = files(__package__).joinpath("japanese_vowels.npz")  # the package may be in an archive


def japanese_vowels() -> tuple[list[NDArray[Any]], NDArray[Any], list[NDArray[Any]], NDArray[Any]]:
    """270 utterances to train on and 370 to test on, each spoken by one of nine men.

    Each step holds 12 LPC cepstrum coefficients of a frame of the vowels /ae/; the task is to
    tell the speaker.

    Returns
    -------
    x_train : list of 270 arrays (T, 12), float32, T from 7 to 26; 30 of each speaker
    y_train : (270,) int64: the speaker, 1 to 9
    x_test : list of 370 arrays (T, 12), float32, T from 7 to 29
    y_test : (370,) int64: the speaker, 1 to 9

    References
    ----------
    M. Kudo, J. Toyama, M. Shimbo, "Multidimensional curve classification using passing-through
    regions", Pattern Recognition Letters 20 (11-13), 1999, 1103-1111. UCI Machine Learning
    Repository, https://doi.org/10.24432/C5NS47, CC BY 4.0; see japanese_vowels_LICENSE.md.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = japanese_vowels()
    >>> len(x_train), len(x_test), x_train[0].shape, y_train[:3].tolist()
    (270, 370, (20, 12), [1, 1, 1])
    """
    with _FILE.open("rb") as content, np.load(content, allow_pickle=False) as file:
        halves: list[Any] = []
        for part in ("train", "test"):
            edges = np.cumsum(file[f"lengths_{part}"])[:-1]
            rows = file[f"x_{part}"]  # (N, 12)
            halves += [[x.copy() for x in np.split(rows, edges)], file[f"y_{part}"]]
    x_train, y_train, x_test, y_test = halves
    return x_train, y_train, x_test, y_test
