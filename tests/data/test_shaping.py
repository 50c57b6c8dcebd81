"""One rate, gaps, trimmed ends, and all of it in one order: what comes out has the right values.
A filter is judged by what it keeps and by what it takes away."""

import json
import re
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from agreement import bits, refuses_data

import minilstm as ml
from minilstm.data import Sequences, Shaping, shape
from minilstm.data.shaping.gaps import split_at_gaps
from minilstm.data.shaping.resample import resample
from minilstm.data.shaping.trim import trim_unlabelled

pytest.importorskip("scipy")


def sine(hertz, times, phase=0.3):
    return np.sin(2 * np.pi * hertz * times + phase)[:, None]


def recorded(x, times=None, y=None, **more):
    return Sequences([x], y, None, ["walk"], times=None if times is None else [times], **more)


def lossy(seconds, rate, seed=0):
    """Times at a rate of which a fifth is lost."""
    times = np.arange(seconds * rate) / rate
    kept = np.random.default_rng(seed).random(len(times)) > 0.2
    kept[[0, -1]] = True
    return times[kept]


# ---------------------------------------------------------------- rates

SAMPLED = ["no times", "even", "a fifth lost"]
RATES = [(100, 25), (100, 30), (100, 99), (50, 20), (64.3, 17), (25, 100), (20, 50), (1000, 3)]


@pytest.mark.parametrize(("own", "rate"), RATES)
def test_a_constant_stays_a_constant_and_a_slope_a_slope(own, rate):
    times = np.arange(int(7 * own)) / own
    x = np.stack([np.full(len(times), 1e6 + 0.1), 9.81 + 2 * times], axis=1)
    got = resample(recorded(x, times), rate)
    assert (got.x[0][:, 0] == 1e6 + 0.1).all()
    assert np.abs(got.x[0][:, 1] - (9.81 + 2 * got.times[0])).max() < 2e-3
    assert np.allclose(got.times[0], np.arange(len(got.x[0])) / rate, rtol=0, atol=1e-9)
    assert times[-1] - 1 / rate < got.times[0][-1] <= times[-1] + 1e-9


@pytest.mark.parametrize("times", [None, np.arange(1000) / 100, lossy(10, 100)], ids=SAMPLED)
def test_a_slow_sine_is_kept_up_to_the_ends(times):
    at = np.arange(1000) / 100 if times is None else times
    got = resample(recorded(sine(1, at), times), 25, rate_in=100).x[0]
    assert np.abs(got - sine(1, np.arange(len(got)) / 25)).max() < 1e-2
    assert len(got) == 250


@pytest.mark.parametrize("hertz", [12.6, 13, 20, 37, 49])
def test_a_tone_above_the_new_band_disappears(hertz):
    """But for the half length of the filter at the ends, where nobody knows what comes."""
    got = resample(recorded(sine(hertz, np.arange(2000) / 100)), 25, rate_in=100).x[0]
    assert np.abs(got[20:-20]).max() < 1e-2


def test_a_faster_rate_draws_lines():
    got = resample(recorded(np.array([[0.0], [4.0], [2.0]]), np.array([5.0, 6.0, 8.0])), 2)
    assert got.x[0].ravel().tolist() == [0, 2, 4, 3.5, 3, 2.5, 2]
    assert got.times[0].tolist() == [5, 5.5, 6, 6.5, 7, 7.5, 8]


def test_recordings_that_have_the_rate_keep_their_bits():
    """Stamps in whole milliseconds at 30 Hz are at their places."""
    stamps = np.round(np.arange(500) / 30, 3)
    x = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    data = recorded(x, stamps, [np.array(["a", "b"] * 250)])
    assert bits(resample(data, 30)[:2]) == bits(data[:2])
    assert resample(recorded(x[:1], stamps[:1]), 7).x[0].shape == (1, 2)
    assert resample(data, 10).x[0].dtype == np.float32


