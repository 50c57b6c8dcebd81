"""The long form, and data sets of several files: what belongs together, and what does not.
A refusal is asserted word for word, with FILE in place of the path."""

import pytest
from agreement import refusal, refuses_data

from minilstm.data import read_sequences


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


# ---------------------------------------------------------------- the long form

LONG = {"channel_column": "channel", "value_column": "value"}


def test_the_long_form_is_pivoted(csv):
    rows = [("a", 0, "ay", 1, "u"), ("a", 1, "ay", 2, "v"), ("a", 0, "ax", 3, "u"),
            ("b", 0, "ax", 5, "u"), ("b", 0, "ay", 6, "u")]  # fmt: skip
    path = csv(lines("recording,time,channel,value,label", rows))
    data = read_sequences(path, **LONG, fill="previous")
    assert [x.tolist() for x in data.x] == [[[1, 3], [2, 3]], [[6, 5]]]
    assert (data.feature_names, data.facts.filled) == (["ay", "ax"], 1)
    assert [y.tolist() for y in data.y] == [["u", "v"], ["u"]]


@pytest.mark.parametrize(
    ("head", "rows", "sentence"),
    [
        ("recording,time,channel,value", [("a", 0, "ax", 1), ("a", 0, "ay", 2), ("a", 0, "ax", 3)],
         "line 4 of FILE has channel 'ax' at a time that line 2 has already, but each channel was "
         "wanted once a time: remove one of the two lines, or name the column that tells "
         "recordings apart with id_column=."),
        ("recording,channel,value", [("a", "ax", 1), ("a", "ay", 2)],
         "FILE has a line for each channel but no time, so nothing tells which lines belong "
         "together: say time_column= with one of recording, channel, value."),
        ("recording,time,channel,value,label", [("a", 0, "ax", 1, "u"), ("a", 0, "ay", 2, "v")],
         "line 3 of FILE has 'v' in column 'label', but line 2 has 'u' at the same time: make them "
         "equal."),
    ],
)  # fmt: skip
def test_the_long_form_refused(csv, head, rows, sentence):
    assert refusal(csv(lines(head, rows)), **LONG) == sentence


# ---------------------------------------------------------------- several files


def walks(csv):
    for name in ("p1_walk_1", "p1_sit_2", "p2_walk_1"):
        path = csv("time,ax\n0,1\n1,2\n", f"walks/{name}.csv")
    csv("what it is", "walks/README.txt")
    return path.parent


@pytest.mark.parametrize("way", ["folder", "glob", "list"])
def test_files_are_recordings(csv, way):
    folder = walks(csv)
    given = {"folder": folder, "glob": f"{folder}/*.csv", "list": sorted(folder.glob("*.csv"))}[way]
    data = read_sequences(given)
    assert data.ids == ["p1_sit_2", "p1_walk_1", "p2_walk_1"] and data.y is None
    assert data.facts.lines()[0] == "3 files, 3 sequences, 6 steps (2 each)"
    data = read_sequences(given, file_pattern="{group}_{label}_*")
    assert (data.groups, data.y.tolist()) == (["p1", "p1", "p2"], ["sit", "walk", "walk"])
    data = read_sequences(given, file_pattern="*_{label}_{id}", label_per="step")
    assert [y.tolist() for y in data.y] == [["sit"] * 2, ["walk"] * 2, ["walk"] * 2]
    assert data.ids == ["p1_sit_2", "p1_walk_1", "p2_walk_1"]  # {id} alone is not unique


def test_folders_and_columns_name_recordings(csv):
    for place in ("one", "two"):
        path = csv("recording,ax\n7,1\n8,2\n", f"{place}/a.csv")
    data = read_sequences([path, csv("recording,ax\n7,1\n9,2\n", "one/a.csv")])
    assert data.ids == ["two/a/7", "8", "one/a/7", "9"]
    both = [path.parents[1] / "one/a.csv", path]
    assert read_sequences(both, id_column="", drop=["recording"]).ids == ["one/a", "two/a"]
    data = read_sequences(both, id_column="", drop=["recording"], file_pattern="{group}/*")
    assert data.groups == ["one", "two"]


def test_files_that_do_not_go_together(csv, tmp_path):
    a, b = csv("ax,label\n1,Walk\n", "a.csv"), csv("ax,ay,label\n1,2,Walk\n", "b.csv")
    with refuses_data(
        f"{str(b)!r} has the column 'ay', which {str(a)!r} lacks, but all files need the same "
        "columns: rename or add it, or say drop=['ay']."
    ):
        read_sequences([a, b])
    assert read_sequences([a, b], drop=["ay"]).feature_names == ["ax"]
    b = csv("label,ax\nwalk,2\n", "b.csv")
    with refuses_data(
        f"line 2 of {str(b)!r} has the label 'walk', and line 2 of {str(a)!r} has 'Walk' in column "
        "'label', which differ in capitals alone: write them alike."
    ):
        read_sequences([a, b])
    b = csv("label,ax\nwalk,2\nWalk,3\n", "b.csv")  # both in one file: told
    assert "the labels 'Walk' and 'walk' differ in capitals alone" in read_sequences([b]).facts.told
    b = csv("label,ax\nsit,2\n", "b.csv")
    assert [x.tolist() for x in read_sequences([a, b]).x] == [[[1]], [[2]]]
    with refuses_data(
        f"path names {str(a)!r} twice, but each file was wanted once: leave one out."
    ):
        read_sequences([a, a])
    with refuses_data(
        f"path names {str(a)!r} and 'x.npz', but tables and arrays are not read together: name one "
        "kind, such as *.csv."
    ):
        read_sequences([a, "x.npz"])
    with refuses_data(
        f"{str(a)!r} is not called as file_pattern='{{group}}_*' wants: rename it, leave it out, "
        "or write * for what does not matter."
    ):
        read_sequences(a, file_pattern="{group}_*")
    with refuses_data(f"path is '{tmp_path}/*.tsv', but no file is called so: check its name."):
        read_sequences(f"{tmp_path}/*.tsv")
    with refuses_data("path is an empty list, but at least one file was wanted: name one."):
        read_sequences([])


def test_groups_belong_to_recordings(csv):
    path = csv("recording,who,ax\na,p,1\na,q,2\n")
    assert refusal(path, group_column="who") == (
        "line 3 of FILE has another 'who' than the line before it in the recording 'a', but one "
        "recording has one: correct it, or name the column that tells recordings apart with "
        "id_column=."
    )
