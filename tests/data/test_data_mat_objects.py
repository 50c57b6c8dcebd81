"""What MATLAB has and no network can use: refused by the name of its class, with MATLAB's way out.
A test takes each way: it writes what MATLAB's function would give, and reads it.
"""

import io
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
from agreement import refusal
from mat_files import cells, mat

from minilstm.data import read_sequences
from minilstm.data.files.mat import objects
from minilstm.data.files.mat.values import Foreign

scipy_io = pytest.importorskip("scipy.io")
scipy_sparse = pytest.importorskip("scipy.sparse")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    matio = pytest.importorskip("matio")
    import pandas
TABLE = pandas.DataFrame({"ax": [0.5, 1.0, 1.5, 2.5], "ay": [1.0, 2.0, 3.0, 5.0]})
ROWS = TABLE.to_numpy().T.copy()  # D x T, what X{:, vartype('numeric')}' gives
TIMES = TABLE.set_index(pandas.to_timedelta([0, 1, 2, 3], unit="s"))
TIMES.index.name = "Time"
STRINGS = np.dtypes.StringDType()


TIMETABLE = "table2array(timetable2table({}, 'ConvertRowTimes', false))"
# A value in place of X: its class, MATLAB's conversion, and what that gives.
IN_X = {
    "table": (TABLE, "table", "X = X{:, vartype('numeric')}'", ROWS),
    "timetable": (TIMES, "timetable", "X = X{:, vartype('numeric')}'", ROWS),
    "tables": (
        cells([TABLE]), "table",
        "X = cellfun(@(v) v{:, vartype('numeric')}', X, 'UniformOutput', false)", cells([ROWS]),
    ),
    "sparse": (scipy_sparse.csc_array(ROWS), "sparse", "X = full(X)", ROWS),
    "struct": ({"walk": ROWS}, "struct", "X = {X.walk}", cells([ROWS])),
    "structs": (
        cells([{"walk": ROWS}]), "struct",
        "X = cellfun(@(v) v.walk, X, 'UniformOutput', false)", cells([ROWS]),
    ),
    "complex": (ROWS * 1j, "complex", "X = [real(X); imag(X)]", np.vstack([0 * ROWS, ROWS])),
    "string": (ROWS.astype(str).astype(STRINGS), "string", "X = str2double(X)", ROWS),
    "datetime": (
        np.array([["2026-01-01T00:00:01", "2026-01-01T00:00:02"]], "M8[ms]"), "datetime",
        "X = posixtime(X)", np.array([[1767225601.0, 1767225602.0]]),
    ),
    "duration": (
        np.array([[1500, 2500]], "m8[ms]"), "duration", "X = seconds(X)", np.array([[1.5, 2.5]]),
    ),
    "nested": (cells([cells([ROWS, ROWS])]), "cell",
               "X = cellfun(@(v) vertcat(v{:}), X, 'UniformOutput', false)",
               cells([np.vstack([ROWS, ROWS])])),
    "char": (np.array(["walk"]), "char", None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_X)
def test_what_stands_in_place_of_numbers(tmp_path, name):
    value, kind, way, repaired = IN_X[name]
    place = "X{1}" if isinstance(value, np.ndarray) and value.dtype == object else "X"
    advice = (
        f"convert it in MATLAB with {way}." if way
        else "choose another variable, or store plain numbers in its place."
    )  # fmt: skip
    for version in ("v7", "v7.3") if name in ("table", "string") else ("v7",):
        assert refusal(mat(tmp_path, version, X=value)) == (
            f"{place} is of class {kind}, but a matrix of real numbers was wanted: {advice}"
        )
    if way:
        data = read_sequences(mat(tmp_path, X=repaired), layout="CT")
        inner = repaired[0, 0] if repaired.dtype == object else repaired
        assert data.x[0].tolist() == inner.T.tolist()


IN_Y = {
    "table": (pandas.DataFrame({"activity": [1.0, 2.0]}), "table", "categorical(table2array(Y))"),
    "timetable": (
        pandas.DataFrame({"a": [1.0, 2.0]}, pandas.to_timedelta([0, 1], unit="s").rename("Time")),
        "timetable", f"categorical({TIMETABLE.format('Y')})",
    ),
    "datetime": (np.array([["2026-01-01", "2026-01-02"]], "M8[ms]"), "datetime", "categorical(Y)"),
    "sparse": (scipy_sparse.csc_array(np.eye(2)), "sparse", "full(Y)"),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_Y)
def test_what_stands_in_place_of_labels(tmp_path, name):
    value, kind, way = IN_Y[name]
    path = mat(tmp_path, X=cells([ROWS, ROWS[:, :3]]), Y=value)
    assert refusal(path) == (
        f"Y is of class {kind}, but labels were wanted: convert it in MATLAB with Y = {way}."
    )
    repaired = pandas.Categorical(["1", "2"])
    path = mat(tmp_path, X=cells([ROWS, ROWS[:, :3]]), Y=repaired)
    assert read_sequences(path).y.tolist() == ["1", "2"]


def test_mixed_labels_repaired(tmp_path):
    x = cells([ROWS, ROWS[:, :3]])
    path = mat(tmp_path, X=x, Y=cells([np.array([[1.0]]), np.array(["go"])]))
    assert "Y = cellfun(@string, Y, 'UniformOutput', false)." in refusal(path)
    strings = [np.array([[word]], STRINGS) for word in ("1", "go")]
    assert read_sequences(mat(tmp_path, X=x, Y=cells(strings))).y.tolist() == ["1", "go"]


def test_missing_labels_of_each_kind(tmp_path):
    missing = np.array([["go"], [np.nan]], np.dtypes.StringDType(na_object=np.nan))
    for value, word, rest in (
        (np.array([[1.0, np.nan]]), "NaN", ["1", ""]),
        (cells(["go", ""]), "", ["go", ""]),
        (missing, "<missing>", ["go", ""]),
        (pandas.Categorical(["go", None]), "<undefined>", ["go", ""]),
    ):
        path = mat(tmp_path, X=cells([ROWS, ROWS[:, :3]]), Y=value)
        assert refusal(path).startswith(
            f"entry 2 of Y has the missing label {word!r}, but every label has to be known: fill "
            f"it in, or give missing_labels=[{word!r}] to read it as '', and train with "
            "loss=minilstm.CrossEntropy(ignored_labels=[''])"
        )
        data = read_sequences(path, missing_labels=[word])
        assert data.y.tolist() == rest


def test_trailing_blanks_of_text(tmp_path):
    x = cells([ROWS, ROWS[:, :3]])
    padded = np.array(["go  ", "stop"])  # a char matrix has rows of one length
    assert read_sequences(mat(tmp_path, X=x, Y=padded)).y.tolist() == ["go", "stop"]


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def small(kind, data):
    return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")


def matrix(code, shape, name, *parts, flags=0):
    head = element(6, struct.pack("<II", code | flags, 0))
    head += element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name)
    body = head + b"".join(parts)
    return struct.pack("<II", 14, len(body)) + body


