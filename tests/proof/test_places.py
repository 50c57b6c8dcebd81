"""Where an entry is, in words: gates, units, time steps and sequences, all counted from zero.
Axes without a meaning, or with labels that do not fit, keep their number."""

import numpy as np
import pytest

from minilstm.proof.causes.recognition import recognise
from minilstm.proof.reports.places import Place, describe

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


def test_an_entry_is_named_by_gate_and_unit_in_any_layout():
    rng = np.random.default_rng(0)
    T, B, D, H = 4, 2, 3, 5
    inputs = {
        "kernel": rng.standard_normal((D + H, 4 * H)),
        "data": rng.standard_normal((T, B, D)),
        "bias": rng.standard_normal(4 * H),
    }

    def forward(kernel, data, bias):
        h, c, out = np.zeros((B, H)), np.zeros((B, H)), []
        for x_t in data:
            z = np.concatenate([x_t, h], axis=1) @ kernel + bias
            o, g, i, f = np.split(z, 4, axis=1)
            i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            out.append(h)
        return np.stack(out)

    found = recognise(lambda values: forward(**{**inputs, **values}), inputs)

    def place(name, *index):
        return describe(index, found.axes[name], inputs[name].shape)

    assert place("bias", 3 * H + 1) == ("forget gate, unit 1", "forget gate", 1, None)
    assert place("kernel", 2, 4).text == "axis 0 index 2, output gate, unit 4"
    assert place("kernel", D + 1, H + 2).text == "axis 0 index 4, cell candidate, unit 2"
