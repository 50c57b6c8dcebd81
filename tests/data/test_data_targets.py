"""Numbers as targets, and labels that count nowhere: forms, dtypes, and every wrong one.
Each error is one sentence that names the place."""

import re

import numpy as np
import pytest
from agreement import refuses, refuses_data
from builders import WIDTHS, draw

from minilstm.data.labels import find_classes, to_targets
from minilstm.data.sequences import as_batch
from minilstm.data.targets import as_targets

LENGTHS = (3, 2)
with np.errstate(over="ignore"):
    LARGE = np.longdouble("1e1000")


def batch(form="list", dtype="float32", lengths=LENGTHS):
    x = [np.zeros((T, 4)) for T in lengths]
    if form == "dense":
        x = np.zeros((2, 3, 4))
    return as_batch(x[0] if form == "single" else x, 4, dtype)


# ---------------------------------------------------------------- a target a step


@pytest.mark.parametrize("R", [1, 2, 3])
def test_lists_with_rows_for_every_step(R):
    y = [draw(3, R), draw(2, R)]
    for given in (y, tuple(y), [a.tolist() for a in y]):
        out = as_targets(given, batch(dtype="float64"), False, R)
        for mine, theirs in zip(out, y, strict=True):
            assert mine.dtype == np.float64
            np.testing.assert_array_equal(mine, theirs)


def test_one_response_may_leave_its_axis_out():
    for form, y in (
        ("list", [draw(3), draw(2)]),
        ("dense", draw(2, 3)),
        ("single", draw(3)),
        ("single", [draw(3)]),
        ("single", [1.0, 2.0, 3.0]),
        ("single", draw(3, 1)),
        ("single", [draw(3, 1)]),
        ("single", [[1.0], [2.0], [3.0]]),
    ):
        out = as_targets(y, batch(form), False, 1)
        assert [a.shape for a in out] == [
            (T, 1) for T in {"list": (3, 2), "dense": (3, 3)}.get(form, (3,))
        ]
        np.testing.assert_allclose(
            np.concatenate(out).ravel(), np.concatenate([np.ravel(a) for a in y]), rtol=1e-6
        )


def test_dense_and_single_forms_with_several_responses():
    dense = draw(2, 3, 5)
    out = as_targets(dense, batch("dense"), False, 5)
    np.testing.assert_allclose(np.stack(out), dense, rtol=1e-6)
    single = draw(3, 5)
    for y in (single, [single], single.tolist(), single[None]):
        np.testing.assert_allclose(
            as_targets(y if not isinstance(y, np.ndarray) or y.ndim < 3 else [y[0]],
                       batch("single"), False, 5)[0],
            single, rtol=1e-6,
        )  # fmt: skip


def test_a_sequence_of_one_step():
    one = batch("single", lengths=(1,))
    for y in ([2.0], [[2.0]], np.array([2.0]), np.array([[2.0]])):
        assert as_targets(y, one, False, 1)[0].tolist() == [[2.0]]
    for y in ([[2.0, 3.0]], np.array([[2.0, 3.0]]), [np.array([[2.0, 3.0]])]):
        assert as_targets(y, one, False, 2)[0].tolist() == [[2.0, 3.0]]


# ---------------------------------------------------------------- a target a sequence


@pytest.mark.parametrize(
    ("y", "R"),
    [
        ([1.5, 2.5], 1),
        (np.array([1.5, 2.5]), 1),
        (np.array([[1.5], [2.5]]), 1),
        ([[1.5], [2.5]], 1),
        ([np.array([1.5, 3.0]), np.array([2.5, 4.0])], 2),
        (np.array([[1.5, 3.0], [2.5, 4.0]]), 2),
    ],
)
def test_rows_for_whole_sequences(y, R):
    out = as_targets(y, batch(), True, R)
    assert [a.shape for a in out] == [(1, R)] * 2 and out[0].dtype == np.float32
    np.testing.assert_array_equal(np.ravel(out), np.ravel(y))


def test_one_row_for_a_single_sequence():
    for y in (1.5, [1.5], [[1.5]], np.float64(1.5)):
        assert as_targets(y, batch("single"), True, 1)[0].tolist() == [[1.5]]
    for y in ([1.5, 2.0], [[1.5, 2.0]]):
        assert as_targets(y, batch("single"), True, 2)[0].tolist() == [[1.5, 2.0]]


# ---------------------------------------------------------------- dtypes


