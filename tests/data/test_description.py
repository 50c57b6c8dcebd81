"""The description of a data set: fields, files and what is refused, word for word.
It is the same in Python, in TOML and in a model file."""

import pytest
from agreement import refuses_data

from minilstm.data import DataDescription
from minilstm.data.description import did_you_mean

ALL = {
    "id_column": "run", "time_column": "t", "time_unit": "ms", "label_column": "",
    "label_per": "sequence", "target_columns": ["speed"], "features": ["ax", "ay"],
    "drop": ["i"], "group_column": "who", "channel_column": "c", "value_column": "v",
    "sort_by": "t", "separator": ";", "decimal": ",", "encoding": "cp1252", "sheet": "2",
    "file_pattern": "{group}_{label}_*", "fill": "split", "missing_labels": [],
    "on_bad_line": "skip",
}  # fmt: skip


def test_plain_toml_and_back(tmp_path):
    said = DataDescription.from_plain(ALL)
    assert said.to_plain() == ALL and said.features == ("ax", "ay")
    path = tmp_path / "data.toml"
    lines = [f"{k} = {v if isinstance(v, list) else repr(v)}" for k, v in ALL.items()]
    path.write_text("\n".join(lines))
    assert DataDescription.from_toml(path) == said
    assert DataDescription().to_plain() == {}


def test_toml_takes_the_names_of_the_command_line(tmp_path):
    path = tmp_path / "data.toml"
    path.write_text("id-column = 'run'\ntarget-columns = ['a']\nfill = 'split'\n")
    wanted = DataDescription(id_column="run", target_columns=["a"], fill="split")
    assert DataDescription.from_toml(path) == wanted
    path.write_text("id-column = 'run'\nid_column = 'walk'\n")
    sentence = f"path {str(path)!r} says id-column and id_column, which are one; leave one of them"
    with refuses_data(f"{sentence} out."):
        DataDescription.from_toml(path)


def test_words_go_before_a_file():
    first = DataDescription(fill="linear", missing_labels=[])
    other = DataDescription(fill="split", id_column="")
    assert first.over(other) == DataDescription(fill="linear", missing_labels=[], id_column="")


COLUMNS = "but a list of different columns was wanted: give ['ax', 'ay'], say."


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("fill", "mean", "fill is 'mean', but 'error', 'previous', 'linear' or 'split' was wanted: "
         "choose one of them."),
        ("time_unit", 1, "time_unit is 1, but 's', 'ms', 'us' or 'ns' was wanted: choose one of "
         "them."),
        ("features", "ax", f"features is 'ax', {COLUMNS}"),
        ("target_columns", [], f"target_columns is [], {COLUMNS}"),
        ("drop", ["a", "a"], f"drop is ['a', 'a'], {COLUMNS}"),
        ("id_column", 3, "id_column is 3, but text was wanted: give a name."),
        ("separator", "ab", "separator is 'ab', but one letter was wanted: give ',', ';' or a "
         "tab."),
        ("encoding", "utf-9", "encoding is 'utf-9', but the name of an encoding was wanted: give "
         "'utf-8', 'cp1252' or 'utf-16', say."),
        ("file_pattern", "{who}_*", "file_pattern is '{who}_*', but one or more of {id}, {group} "
         "and {label} were wanted, each once, with * for what does not matter: give "
         "'{group}_{label}_*', say."),
        ("missing_labels", "NA", "missing_labels is 'NA', but a list of words was wanted: give "
         "['NA'], say, or [] where every word is a class."),
    ],
)  # fmt: skip
def test_what_no_field_can_be(field, value, sentence):
    with refuses_data(sentence):
        DataDescription.from_plain({field: value})


def test_a_field_that_is_none(tmp_path):
    names = ", ".join(DataDescription.__dataclass_fields__)
    with refuses_data(
        f"a data description has no field 'lable_column', but {names}; did you mean 'label_column'."
    ):
        DataDescription.from_plain({"lable_column": "x"})
    path = tmp_path / "a.toml"
    path.write_text("id_column = \n")
    with pytest.raises(ValueError, match=r"^path '.*' is not TOML \(Invalid value \(at line 1, "):
        DataDescription.from_toml(path)
    assert did_you_mean("TIEM", ["time", "label"]) == "; did you mean 'time'"
    assert did_you_mean("q", ["time", "label"]) == ""
