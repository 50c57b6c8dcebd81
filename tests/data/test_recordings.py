"""From tables to recordings: roles of columns, times, order, gaps, labels, and what is asked.
A refusal is asserted word for word, with FILE in place of the path."""

import numpy as np
import pytest
from agreement import refusal

from minilstm.data import DataDescription, read_sequences
from minilstm.data.files.readers import read_tables
from minilstm.data.recordings.files import sources_of
from minilstm.data.recordings.times import spread


@pytest.fixture
def csv(tmp_path):
    def write(text, name="a.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def lines(head, rows):
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


WAVE = [0.5, -1.25, 3.0, 0.25, -2.0, 1.5]


def wave(k):
    """A number that neither rises nor falls."""
    return WAVE[k % 6]


# ---------------------------------------------------------------- roles of columns

QUESTIONS = {
    "a person": ("recording,person,ax\na,p,1\n", "FILE has the columns recording, person, ax, but "
                 "'person' seems to name persons or places: say group_column='person', or "
                 "drop=['person']."),
    "numbered subjects": ("recording,Subject_ID,ax\na,3,1\n", "FILE has the columns recording, "
                          "Subject_ID, ax, but 'Subject_ID' seems to name persons or places: say "
                          "group_column='Subject_ID', or drop=['Subject_ID']."),
    "text": ("recording,place,ax\na,lab,1\n", "FILE has the columns recording, place, ax, but "
             "'place' holds text: say label_column='place', or drop=['place']."),
    "text beside labels": ("recording,place,ax,label\na,lab,1,x\n", "FILE has the columns "
                           "recording, place, ax, label, but 'place' is no plain measurement: say "
                           "drop=['place'], or name all features with features=."),
    "a numbered activity": ("recording,activity,ax\na,0,1\na,1,2\n", "FILE has the columns "
                            "recording, activity, ax, but 'activity' may be the label: say "
                            "label_column='activity', or label_column='' where it is a feature."),
    "a clock of another name": (
        lines("recording,uhr,ax", [("a", k / 50, wave(k)) for k in range(30)]),
        "FILE has the columns recording, uhr, ax, but 'uhr' rises as a clock does: say "
        "time_column='uhr', or time_column='' where it is a feature.",
    ),
    "few dates as numbers": (
        lines("recording,uhr,ax", [("a", 1796029200 + k, wave(k)) for k in range(3)]),
        "FILE has the columns recording, uhr, ax, but 'uhr' rises as a clock does: say "
        "time_column='uhr', or time_column='' where it is a feature.",
    ),
    "dates of another name": ("recording,uhr,ax\na,2026-01-01,1\n", "FILE has the columns "
                              "recording, uhr, ax, but 'uhr' holds times: say time_column='uhr', "
                              "or drop=['uhr']."),
    "many numbers as labels": (
        lines("recording,ax,label", [("a", wave(k), 7 * k % 31) for k in range(30)]),
        "the column 'label' of FILE holds more than 20 different numbers, so it may be numbers to "
        "be predicted or classes: say target_columns=['label'], or label_column='label' for "
        "classes.",
    ),
    "the long form": ("recording,time,sensor,value\na,0,ax,1\n", "FILE has the columns recording, "
                      "time, sensor, value, but 'sensor' seems to name channels: say "
                      "channel_column='sensor' and value_column='value', or drop=['sensor']."),
    "many at once": (
        "session,time,person,ax,kind\nb,1,p,1,u\na,0,q,,v\nb,0,p,3,u\n",
        "FILE has the columns session, time, person, ax, kind, but no column is called "
        "'recording', 'person' seems to name persons or places, 'kind' holds text, line 4 goes "
        "back to sequence 'b' and 1 cell is empty (the first on line 3, column 'ax'): say "
        "id_column='session', group_column='person', label_column='kind', sort_by='time' and "
        "fill='linear'.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_not_clear_is_asked(csv, name):
    text, sentence = QUESTIONS[name]
    assert refusal(csv(text)) == sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"label_column": "lable"}, "label_column is 'lable', but the columns are recording, ax, "
         "label: name one of them; did you mean 'label'."),
        ({"drop": ["AX2"]}, "drop is 'AX2', but the columns are recording, ax, label: name one of "
         "them; did you mean 'ax'."),
        ({"time_column": "label", "features": ["ax"]}, "time_column and label_column of FILE are "
         "both 'label', but a column has one use: name different ones."),
        ({"label_column": "label", "target_columns": ["ax"]}, "label_column is 'label' and "
         "target_columns are ['ax'], but a network learns classes or numbers: say one of the "
         "two."),
        ({"channel_column": "label"}, "channel_column is 'label' without value_column, but the "
         "long form has both: say value_column as well."),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(csv, options, sentence):
    text = "recording,ax,label\na,1,u\na,2,v\n"
    if options.get("time_column"):
        options["label_column"] = "label"
    assert refusal(csv(text), **options) == sentence


def test_roles_are_told_and_kept(csv):
    rows = [(f"r{k // 3}", f"p{k // 6}", k % 3 / 50, wave(k), k, "uv"[k % 2]) for k in range(12)]
    path = csv(lines("recording,person,time,ax,count,label", rows))
    data = read_sequences(path, group_column="person", features=["ax"])
    assert (data.groups, data.feature_names) == (["p0", "p0", "p1", "p1"], ["ax"])
    assert [t.tolist() for t in data.times] == [[0, 0.02, 0.04]] * 4
    assert data.facts.lines() == [
        "4 sequences, 12 steps (3 each), id column 'recording'",
        "features ax (-2 to 3)",
        "time column 'time' (in s): 50 Hz",
        "columns not used: count",
        "groups (column 'person') 'p0' 2, 'p1' 2",
        "labels (column 'label', one a step) 'u' 6, 'v' 6",
    ]
    assert data.facts.description.to_plain() == {
        "id_column": "recording", "time_column": "time", "time_unit": "s",
        "label_column": "label", "label_per": "step", "features": ["ax"],
        "group_column": "person",
    }  # fmt: skip
    assert data.facts.to_plain()["rate"] == 50


def test_other_data_are_read_as_those_of_a_network(csv):
    first = csv("rec;t_ms;kind;ax\n1;0;u;1\n1;20;v;2\n")
    options = {"id_column": "rec", "label_column": "kind"}
    learned = read_sequences(first, **options).facts.description
    other = csv("t_ms,rec,ax\n0,7,5\n20,7,4\n", "b.csv")
    data = read_tables(other, sources_of(other), DataDescription(), ["ax"], learned).sequences
    assert (data.x[0].tolist(), data.y, data.ids) == ([[5], [4]], None, ["7"])
    assert data.times[0].tolist() == [0, 0.02]


def test_targets_of_steps_and_of_sequences(csv):
    path = csv("recording,ax,speed,slope\na,1,0.5,2\na,2,0.25,2\nb,3,0.5,7\n")
    data = read_sequences(path, target_columns=["speed", "slope"])
    assert [(y.dtype, y.tolist()) for y in data.y] == [
        (np.float64, [[0.5, 2], [0.25, 2]]), (np.float64, [[0.5, 7]]),
    ]  # fmt: skip
    assert data.facts.lines()[-1] == "targets (one a step) speed (0.25 to 0.5), slope (2 to 7)"
    data = read_sequences(path, target_columns=["slope"], drop=["speed"], label_per="sequence")
    assert data.y.tolist() == [[2], [7]]
    assert refusal(path, target_columns=["speed"], label_per="sequence") == (
        "line 3 of FILE has another target (speed) than the line before it in the recording 'a', "
        "but one recording has one: correct it, or name the column that tells recordings apart "
        "with id_column=."
    )
    assert refusal(csv("recording,ax,s\na,1,\n"), target_columns=["s"]) == (
        "line 2 of FILE has 'nan' in the target column 's', but a finite number was wanted: "
        "correct or remove the line."
    )


def test_ranges_that_differ_are_pointed_out(csv):
    path = csv("recording,ax,pressure\na,0,0\na,1,60\n")
    assert read_sequences(path).facts.hints == (
        "the range of feature 'pressure' is 60 times that of 'ax': train with "
        "normalization='zscore'",
    )
    assert read_sequences(csv("recording,ax,pressure\na,0,0\na,1,59\n")).facts.hints == ()


# ---------------------------------------------------------------- times

SECONDS = np.array([0, 0.02, 0.05])


@pytest.mark.parametrize(
    ("name", "cells", "unit"),
    [
        ("time", ["0", "0.02", "0.05"], None),
        ("t_ms", ["0", "20", "50"], None),
        ("Time (us)", ["0", "2e4", "5e4"], None),
        ("timestamp", ["1764496800000", "1764496800020", "1764496800050"], None),
        ("timestamp", ["1764496800000000", "1764496800020000", "1764496800050000"], None),
        ("timestamp", ["100", "120", "150"], "ms"),
        ("date", ["2026-11-30T10:00:00", "2026-11-30T10:00:00.020", "2026-11-30T10:00:00.05"],
         None),
        ("time", ["2026-11-30 10:00:00Z", "2026-11-30 10:00:00.02Z", "2026-11-30 10:00:00.05Z"],
         None),
        ("time", ["2026-11-30T12:00:00+02:00", "2026-11-30T10:00:00.02Z",
                  "2026-11-30T05:00:00.05-0500"], None),
        ("time", ["2026/11/30 10:00:00", "2026/11/30 10:00:00.02", "2026/11/30 10:00:00.05"],
         None),
        ("time", ["10:00:00", "10:00:00.02", "10:00:00.05"], None),
    ],
)  # fmt: skip
def test_times_become_seconds(csv, name, cells, unit):
    path = csv(lines(f"recording,{name},ax", [("a", c, wave(k)) for k, c in enumerate(cells)]))
    data = read_sequences(path, time_unit=unit)
    assert data.feature_names == ["ax"]
    np.testing.assert_allclose(data.times[0] - data.times[0][0], SECONDS, atol=5e-7)


def test_an_iso_time_counts_from_1970(csv):
    path = csv("recording,time,ax\na,1970-01-02T00:00:01+01:00,1\n")
    assert read_sequences(path).times[0].tolist() == [86400 + 1 - 3600]


@pytest.mark.parametrize(
    ("stamps", "wanted"),
    [
        ([0, 0, 1, 1], [0, 0.5, 1, 1.5]),
        ([5, 6, 6, 6, 6, 7, 7], [5.75, 6, 6.25, 6.5, 6.75, 7, 7.25]),
        ([0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3], [0, 1 / 3, 2 / 3, 1, 1.5, 2, 2 + 1 / 3, 2 + 2 / 3, 3,
                                             3 + 1 / 3, 3 + 2 / 3]),
        ([0, 0, 0, 0, 0, 1, 2, 3, 4], None),
        ([0, 1, 2, 2, 3, 4, 5], None),
    ],
)  # fmt: skip
def test_coarse_stamps_are_spread(stamps, wanted):
    got = spread(np.array(stamps, float))
    assert got is None if wanted is None else got.tolist() == pytest.approx(wanted)


def test_rates_that_differ_are_a_warning(csv):
    rows = [("a", k / 50, wave(k)) for k in range(4)] + [("b", k / 25, wave(k)) for k in range(4)]
    path = csv(lines("recording,time,ax", rows))
    with pytest.warns(UserWarning, match="the rate is not") as told:
        data = read_sequences(path)
    assert str(told[0].message) == (
        f"{path}: the rate is not the same in all recordings, 50 Hz in 'a' and 25 Hz in 'b': bring "
        "them to one, with rate=25 say."
    )
    assert told[0].filename == __file__ and data.facts.irregular == 0
    rows[1] = ("a", 0.027, 1)
    with pytest.warns(UserWarning, match="the rate is not"):
        assert read_sequences(csv(lines("recording,time,ax", rows))).facts.irregular == 2 / 6


TIMES = {
    "back in time": ("a,0,1\na,2,5\na,1,2\n", "line 4 of FILE goes back in time (column 'time'), "
                     "but the lines of a sequence have to stand in the order of time: say "
                     "sort_by='time', or time_column='' where it is no time."),
    "back to a recording": ("a,0,1\nb,0,5\na,1,2\n", "line 4 of FILE goes back to sequence 'a', "
                            "but the lines of a sequence have to stand together: sort the file by "
                            "sequence, then by time, or say sort_by='time'."),
    "a line twice": ("a,0,1\na,0,1\na,1,2\na,2,5\na,3,1\n", "line 3 of FILE has the time of the "
                     "line before it (0.0), but each time was wanted once: remove the line, or say "
                     "on_bad_line='skip' to leave such lines out, or time_column='' where it is no "
                     "time."),
    "one zone left out": ("a,2026-01-01T00:00:00Z,1\na,2026-01-01T00:00:01,2\n", "line 3 of FILE "
                          "has '2026-01-01T00:00:01' in the time column 'time', but a number or an "
                          "ISO time such as 2026-11-30T14:00:00.020 was wanted: correct or remove "
                          "the line, or say time_column='' and drop=['time']."),
    "no time": ("a,0,1\na,,2\n", "line 3 of FILE has 'nan' in the time column 'time', but a number "
                "or an ISO time such as 2026-11-30T14:00:00.020 was wanted: correct or remove the "
                "line, or say time_column='' and drop=['time']."),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
def test_times_that_are_refused(csv, name):
    text, sentence = TIMES[name]
    assert refusal(csv("recording,time,ax\n" + text)) == sentence


def test_the_ways_out_of_disorder(csv):
    path = csv("recording,time,ax\na,2,3\nb,0,5\na,1,2\n")
    data = read_sequences(path, sort_by="time")
    assert ([x.tolist() for x in data.x], data.ids) == ([[[2], [3]], [[5]]], ["a", "b"])
    path = csv("recording,time,ax\na,0,1\na,0,1\na,1,2\na,2,5\na,3,1\n")
    data = read_sequences(path, on_bad_line="skip")
    assert (data.x[0][:, 0].tolist(), data.facts.skipped) == ([1, 2, 5, 1], 1)
    path = csv("recording,frame,ax\na,2,3\na,1,5\n")
    data = read_sequences(path, sort_by="frame")
    assert (data.x[0].tolist(), data.feature_names, data.times) == ([[5], [3]], ["ax"], None)


# ---------------------------------------------------------------- gaps

GAPS = "recording,time,ax,ay,label\na,0,1,0,u\na,1,,0,u\na,4,5,0,v\na,5,6,,v\nb,0,7,1,u\n"


@pytest.mark.parametrize(
    ("fill", "ax", "ids", "labels", "told"),
    [
        ("linear", [[1, 2, 5, 6], [7]], ["a", "b"], ["uuvv", "u"],
         "2 empty cells filled (fill='linear')"),
        ("previous", [[1, 1, 5, 6], [7]], ["a", "b"], ["uuvv", "u"],
         "2 empty cells filled (fill='previous')"),
        ("split", [[1], [5], [7]], ["a", "a#2", "b"], ["u", "v", "u"],
         "2 rows with gaps left out, recordings cut there"),
    ],
)  # fmt: skip
def test_gaps_are_filled_as_it_was_said(csv, fill, ax, ids, labels, told):
    data = read_sequences(csv(GAPS), fill=fill)
    assert [x[:, 0].tolist() for x in data.x] == ax and data.ids == ids
    assert ["".join(y) for y in data.y] == labels and [len(t) for t in data.times] == [
        len(x) for x in ax
    ]
    assert told in data.facts.lines()
    cut = ["a", "a", "b"] if fill == "split" else None  # pieces stay together in every split
    assert data.recordings == data.groups == cut


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (GAPS, {}, "line 3 of FILE has no number in column 'ax' (2 such cells in all), but one was "
         "wanted: fill it in, or say fill='linear', fill='previous' or fill='split'."),
        ("recording,ax\na,\na,1\n", {"fill": "previous"}, "line 2 of FILE has no number in column "
         "'ax', and fill='previous' finds none before it in the recording 'a': say fill='linear' "
         "or fill='split', or fill it in."),
        ("recording,ax,ay\na,,1\nb,1,1\n", {"fill": "linear"}, "column 'ax' of FILE has no number "
         "in the recording 'a', so fill='linear' has nothing to fill it with: remove that "
         "recording, or say drop=['ax']."),
        ("recording,ax\na,\n", {"fill": "split"}, "every line of FILE has a gap, so fill='split' "
         "leaves nothing: say fill='linear', or leave a column out with drop=."),
        ("recording,ax\na,1\n,2\n", {}, "line 3 of FILE has nothing in column 'recording', but a "
         "name was wanted: fill it in or remove the line."),
        ("recording,ax\na,\"1,5\"\n", {}, "line 2 of FILE has '1,5' in column 'ax', but a finite "
         "number was wanted: say decimal=',' where that is the decimal sign, or write it with a "
         "point."),
    ],
)  # fmt: skip
def test_gaps_that_are_refused(csv, text, options, sentence):
    assert refusal(csv(text), **options) == sentence