def test_labels_are_those_of_the_nearest_earlier_step_and_targets_go_as_features_do():
    times = np.arange(8) / 8
    words = np.array(list("aabbbbcc"))
    data = recorded(np.zeros((8, 1)), times, [words])
    assert "".join(resample(data, 4).y[0]) == "abbc"
    assert "".join(resample(data, 16).y[0]) == "aaaabbbbbbbbccc"
    once = data._replace(y=np.array(["sit"]))
    assert resample(once, 4).y is once.y
    numbers = data._replace(y=[times.copy()])
    assert np.allclose(resample(numbers, 4).y[0], [0, 0.25, 0.5, 0.75])
    assert resample(data._replace(y=[np.zeros((8, 3))]), 4).y[0].shape == (4, 3)


def test_rows_that_a_logger_stamps_in_bunches_do_not_count_as_a_fast_recording():
    """Ten rows each tenth of a second, all stamped within a millisecond: no line takes more."""
    times = (np.arange(50)[:, None] / 10 + np.arange(10) * 1e-5).ravel()
    got = resample(recorded(sine(0.5, times), times), 5)
    assert len(got.x[0]) == 25 and np.abs(got.x[0] - sine(0.5, got.times[0])).max() < 2e-2


def test_a_rate_with_lost_rows_keeps_what_is_there():
    times = lossy(4, 50)
    x = np.random.default_rng(1).standard_normal((len(times), 2))
    got = resample(recorded(x, times), 50)
    places = np.rint(times * 50).astype(int)
    assert np.abs(got.x[0][places] - x).max() < 1e-9 and len(got.x[0]) == 200


def test_lines_over_a_hole_are_told_of():
    times = np.array([0.0, 0.1, 0.2, 0.3, 5.3, 5.4])
    told = (
        r"^lines fill 1 of 1 recordings where steps are missing, for up to 5 s in 'walk'; set "
        r"gap_seconds to split there\.$"
    )
    with pytest.warns(UserWarning, match=told):
        resample(recorded(np.zeros((6, 1)), times), 20)
    shape(recorded(np.zeros((6, 1)), times), Shaping(rate=20, gap_seconds=1))


def test_a_slower_rate_without_scipy_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(
        ImportError, match=r"^a slower rate .*: pip install 'minilstm\[tables\]'\.$"
    ):
        resample(recorded(np.zeros((9, 1))), 2, rate_in=4)
    assert len(resample(recorded(np.zeros((9, 1))), 8, rate_in=4).x[0]) == 17


def test_what_has_no_rate_is_refused():
    with refuses_data(
        "rate is 5, but the recordings have no times, so their own rate is not known; give "
        "rate_in, or read them with time_column."
    ):
        resample(recorded(np.zeros((9, 1))), 5)
    with refuses_data(
        "the time of 'walk' goes from 1.0 at step 1 to 1.0, but times have to rise; sort the "
        "recording, and remove rows of the same time."
    ):
        resample(recorded(np.zeros((3, 1)), np.array([0.0, 1, 1])), 5)


# ---------------------------------------------------------------- gaps and ends


def test_recordings_are_split_where_time_jumps():
    times = np.array([0.0, 1, 2, 10, 11, 30])
    x = np.arange(6.0)[:, None]
    parts = split_at_gaps(recorded(x, times, [np.arange(6)], groups=["Ann"]), 2)
    assert parts.ids == ["walk[0:3]", "walk[3:5]", "walk[5:6]"] and parts.groups == ["Ann"] * 3
    assert [a.tolist() for a in parts.y] == [[0, 1, 2], [3, 4], [5]]
    assert parts.times[1].tolist() == [10, 11] and np.shares_memory(parts.x[0], x)
    whole = recorded(x, times)
    assert split_at_gaps(whole, 19) is whole
    with refuses_data(
        "gap_seconds is 2, but the recordings have no times to find gaps in; read them with "
        "time_column, or leave gap_seconds out."
    ):
        split_at_gaps(recorded(x), 2)


def test_unlabelled_ends_are_trimmed():
    x = [np.zeros((4, 1)), np.zeros((2, 1))]
    data = Sequences(x, [np.array(["", "a", "", "b"]), np.array(["", ""])], None, ["w", "v"])
    told = (
        "^1 recording of 2 without any label left out, the first of them 'v'; leave "
        r"trim_unlabelled out to keep them\.$"
    )
    with pytest.warns(UserWarning, match=told):
        kept = trim_unlabelled(data)
    assert kept.ids == ["w[1:4]"] and kept.y[0].tolist() == ["a", "", "b"]
    for y in (
        None,
        np.array(["", "a"]),
        [np.zeros(4), np.zeros(2)],
        [np.array(["a"] * 4), np.array(["b"] * 2)],
    ):
        unlabelled = data._replace(y=y)
        assert trim_unlabelled(unlabelled) is unlabelled
    with refuses_data(
        "all labels of 1 recording are missing, so trim_unlabelled leaves nothing; check which "
        "labels are read as missing."
    ):
        trim_unlabelled(Sequences(x[1:], data.y[1:], None, ["v"]))


