"""Files as spreadsheets leave them: capitals, empty cells at the ends, a first line of no names.
What is plain is read; what is not is refused with what to do.
"""

import pytest

import minilstm as ml
from minilstm.data.description import DataDescription
from minilstm.data.files.readers import read_tables
from minilstm.data.recordings.files import sources_of
from minilstm.errors import DataError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "d.csv"


def read(path, known=(), **options):
    """What a command reads for a network that knows its features."""
    return read_tables(path, sources_of(path), DataDescription(**options), known).sequences


PLAIN = "sequence,ax,label\na,1,x\na,2,y\nb,3,x\n"


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        (PLAIN, 0),
        (PLAIN.replace("sequence", "Sequence").replace("label", "LABEL"), 0),
        (PLAIN.replace("sequence", "Recording_ID").replace("label", "Class"), 0),
        (PLAIN + ",,\n,,\n", 2),
        (PLAIN.replace("b,", ",,\n\nb,") + ' , "",\n', 2),
        (PLAIN.replace("\n", ",,\n") + ",,,,\n", 1),
        (PLAIN.replace("label\n", "label,\n"), 0),
    ],
)
def test_what_spreadsheets_add_is_left_out(path, text, empty):
    path.write_text(text)
    data = ml.read_sequences(path)
    assert [a.tolist() for a in data.x] == [[[1], [2]], [[3]]]
    assert [a.tolist() for a in data.y] == [["x", "y"], ["x"]]
    assert (data.ids, data.feature_names, data.facts.empty_lines) == (["a", "b"], ["ax"], empty)


def test_a_name_in_small_letters_comes_first_and_known_features_stay(path):
    path.write_text("Sequence,sequence,Label,label\n1,a,2,x\n")
    data = ml.read_sequences(path)
    said = data.facts.description
    assert (said.id_column, said.label_column) == ("sequence", "label")
    assert data.feature_names == ["Sequence", "Label"]
    assert data.x[0].tolist() == [[1, 2]]
    path.write_text("sequence,Class,Y\na,1,2\n")
    data = read(path, known=["Class", "Y"])
    assert (data.y, data.feature_names) == (None, ["Class", "Y"])


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("\n# made by a logger\n" + PLAIN, {}, "path {} starts with the line '# made by a logger', "
         "which is a comment, but a header of column names was wanted: remove line 2."),
        (PLAIN.replace("\n", ",\n", 2).replace("y\n", "y,7\n"), {}, "line 3 of {} has '7' in "
         "column 4, which has no name, but a name above each column was wanted: add it, or remove "
         "the column, or say on_bad_line='skip' (--on-bad-line skip) to leave such lines out."),
        ("ax,ay\n1,2\n", {"known": ["ax", "ay"]}, "id_column was not given, and none of the columns"
         " ax, ay of {} is called sequence, sequence_id, recording or recording_id: say "
         "id_column='' where the whole file is one sequence, or name the column that tells "
         "sequences apart."),
        (PLAIN, {"id_column": ""}, "{} has the columns sequence, ax, label, but 'sequence' "
         "holds text: say id_column='sequence', or drop=['sequence']."),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_refused_with_what_to_do(path, text, options, sentence):
    path.write_text(text)
    with pytest.raises(DataError) as told:
        read(path, **options)
    assert str(told.value) == sentence.format(repr(str(path)))


def test_the_sequences_are_those_of_the_public_reader(path):
    path.write_text(PLAIN.replace("sequence", "SEQUENCE") + ",,\n")
    assert ml.read_sequences(path).ids == ["a", "b"]
