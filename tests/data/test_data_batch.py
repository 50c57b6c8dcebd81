"""Sequences of images and volumes as users hand them in, and sequences that are too short.
The messages for vectors are in `test_bad_input.py`; here are those for images, word for word."""

import numpy as np
import pytest
from agreement import refuses_data
from builders import WIDTHS, draw

from minilstm.data.sequences import as_batch, as_step
from minilstm.errors import DataError

IMAGE, VOLUME = (5, 4, 1), (4, 3, 2, 2)
WANTED = "but the network wants (T, 5, 4, 1), T time steps of 5x4 images with 1 channel"


# ---------------------------------------------------------------- good ones


@pytest.mark.parametrize("shape", [(3,), IMAGE, VOLUME, (1, 1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_form_of_every_rank(shape, dtype):
    single, other, dense = draw(6, *shape), draw(2, *shape), draw(2, 6, *shape)
    for x, form, lengths in (
        (single, "single", [6]),
        ([single, other], "list", [6, 2]),
        ((single,), "list", [6]),
        (dense, "dense", [6, 6]),
    ):
        batch = as_batch(x, shape, dtype)
        assert batch.form == form and [len(s) for s in batch.sequences] == lengths
        for given, taken in zip([x] if form == "single" else x, batch.sequences, strict=True):
            assert taken.dtype == dtype and taken.flags.c_contiguous
            np.testing.assert_array_equal(taken, given.astype(dtype))


def test_a_number_and_a_shape_of_one_axis_mean_the_same():
    for features in (3, np.int64(3), (3,)):
        assert as_batch(draw(4, 3), features, "float32").sequences[0].shape == (4, 3)


def test_an_object_array_of_videos_is_a_list():
    videos = np.empty(2, object)
    videos[0], videos[1] = draw(3, *IMAGE), draw(5, *IMAGE)
    assert [len(s) for s in as_batch(videos, IMAGE, "float32").sequences] == [3, 5]


@pytest.mark.parametrize("dtype", WIDTHS)
def test_every_width_of_numbers_comes_in(dtype):
    video = np.arange(2 * 20).reshape(2, 5, 4, 1).astype(dtype)
    [taken] = as_batch(video, IMAGE, "float32").sequences
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken.ravel(), np.arange(40))
    step = as_step(video[0], IMAGE, "float64")
    assert step.dtype == np.float64 and step.shape == (1, *IMAGE)


def test_data_in_the_dtype_of_the_network_are_not_copied():
    video = draw(3, *IMAGE)
    assert np.shares_memory(as_batch(video, IMAGE, "float64").sequences[0], video)


def test_a_dense_batch_stays_one_array():
    videos = draw(2, 3, *IMAGE)
    same = as_batch(videos, IMAGE, "float64")
    assert same.form == "dense" and np.shares_memory(same.sequences, videos)
    assert as_batch(videos, IMAGE, "float32").sequences.dtype == np.float32


@pytest.mark.parametrize("together", [1, 20, 1 << 18])
@pytest.mark.parametrize("came", ["float16", "float32", "float64", "uint8", "int64"])
def test_arrays_that_are_checked_together_come_out_one_by_one(monkeypatch, together, came):
    monkeypatch.setattr("minilstm.data.sequences._BLOCK_NUMBERS", together)
    given = [(10 * draw(n, 3)).astype(came) for n in (2, 5, 1, 1, 4)]
    for taken, array in zip(as_batch(given, 3, "float32").sequences, given, strict=True):
        assert taken.dtype == np.float32 and taken.flags.c_contiguous
        np.testing.assert_array_equal(taken, array.astype(np.float32))
        assert np.shares_memory(taken, array) == (came == "float32")
    turned = as_batch([np.asfortranarray(array) for array in given], 3, "float32").sequences
    assert all(taken.flags.c_contiguous for taken in turned)
    if came.startswith("f"):
        given[3][0, 1] = np.inf
        with refuses_data(
            "x[3] holds inf at time step 0, feature 1 (1 such values), but every value must be "
            "finite; remove or fill them first."
        ):
            as_batch(given, 3, "float32")


NOT_FINITE = " (1 such values), but every value must be finite; remove or fill them first."
TOO_LARGE = ", beyond the range of float32; scale the data or train with dtype='float64'."


@pytest.mark.parametrize("steps", [3, 300])
@pytest.mark.parametrize(
    ("bad", "rest"),
    [(np.nan, NOT_FINITE), (-np.inf, NOT_FINITE), (1e300, TOO_LARGE), (-1e39, TOO_LARGE)],
)
def test_a_bad_number_is_found_among_few_and_many(steps, bad, rest):
    good, x = draw(steps, 3), draw(steps, 3)
    x[1, 2] = bad
    for given, name in ((x, "x"), ([good, x], "x[1]"), (np.stack([good, x]), "x[1]")):
        for digits in (False, True):
            with refuses_data(f"{name} holds {bad} at time step 1, feature 2{rest}"):
                as_batch(given, 3, "float32", digits=digits)


# ---------------------------------------------------------------- images that do not fit

BAD = [
    (
        [draw(3, *IMAGE), draw(10, 5, 4)],
        f"x[1] has shape (10, 5, 4), {WANTED}; add the channel axis: pass x[1][..., None].",
    ),
    (draw(10, 5, 4), f"x has shape (10, 5, 4), {WANTED}; add the channel axis: pass x[..., None]."),
    (
        draw(2, 10, 5, 4),
        f"x has shape (2, 10, 5, 4), {WANTED}; add the channel axis: pass x[..., None].",
    ),
    (
        draw(10, 1, 5, 4),
        f"x has shape (10, 1, 5, 4), {WANTED}; its channels come first: pass "
        "np.moveaxis(x, 1, -1).",
    ),
    (
        draw(5, 4, 1),
        f"x has shape (5, 4, 1), {WANTED}; it is a single image: pass x[None] as a sequence of "
        "one step.",
    ),
    (
        draw(5, 4, 1, 10),
        f"x has shape (5, 4, 1, 10), {WANTED}; time is its last axis: pass np.moveaxis(x, -1, 0).",
    ),
    (
        draw(10, 5, 6, 1),
        f"x has shape (10, 5, 6, 1), {WANTED}; resize the images, or build the network with "
        "SequenceInput([5, 6, 1]).",
    ),
    (
        [draw(10, 20)],
        f"x[0] has shape (10, 20), {WANTED}; give each sequence the axes (T, h, w, c), channels "
        "last.",
    ),
    (
        [draw(0, *IMAGE)],
        f"x[0] has shape (0, 5, 4, 1), no time step at all, {WANTED}, T at least 1; remove it or "
        "give it a step.",
    ),
    (
        [],
        "x is an empty list, but at least one sequence is wanted; pass one or more arrays "
        "(T, 5, 4, 1).",
    ),
    (
        draw(0, 3, *IMAGE),
        "x has shape (0, 3, 5, 4, 1), a batch of no sequences; pass at least one.",
    ),
    (
        draw(3, *IMAGE) > 0,
        "x has dtype bool, but sequences are real numbers; convert it to a float or integer array.",
    ),
    (
        [[[[[1.0]], [[2.0], [3.0]]]]],
        "x[0] holds rows of different lengths, but one sequence is a full array (T, 5, 4, 1); "
        "pass a list of arrays for sequences of different lengths.",
    ),
]


@pytest.mark.parametrize(("x", "message"), BAD)
def test_images_that_do_not_fit(x, message):
    with refuses_data(message):
        as_batch(x, IMAGE, "float32")


def test_what_a_hint_tells_to_pass_is_taken():
    x = draw(10, 1, 5, 4)
    assert as_batch(np.moveaxis(x, 1, -1), IMAGE, "f4").sequences[0].shape == (10, *IMAGE)
    for given in (
        draw(10, 5, 4)[..., None],
        draw(5, 4, 1)[None],
        np.moveaxis(draw(5, 4, 1, 10), -1, 0),
    ):
        assert as_batch(given, IMAGE, "f4").form == "single"


def test_volumes_that_do_not_fit():
    wanted = "but the network wants (T, 4, 3, 2, 2), T time steps of 4x3x2 volumes with 2 channels"
    with refuses_data(
        f"x has shape (9, 2, 4, 3, 2), {wanted}; its channels come first: pass "
        "np.moveaxis(x, 1, -1)."
    ):
        as_batch(draw(9, 2, 4, 3, 2), VOLUME, "float32")
    with refuses_data(
        f"x has shape (4, 3, 2), {wanted}; give each sequence the axes (T, h, w, d, c), channels "
        "last."
    ):
        as_batch(draw(4, 3, 2), VOLUME, "float32")


def test_the_place_of_a_bad_number():
    x = draw(3, *IMAGE)
    x[2, 3, 1, 0] = np.nan
    with refuses_data(
        "x[1] holds nan at time step 2, pixel (3, 1), channel 0 (1 such values), but every value "
        "must be finite; remove or fill them first."
    ):
        as_batch([draw(1, *IMAGE), x], IMAGE, "float32")
    x = draw(3, *VOLUME)
    x[1, 3, 1, 0, 1] = 1e300
    with refuses_data(
        "x holds 1e+300 at time step 1, voxel (3, 1, 0), channel 1, beyond the range of float32; "
        "scale the data or train with dtype='float64'."
    ):
        as_batch(x, VOLUME, "float32")


# ---------------------------------------------------------------- steps


def test_steps_of_images():
    assert as_step(draw(*IMAGE), IMAGE, "float32").shape == (1, *IMAGE)
    assert as_step(draw(7, *IMAGE), IMAGE, "float32", streams=7).shape == (7, *IMAGE)
    with refuses_data(
        "x_t has shape (5, 4), but one time step of this network is (5, 4, 1); add the channel "
        "axis: pass x_t[..., None]."
    ):
        as_step(draw(5, 4), IMAGE, "float32")
    with refuses_data(
        "x_t has shape (4, 5, 1), but one time step of this network is (5, 4, 1); pass one image, "
        "channels last."
    ):
        as_step(draw(4, 5, 1), IMAGE, "float32")
    with refuses_data(
        "x_t has shape (5, 4, 1), but one time step of these 2 streams is (2, 5, 4, 1); pass one "
        "image, channels last for each stream."
    ):
        as_step(draw(5, 4, 1), IMAGE, "float32", streams=2)
    with refuses_data(
        "x_t holds inf at stream 1, pixel (0, 0), channel 0 (1 such values), but every value must "
        "be finite; remove or fill them first."
    ):
        x = draw(2, *IMAGE)
        x[1, 0, 0, 0] = np.inf
        as_step(x, IMAGE, "float32", streams=2)


# ---------------------------------------------------------------- min_length


@pytest.mark.parametrize("shape", [(3,), IMAGE])
def test_sequences_that_are_too_short_are_named(shape):
    good, short = draw(4, *shape), draw(3, *shape)
    assert len(as_batch([good, short], shape, "float32", min_length=3).sequences) == 2
    rest = "but the network wants at least 4; remove it, or lower min_length in SequenceInput."
    for x, name in (([good, short], "x[1]"), (short, "x"), (short[None], "x[0]")):
        with refuses_data(f"{name} has 3 time steps, {rest}"):
            as_batch(x, shape, "float32", min_length=4)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_whole_numbers_that_float64_rounds_are_refused(dtype):
    def net(x):
        return as_batch(x, 1, np.float64).sequences[0].ravel().tolist()

    exact = [2**53, 2**62, 0]
    assert net(np.array(exact, dtype)[:, None]) == exact
    with pytest.raises(DataError) as told:
        net(np.array([0, 2**53 + 1], dtype)[:, None])
    assert str(told.value) == (
        "x holds 9007199254740993 at time step 1, feature 0, a whole number that float64 rounds "
        "(above 2**53); subtract the first value as integers, x - x[0], before it is given."
    )