@pytest.mark.parametrize("dtype", WIDTHS)
@pytest.mark.parametrize("ours", ["float32", "float64"])
def test_every_width_comes_in_and_the_batch_decides_the_dtype(dtype, ours):
    y = [np.array([1, 2, 3], dtype), np.array([4, 5], dtype)]
    out = as_targets(y, batch(dtype=ours), False, 1)
    assert [a.ravel().tolist() for a in out] == [[1, 2, 3], [4, 5]]
    assert {a.dtype for a in out} == {np.dtype(ours)}
    assert as_targets(np.array([1, 0], dtype), batch(dtype=ours), True, 1)[0].dtype == ours


def test_targets_are_copies():
    y = [draw(3, 1).astype("f4"), draw(2, 1).astype("f4")]
    assert not np.shares_memory(as_targets(y, batch(), False, 1)[0], y[0])


def test_targets_of_0_and_1():
    y = [np.eye(3), np.ones((2, 3), bool)]
    out = as_targets(y, batch(), False, 3, binary=True)
    assert out[1].tolist() == [[1, 1, 1]] * 2 and out[1].dtype == np.float32
    assert as_targets([True, False], batch(), True, 1, binary=True)[0].tolist() == [[1]]
    with refuses_data(
        "y[0] holds 0.5 at time step 2, response 1, but every target of "
        "loss='binary-crossentropy' is 0 or 1; give one column of 0 and 1 for each class."
    ):
        y[0][2, 1] = 0.5
        as_targets(y, batch(), False, 3, binary=True)
    with refuses_data(f"y[0] has dtype bool, {KIND}"):
        as_targets([np.ones((3, 1), bool)] * 2, batch(), False, 1)


# ---------------------------------------------------------------- wrong ones

STEP = "but its sequence has 3 time steps and the network puts out"
A_NUMBER = f"{STEP} 1 number a step; give one row a step, shape (3,) or (3, 1)."
EACH = "but there are 2 sequences and the network puts out"
A_ROW = "for each; give one row a sequence, shape "
SEVERAL = "but there are 2 sequences; give a list with one array of targets for each."
FINITE = "but every target must be finite; remove or fill them first."
RAGGED = (
    "holds rows of different lengths, but one array was wanted; give one row of numbers a step, or "
    "one a sequence where the network keeps the last step only."
)
KIND = (
    "but targets of this loss are real numbers; convert them, or train on labels with "
    "loss='crossentropy'."
)


@pytest.mark.parametrize(
    ("y", "R", "message"),
    [
        ([draw(4), draw(2)], 1, f"y[0] has shape (4,), {A_NUMBER}"),
        ([draw(3, 2), draw(2)], 1, f"y[0] has shape (3, 2), {A_NUMBER}"),
        (
            [draw(3), draw(2)],
            2,
            f"y[0] has shape (3,), {STEP} 2 numbers a step; give one row a step, shape (3, 2).",
        ),
        (
            [draw(2, 3), draw(2, 2)],
            2,
            f"y[0] has shape (2, 3), {STEP} 2 numbers a step; it looks transposed: pass y[0].T.",
        ),
        (
            [draw(3)],
            1,
            "y has targets for 1 sequences, but there are 2; give one array of targets for each "
            "sequence.",
        ),
        (None, 1, f"y is NoneType, {SEVERAL}"),
        (3.5, 1, f"y is float, {SEVERAL}"),
        ([["a", "b", "c"], ["a", "b"]], 1, f"y[0] has dtype <U1, {KIND}"),
        (
            [[1, 2, None], [1, 2]],
            1,
            "y[0] holds None at [2], a missing value (1 in all), but targets of this loss are real "
            "numbers; remove or fill it first.",
        ),
        ([[1j, 2, 3], [1, 2]], 1, f"y[0] has dtype complex128, {KIND}"),
        ([[[1], [2, 3], [4]], [[1], [2]]], 1, f"y[0] {RAGGED}"),
        (
            [[1, np.nan, np.nan], [1, 2]],
            1,
            f"y[0] holds nan at time step 1, response 0 (2 such values), {FINITE}",
        ),
        (
            [draw(3), [1, -np.inf]],
            1,
            f"y[1] holds -inf at time step 1, response 0 (1 such values), {FINITE}",
        ),
        (
            [draw(3), [1, 1e39]],
            1,
            "y[1] holds 1e+39 at time step 1, response 0, beyond the range of float32; scale the "
            "targets or train with dtype='float64'.",
        ),
        pytest.param(
            [draw(3), np.array([1, LARGE])],
            1,
            "y[1] holds 1e+1000 at time step 1, response 0, beyond the range of float32; scale the "
            "targets.",
            marks=pytest.mark.skipif(np.isinf(LARGE), reason="long doubles are doubles here"),
        ),
    ],
)
def test_targets_that_do_not_fit(y, R, message):
    with refuses_data(message):
        as_targets(y, batch(), False, R)
    with refuses_data(re.sub(r"\by\b(?=[ \[.])", "validation y", message)):
        as_targets(y, batch(), False, R, "validation y")


