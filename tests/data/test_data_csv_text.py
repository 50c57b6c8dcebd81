"""CSV as it is written and taken apart: what is written reads back the same, here and elsewhere.
Python's own csv module stands for other programs.
"""

import csv
import io

import numpy as np
import pytest
from agreement import refuses_data
from campaigns import cases

from minilstm.data import read_sequences, write_csv
from minilstm.data.files.csv_text import csv_line, csv_records

LETTERS = [*'ab,"\n\r\t \u00a0\u2028é数\U0001f600;\x0b|_0.']


def drawn(rng):
    """One to five cells of nasty text."""
    return ["".join(rng.choice(LETTERS, rng.integers(0, 6))) for _ in range(rng.integers(1, 6))]


@pytest.mark.campaign
def test_what_is_written_reads_back_here_and_elsewhere():
    rng = np.random.default_rng(0)
    for _ in range(cases(100_000)):
        rows = [drawn(rng) for _ in range(2)]
        text = "".join(map(csv_line, rows))
        lines = io.StringIO(text, newline="")
        assert [cells for _, cells in csv_records(lines, "FILE")] == rows
        assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


@pytest.mark.campaign
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
def test_what_other_programs_write_is_read(quoting):
    rng = np.random.default_rng(1)
    for _ in range(cases(40_000)):
        rows = [drawn(rng) for _ in range(2)]
        if quoting == csv.QUOTE_MINIMAL:  # which leaves blanks around a cell as they are
            rows = [[cell.strip() or "x" for cell in row] for row in rows]
        text = io.StringIO(newline="")
        csv.writer(text, quoting=quoting).writerows(rows)
        text.seek(0)
        assert [cells for _, cells in csv_records(text, "FILE")] == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a, b ,\tc\n", [(1, ["a", "b", "c"])]),
        ('" a", "b " ,c\n', [(1, [" a", "b ", "c"])]),
        ('a "b",5" pipe\n', [(1, ['a "b"', '5" pipe'])]),
        ("a,b\r\n\r\n \t\r\nc,\n", [(1, ["a", "b"]), (4, ["c", ""])]),
        ("a\rb\r", [(1, ["a"]), (2, ["b"])]),
        ('"a\n\nb",c\nd,e', [(1, ["a\n\nb", "c"]), (4, ["d", "e"])]),
        ("\ufeff\ufeffa,b\n", [(1, ["a", "b"])]),
        ('""\n', [(1, [""])]),
        (",\n", [(1, ["", ""])]),
    ],
)
def test_cells(text, rows):
    assert list(csv_records(io.StringIO(text, newline=""), "FILE")) == rows


def test_an_empty_text_is_quoted_and_none_is_not():
    assert csv_line([None, "", 1.5, 1 / 3, -0.0, 7, "1_0"]) == (
        ',"",1.5,0.3333333333333333,-0.0,7,1_0\n'
    )


def test_a_long_cell_and_a_quote_that_is_never_closed_take_their_length(tmp_path):
    path = tmp_path / "a.csv"
    label = "long, " + "x" * 10**6
    write_csv(path, [np.zeros((1, 1))], [np.array([label])])
    assert read_sequences(path).y[0].tolist() == [label]
    lines = ['"a,1\n', *(["b,2\n"] * 200_000)]
    sentence = (
        "line 1 of FILE opens a quote that is never closed: close it, or write a quote inside a "
        'cell twice ("").'
    )
    with refuses_data(sentence):
        list(csv_records(lines, "FILE"))


X = [np.array([[0.1, 2.0], [-3.5, 1e-30]])]
NO_TEXT = (
    "but a .csv file cannot hold an empty text, a NUL or a byte order mark so that it reads back: "
    "rename it, or use write_npz."
)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"feature_names": ["", "q"]}, f"feature_names has '', {NO_TEXT}"),
        ({"ids": ["a\0"]}, f"ids has 'a\\x00', {NO_TEXT}"),
        ({"y": [np.array(["up", "\ufeffup"])]}, f"y[0] has '\\ufeffup', {NO_TEXT}"),
        (
            {"feature_names": ["0", "1"]},
            "feature_names has '0', but a header of names was wanted, which no reader takes for "
            "numbers: give it a name such as 'feature_0'.",
        ),
    ],
)
def test_what_would_not_read_back_is_not_written(tmp_path, options, sentence):
    with refuses_data(sentence):
        write_csv(tmp_path / "a.csv", X, **options)
    assert not list(tmp_path.iterdir())
