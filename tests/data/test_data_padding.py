"""Padding as the reference does it: lengths, directions, masks, class numbers and responses.
Expected arrays are written out by hand, and trimming gives back what was padded."""

import numpy as np
import pytest
from agreement import refuses, refuses_data

from minilstm.data.padding import check_padding, pad_batch, pad_sequences, split_sequences, trim

X = [np.array([1.0, 2.0, 3.0]), np.array([4.0]), np.array([5.0, 6.0])]

EXPECTED = {
    ("longest", "right"): [[1, 2, 3], [4, 9, 9], [5, 6, 9]],
    ("longest", "left"): [[1, 2, 3], [9, 9, 4], [9, 5, 6]],
    ("shortest", "right"): [[1], [4], [5]],
    ("shortest", "left"): [[3], [4], [6]],
    (2, "right"): [[1, 2], [4, 9], [5, 6]],
    (2, "left"): [[2, 3], [9, 4], [5, 6]],
    (4, "right"): [[1, 2, 3, 9], [4, 9, 9, 9], [5, 6, 9, 9]],
    (4, "left"): [[9, 1, 2, 3], [9, 9, 9, 4], [9, 9, 5, 6]],
}


@pytest.mark.parametrize(("length", "direction"), EXPECTED)
@pytest.mark.parametrize("shape", [(), (1,), (2,), (2, 3, 1)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_lengths_and_directions(length, direction, shape, dtype):
    wide = (..., *(None for _ in shape))
    x = [np.broadcast_to(a[wide], (len(a), *shape)).astype(dtype) for a in X]
    data, mask = pad_sequences(x, length, direction, 9)
    expected = np.array(EXPECTED[length, direction], dtype)
    np.testing.assert_array_equal(mask, expected != 9)
    np.testing.assert_array_equal(data, np.broadcast_to(expected[wide], (*mask.shape, *shape)))
    assert data.dtype == dtype and mask.dtype == bool
    assert [len(a) for a in x] == [3, 1, 2]  # the arguments are as they were


def test_defaults_are_those_of_the_reference():
    data, mask = pad_sequences(X)
    assert data.tolist() == [[1, 2, 3], [4, 0, 0], [5, 6, 0]]
    assert mask.sum(axis=1).tolist() == [3, 1, 2]


@pytest.mark.parametrize("direction", ["right", "left"])
def test_trimming_gives_back_the_real_steps(direction):
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((T, 2)) for T in (5, 1, 3)]
    for length in ("longest", 7):
        padded = pad_sequences(x, length, direction)
        for given, back in zip(x, trim(*padded), strict=True):
            np.testing.assert_array_equal(back, given)
    short = trim(*pad_sequences(x, 2, direction))
    assert [len(a) for a in short] == [2, 1, 2]
    np.testing.assert_array_equal(short[0], x[0][:2] if direction == "right" else x[0][-2:])


def test_a_batch_of_one_and_dense_batches():
    assert pad_sequences([X[0]]).data.tolist() == [[1, 2, 3]]
    assert pad_sequences(np.ones((2, 3)), 4, value=0).data.tolist() == [[1, 1, 1, 0]] * 2


def test_different_dtypes_meet_in_the_wider_one():
    assert pad_sequences([np.ones(2, "f4"), np.ones(3, "f8")]).data.dtype == np.float64
    assert pad_sequences([np.ones(2, "u1"), np.ones(3, "i2")]).data.dtype == np.int16


# ---------------------------------------------------------------- mini-batches


@pytest.mark.parametrize("direction", ["right", "left"])
def test_class_numbers_are_padded_with_no_class(direction):
    x = [a[:, None] for a in X]
    y = [np.array([0, 1, 2]), np.array([1]), np.array([2, 0])]
    batch = pad_batch(x, y, "longest", direction, 7.5)
    right = [[0, 1, 2], [1, -1, -1], [2, 0, -1]]
    left = [[0, 1, 2], [-1, -1, 1], [-1, 2, 0]]
    assert np.array(batch.targets).tolist() == (right if direction == "right" else left)
    assert all(t.dtype == np.int64 for t in batch.targets)
    assert np.array(batch.sequences).shape == (3, 3, 1)
    for sequence, target, mask in zip(*batch, strict=True):
        assert (sequence[~mask] == 7.5).all() and (target[~mask] == -1).all()
        assert (target[mask] >= 0).all()


def test_responses_are_padded_with_the_value():
    x = [a[:, None] for a in X]
    y = [np.stack([a, 10 * a], axis=1).astype(np.float32) for a in X]  # (T, 2)
    batch = pad_batch(x, y, value=0.5)
    assert batch.targets[1].tolist() == [[4, 40], [0.5, 0.5], [0.5, 0.5]]
    assert batch.targets[1].dtype == np.float32


def test_a_whole_number_pads_to_the_next_multiple_and_splits():
    x = [a[:, None] for a in X]
    y = [np.zeros(len(a), np.int64) for a in X]
    batch = pad_batch(x, y, 2)
    assert [len(a) for a in batch.sequences] == [4, 4, 4]
    pieces = split_sequences(batch.sequences, 2)
    assert [[len(a) for a in piece] for piece in pieces] == [[2, 2, 2], [2, 2, 2]]
    for b in range(3):
        np.testing.assert_array_equal(
            np.concatenate([piece[b] for piece in pieces]), batch.sequences[b]
        )
    assert [m.tolist() for m in split_sequences(batch.masks, 2)[1]] == [
        [True, False], [False, False], [False, False],
    ]  # fmt: skip
    assert [len(a) for a in pad_batch(x, y, 3).sequences] == [3, 3, 3]
    assert [len(a) for a in pad_batch(x, y, 100).sequences] == [100, 100, 100]


def test_truncating_takes_the_targets_along():
    x = [a[:, None] for a in X]
    y = [a.astype(np.int64) for a in X]
    for direction, expected in (("right", [1, 4, 5]), ("left", [3, 4, 6])):
        batch = pad_batch(x, y, "shortest", direction)
        assert [t.tolist() for t in batch.targets] == [[n] for n in expected]
        assert [a.tolist() for a in batch.sequences] == [[[n]] for n in expected]


def test_targets_of_whole_sequences_stay():
    x = [a[:, None] for a in X]
    y = [np.array([b]) for b in range(3)]
    batch = pad_batch(x, y, last=True)
    assert [t.tolist() for t in batch.targets] == [[0], [1], [2]]
    assert [len(a) for a in batch.sequences] == [3, 3, 3]


# ---------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize("length", ["long", 0, -3, 2.0, True, None])
def test_wrong_lengths(length):
    with refuses(
        f"length is {length!r}; choose 'longest', 'shortest', or a whole number of at least 1."
    ):
        pad_sequences(X, length)


@pytest.mark.parametrize("value", [np.nan, np.inf, "0", None, True, [0]])
def test_wrong_values(value):
    with refuses(f"value is {value!r}; give one finite number."):
        check_padding("longest", "right", value)


@pytest.mark.parametrize("direction", ["both", None, 1])
def test_wrong_directions(direction):
    with refuses(f"direction is {direction!r}; choose one of 'right', 'left'."):
        pad_sequences(X, direction=direction)


A_LIST = "but a list of at least one array is wanted; pass [array] for a single sequence."


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], f"sequences is [], {A_LIST}"),
        (None, f"sequences is None, {A_LIST}"),
        (
            [np.zeros((2, 3)), np.zeros((2, 4))],
            "sequences[1] has shape (2, 4), but sequences[0] has (2, 3); they may differ in their "
            "first axis only, which is time.",
        ),
        (
            [np.zeros(2), ["a"]],
            "sequences[1] has dtype <U1, but sequences are real numbers; if it is numbers, "
            "np.asarray(sequences[1]).astype(float) reads them.",
        ),
        (
            [1.0, 2.0],
            "sequences[0] has shape (), but a sequence is an array of real numbers (T, ...); pass "
            "one array for each sequence.",
        ),
        (
            [[[1], [2, 3]]],
            "sequences[0] holds rows of different lengths, but one sequence is a full array; pass "
            "a list of arrays for sequences of different lengths.",
        ),
    ],
)
def test_sequences_that_do_not_fit_together(sequences, message):
    with refuses_data(message):
        pad_sequences(sequences)


@pytest.mark.parametrize(("dtype", "value"), [("u1", -1), ("u1", 256), ("i8", 0.5), ("f4", 1e39)])
def test_values_that_the_dtype_cannot_hold(dtype, value):
    sequences = [np.ones(2, dtype), np.ones(1, dtype)]
    name = np.dtype(dtype).name
    with refuses_data(
        f"value is {value!r}, but the sequences are {name}, which cannot hold it; convert them to "
        "float64 first."
    ):
        pad_sequences(sequences, value=value)
    assert pad_sequences(sequences, "shortest", value=value).data.shape == (2, 1)  # nothing padded