def test_many_columns_are_not_all_listed(csv):
    names = [f"c{k}" for k in range(10_000)]
    path = csv(",".join(names) + "\n" + ",".join(["1"] * 10_000) + "\n")
    assert refusal(path, id_column="run") == (
        f"id_column is 'run', but the columns are {', '.join(names[:20])} and 9980 more: name one "
        "of them."
    )
    assert read_sequences(path, id_column="").x[0].shape == (1, 10_000)


def test_a_time_that_starts_again_is_another_recording(csv):
    path = csv("time,ax,label\n0,1,u\n1,2,u\n2,2,v\n0,3,u\n1,5,v\n")
    for options in ({}, {"id_column": ""}):
        assert refusal(path, **options) == (
            "line 5 of FILE starts the time again (column 'time'), as another recording does: add "
            "a column that names the recordings, called recording, or say id_column='' and "
            "sort_by='time' where the lines of one recording are out of order."
        )


def test_the_only_feature_is_not_offered_as_an_id(csv):
    path = csv("time,a,label\n0,1,u\n1,2,u\n2,3,v\n3,3,v\n")
    assert refusal(path) == (
        "id_column was not given, and none of the columns time, a, label of FILE is called "
        "sequence, sequence_id, recording or recording_id: say id_column='' where the whole file "
        "is one sequence, or name the column that tells sequences apart."
    )


def test_words_are_no_features(csv):
    assert refusal(csv("recording,ax,label\na,True,u\na,False,v\n")) == (
        "FILE has no column of numbers left for a feature, and 'ax' holds text such as 'True': "
        "write numbers there, 1 and 0 for True and False."
    )
