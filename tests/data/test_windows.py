"""Windows of recordings and their labels, against a plain count, and live against whole.
A window is a view of its recording, and everything that lies in none is counted."""

import copy
from collections import Counter

import campaigns
import numpy as np
import pytest
from agreement import bits, refuses_data

import minilstm as ml
from minilstm.data import Sequences, Shaping, shape, windows
from minilstm.data.shaping.live import LiveWindows


def recording(T, D=2, start=0):
    return start + np.arange(T * D, dtype=float).reshape(T, D)


def test_windows_are_views_and_the_rest_is_counted():
    x = recording(11)
    cut = ml.data.windows(4, 3)
    pieces = cut(x)
    assert [p.tolist() for p in pieces] == [x[t : t + 4].tolist() for t in (0, 3, 6)]
    assert all(np.shares_memory(p, x) for p in pieces)
    assert cut.places([11]).steps_left_out == 1
    apart = windows(2, 5).places([11, 7])
    assert (apart.starts.tolist(), apart.steps_left_out) == ([0, 5, 0, 5], 10)


@pytest.mark.parametrize(
    ("labels", "how", "want"),
    [
        (["a", "a", "b"], "majority", "a"),
        (["a", "b", "a", "b"], "majority", "b"),
        (["b", "a", "b", "a"], "majority", "a"),
        (["", "", "", "b"], "majority", "b"),
        (["", ""], "majority", ""),
        ([3, 3, 1], "majority", 3),
        (["a", "a", "b"], "last", "b"),
        (["a", "a", ""], "last", ""),
        (["c", "a", "b"], min, "a"),
        ([1.0, 2.0, 6.0], np.mean, 3.0),
        ([1.0, 2.5], "last", 2.5),
        ([[1.0, 2.0], [3.0, 5.0]], lambda t: t.mean(axis=0), [2.0, 3.5]),
    ],
)
def test_a_window_has_one_label(labels, how, want):
    _, got = windows(len(labels), 1, how)(recording(len(labels)), np.array(labels))
    assert got.tolist() == [want]


@pytest.mark.parametrize("form", ["list", "dense"])
def test_labels_of_steps_and_of_recordings(form):
    x = [recording(6), recording(6, start=50)]
    steps = [list("aaabbb"), list("bbbbba")]
    if form == "dense":
        x, steps = np.stack(x), np.array(steps)
    pieces, labels = windows(3, 3)(x, steps)
    assert [p[0, 0] for p in pieces] == [0, 6, 50, 56] and labels.tolist() == ["a", "b", "b", "b"]
    assert windows(3, 3)(x, ["go", "stop"])[1].tolist() == ["go", "go", "stop", "stop"]
    assert windows(3, 3)(x, [[1.0, 2.0], [3.0, 4.0]])[1][2].tolist() == [3.0, 4.0]


def test_windows_of_sequences_keep_what_they_are_of():
    x = [recording(5), recording(4)]
    times = [np.arange(5.0), np.arange(4.0)]
    data = Sequences(x, [np.array(list("aabbb")), np.array(list("cccc"))], ["p", "q"], ["w", "v"])
    cut = windows(4, 1)(data._replace(times=times))
    assert cut.ids == ["w[0:4]", "w[1:5]", "v"]
    assert cut.groups == ["w", "w", "v"] and cut.feature_names == ["p", "q"]
    assert cut.y.tolist() == ["b", "b", "c"] and cut.times[1].tolist() == [1, 2, 3, 4]
    assert windows(4, 1)(data._replace(groups=["Ann", "Bob"])).groups == ["Ann", "Ann", "Bob"]
    assert windows(4, 1)(data._replace(y=None)).y is None


def test_short_recordings_are_left_out_and_told_of():
    told = (
        r"^1 recording of 2 shorter than a window of 4 steps left out, the first of them x\[1\]; "
        "give a smaller length to keep them.$"
    )
    with pytest.warns(UserWarning, match=told):
        pieces, labels = windows(4, 4)([recording(5), recording(3)], ["a", "b"])
    assert len(pieces) == 1 and labels.tolist() == ["a"]


def test_windows_as_data_of_a_training():
    """A missing label is ignored by the loss that is told so."""
    x, y = recording(40) / 40, ["up"] * 12 + [""] * 8 + ["down"] * 20
    pieces, labels = windows(4, 4)(x, y)
    loss = ml.CrossEntropy(ignored_labels=[""])
    layers = [ml.SequenceInput(2), ml.LSTM(2, "last"), ml.FullyConnected(2), ml.Softmax()]
    options = ml.TrainingOptions(max_epochs=1, verbose=False)
    net, _ = ml.train(pieces, labels, layers, loss, options)
    assert net.classes.tolist() == ["down", "up"] and (labels == "").sum() == 2


