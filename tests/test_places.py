"""Where an entry is, in words: gates, units, time steps and sequences, all counted from zero.
Axes without a meaning, or with labels that do not fit, keep their number."""

from __future__ import annotations

import numpy as np
import pytest

from minilstm.checking.places import Place, describe

GATES = ("i", "f", "g", "o")
ROWS = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [2, 1], [2, 5]])


@pytest.mark.parametrize(
    ("index", "axes", "shape", "expected"),
    [
        ((), (), (), Place("", None, None, None)),
        ((), ("gates", "feature"), (8, 3), Place("", None, None, None)),
        ((3, 1), ("gates", "feature"), (8, 3),
         Place("forget gate, unit 1, feature 1", "forget gate", 1, None)),
        ((0,), (GATES,), (4,), Place("input gate, unit 0", "input gate", 0, None)),
        ((4, 0), (("f", "i", "g", "o"), "unit"), (8, 2),
         Place("cell candidate, unit 0, from unit 0", "cell candidate", 0, None)),
        ((7, 3), (GATES, "unit"), (8, 4),
         Place("output gate, unit 1, from unit 3", "output gate", 1, None)),
        ((5, 1), (("r", "z", "n"), ""), (6, 2), Place("n, unit 1, axis 1 index 1", "n", 1, None)),
        ((9,), (("forward input gate", "backward input gate"),), (10,),
         Place("backward input gate, unit 4", "backward input gate", 4, None)),
        ((1,), (("mean", "variance"),), (2,), Place("variance", "variance", None, None)),
        ((4, 0), ("time", "feature"), (7, 1), Place("time step 4, feature 0", None, None, 4)),
        ((4, 2, 0), ("time", "batch", "unit"), (7, 3, 1),
         Place("time step 4, sequence 2, unit 0", None, 0, 4)),
        ((2, 4), ("sequence", "time"), (3, 5), Place("sequence 2, time step 4", None, None, 4)),
        ((2,), ("class",), (3,), Place("class 2", None, None, None)),
        ((1, 4), (), (3, 5), Place("axis 0 index 1, axis 1 index 4", None, None, None)),
        ((1, 4), ("time",), (3, 5), Place("time step 1, axis 1 index 4", None, None, 1)),
        ((1,), ("gates",), (6,), Place("axis 0 index 1", None, None, None)),
        ((1,), ((),), (6,), Place("axis 0 index 1", None, None, None)),
        ((1,), ("row",), (6,), Place("row 1", None, None, None)),
    ],
)  # fmt: skip
def test_every_kind_of_axis(index, axes, shape, expected):
    assert describe(index, axes, shape) == expected


@pytest.mark.parametrize("n", range(len(ROWS)))
def test_rows_of_a_packed_batch_tell_sequence_and_time_step(n):
    sequence, step = (int(k) for k in ROWS[n])
    place = describe((n, 1), ("row", "unit"), (6, 2), ROWS)
    assert place == Place(f"sequence {sequence}, time step {step}, unit 1", None, 1, step)


def test_numbers_are_plain_integers():
    place = describe(tuple(np.array([5, 1])), ("row", "unit"), (6, 2), ROWS)
    assert [type(n) for n in (place.unit, place.time_step)] == [int, int]
    assert describe([np.int64(2)], ("time",), (3,)).text == "time step 2"
