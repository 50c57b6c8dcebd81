"""The simulated activity data: exact sizes, the same bits, and a likeness to real recordings.
The likeness is checked against MathWorks' own files where they are, and is skipped elsewhere."""

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from agreement import refuses_data

from minilstm.data.datasets.activity_simulator import TRAITS, draw_people
from minilstm.data.datasets.human_activity import human_activity

LENGTHS = [64480, 53696, 56416, 50688, 51888, 54256]
CLASSES = ["Dancing", "Running", "Sitting", "Standing", "Walking"]
REAL = Path(
    os.environ.get("MINILSTM_REAL_DATA", Path(__file__).parents[2] / ".." / "shared" / "data")
)
needs_real = pytest.mark.skipif(
    not (REAL / "HumanActivityTest.mat").is_file(), reason="MathWorks' files are not here"
)


@pytest.fixture(scope="module")
def full():
    return human_activity()


@pytest.fixture(scope="module")
def real():
    pytest.importorskip("matio")
    return human_activity(REAL)


def bouts(labels):
    edges = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    return [part[0] for part in np.split(labels, edges)], np.diff([0, *edges, len(labels)])


def test_sizes_types_and_classes(full):
    x_train, y_train, x_test, y_test = full
    assert [x.shape for x in x_train] == [(n, 3) for n in LENGTHS]
    assert [x.shape for x in x_test] == [(53888, 3)]
    assert [y.shape for y in y_train + y_test] == [(n,) for n in [*LENGTHS, 53888]]
    for x, y in zip(x_train + x_test, y_train + y_test, strict=True):
        assert x.dtype == np.float32
        assert y.dtype.kind == "U"
        assert np.isfinite(x).all()
        assert sorted(set(y.tolist())) == CLASSES


def test_one_bout_of_each_activity_in_an_own_order(full):
    orders = []
    for y in full[1] + full[3]:
        order, lengths = bouts(y)
        assert sorted(order) == CLASSES
        assert lengths.min() > 4000
        assert lengths.max() < 20000
        orders.append(tuple(order))
    assert len(set(orders)) == 7


@pytest.mark.parametrize("seed", range(20))
def test_training_shows_every_start_and_change_of_the_test(seed):
    people = draw_people(np.random.default_rng(seed), 7)
    starts = {person.order[0] for person in people[:-1]}
    changes = {pair for p in people[:-1] for pair in itertools.pairwise(p.order)}
    test = people[-1].order
    assert test[0] in starts
    assert set(itertools.pairwise(test)) <= changes
    assert sum(person.upside_down for person in people) == 2
    assert not people[-1].upside_down


def test_the_same_bits_for_ever(full):
    digest = hashlib.sha256(b"".join(x.tobytes() for x in full[0] + full[2])).hexdigest()
    assert digest == "7fae16c2ef92d91c7b24efd53255929cd581cf6ba5bcd640aa8ce172c4c3d391"


def test_seeds_give_other_people():
    first, again, other = (human_activity(seed=s, scale=0.01) for s in (3, 3, 4))
    for a, b, c in zip(first[0] + first[2], again[0] + again[2], other[0] + other[2], strict=True):
        assert a.tobytes() == b.tobytes()
        assert not np.array_equal(a, c)
    assert any(not np.array_equal(a, c) for a, c in zip(first[1], other[1], strict=True))


def test_nobody_is_a_copy_of_another(full):
    heads = {x[1000:1100].tobytes() for x in full[0] + full[2]}
    assert len(heads) == 7


def test_readings_are_whole_steps_of_the_converter(full):
    scaled = full[2][0].astype(np.float64) * 64
    assert np.array_equal(scaled, np.round(scaled))


@pytest.mark.parametrize("scale", [0.002, 0.01, 0.05, 1])
def test_scale_shrinks_lengths_and_keeps_all_classes(scale):
    x_train, y_train, x_test, y_test = human_activity(scale=scale)
    assert [len(x) for x in x_train + x_test] == [round(n * scale) for n in [*LENGTHS, 53888]]
    assert all(sorted(bouts(y)[0]) == CLASSES for y in y_train + y_test)