# ---------------------------------------------------------------- all of it


def test_the_order_is_ends_gaps_rate_windows():
    """The gap at an unlabelled end splits nothing; windows count steps of the new rate."""
    times = np.concatenate([[-100.0], np.arange(80) / 8, 50 + np.arange(40) / 8])
    y = np.array([""] + ["a"] * 80 + ["b"] * 40)
    data = recorded(times[:, None].copy(), times, [y])
    got = shape(data, Shaping(8, rate=4, gap_seconds=1, trim_unlabelled=True))
    inner, outer = "walk[1:121][0:80]", "walk[1:121][80:120]"
    want = [f"{inner}[{t}:{t + 8}]" for t in range(0, 33, 4)]
    assert got.ids == want + [f"{outer}[{t}:{t + 8}]" for t in range(0, 13, 4)]
    assert got.groups == ["walk"] * 13 and got.y.tolist() == ["a"] * 9 + ["b"] * 4
    for x, own in zip(got.x, got.times, strict=True):
        assert np.allclose(x[:, 0], own) and np.allclose(np.diff(own), 1 / 4)


def test_notes_of_what_was_done_are_kept_with_the_facts():

    @dataclass
    class Facts:
        told: tuple[str, ...]

    times = np.concatenate([np.arange(20) / 10, 9 + np.arange(10) / 10])
    data = recorded(
        np.zeros((30, 1)), times, [np.array(["a"] * 28 + [""] * 2)], facts=Facts(("read",))
    )
    got = shape(data, Shaping(8, 8, gap_seconds=1, trim_unlabelled=True, rate=10))
    assert got.facts.told == (
        "read",
        "2 steps at unlabelled ends left out",
        "split at 1 gap of more than 1 s",
        "resampled to 10 Hz",
        "cut into 3 windows of 8 steps, 4 steps in none",
    )
    assert data.facts.told == ("read",)


@pytest.mark.parametrize(
    "shaping",
    [
        Shaping(),
        Shaping(128),
        Shaping(100, 7, "last", 25.5, 2, True, 50),
    ],
    ids=str,
)
def test_a_shaping_is_kept_as_plain_words(shaping):
    assert Shaping.from_plain(json.loads(json.dumps(shaping.to_plain()))) == shaping


def test_what_a_shaping_says():
    assert str(Shaping()) == "as recorded"
    assert str(Shaping(3, rate=25.5, gap_seconds=2, trim_unlabelled=True, window_label=max)) == (
        "unlabelled ends trimmed, then split at gaps of more than 2 s, then resampled to 25.5 Hz, "
        "then windows of 3 steps, every 1 steps, label 'max'"
    )
    assert Shaping(128).to_plain() == {"window_length": 128, "window_step": 64}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"window_length": 0}, "window_length is 0; give a whole number of at least 1."),
        ({"window_step": 3},
         "window_step is 3, but without window_length there are no windows; give both, or none."),
        ({"window_label": "first"}, "window_label is 'first'; choose one of 'majority', 'last'."),
        ({"rate": -1}, "rate is -1; give a number above 0."),
        ({"gap_seconds": np.nan}, "gap_seconds is nan; give a number above 0."),
        ({"trim_unlabelled": 1}, "trim_unlabelled is 1; give True or False."),
    ],
)  # fmt: skip
def test_wrong_options_are_told(options, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Shaping(**options)


def test_a_function_fits_no_file_and_a_strange_word_no_shaping():
    with pytest.raises(ValueError, match=r"^window_label is <built-in function max>, a function, "):
        Shaping(4, window_label=max).to_plain()
    with pytest.raises(
        ml.DataError, match=r"^a shaping has no 'widow'; choose from 'window_length"
    ):
        Shaping.from_plain({"widow": 3})