@pytest.mark.parametrize(
    ("y", "R", "message"),
    [
        ([1.0, 2.0, 3.0], 1, f"y has shape (3,), {EACH} 1 number {A_ROW}(2,) or (2, 1)."),
        ([1.0, 2.0], 2, f"y has shape (2,), {EACH} 2 numbers {A_ROW}(2, 2)."),
        (1.0, 1, f"y has shape (), {EACH} 1 number {A_ROW}(2,) or (2, 1)."),
        ([draw(3), draw(2)], 1, f"y {RAGGED}"),
        ([1.0, np.nan], 1, f"y holds nan at sequence 1, response 0 (1 such values), {FINITE}"),
    ],
)
def test_targets_of_sequences_that_do_not_fit(y, R, message):
    with refuses_data(message):
        as_targets(y, batch(), True, R)


def test_a_single_sequence_is_named_without_an_index():
    with refuses_data(f"y has shape (4,), {A_NUMBER}"):
        as_targets(draw(4), batch("single"), False, 1)
    with refuses_data(f"y[0] has shape (4, 1), {A_NUMBER}"):
        as_targets([draw(4, 1)], batch("single"), False, 1)
    with refuses_data(f"y[0] {RAGGED}"):
        as_targets([[[1], [2, 3]]], batch("single"), False, 1)


# ---------------------------------------------------------------- labels that are ignored


def test_ignored_labels_are_no_class_and_get_minus_one():
    labels = [np.array(["walk", "", "run"]), np.array(["", "run"])]
    classes = find_classes(labels, ignored=["", "none"])
    assert classes.tolist() == ["run", "walk"]
    targets = to_targets(labels, classes, ignored=["", "none"])
    assert [t.tolist() for t in targets] == [[1, -1, 0], [-1, 0]]
    assert all(t.dtype == np.int64 for t in targets)


@pytest.mark.parametrize("ignored", [[-1], (-1,), -1, np.array([-1]), [-1, "a"], [np.int8(-1)]])
def test_ignored_numbers(ignored):
    labels = [np.array([3, -1, 5])]
    assert find_classes(labels, ignored=ignored).tolist() == [3, 5]
    assert to_targets(labels, np.array([3, 5]), ignored=ignored)[0].tolist() == [0, -1, 1]


def test_an_ignored_label_counts_nowhere_even_if_it_is_a_class():
    assert to_targets([np.array(["a", "b"])], np.array(["a", "b"]), ignored="a")[0].tolist() == [
        -1,
        1,
    ]


def test_a_number_and_its_digits_are_not_the_same():
    assert find_classes([np.array(["1", "2"])], ignored=[1]).tolist() == ["1", "2"]
    assert find_classes([np.array([1, 2])], ignored=["1"]).tolist() == [1, 2]


def test_nothing_is_ignored_unless_asked():
    assert find_classes([np.array([-1, 0])]).tolist() == [-1, 0]
    assert to_targets([np.array([-1, 0])], np.array([-1, 0]))[0].tolist() == [0, 1]


def test_ignoring_too_much():
    labels = [np.array(["a", "b", "a"])]
    with refuses_data(
        "y holds no label but the ignored ones, so nothing counts; check which labels are ignored."
    ):
        find_classes(labels, ignored=["a", "b"])
    with refuses_data(
        "y holds one class only, 'b', but a classifier needs at least two; check that the right "
        "labels were read."
    ):
        find_classes(labels, ignored=["a"])
    with refuses_data(
        "y holds the label 'c' (sequence 0), which is not among the network's 2 classes 'a', "
        "'b'; remove it, or train with it."
    ):
        to_targets([np.array(["a", "", "c"])], np.array(["a", "b"]), ignored=[""])
    with refuses(
        "a label to ignore is nan; give strings or whole numbers, like the labels.", TypeError
    ):
        find_classes(labels, ignored=[np.nan])