REFUSED = {
    "longer than all": (
        lambda: windows(9, 1)([recording(3), recording(5)]),
        "windows of 9 steps are longer than every recording; the longest, x[1], has 5: give a "
        "length (window_length) of at most that.",
    ),
    "longer than all, named": (
        lambda: windows(9, 1)(Sequences([recording(3)], None, None, ["walk"])),
        "windows of 9 steps are longer than every recording; the longest, 'walk', has 3: give a "
        "length (window_length) of at most that.",
    ),
    "majority of numbers": (
        lambda: windows(2, 1)(recording(2), [0.5, 1.5]),
        "y[0] holds numbers of type float64, but label='majority' counts classes; choose 'last' "
        "(window_label='last'), give a function such as numpy.mean, or convert classes to "
        "integers.",
    ),
    "labels of another length": (
        lambda: windows(2, 1)([recording(4), recording(4)], [["a"] * 4, ["a"] * 3]),
        "y[1] has shape (3,), but x[1] has 4 steps; give one label for each step, or one for each "
        "recording.",
    ),
    "labels of other recordings": (
        lambda: windows(2, 1)([recording(4), recording(4)], ["a"]),
        "y has labels for 1 sequences, but there are 2; give one array of labels for each "
        "sequence.",
    ),
    "two kinds": (
        lambda: windows(2, 1)([recording(2), recording(2)], [["a", "b"], [1, 2]]),
        "y mixes text and numbers; use one kind for all recordings.",
    ),
    "no recording": (
        lambda: windows(2, 1)(np.ones(4)),
        "x has shape (4,), but a recording is (T, D), T steps of D features; give one, or a list "
        "of them.",
    ),
    "labels twice": (
        lambda: windows(2, 1)(Sequences([recording(2)], None, None, ["a"]), [1]),
        "x brings its own labels; leave y out, or pass x.x and y.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_cut_is_told(case):
    call, sentence = REFUSED[case]
    with refuses_data(sentence):
        call()


@pytest.mark.parametrize("option", ["length", "step"])
@pytest.mark.parametrize("value", [0, 2.5, True])
def test_lengths_are_whole_numbers(option, value):
    with pytest.raises(ValueError, match=rf"^{option} is {value}; give a whole number of at least"):
        windows(**{"length": 2, "step": 1, option: value})


# ---------------------------------------------------------------- drawn cases


def drawn(seed):
    """A recording with gaps in its times, its labels, and a shaping."""
    rng = np.random.default_rng(seed)
    T, length = rng.integers(1, 40), int(rng.integers(1, 12))
    times = np.cumsum(np.where(rng.random(T) < 0.1, 3.0, 0.1))
    x = rng.standard_normal((T, 2)).astype(rng.choice(["f4", "f8"]))
    y = rng.choice(["", "a", "b", "c"], T)
    return x, y, times, Shaping(length, int(rng.integers(1, 15)), gap_seconds=1.0)


def parts_of(x, y, times):
    """The parts between gaps, plainly."""
    cuts = np.flatnonzero(np.diff(times) > 1) + 1
    return zip(*(np.split(a, cuts) for a in (x, y)), strict=True)


def most_frequent(labels):
    """Of equally frequent labels the one that is seen last; a missing one does not count."""
    counts = Counter(label for label in labels if label != "")
    best = max(counts.values(), default=0)
    return next((label for label in labels[::-1] if counts[label] == best > 0), "")


@pytest.mark.campaign
def test_windows_whole_and_live_are_those_of_a_plain_loop():
    checked = 0
    for seed in range(campaigns.cases(10_000)):
        x, y, times, shaping = drawn(seed)
        want = [
            (a[t : t + shaping.window_length], most_frequent(b[t : t + shaping.window_length]))
            for a, b in parts_of(x, y, times)
            for t in range(0, len(a) - shaping.window_length + 1, shaping.window_step)
        ]
        live = LiveWindows(shaping, dtype=x.dtype)
        full = [live.push(row, time) for row, time in zip(x, times, strict=True)]
        assert bits([a for a in full if a is not None]) == bits([a for a, _ in want])
        if want:
            data = Sequences([x], [y], None, ["a"], times=[times])
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *_, **__: None)
                cut = shape(data, shaping)
            assert bits(cut.x) == bits([a for a, _ in want])
            assert cut.y.tolist() == [label for _, label in want]
            assert len(set(cut.ids)) == len(cut.ids)
            checked += 1
    assert checked > 100


# ---------------------------------------------------------------- live


def test_a_copy_goes_on_by_itself_and_a_window_is_an_array_of_its_own():
    live = LiveWindows(Shaping(window_length=2, window_step=1))
    live.push([1.0])
    twin = copy.copy(live)
    first = live.push([2.0])
    second = live.push([3.0])
    assert [first.tolist(), second.tolist()] == [[[1], [2]], [[2], [3]]]
    assert twin.push([9.0]).tolist() == [[1], [9]]
    live.reset()
    assert live.push([4.0]) is None


def test_a_refused_row_is_not_taken():
    live = LiveWindows(Shaping(window_length=2, window_step=2))
    live.push([1.0], 0.0)
    for row, time, said in [
        ([np.nan], 1.0, "row holds nan at time step 0, feature 0"),
        ([1.0, 2.0], 1.0, r"row has shape \(2,\), but one time step of this network is \(1,\)"),
        ([2.0], 0.0, "^time is 0.0, but the row before came at 0.0; send rows in the order of"),
        ([2.0], np.inf, "^time is inf; give a finite number of seconds, or none.$"),
    ]:
        with pytest.raises(ml.DataError, match=said):
            live.push(row, time)
    assert live.push([3.0], 0.1).tolist() == [[1], [3]]


def test_rows_at_another_rate_are_an_error_and_a_new_start():
    live = LiveWindows(Shaping(window_length=3, rate=50))
    live.push([0.0], 0.0)
    live.push([0.0], 0.01)
    with refuses_data(
        "rows come at 100 Hz, but the model takes 50 Hz; send them at that rate, or record them "
        "and use predict, which resamples."
    ):
        live.push([0.0], 0.02)
    good = [live.push([float(t)], 1 + t / 50) for t in range(3)]
    assert good[:2] == [None, None] and good[2].ravel().tolist() == [0, 1, 2]
