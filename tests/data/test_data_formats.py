"""Axes in another order: letters and what becomes of an array that they describe.
Every arrangement is held against single elements, so that no two axes can change places."""

import itertools

import numpy as np
import pytest
from agreement import refuses, refuses_data

from minilstm.data.axis_order import arrange, check_format

SIZES = {"B": 2, "T": 5, "C": 3}


def numbered(letters):
    """Different numbers on axes of known sizes; spatial axes are 7, 8, 9 long."""
    space = itertools.count(7)
    shape = [next(space) if a == "S" else SIZES[a] for a in letters]
    return np.arange(np.prod(shape)).reshape(shape)


def every_order(letters):
    return sorted({"".join(p) for p in itertools.permutations(letters)})


@pytest.mark.parametrize("letters", every_order("CT") + every_order("CTB"))
def test_vectors_in_any_order(letters):
    x = numbered(letters)
    out = arrange(x, letters, 1)
    assert out.shape == ((2, 5, 3) if "B" in letters else (5, 3))
    for b, t, c in np.ndindex(2, 5, 3):
        if b == 1 and "B" not in letters:
            continue
        place = {"B": b, "T": t, "C": c}
        ours = (b, t, c) if "B" in letters else (t, c)
        assert out[ours] == x[tuple(place[a] for a in letters)]
    assert np.shares_memory(out, x)


@pytest.mark.parametrize("letters", [*every_order("SSCT"), "SSSCTB", "BTSSSC", "CSTSBS"])
def test_images_keep_the_order_of_their_spatial_axes(letters):
    x, rank = numbered(letters), letters.count("S") + 1
    out = arrange(x, letters, rank)
    shape = (5, 7, 8, 3) if rank == 3 else (2, 5, 7, 8, 9, 3)
    assert out.shape == shape and np.shares_memory(out, x)
    for ours in itertools.product(*(range(0, n, 2) for n in shape)):
        rest = ours if "B" in letters else (0, *ours)
        named = {"B": rest[0], "T": rest[1], "C": rest[-1]}
        space = iter(rest[2:-1])
        theirs = tuple(next(space) if a == "S" else named[a] for a in letters)
        assert out[ours] == x[theirs]


@pytest.mark.parametrize("letters", ["CT", "CTB", "BCT", "CBT"])
def test_a_list_is_the_batch_with_or_without_its_letter(letters):
    x = [np.arange(12).reshape(3, 4), np.arange(6).reshape(3, 2)]
    out = arrange(x, letters, 1)
    assert isinstance(out, list)
    for given, moved in zip(x, out, strict=True):
        np.testing.assert_array_equal(moved, given.T)
        assert np.shares_memory(moved, given)
    boxed = np.empty(2, object)
    boxed[:] = x
    assert [a.shape for a in arrange(boxed, letters, 1)] == [(4, 3), (2, 3)]


def test_one_sequence_of_a_batch_format_is_one_sequence():
    x = numbered("CT")
    np.testing.assert_array_equal(arrange(x, "CTB", 1), x.T)


def test_auto_is_our_order_and_changes_nothing():
    for x in ([[1.0]], np.zeros((3, 2)), None):
        assert arrange(x, "auto", 1) is x
    x = numbered("BTC")
    np.testing.assert_array_equal(arrange(x, "BTC", 1), x)


def test_responses_without_time():
    x = numbered("CB")
    np.testing.assert_array_equal(arrange(x, "CB", 1, "y", last=True), x.T)
    assert [a.shape for a in arrange([np.zeros(3)], "CB", 1, "y", last=True)] == [(3,)]


VECTORS = "use C and T once each, and B for the batch if there is one, such as 'CTB'."
IMAGES = "use 2 letters S, C and T once each, and B for the batch if there is one, such as 'SSCTB'."


@pytest.mark.parametrize(
    ("letters", "rank", "message"),
    [
        ("CTX", 1, f"the format of x is 'CTX' with the letter 'X'; {VECTORS}"),
        ("ct", 1, f"the format of x is 'ct' with the letter 'c'; {VECTORS}"),
        ("", 1, f"the format of x is '' with no letter 'C'; {VECTORS}"),
        ("CB", 1, f"the format of x is 'CB' with no letter 'T'; {VECTORS}"),
        ("TB", 1, f"the format of x is 'TB' with no letter 'C'; {VECTORS}"),
        ("CTT", 1, f"the format of x is 'CTT' with 2 times the letter 'T'; {VECTORS}"),
        ("CTBB", 1, f"the format of x is 'CTBB' with 2 times the letter 'B'; {VECTORS}"),
        ("SSCTB", 1, f"the format of x is 'SSCTB' with the letter 'S'; {VECTORS}"),
        ("SCT", 3, f"the format of x is 'SCT' with 1 times the letter 'S'; {IMAGES}"),
        ("CTB", 3, f"the format of x is 'CTB' with no letter 'S'; {IMAGES}"),
        ("SSSCT", 3, f"the format of x is 'SSSCT' with 3 times the letter 'S'; {IMAGES}"),
        (7, 1, f"the format of x is 7, not a string; {VECTORS}"),
        (None, 1, f"the format of x is None, not a string; {VECTORS}"),
    ],
)
def test_letters_that_are_no_format(letters, rank, message):
    with refuses(message):
        check_format(letters, rank)
    with refuses(message):
        arrange([np.zeros((2, 2))], letters, rank)


@pytest.mark.parametrize(
    ("x", "letters", "name", "axes"),
    [
        ([np.zeros((3, 4)), np.zeros((3, 4, 2))], "CTB", "x[1]", "2 axes, 'CT'"),
        ([np.zeros(3)], "CT", "x[0]", "2 axes, 'CT'"),
        (np.zeros((3, 4, 2)), "CT", "x", "2 axes, 'CT'"),
        (np.zeros((3, 4, 2, 1)), "CTB", "x", "3 axes, 'CTB'"),
        (np.zeros(3), "CTB", "x", "3 axes, 'CTB'"),
        (3.0, "CT", "x", "2 axes, 'CT'"),
    ],
)
def test_arrays_that_the_letters_do_not_describe(x, letters, name, axes):
    shape = np.shape(x[1] if name == "x[1]" else x[0] if name == "x[0]" else x)
    with refuses_data(
        f"{name} has shape {shape}, but the format {letters!r} describes {axes}; give one letter "
        "for each axis, in the order of the axes."
    ):
        arrange(x, letters, 1)


def test_rows_of_different_lengths():
    with refuses_data(
        "x[0] holds rows of different lengths, but one sequence is a full array; pass a list of "
        "arrays for sequences of different lengths."
    ):
        arrange([[[1, 2], [3]]], "CT", 1)
