"""Tables from text, packed or not, from Parquet, Excel and frames: values, lines, what is told.
The fast way of reading gives the bits of the exact way, or leaves a text to it."""

import gzip
import io
import struct

import numpy as np
import pytest
from campaigns import cases

from minilstm.data.description import DataDescription
from minilstm.data.tables import frame_table, read_table
from minilstm.data.tables import text as text_module
from minilstm.errors import DataError

NAN = float("nan")


def read(tmp_path, data, name="a.csv", **said):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_table(path, DataDescription(**said))


def told(tmp_path, data, name="a.csv", **said):
    with pytest.raises(DataError) as error:
        read(tmp_path, data, name, **said)
    return str(error.value).replace(repr(str(tmp_path / name)), "FILE")


def plain(table):
    return {name: values.tolist() for name, values in table.columns.items()}


SKIP = {"on_bad_line": "skip"}


@pytest.mark.parametrize(
    ("data", "said", "columns", "lines", "found"),
    [
        ("a;b\n1,5;x\n;y\n", {}, {"a": [1.5, NAN], "b": ["x", "y"]}, [2, 3],
         {"separator": ";", "decimal": ","}),
        ("a;b\n1.5;1,5\n", {}, {"a": [1.5], "b": ["1,5"]}, [2], {"separator": ";"}),
        ("a\tb\n1\tx y\n", {}, {"a": [1], "b": ["x y"]}, [2], {"separator": "\t"}),
        ("a | b\n1 | 2\n", {}, {"a": [1], "b": [2]}, [2], {"separator": "|"}),
        ("a\tb\n1,5\t2\n", {"decimal": ",", "separator": "tab"}, {"a": [1.5], "b": [2]}, [2], {}),
        ("sep=;\r\na;b\r\n1;2\r\n", {}, {"a": [1], "b": [2]}, [3], {"separator": ";"}),
        ("a,b;c\n1,2\n", {}, {"a": [1], "b;c": [2]}, [2], {}),
        ("a, b\r\n1, x\r\n\r\n,\r\nNA,y\r\n", {}, {"a": [1, NAN], "b": ["x", "y"]}, [2, 5], {}),
        ("id,label,x\n007,1.0,3\n", {"id_column": "id"},
         {"id": ["007"], "label": ["1.0"], "x": [3]}, [2], {}),
        (",a\n0,1.5\n1,2\n0,3\n", {}, {"a": [1.5, 2, 3]}, [2, 3, 4],
         {"index column": "left out (without a name)"}),
        ("a\n1_0\ninf\n\u0661\n", {}, {"a": ["1_0", "inf", "\u0661"]}, [2, 3, 4], {}),
        ("a,b\n1,x\n2\n3,y\nz,w\n", SKIP, {"a": [1, 3], "b": ["x", "y"]}, [2, 4], {}),
        ('a,b\n1,x\n"2,y\n3,z\n', SKIP, {"a": [1, 3], "b": ["x", "z"]}, [2, 4], {}),
        ("a,b\nà,1\n".encode("utf-16"), {}, {"a": ["à"], "b": [1]}, [2], {"encoding": "utf-16"}),
        ("a,b\nà,1\n".encode("cp1252"), {"encoding": "cp1252"}, {"a": ["à"], "b": [1]}, [2],
         {"encoding": "cp1252"}),
        (gzip.compress(b"\xef\xbb\xbfa,b\n1,2\n", mtime=0), {}, {"a": [1], "b": [2]}, [2], {}),
    ],
)  # fmt: skip
def test_text(tmp_path, data, said, columns, lines, found):
    table = read(tmp_path, data, **said)
    assert str(plain(table)) == str({k: [*map(type(v[0]), v)] if isinstance(v[0], str) else
                                     [*map(float, v)] for k, v in columns.items()})  # fmt: skip
    assert (table.lines.tolist(), dict(table.found)) == (lines, found)


def test_what_is_left_out_is_counted(tmp_path):
    table = read(tmp_path, "a,b\n1,x\n2\n,\n3,y\nz,w\n", **SKIP)
    assert (table.skipped, table.first_skipped, table.empty) == (2, 3, 1)


@pytest.mark.parametrize(
    ("data", "said", "sentence"),
    [
        ("a;b,c\n1;2,3\n", {}, "path FILE starts with the line 'a;b,c', whose columns may be "
         "separated by a comma or by a semicolon: say separator=',' or separator=';' "
         "(--separator ',')."),
        ("a;b\n1;2\n", {"separator": ","}, "path FILE starts with the line 'a;b', which has a "
         "semicolon between its columns, but a comma was wanted: say separator=';' "
         "(--separator ';')."),
        ("a,b\n1,x\n2\n", {}, "line 3 of FILE has 1 columns, but the header has 2 (a, b): complete "
         "or remove the line, or say on_bad_line='skip' (--on-bad-line skip) to leave such lines "
         "out."),
        ("a,b\n1,x\nà,1\n".encode("cp1252"), {}, "line 3 of FILE is not UTF-8 text (byte 0xE0): "
         "say encoding='cp1252' (--encoding cp1252) where Excel on Windows wrote it, or save it "
         "again as UTF-8."),
        ("a\n1\n", {"encoding": "hex"}, "encoding is 'hex', but the name of an encoding was "
         "wanted, such as 'utf-8', 'utf-16' or 'cp1252': choose one of them."),
        ("a\n1\n", {"separator": "ab"}, "separator is 'ab', but one letter was wanted: give ',', "
         "';' or a tab."),
        (",a\n1,5\n0.5,6\n", {}, "path FILE has no name above column 1, but a name above each "
         "column was wanted: add it, or remove the column (pandas leaves its index out with "
         "index=False)."),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-5], {}, "path FILE is packed with gzip and is "
         "damaged or not whole: get it again."),
        (b"\xd0\xcf\x11\xe0rest", {}, "path FILE is a workbook of the old kind (.xls), but .xlsx "
         "was wanted: save it again as .xlsx or .csv."),
    ],
)  # fmt: skip
def test_refusals(tmp_path, data, said, sentence):
    assert told(tmp_path, data, **said) == sentence


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a;b\n1,5;2\n")))
    table = read_table("-")
    assert (plain(table), table.source) == ({"a": [1.5], "b": [2.0]}, "standard input")