@pytest.mark.parametrize("scale", [0, 0.001, -1, 1.5, float("nan"), "1", True])
def test_bad_scale(scale):
    with refuses_data(
        f"scale is {scale!r}, but a number from 0.002 to 1 was wanted: 0.05 makes a quick "
        "demonstration."
    ):
        human_activity(scale=scale)


@pytest.mark.parametrize("seed", [-1, 1.0, None, True])
def test_bad_seed(seed):
    with refuses_data(f"seed is {seed!r}, but a whole number from 0 was wanted: give one."):
        human_activity(seed=seed)


def test_no_global_random_state_is_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    human_activity(scale=0.002)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_folder_without_the_files(tmp_path):
    (tmp_path / "HumanActivityTrain.mat").touch()
    with refuses_data(
        f"path {str(tmp_path)!r} has no HumanActivityTest.mat, but a folder with "
        "HumanActivityTrain.mat and HumanActivityTest.mat was wanted: copy them there, or leave "
        "path out for simulated data."
    ):
        human_activity(tmp_path)


def test_path_takes_no_seed_and_no_scale(tmp_path):
    with refuses_data(
        "path was given together with seed=0 and scale=0.5, but these two belong to the "
        "simulated data: leave them out."
    ):
        human_activity(tmp_path, scale=0.5)


@needs_real
def test_real_files(real):
    x_train, y_train, x_test, y_test = real
    assert [x.shape for x in x_train] == [(n, 3) for n in LENGTHS]
    assert x_test[0].shape == (53888, 3)
    assert all(x.dtype == np.float32 and x.flags.c_contiguous for x in x_train + x_test)
    assert bouts(y_test[0])[0] == ["Sitting", "Standing", "Walking", "Running", "Dancing"]
    assert bouts(y_train[0])[1].tolist() == [17440, 16656, 12128, 11152, 7104]
    assert x_train[0][0].tolist() == pytest.approx([-73.39431, -56.93423, 24.85378], abs=1e-4)


def features(x, y):
    """Per class and axis: spread and spread of the changes; then gravity and the vertical."""
    table = {}
    for name in CLASSES:
        part = x[y == name].astype(np.float64)
        table[name] = np.concatenate([part.std(0), np.diff(part, axis=0).std(0)])
    return table


@needs_real
@pytest.mark.parametrize("name", ["Walking", "Running", "Dancing"])
def test_motion_resembles_the_real_one(full, real, name):
    mine = np.mean([features(x, y)[name] for x, y in zip(full[0], full[1], strict=True)], axis=0)
    theirs = np.mean([features(x, y)[name] for x, y in zip(real[0], real[1], strict=True)], axis=0)
    assert np.all(mine / theirs > 0.6)
    assert np.all(mine / theirs < 1.6)


@needs_real
def test_posture_resembles_the_real_one(full, real):
    for x_set, y_set in (full[:2], real[:2]):
        for x, y in zip(x_set, y_set, strict=True):
            sitting = x[y == "Sitting"].mean(0)
            standing = x[y == "Standing"].mean(0)
            assert 93 < np.linalg.norm(standing) < 99
            assert 90 < abs(standing[1]) < 99
            assert 93 < np.linalg.norm(sitting) < 99
            assert abs(sitting[1]) < 70
            assert sitting[2] > 30
            assert x[y == "Standing"].std(0).max() < 13
        assert (
            sum(x[y == "Standing"].mean(0)[1] > 0 for x, y in zip(x_set, y_set, strict=True)) == 2
        )


def test_the_person_to_test_on_is_never_at_the_end_of_a_range():
    for seed in range(20):
        people = draw_people(np.random.default_rng(seed), 7)
        for name in TRAITS:
            values = [person.traits[name] for person in people]
            assert min(values[:-1]) < values[-1] < max(values[:-1])
