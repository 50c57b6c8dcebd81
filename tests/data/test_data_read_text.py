"""Reading .csv and .ts files: columns, lengths, labels, the way back through the writer, refusals.
A refusal is asserted word for word, with FILE in place of the path."""

import io
import time

import numpy as np
import pytest
from agreement import assert_same_arrays, refusal

from minilstm.data import read_sequences, write_csv

X = [np.array([[0.1, 2.0], [-3.5, 1e-30], [7.0, 8.0]]), np.array([[1 / 3, 5.0]])]
STEPS = [np.array(["go", "stop", "go"]), np.array(["stop"])]


def csv(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv_round_trip(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, X, STEPS, feature_names=["p", "q"], ids=["one, a", 'two "b"'])
    data = read_sequences(path)
    assert_same_arrays(data.x, X)
    assert_same_arrays(data.y, STEPS)
    assert (data.feature_names, data.ids) == (["p", "q"], ["one, a", 'two "b"'])
    small = [x.astype(np.float32) for x in X]
    write_csv(path, small, np.array([3, -4]))
    data = read_sequences(path, label_per="sequence")
    assert_same_arrays([x.astype(np.float32) for x in data.x], small)
    assert (data.y.tolist(), data.y.dtype) == ([3, -4], np.int64)
    assert [y.tolist() for y in read_sequences(path).y] == [[3, 3, 3], [-4]]
    write_csv(path, X)
    assert read_sequences(path).y is None


def test_csv_columns(tmp_path):
    path = csv(tmp_path, "\ufeffrun,x,y,z\r\n1,0,1,2\r\n1,3,4,5\r\n\r\n")
    data = read_sequences(path, id_column="run")
    assert (data.feature_names, data.y, data.ids) == (["x", "y", "z"], None, ["1"])
    data = read_sequences(path, id_column="run", label_column="y")
    assert (data.feature_names, data.y[0].tolist()) == (["x", "z"], [1, 4])
    data = read_sequences(path, id_column="", label_column="run")
    assert (data.x[0].shape, data.ids, data.y[0].tolist()) == ((2, 3), ["0"], [1, 1])
    path = csv(tmp_path, "t,sequence,y\n0,b,up\n1,b,down\n0,a,up\n")
    data = read_sequences(path)
    assert (data.feature_names, data.ids) == (["t"], ["b", "a"])
    assert read_sequences(csv(tmp_path, "sequence,x,class\n1,2,k\n")).y[0].tolist() == ["k"]
    data = read_sequences(csv(tmp_path, "sequence,x,label\n1,2,3\n"), label_column="")
    assert (data.feature_names, data.y) == (["x", "label"], None)


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [(["1", "-2"], [1, -2]), (["1", "x"], ["1", "x"]), (["007", "1"], ["007", "1"]),
     (["1.0", "2"], [1, 2]), (["-0.0", "1.0"], [0, 1]), (["1.0", "x"], ["1", "x"]),
     (["1.0", "1", "x"], ["1", "1", "x"]), (["-0.0", "+1", "1e3"], ["0", "+1", "1e3"]),
     (["9223372036854775807.0", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
     (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
     (["9" * 30, "1"], ["9" * 30, "1"])],
)  # fmt: skip
def test_csv_labels_mean_the_same_beside_any_others(tmp_path, labels, wanted):
    path = csv(tmp_path, "sequence,x,label\n" + "".join(f"a,0,{k}\n" for k in labels))
    assert read_sequences(path).y[0].tolist() == wanted


@pytest.mark.parametrize("labels", [["0.5", "1.0"], ["go", "0.5"], ["1", "0.5"]])
def test_a_fraction_is_no_label(tmp_path, labels):
    path = csv(tmp_path, "sequence,x,label\n" + "".join(f"a,0,{k}\n" for k in labels))
    assert refusal(path) == (
        f"line {2 + labels.index('0.5')} of FILE, column 'label', has the label 0.5, but whole "
        "numbers within 64 bits were wanted: number the classes from 1, write their names, or say "
        "target_columns=['label'] for numbers to be predicted."
    )
    assert read_sequences(path, missing_labels=["0.5"]).y[0].tolist() == [
        {"0.5": "", "1.0": "1"}.get(label, label) for label in labels
    ]


def test_a_listed_number_is_missing_however_it_is_written(tmp_path):
    path = csv(tmp_path, "sequence,x,label\na,0,-1.0\na,0,-1\na,0,2\n")
    for word in ("-1", "-1.0"):
        assert read_sequences(path, missing_labels=[word]).y[0].tolist() == ["", "", "2"]


PLAIN = "but plain text in UTF-8 was wanted: save it again as UTF-8, or remove that character."
NUMBER = "in column 'x', but a finite number was wanted: correct or remove the line."
GAP = (
    "no number in column 'x', but one was wanted: fill it in, or say fill='linear', "
    "fill='previous' or fill='split'."
)
CSV_REFUSALS = {
    "empty": (
        "", {},
        "path FILE is empty, but a header line and at least one step were wanted: check what "
        "wrote it.",
    ),
    "header only": (
        "sequence,x\n", {},
        "path FILE has a header but no steps, but at least one was wanted: check what wrote it.",
    ),
    "no header": (
        "1,2.5,3\n1,2,3\n", {},
        "path FILE starts with the line '1,2.5,3', which holds numbers, but a header of column "
        "names was wanted: put one name above each column.",
    ),
    "one column": (
        "sequence\na\n", {},
        "path FILE has the columns sequence, but a sequence id and at least one feature, separated "
        "by commas, were wanted: add them, or give id_column.",
    ),
    "a name twice": (
        "sequence,x, x\na,1,2\n", {},
        "path FILE has two columns called 'x', but different names were wanted: rename one of "
        "them.",
    ),
    "missing column": (
        "sequence,x,label\na,1,go\na,2\n", {},
        "line 3 of FILE has 2 columns, but the header has 3 (sequence, x, label): complete or "
        "remove the line, or say on_bad_line='skip' (--on-bad-line skip) to leave such lines out.",
    ),
    "text": (
        "sequence,x\na,1\n\na,fast\n", {},
        "line 4 of FILE has 'fast' in column 'x', but a finite number was wanted: correct or "
        "remove the line, or say label_column='x' where these are the labels.",
    ),
    "header again": (
        "sequence,x\na,1\nsequence,x\nb,2\n", {},
        "line 3 of FILE repeats the header, but numbers were wanted: remove the line.",
    ),
    "thousands": (
        'sequence,x\na,"1,234.5"\n', {},
        "line 2 of FILE has '1,234.5' in column 'x', but a finite number was wanted: write it with "
        "a point, and with nothing between thousands.",
    ),
    "infinity": ("sequence,x\na,1e400\n", {}, f"line 2 of FILE has '1e400' {NUMBER}"),
    "other digits": ("sequence,x\na,\u0661\n", {}, f"line 2 of FILE has '\u0661' {NUMBER}"),
    "two infinities": ("sequence,x,b\na,inf,-inf\n", {}, f"line 2 of FILE has 'inf' {NUMBER}"),
    "NUL": ("sequence,x\na,1\na\0,2\n", {}, "line 3 of FILE holds a NUL byte, " + PLAIN),
    "UTF-16 without a mark": ("sequence,x\n".encode("utf-16-le"), {},
                              "line 1 of FILE holds a NUL byte, " + PLAIN),
    "a second mark": ("sequence,x\na,1\n\ufeffsequence,x\n", {},
                      "line 3 of FILE holds a byte order mark in its middle, " + PLAIN),
    "UTF-32": (
        "sequence,x\na,1\n".encode("utf-32"), {},
        "path FILE is text in UTF-32, but UTF-8 or UTF-16 was wanted: save it again as one of "
        "them, for example with iconv -f UTF-32 -t UTF-8.",
    ),
    "y beside x": (
        "sequence,x,y\na,1,2\n", {},
        "label_column was not given, and the column 'y' of FILE holds numbers beside a column 'x', "
        "so it may be a label or a feature: say label_column='y', or label_column='' for a "
        "feature.",
    ),
    "y of fractions": (
        "sequence,a,y\na,1,0.5\n", {},
        "label_column was not given, and the column 'y' of FILE holds fractions, so it may be a "
        "label or a feature: say label_column='y', or label_column='' for a feature, or "
        "target_columns=['y'] for numbers to be predicted.",
    ),
    "nan": ("sequence,x\na,NaN\n", {}, f"line 2 of FILE has {GAP}"),
    "blank": ("sequence,x\na,\n", {}, f"line 2 of FILE has {GAP}"),
    "underscore": ("sequence,x\na,1_0\n", {}, f"line 2 of FILE has '1_0' {NUMBER}"),
    "huge": ("sequence,x\na,1e999\n", {}, f"line 2 of FILE has '1e999' {NUMBER}"),
    "no label": (
        "sequence,x,label\na,1,\n", {},
        "line 2 of FILE, column 'label', has the missing label '', but every label has to be "
        "known: fill it in, or give missing_labels=[''] to read it as '', and train with "
        "loss=minilstm.CrossEntropy(ignored_labels=['']).",
    ),
    "back again": (
        "sequence,x\na,1\nb,2\na,3\n", {},
        "line 4 of FILE goes back to sequence 'a', but the lines of a sequence have to stand "
        "together: sort the file by sequence, then by time, or name a column to sort by with "
        "sort_by=.",
    ),
    "no id": (
        "second,a,label\n0,1,u\n1,2,v\n", {},
        "id_column was not given, and none of the columns second, a, label of FILE is called "
        "sequence, sequence_id, recording or recording_id: say id_column='' where the whole file "
        "is one sequence, or name the column that tells sequences apart.",
    ),
    "possible ids": (
        "a,run,who,kind,b,back\n" + "".join(
            f"{k},{k // 2},p{k // 2},k,{k // 2 + 0.5},q{k // 2 % 2}\n" for k in range(6)
        ), {},
        "FILE has the columns a, run, who, kind, b, back, but no column is called 'recording', "
        "'who' seems to name persons or places, 'kind' holds text and 'back' is no plain "
        "measurement: say id_column='run', group_column='who', label_column='kind' and "
        "drop=['back'].",
    ),
    "the id as the label": (
        "sequence,a,b,label\ns,1,2,u\n", {"label_column": "sequence"},
        "FILE has the columns sequence, a, b, label, but no column is called 'recording' and "
        "'label' is no plain measurement: say id_column='' and drop=['label'].",
    ),
    "unknown column": (
        "sequence,x\na,1\n", {"label_column": "kind"},
        "label_column is 'kind', but the columns are sequence, x: name one of them.",
    ),
    "two labels": (
        "sequence,x,label\na,1,go\na,2,go\na,3,stop\n", {"label_per": "sequence"},
        "label_per is 'sequence', but line 4 of FILE has the label 'stop' after 'go' in the same "
        "sequence: make them equal, or read with label_per='step' and cut windows, "
        "minilstm.data.windows(length, step).",
    ),
    "label_per": (
        "sequence,x\na,1\n", {"label_per": "auto"},
        "label_per is 'auto', but 'step' or 'sequence' was wanted: choose one of them.",
    ),
    "latin-1": (
        "sequence,x\na,1\nà,1\n".encode("latin-1"), {},
        "line 3 of FILE is not UTF-8 text (byte 0xE0): say encoding='cp1252' (--encoding cp1252) "
        "where Excel on Windows wrote it, or save it again as UTF-8.",
    ),
    "quotes": (
        'sequence,x\n"a"b,1\n', {},
        "line 2 of FILE has 'b,1' behind a closing quote, but a comma was wanted (the cell starts "
        "on line 2): correct its quotes.",
    ),
    "open quote": (
        'sequence,x\na,1\n"b,1\nc,2\n', {},
        "line 3 of FILE opens a quote that is never closed: close it, or write a quote inside a "
        'cell twice ("").',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV_REFUSALS)
def test_csv_refusal(tmp_path, name):
    text, options, sentence = CSV_REFUSALS[name]
    assert refusal(csv(tmp_path, text), **options) == sentence


@pytest.mark.alone
def test_csv_of_a_third_of_a_million_lines_takes_seconds(tmp_path):
    lines = io.StringIO()
    lines.write("sequence,x,y,z,label\n")
    lines.writelines(f"{k // 66000},{k * 7 % 11}.25,-{k}.5,0.125,Walking\n" for k in range(330_000))
    path = csv(tmp_path, lines.getvalue())
    start = time.perf_counter()
    data = read_sequences(path)
    assert time.perf_counter() - start < 15.0
    assert [x.shape for x in data.x] == [(66000, 3)] * 5
    assert data.x[4][-1].tolist() == [4.25, -329999.5, 0.125]


# ---------------------------------------------------------------- .ts

HEADER = "# a remark\n@problemName a\n@timeStamps false\n@univariate false\n"
TS = HEADER + "@dimensions 2\n@equalLength false\n@classLabel true up down\n@data\n"


def ts(tmp_path, text):
    path = tmp_path / "a.ts"
    path.write_text(text)
    return path


def test_ts(tmp_path):
    data = read_sequences(ts(tmp_path, TS + "1,2,3:4,5,6:up\n\n# remark\n7:-8e-1:down\n"))
    assert_same_arrays(data.x, [np.array([[1.0, 4], [2, 5], [3, 6]]), np.array([[7.0, -0.8]])])
    assert (data.y.tolist(), data.feature_names, data.ids) == (["up", "down"], None, ["1", "2"])
    data = read_sequences(ts(tmp_path, "@univariate true\n@classLabel true 1 2\n@data\n1,2:2\n"))
    assert (data.x[0].shape, data.y.tolist(), data.y.dtype) == ((2, 1), [2], np.int64)
    data = read_sequences(ts(tmp_path, "@dimension 2\n@classLabel false\n@data\n1,2:3,4\n"))
    assert (data.x[0].tolist(), data.y) == ([[1, 3], [2, 4]], None)


ONCE = (
    "but each of the words @problemname, @timestamps, @missing, @univariate, @dimensions, "
    "@equallength, @serieslength, @classlabel, @targetlabel was wanted once, and @data last: "
    "remove the line, or mark it as a remark with #."
)
TS_REFUSALS = {
    "empty": ("", "path FILE has no line @data, but a .ts file with one was wanted: check that it "
              "is whole."),
    "no rows": (TS, "path FILE has no sequences after @data, but at least one was wanted: check "
                "what wrote it."),
    "early row": ("1,2:3\n", "line 1 of FILE is '1,2:3', but a line that starts with @ was wanted "
                  "before @data: add @data, or mark a remark with #."),
    "time stamps": ("@timeStamps true\n@data\n", "path FILE says @timestamps true, but only false "
                    "can be read: remove the time stamps."),
    "targets": ("@targetLabel true\n@data\n", "path FILE says @targetlabel true, but only false "
                "can be read: use classes as labels."),
    "no classLabel": ("@data\n1:2\n", "path FILE says @classLabel nowhere, but true with the "
                      "classes, or false, was wanted: correct that line."),
    "dimensions": ("@dimensions two\n@classLabel false\n@data\n", "path FILE says @dimensions two, "
                   "but a whole number from 1 was wanted: correct that line."),
    "dimensions and tab": ("@univariate\ttrue\n@dimensions\t2\n@classLabel false\n@data\n1:2\n",
                           "path FILE says @univariate true and @dimensions 2, but univariate is "
                           "one dimension: correct one of the two lines."),
    "series length": ("@seriesLength 9\n@classLabel false\n@data\n1,2\n", "line 4 of FILE has 2 "
                      "steps, but @seriesLength says 9: correct the line or the header."),
    "class twice": ("@classLabel true a b a\n@data\n1:a\n", "path FILE says @classLabel true a b "
                    "a, but true with the classes, each once, or false alone was wanted: correct "
                    "that line."),
    "neither true nor false": ("@equalLength maybe\n@classLabel false\n@data\n1\n", "path FILE "
                               "says @equallength maybe, but true or false was wanted: correct "
                               "that line."),
    "word twice": (f"@dimension 2\n{TS}1:2:up\n", f"line 6 of FILE is '@dimensions 2', {ONCE}"),
    "unknown word": (f"@rate 50\n{TS}1:2:up\n", f"line 1 of FILE is '@rate 50', {ONCE}"),
    "data on its line": ("@classLabel false\n@data 1,2\n3,4\n", f"line 2 of FILE is '@data 1,2', "
                         f"{ONCE}"),
    "missing label": (TS + "1:2:?\n", "line 9 of FILE has the missing label '?', but every label "
                      "has to be known: fill it in, or give missing_labels=['?'] to read it as '', "
                      "and train with loss=minilstm.CrossEntropy(ignored_labels=['']); give "
                      "missing_labels=[] where '?' is a class."),
    "few dimensions": (TS + "1,2:up\n", "line 9 of FILE has 1 dimensions, but 2 were wanted: "
                       "correct the line or the header."),
    "lengths": (TS + "1,2:3:up\n", "line 9 of FILE has dimensions of 1 and of 2 steps, but all "
                "dimensions of a sequence need the same number: complete the line."),
    "equal length": (TS.replace("Length false", "Length true") + "1:2:up\n1,2:3,4:up\n",
                     "line 10 of FILE has 2 steps, but @equalLength true asks for 1: correct the "
                     "line, or say @equalLength false."),
    "missing": (TS + "1,?:3,4:up\n", "line 9 of FILE has '?' at step 1 of dimension 0, but a "
                "finite number was wanted: fill in or remove it."),
    "nan": (TS + "1,2:3,NaN:up\n", "line 9 of FILE has 'NaN' at step 1 of dimension 1, but a "
            "finite number was wanted: fill in or remove it."),
    "label": (TS + "1:2:left\n", "line 9 of FILE ends in the label 'left', but one of up, down was "
              "wanted: correct it."),
    "cut short": (TS + "1:2:up\n1,2:3", "line 10 of FILE ends in the label '3', but one of up, "
                  "down was wanted: correct it."),
}  # fmt: skip


@pytest.mark.parametrize("name", TS_REFUSALS)
def test_ts_refusal(tmp_path, name):
    text, sentence = TS_REFUSALS[name]
    assert refusal(ts(tmp_path, text)) == sentence


def test_ts_of_bytes(tmp_path):
    path = tmp_path / "a.ts"
    path.write_bytes(b"@data\xff\n")
    assert refusal(path) == (
        "path FILE is not UTF-8 text at byte 5, but a .ts file was wanted: save it again in that "
        "encoding."
    )