def drawn_cell(rng):
    kind = rng.integers(12)
    if kind == 0:
        bits = int(rng.integers(2**63)) | int(rng.integers(2)) << 63
        return repr(struct.unpack("d", struct.pack("Q", bits))[0])
    if kind == 1:
        return rng.choice(["", "NA", "NaN", " 1", "2 ", "+3", ".5", "5.", "1e400", "1e-400"])
    if kind == 2:
        return f"{rng.integers(2**62)}.{rng.integers(2**62)}e{rng.integers(-330, 300)}"
    return f"{rng.normal():.{rng.integers(1, 25)}g}"


ODD = ["True", "1_0", "inf", "\u0661", '"1"', "x", "1,5", "0x1", "nan,1", '"a\nb"', "\r", "\n", ""]


@pytest.mark.campaign
def test_the_fast_way_gives_the_same_bits(tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    fast = []

    def noted(*given, read=text_module.fast_columns):
        fast.append(read(*given) is not None)
        return read(*given)

    monkeypatch.setattr(text_module, "fast_columns", noted)
    for _ in range(cases(4_000)):
        rows = [[drawn_cell(rng), drawn_cell(rng), rng.choice(["go", "stop ", "x é"])]
                for _ in range(rng.integers(1, 30))]  # fmt: skip
        if rng.random() < 0.4:
            rows[rng.integers(len(rows))][rng.integers(3)] = rng.choice(ODD)
        if rng.random() < 0.1:
            del rows[rng.integers(len(rows))][-1]
        path = tmp_path / "a.csv"
        path.write_text("a,b,c\n" + "".join(",".join(row) + "\n" for row in rows), newline="")
        answers = []
        for worth in (False, True):
            monkeypatch.setattr(text_module, "is_worth_it", lambda source, w=worth: w)
            try:
                table = read_table(path)
                answers.append([(v.dtype.kind, v.tobytes() if v.dtype.kind == "f" else v.tolist())
                                for v in (*table.columns.values(), table.lines)]
                               + [table.empty])  # fmt: skip
            except DataError as error:
                answers.append(str(error))
        assert answers[0] == answers[1], path.read_text()
    assert 0.1 * len(fast) < sum(fast) < 0.9 * len(fast)  # each way had its share


def test_parquet_and_excel(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pytest.importorskip("openpyxl")
    frame = pandas.DataFrame(
        {
            "x": pandas.array([1, None], "Int64"),
            "c": pandas.Categorical(["u", None]),
            "label": [2, 3],
        }
    )
    wanted = "{'x': [1.0, nan], 'c': ['u', ''], 'label': ['2', '3']}"
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_excel(tmp_path / "a.xlsx")
    for name in ("a.parquet", "a.xlsx"):
        assert str(plain(read_table(tmp_path / name))) == wanted
    stamps = pandas.to_datetime(["2024-01-01", "2024-01-02"])
    frame.set_index(stamps).to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert table.columns["time"].tolist() == stamps.to_numpy("datetime64[ns]").tolist()
    assert table.found == {"index column": "read as 'time'"}
    with pandas.ExcelWriter(tmp_path / "b.xlsx") as book:
        frame.to_excel(book, sheet_name="one", index=False)
        frame[["x"]].to_excel(book, sheet_name="two", index=False)
    with pytest.raises(DataError, match="say which one to read, with sheet='one' "):
        read_table(tmp_path / "b.xlsx")
    two = read_table(tmp_path / "b.xlsx", DataDescription(sheet="two"))
    assert (plain(two), two.lines.tolist()) == ({"x": [1.0]}, [2])


def test_frames():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    stamps = pandas.to_datetime(["2024-01-01", None])
    zone = pandas.to_datetime(["2024-01-01", None]).tz_localize("Etc/GMT-1")
    table = frame_table(
        pandas.DataFrame(
            {"t": stamps, "z": zone, "b": pandas.array([True, None], "boolean"), "s": ["a", None]}
        )
    )
    assert [v.dtype.str[1:] for v in table.columns.values()] == ["M8[ns]", "M8[ns]", "f8", "U1"]
    assert str(table.columns["z"][0]) == "2023-12-31T23:00:00.000000000"
    assert np.isnat(table.columns["t"]).tolist() == [False, True]
    assert str(table.columns["b"]) == "[ 1. nan]" and table.columns["s"].tolist() == ["a", ""]
    table = frame_table(
        polars.DataFrame({"i": [1, None], "run": [7, 8]}), "p", DataDescription(id_column="run")
    )
    assert str(plain(table)) == "{'i': [1.0, nan], 'run': ['7', '8']}"
    table = frame_table({"x": np.ma.array([1, 2], mask=[0, 1]), "y": [0.5, 1]})
    assert str(plain(table)) == "{'x': [1.0, nan], 'y': ['0.5', '1.0']}"