def mat5(tmp_path, *variables):
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + b"".join(variables))
    return path


NINE = element(9, np.arange(9.0).tobytes())
DAMAGE = {
    "an unknown type of numbers": ([(6, (3, 3), b"X", element(128, bytes(72)))],
                                   "an element of type 128 holds no whole numbers"),
    "sizes that do not fit": ([(6, (3, 4), b"X", NINE)],
                              "a matrix of sizes (3, 4) has 9 numbers"),
    "negative sizes": ([(6, (-3, -3), b"X", NINE)], "a matrix has the sizes (-3, -3)"),
    "cells that are not there": ([(1, (2**30, 2**30), b"X")],
                                 f"cells of sizes {(2**30, 2**30)} do not fit into 0 bytes"),
    "structs without fields": ([(2, (2**30, 2), b"X", small(5, b"\x08\0\0\0"), element(1, b""))],
                               f"cells of sizes {(2**30, 2)} do not fit into 0 bytes"),
    "a field without end": ([(2, (1, 1), b"X", small(5, b"\x04\0\0\0"), element(1, b"abcd"))],
                            "the name of a field has no end"),
    "a logical of 2": ([(9, (1, 2), b"X", small(2, b"\1\2"), 512)], "its numbers are no bool"),
    "an int8 of 300": ([(8, (1, 1), b"X", small(4, b"\x2c\1"))], "its numbers are no int8"),
    "twice": ([(6, (3, 3), b"X", NINE)] * 2, "it holds the variable X twice"),
    "text of an old machine": ([(4, (1, 1), b"X", small(4, b"\xe9\0"))],
                               "it holds text of an unknown character set"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_that_ends_other_readers(tmp_path, name):
    variables, reason = DAMAGE[name]
    parts = []
    for code, shape, title, *rest in variables:
        flags = rest.pop() if rest and isinstance(rest[-1], int) else 0
        parts.append(matrix(code, shape, title, *rest, flags=flags))
    assert refusal(mat5(tmp_path, *parts)) == (
        f"path FILE cannot be read ({reason}), but a whole MAT-file was wanted: save it again in "
        "MATLAB with the option '-v7'."
    )


def test_cells_in_cells_without_end(tmp_path):
    inner = matrix(6, (3, 3), b"", NINE)
    for _ in range(3000):
        inner = matrix(1, (1, 1), b"X", inner)
    assert "hold each other more than 64 deep" in refusal(mat5(tmp_path, inner))


def test_one_changed_byte_of_sizes_and_types(tmp_path):
    path = tmp_path / "a.mat"
    scipy_io.savemat(path, {"X": np.zeros((3, 5, 2))})
    whole = bytearray(path.read_bytes())
    whole[185] = 128
    path.write_bytes(whole)
    assert refusal(path).startswith("path FILE cannot be read (")


def test_numbers_of_a_smaller_type_and_of_big_ended_machines(tmp_path):
    packed = matrix(6, (1, 4), b"X", small(2, b"\1\2\3\xff"))
    assert read_sequences(mat5(tmp_path, packed)).x[0].tolist() == [[1], [2], [3], [255]]
    path = tmp_path / "big.mat"
    body = struct.pack(">II", 6, 8) + struct.pack(">II", 6, 0)
    body += struct.pack(">II", 5, 8) + struct.pack(">ii", 1, 2)
    body += struct.pack(">HH", 1, 1) + b"X\0\0\0" + struct.pack(">II", 9, 16)
    body += struct.pack(">dd", 1.5, -2.5)
    data = struct.pack(">II", 14, len(body)) + body
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\1\0MI" + data)
    found = read_sequences(path).x[0]
    assert found.tolist() == [[1.5], [-2.5]] and found.dtype.isnative


def test_text_in_other_alphabets(tmp_path):
    words = [element(17, word.encode("utf-16-le")) for word in ("歩く", "läuft")]
    y = [matrix(4, (1, n), b"", part) for n, part in zip((2, 5), words, strict=True)]
    x = [matrix(6, (3, 3), b"", NINE), matrix(6, (3, 1), b"", element(9, NINE[8:32]))]
    path = mat5(tmp_path, matrix(1, (2, 1), b"X", *x), matrix(1, (2, 1), b"Y", *y))
    assert read_sequences(path).y.tolist() == ["歩く", "läuft"]


GROWTH = (
    "path FILE cannot be read ({} grows from {} to {:,} bytes, which real data does not), but a "
    "whole MAT-file was wanted: save it in MATLAB with the option '-v6', which packs nothing."
)


def test_a_small_file_that_would_fill_the_memory(tmp_path):
    count = 20_000_000
    body = matrix(6, (1, count), b"X", struct.pack("<II", 9, 8 * count))
    size = len(body) - 8 + 8 * count
    pack = zlib.compressobj()
    out = io.BytesIO()
    out.write(pack.compress(struct.pack("<II", 14, size) + body[8:]))
    for _ in range(8):
        out.write(pack.compress(bytes(count)))
    out.write(pack.flush())
    packed = struct.pack("<II", 15, out.tell()) + out.getvalue()
    said = refusal(mat5(tmp_path, packed))
    assert said == GROWTH.format("X", f"{out.tell():,}", size)
    other = matrix(6, (1, 9), b"X1", NINE)  # what is not asked for is passed by
    assert read_sequences(mat5(tmp_path, packed, other), x_name="X1", y_name="").x[0].size == 9
    path = tmp_path / "b.mat"
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("X", (20_000, 1000), "f8", chunks=(1000, 1000), compression="gzip")
    data = bytearray(path.read_bytes())
    data[:128] = b"MATLAB 7.3".ljust(124) + b"\0\2IM"
    path.write_bytes(data)
    assert re.sub(r"from [\d,]+", "from N", refusal(path)) == GROWTH.format("it", "N", 160_000_000)


def test_an_object_without_its_parts(tmp_path):
    # Then an object is its header alone, a column of numbers.
    header = np.array([[0xDD000000], [2], [1], [1], [1], [1]], np.uint32)
    names = element(1, b"X") + element(1, b"MCOS") + element(1, b"categorical")
    body = element(6, struct.pack("<II", 17, 0)) + names
    body += matrix(13, (6, 1), b"", element(6, header.tobytes()))
    path = mat5(tmp_path, struct.pack("<II", 14, len(body)) + body)
    assert refusal(path) == (
        "path FILE cannot be read (the parts of its objects are missing), but a whole MAT-file was "
        "wanted: save it again in MATLAB with the option '-v7'."
    )


def test_what_mat_io_does_not_decode_is_no_number():
    header = np.array([[0xDD000000], [2], [1], [1], [1], [1]], np.uint32)
    opaque = matio.utils.matclass.MatlabOpaque(None, "mine.Recording")
    for value, kind in (
        (header, "unknown to mat-io"),
        (opaque, "mine.Recording"),
        (matio.utils.matclass.MatlabOpaqueArray(header, "mine.Recording"), "mine.Recording"),
        (matio.utils.matclass.MatlabFunction(header), "function_handle"),
        (matio.utils.matclass.MatlabContainerMap(), "containers.Map"),
        (scipy_sparse.coo_matrix(np.eye(2)), "sparse"),
    ):
        assert objects._value(value) == Foreign(kind)
