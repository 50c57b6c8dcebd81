"""Which axis is which: what a layout gives, and the word where only the sizes of an array tell.
Each reading that a warning offers is taken, and gives the right arrays without a warning."""

import re

import numpy as np
import pytest
from agreement import assert_same_arrays, refusal
from mat_files import cells

from minilstm.data import read_sequences

BATCH = np.arange(400.0).reshape(4, 2, 50)
TABLE = np.arange(200.0).reshape(4, 50)
FOUR = np.array([1, 2, 1, 2])
LONG = np.arange(60.0).reshape(20, 3)
RUNS = np.repeat([1, 2], 10)


def npz(tmp_path, **arrays):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    return path


def mat(tmp_path, **variables):
    pytest.importorskip("scipy")
    import scipy.io

    path = tmp_path / "a.mat"
    scipy.io.savemat(path, variables)
    return path


def column(values):
    return list(values[..., None])


# What is written, what is said, and what each layout gives.
DOUBTS = {
    "dense": (
        npz, {"x": BATCH, "y": FOUR},
        "x of FILE was read as 4 sequences of 2 steps and 50 features: give layout='BTC' where "
        "that is right, or layout='BCT' for 50 steps each.",
        {None: list(BATCH), "BTC": list(BATCH), "BCT": list(BATCH.transpose(0, 2, 1))},
    ),
    "flat": (
        npz, {"x": TABLE},
        "x of FILE was read as 1 sequence of 4 steps and 50 features: give layout='TC' where that "
        "is right, or layout='CT' for 50 steps each or layout='BT' for 4 sequences of 50 steps.",
        {None: [TABLE], "TC": [TABLE], "CT": [TABLE.T], "BT": column(TABLE)},
    ),
    "flat with labels": (
        npz, {"x": TABLE, "y": FOUR},
        "x of FILE was read as 1 sequence of 4 steps and 50 features: give layout='TC' where that "
        "is right, or layout='BT' for 4 sequences of 50 steps.",
        {None: [TABLE], "TC": [TABLE], "BT": column(TABLE)},
    ),
    "flat with shuffled labels": (
        npz, {"x": LONG, "y": np.tile([1, 2], 10)},
        "x of FILE was read as 1 sequence of 20 steps and 3 features: give layout='TC' where that "
        "is right, or layout='BT' for 20 sequences of 3 steps.",
        {None: [LONG], "BT": column(LONG)},
    ),
    "square": (
        npz, {"x_0": LONG[:3], "x_1": LONG[3:6]},
        "x of FILE was read as 2 sequences of 3 steps and 3 features: give layout='TC' where that "
        "is right, or layout='CT' for 3 steps each.",
        {None: [LONG[:3], LONG[3:6]], "CT": [LONG[:3].T, LONG[3:6].T]},
    ),
    "matrix": (
        mat, {"X": LONG},
        "X of FILE was read as 1 sequence of 3 steps and 20 features: give layout='CT' where that "
        "is right, or layout='TC' for 20 steps each or layout='TB' for 3 sequences of 20 steps.",
        {None: [LONG.T], "CT": [LONG.T], "TC": [LONG], "TB": column(LONG.T)},
    ),
    "cells": (
        mat, {"X": cells([LONG, LONG + 1]), "Y": FOUR[None, :2]},
        "X of FILE was read as 2 sequences of 3 steps and 20 features: give layout='CT' where "
        "that is right, or layout='TC' for 20 steps each.",
        {None: [LONG.T, LONG.T + 1], "TC": [LONG, LONG + 1], "BTC": [LONG, LONG + 1]},
    ),
    "pages": (
        mat, {"X": BATCH.transpose(2, 1, 0)},
        "X of FILE was read as 4 sequences of 2 steps and 50 features: give layout='CTB' where "
        "that is right, or layout='TCB' for 50 steps each.",
        {None: list(BATCH), "CT": list(BATCH), "TCB": list(BATCH.transpose(0, 2, 1))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTS)
def test_a_doubt_is_said_and_every_way_out_works(tmp_path, name):
    write, arrays, sentence, readings = DOUBTS[name]
    path = write(tmp_path, **arrays)
    with pytest.warns(UserWarning, match="was read as") as said:
        assert_same_arrays(read_sequences(path).x, readings[None])
    assert [str(w.message).replace(repr(str(path)), "FILE") for w in said] == [sentence]
    assert said[0].filename == __file__
    offered = set(re.findall(r"layout='(\w+)'", sentence))
    assert offered - {"CTB"} <= set(readings) | {"BTC", "TC", "CT"}
    for layout in offered | set(readings) - {None}:
        data = read_sequences(path, layout=layout)
        if layout in readings:
            assert_same_arrays(data.x, readings[layout])


CLEAR = {
    "more steps than features": (npz, {"x": LONG}),
    "labels in runs": (npz, {"x": LONG, "y": RUNS}),
    "lengths": (npz, {"x": LONG.T, "lengths": np.array([2, 1])}),
    "labels a step": (npz, {"x": BATCH, "y": np.ones((4, 2), int)}),
    "lengths that differ": (npz, {"x_0": LONG.T[:2], "x_1": LONG.T}),
    "one number": (npz, {"x": np.ones((1, 1))}),
    "matrix": (mat, {"X": LONG.T}),
    "lengths that differ, cells": (mat, {"X": cells([LONG.T[:, :2], LONG.T])}),
    "labels a step, cells": (mat, {"X": cells([LONG.T]), "Y": cells([RUNS[None]])}),
}


@pytest.mark.parametrize("name", CLEAR)
def test_what_is_clear_is_read_without_a_word(tmp_path, name):
    write, arrays = CLEAR[name]
    read_sequences(write(tmp_path, **arrays))


def test_every_order_of_three_axes(tmp_path):
    for layout in ("BTC", "BCT", "TBC", "TCB", "CBT", "CTB"):
        x = BATCH.transpose(["BTC".index(letter) for letter in layout])
        for path in (npz(tmp_path, x=x, y=FOUR), mat(tmp_path, X=x, Y=FOUR[None])):
            data = read_sequences(path, layout=layout)
            assert_same_arrays(data.x, list(BATCH))
            assert data.y.tolist() == FOUR.tolist()
    x = BATCH.transpose(2, 0, 1)
    data = read_sequences(mat(tmp_path, X=x), layout="CBT")
    assert data.ids == ["X(:,1,:)", "X(:,2,:)", "X(:,3,:)", "X(:,4,:)"]


def test_flat_rows_the_other_way(tmp_path):
    path = npz(tmp_path, x=LONG.T, lengths=np.array([12, 8]), y=RUNS)
    data = read_sequences(path, layout="CT")
    assert_same_arrays(data.x, [LONG[:12], LONG[12:]])
    assert refusal(path, layout="BT") == (
        "layout is 'BT', but x has lengths, so its rows are steps: give 'TC' or 'CT', or remove "
        "lengths."
    )


def test_ts_of_one_step_each(tmp_path):
    path = tmp_path / "a.ts"
    path.write_text("@dimensions 3\n@classLabel false\n@data\n1:2:3\n4:5:6\n")
    with pytest.warns(UserWarning, match="was read as 2 sequences of 1 step and 3 features: give"):
        assert read_sequences(path).x[1].tolist() == [[4, 5, 6]]
    assert read_sequences(path, layout="TC").x[1].tolist() == [[4, 5, 6]]
    assert read_sequences(path, layout="CT").x[1].tolist() == [[4], [5], [6]]


@pytest.mark.parametrize("layout", ["", "T", "BC", "TT", "TD", "TCBB", 3, ["T", "C"]])
def test_a_layout_that_is_none(tmp_path, layout):
    assert refusal(npz(tmp_path, x=LONG), layout=layout) == (
        f"layout is {layout!r}, but one letter for each axis was wanted, T for steps and B for "
        "sequences or C for features: give 'TC', 'CT', 'BTC' or 'BCT', say."
    )


@pytest.mark.parametrize("write", [npz, mat])
def test_a_layout_of_other_axes(tmp_path, write):
    name = "x" if write is npz else "X"
    assert refusal(write(tmp_path, **{name: LONG}), layout="BTC") == (
        f"{name} has shape (20, 3), but layout 'BTC' names 3 axes: give one letter for each axis."
    )


STEPS_OF_FOUR = np.arange(200).reshape(50, 4) % 7  # (T, B)


@pytest.mark.parametrize(
    ("layout", "x", "y"),
    [
        ("TBC", BATCH.transpose(2, 0, 1), STEPS_OF_FOUR),
        ("TBC", BATCH.transpose(2, 0, 1), STEPS_OF_FOUR.T),
        ("BCT", BATCH, STEPS_OF_FOUR.T),
        ("CTB", BATCH.transpose(1, 2, 0), STEPS_OF_FOUR),
        ("TB", TABLE.T, STEPS_OF_FOUR),
    ],
)
def test_labels_are_turned_as_their_sequences(tmp_path, layout, x, y):
    data = read_sequences(npz(tmp_path, x=x, y=y), layout=layout)
    assert_same_arrays(data.y, list(STEPS_OF_FOUR.T))
    assert_same_arrays(data.x, column(TABLE) if layout == "TB" else list(BATCH.transpose(0, 2, 1)))


def test_labels_of_a_square_batch_stand_as_its_sequences(tmp_path):
    x, y = np.arange(18.0).reshape(3, 3, 2), np.arange(9).reshape(3, 3)
    turned = read_sequences(npz(tmp_path, x=x, y=y), layout="TBC")
    assert_same_arrays(turned.x, list(x.transpose(1, 0, 2)))
    assert_same_arrays(turned.y, list(y.T))


def test_labels_that_fit_no_order_of_axes(tmp_path):
    x = np.zeros((50, 4, 2))
    assert refusal(npz(tmp_path, x=x, y=np.zeros((50, 3), int)), layout="TBC") == (
        "y has shape (50, 3), but x has 4 sequences of 50 steps: give labels of shape (50, 4), as "
        "the axes of x, or (4, 50) for each step, or (4,) for each sequence, or say with layout "
        "which axis of x is which."
    )


RUNS_OF_STEPS = np.repeat([[0, 1, 2, 0], [1, 0, 1, 2]], 25, axis=0)  # (T, B), labels in runs


@pytest.mark.parametrize("y", [STEPS_OF_FOUR, RUNS_OF_STEPS, np.zeros((50, 4), int)])
def test_time_first_with_labels_is_in_doubt(tmp_path, y):
    x = np.arange(400.0).reshape(50, 4, 2)
    path = npz(tmp_path, x=x, y=y)
    with pytest.warns(UserWarning, match="was read as") as said:
        read_sequences(path)
    assert [str(w.message).replace(repr(str(path)), "FILE") for w in said] == [
        "x of FILE was read as 50 sequences of 4 steps: give layout='BTC' where that is right, or "
        "layout='TBC' for 4 sequences of 50 steps."
    ]
    assert_same_arrays(read_sequences(path, layout="TBC").y, list(y.T))
    assert_same_arrays(read_sequences(path, layout="BTC").y, list(y))


def test_many_sequences_whose_labels_come_in_runs_are_clear(tmp_path):
    y = np.repeat(np.arange(120).reshape(60, 2) % 7, 5, axis=1)  # (B, T)
    assert_same_arrays(read_sequences(npz(tmp_path, x=np.zeros((60, 10, 2)), y=y)).y, list(y))
