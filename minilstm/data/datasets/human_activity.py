"""The data of the main example: five activities of seven people, seen by a phone's accelerometer.
The recordings are simulated; with a path, MathWorks' own two files are read instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.datasets.activity_simulator import draw_people, simulate_person
from minilstm.errors import DataError

TRAIN_LENGTHS = (64480, 53696, 56416, 50688, 51888, 54256)
TEST_LENGTH = 53888
SMALLEST_SCALE = 0.002  # about 100 steps a person: below it the five bouts are mere glimpses

Batch = list[NDArray[Any]]


def human_activity(
    path: str | os.PathLike[str] | None = None, *, seed: int = 0, scale: float = 1.0
) -> tuple[Batch, Batch, Batch, Batch]:
    """Six recordings to train on and one, of a seventh person, to test on.

    Without `path` the data is **simulated**: gravity, the way the phone is carried, posture,
    the harmonics of the gait and sensor noise, at 10 steps a second, with other traits for each
    person. Every recording holds one bout of each activity; the six orders are counterbalanced
    so that each activity follows each other one. Its sizes are those of the recordings that
    MathWorks' example uses, its averages and spreads resemble theirs, and no sample is theirs.
    The simulator was tuned until the example's network learns it: a demonstration, no benchmark.

    Parameters
    ----------
    path : a folder with MathWorks' HumanActivityTrain.mat and HumanActivityTest.mat, which are then
        read (this needs SciPy and mat-io), as float32. Every bout of their test person is a copy of
        one in their training files
    seed : which simulated people; the same seed always gives the same bits. Not with `path`
    scale : from 0.002 to 1: all lengths are multiplied by it and rounded, for quick demonstrations
        and tests; the bouts shrink with them, the motion itself does not. Not with `path`

    Returns
    -------
    x_train : list of 6 arrays (T, 3), float32: acceleration on the phone's axes in hundredths of
        gravity; T is 64480, 53696, 56416, 50688, 51888, 54256
    y_train : list of 6 arrays (T,) of strings: Dancing, Running, Sitting, Standing or Walking
    x_test : list of 1 array (53888, 3), float32
    y_test : list of 1 array (53888,) of strings

    Raises
    ------
    DataError
        For a bad `seed` or `scale`, or when files or variables are not there.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = human_activity(scale=0.01)
    >>> [len(x) for x in x_train], x_test[0].shape, sorted(set(y_test[0].tolist()))[:2]
    ([645, 537, 564, 507, 519, 543], (539, 3), ['Dancing', 'Running'])
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise DataError(f"seed is {seed!r}, but a whole number from 0 was wanted: give one.")
    if (
        isinstance(scale, bool)
        or not isinstance(scale, (int, float, np.number))
        or not (SMALLEST_SCALE <= scale <= 1.0)
    ):
        raise DataError(
            f"scale is {scale!r}, but a number from {SMALLEST_SCALE} to 1 was wanted: 0.05 makes a "
            "quick demonstration."
        )
    if path is not None:
        if seed != 0 or scale != 1.0:
            raise DataError(
                f"path was given together with seed={seed!r} and scale={scale!r}, but these two "
                "belong to the simulated data: leave them out."
            )
        return _read_real(Path(path))
    rng = np.random.default_rng(seed)
    people = draw_people(rng, len(TRAIN_LENGTHS) + 1)
    x, y = [], []
    for own, person, length in zip(
        rng.spawn(len(people)), people, (*TRAIN_LENGTHS, TEST_LENGTH), strict=True
    ):
        values, labels = simulate_person(own, person, round(length * float(scale)))
        x.append(values)  # (T, 3)
        y.append(labels)  # (T,)
    return x[:-1], y[:-1], x[-1:], y[-1:]


def _read_real(folder: Path) -> tuple[Batch, Batch, Batch, Batch]:
    """MathWorks' two files, as float32 and strings."""
    files = [folder / f"HumanActivity{part}.mat" for part in ("Train", "Test")]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise DataError(
            f"path {str(folder)!r} has no {' and no '.join(missing)}, but a folder with "
            "HumanActivityTrain.mat and HumanActivityTest.mat was wanted: copy them there, or "
            "leave path out for simulated data."
        )
    # Imported here, so that simulated data does not pay for the reader.
    from minilstm.data.files.mat.read_mat import read_mat

    halves: list[Batch] = []
    for file, part in zip(files, ("Train", "Test"), strict=True):
        data = read_mat(file, x_name=f"X{part}", y_name=f"Y{part}")
        if not isinstance(data.y, list) or data.x[0].shape[1] != 3:
            raise DataError(
                f"path {str(file)!r} has {data.x[0].shape[1]} features and labels per "
                f"{'step' if isinstance(data.y, list) else 'sequence'}, but 3 features and labels "
                "per step were wanted: use read_sequences for other data."
            )
        halves += [[values.astype(np.float32) for values in data.x], data.y]
    x_train, y_train, x_test, y_test = halves
    return x_train, y_train, x_test, y_test
