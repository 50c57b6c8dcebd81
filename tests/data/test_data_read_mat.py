"""Reading .mat files: MathWorks' layout, all kinds of labels, the choice of variables.
The files are written by mat-io itself, in both formats that MATLAB uses today."""

import struct
import sys
import warnings

import numpy as np
import pytest
from agreement import refusal, refuses, refuses_data
from mat_files import cells, mat

from minilstm.data import read_sequences
from minilstm.data.files.mat.objects import _value
from minilstm.data.files.mat.values import Text
from minilstm.errors import DataError

pytest.importorskip("scipy")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    matio = pytest.importorskip("matio")
    import pandas

SEQUENCES = [np.arange(21.0).reshape(3, 7), -np.arange(15.0).reshape(3, 5)]  # D x T


def categorical(text):
    return pandas.Categorical.from_codes(["ab".find(k) for k in text], categories=["a", "b"])


PER_STEP = cells([categorical("abababa"), categorical("bbbba")])


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_mathworks_layout(tmp_path, version):
    path = mat(tmp_path, version, XTrain=cells(SEQUENCES), YTrain=PER_STEP)
    data = read_sequences(path)
    assert [x.tolist() for x in data.x] == [s.T.tolist() for s in SEQUENCES]
    assert all(x.flags.c_contiguous for x in data.x)
    assert [y.tolist() for y in data.y] == [list("abababa"), list("bbbba")]
    assert (data.feature_names, data.ids) == (None, ["XTrain{1}", "XTrain{2}"])


KINDS = {
    "categorical": (categorical("ba"), ["b", "a"]),
    "string": (np.array(["p", "q"], dtype=np.dtypes.StringDType()), ["p", "q"]),
    "cellstr": (cells(["hello", "yo"]), ["hello", "yo"]),
    "cellstr with blanks": (cells(["a ", "a"]), ["a ", "a"]),
    "char": (np.array([["up"], ["do"]]), ["up", "do"]),
    "padded char": (np.array([["up  "], ["down"]]), ["up", "down"]),
    "double": (np.array([[3.0], [4.0]]), [3, 4]),
    "int8": (np.array([[3, 4]], dtype=np.int8), [3, 4]),
    "logical": (np.array([[True, False]]), [1, 0]),
    "cell of one": (cells([categorical("b"), categorical("a")]), ["b", "a"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_label_a_sequence(tmp_path, kind):
    value, wanted = KINDS[kind]
    data = read_sequences(mat(tmp_path, X=cells(SEQUENCES), Y=value))
    assert isinstance(data.y, np.ndarray)
    assert data.y.tolist() == wanted
    assert data.y.dtype.kind in "iU"


def test_steps_in_numbers_and_one_matrix(tmp_path):
    y = cells([np.arange(7.0)[None], np.arange(5.0)[None]])
    data = read_sequences(mat(tmp_path, X=cells(SEQUENCES), Y=y))
    assert [part.tolist() for part in data.y] == [list(range(7)), list(range(5))]
    data = read_sequences(mat(tmp_path, X=SEQUENCES[0], Y=categorical("aaabbbb")))
    assert (data.x[0].shape, data.y[0].tolist()) == ((7, 3), list("aaabbbb"))
    texts = cells(["walk"] * 6 + ["stand still"])
    data = read_sequences(mat(tmp_path, X=SEQUENCES[0], Y=texts))
    assert data.y[0].tolist() == ["walk"] * 6 + ["stand still"]


def test_layout(tmp_path):
    upright = cells([s.T for s in SEQUENCES])
    assert [x.shape for x in read_sequences(mat(tmp_path, X=upright, Y=PER_STEP)).x] == [
        (7, 3), (5, 3)]  # fmt: skip
    path = mat(tmp_path, X=upright)
    assert [x.shape for x in read_sequences(path, layout="TC").x] == [(7, 3), (5, 3)]
    assert refusal(path) == (
        "X{2} has shape (5, 3) and X{1} has (7, 3), but in layout 'CT' all need the same number "
        "of features: correct them, or give the other layout."
    )
    path = mat(tmp_path, X=upright, Y=PER_STEP)
    assert refusal(path, layout="CT") == (
        "X{1} has shape (7, 3), but 7 labels, which is not its number of steps in layout 'CT': "
        "correct the labels, or give the other layout."
    )
    square = np.arange(9.0).reshape(3, 3)
    path = mat(tmp_path, X=cells([square]), Y=cells([categorical("aba")]))
    assert read_sequences(path, layout="CT").x[0].tolist() == square.T.tolist()
    with pytest.warns(UserWarning, match=r"was read as 1 sequence of 3 steps and 3 features"):
        assert read_sequences(path).x[0].tolist() == square.T.tolist()
    assert refusal(path, layout="DT") == (
        "layout is 'DT', but one letter for each axis was wanted, T for steps and B for sequences "
        "or C for features: give 'TC', 'CT', 'BTC' or 'BCT', say."
    )


def test_three_axes(tmp_path):
    block = np.arange(24.0).reshape(3, 4, 2)  # D x T x B
    data = read_sequences(mat(tmp_path, X=block, Y=np.array([[1.0, 2.0]])))
    assert [x.tolist() for x in data.x] == [block[:, :, 0].T.tolist(), block[:, :, 1].T.tolist()]
    assert data.ids == ["X(:,:,1)", "X(:,:,2)"]


def test_single_stays_single_and_integers_become_double(tmp_path):
    path = mat(tmp_path, X=SEQUENCES[0].astype(np.float32))
    assert read_sequences(path).x[0].dtype == np.float32
    path = mat(tmp_path, X=SEQUENCES[0].astype(np.int16))
    assert read_sequences(path).x[0].dtype == np.float64


def test_choice_of_variables(tmp_path):
    x, y = cells(SEQUENCES), np.array([[1.0], [2.0]])
    path = mat(tmp_path, XTrain=x, TTrain=y, XTest=cells(SEQUENCES[:1]), other=y)
    assert refusal(path) == (
        "path FILE holds the variables TTrain, XTest, XTrain, other, but one whose name starts "
        "with X (such as XTrain) was wanted: choose with x_name."
    )
    assert read_sequences(path, x_name="XTrain").y.tolist() == [1, 2]
    assert read_sequences(path, x_name="XTest").y is None
    assert read_sequences(path, x_name="XTrain", y_name="other").y.tolist() == [1, 2]
    assert read_sequences(path, x_name="XTrain", y_name="").y is None
    assert refusal(path, x_name="Xtrain") == (
        "x_name is 'Xtrain', but the variables of FILE are TTrain, XTest, XTrain, other: name one "
        "of them."
    )
    assert refusal(path, x_name="") == (
        "x_name is '', but the variables of FILE are TTrain, XTest, XTrain, other: name one of "
        "them."
    )
    path = mat(tmp_path, X=x, Yes=y)
    assert refusal(path) == (
        "path FILE holds Yes, but no labels that go with X by name: choose with y_name, or give "
        "y_name='' to read none."
    )
    path = mat(tmp_path, X=x, t=np.arange(7.0)[None])
    assert read_sequences(path).y is None


EACH = (
    "but there are 2 sequences: give a cell for each sequence with a label for each step, or one "
    "label for each sequence, or say with layout which axis is which."
)
REAL = "but a matrix of real numbers was wanted:"
REFUSALS = {
    "cells": ({"Y": cells([categorical("abababa")] * 3)},
              f"Y has 3 cells, {EACH}"),
    "labels": ({"Y": np.array([[1.0, 2.0, 3.0]])},
               f"Y has 3 labels, {EACH}"),
    "steps": ({"Y": cells([categorical("abababa"), categorical("abab")])},
              "X{2} has shape (3, 5), but 4 labels, which is not its number of steps in layout "
              "'CT': correct the labels, or give the other layout."),
    "fraction": ({"Y": np.array([[1.0, 2.5]])},
                 "entry 2 of Y has the label 2.5, but whole numbers within 64 bits were wanted: "
                 "number the classes from 1, or write their names, or say numeric_targets=True "
                 "(--task regress) for numbers to be predicted."),
    "undefined": ({"Y": cells([categorical("abababa"), categorical("abcab")])},
                  "step 3 of Y{2} has the missing label '<undefined>', but every label has to be "
                  "known: fill it in, or give missing_labels=['<undefined>'] to read it as '', and "
                  "train with loss=minilstm.CrossEntropy(ignored_labels=['']); give "
                  "missing_labels=[] where '<undefined>' is a class."),
    "mixed": ({"Y": cells([categorical("abababa"), np.ones((1, 5))])},
              "Y holds text in some cells and numbers in others, but one kind was wanted: convert "
              "them in MATLAB with Y = cellfun(@string, Y, 'UniformOutput', false)."),
    "struct": ({"Y": {"a": np.ones((1, 1))}},
               "Y is of class struct, but labels were wanted: convert it in MATLAB with Y = "
               "{Y.a}."),
    "text in X": ({"X": "hello"}, f"X is of class char, {REAL} choose another variable, or store "
                  "plain numbers in its place."),
    "complex": ({"X": np.ones((2, 3)) * 1j}, f"X is of class complex, {REAL} convert it in MATLAB "
                "with X = [real(X); imag(X)]."),
    "empty cell": ({"X": cells([SEQUENCES[0], np.zeros((3, 0))])},
                   "X{2} has shape (3, 0), but a filled D x T matrix was wanted: remove or "
                   "reshape it."),
    "nan": ({"X": cells([SEQUENCES[0], np.array([[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]])])},
            "X{2} of FILE has nan at step 1, feature 2, but only finite numbers can be used: fill "
            "in or remove that step, or say fill='linear' or fill='previous'."),
    "features": ({"X": cells([SEQUENCES[0], np.ones((2, 5))])},
                 "X{2} has shape (2, 5) and X{1} has (3, 7), but in layout 'CT' all need the same "
                 "number of features: correct them, or give the other layout."),
    "no X": ({"X": None, "data": np.ones((2, 2))},
             "path FILE holds the variables data, but one whose name starts with X (such as "
             "XTrain) was wanted: choose with x_name."),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(tmp_path, name):
    changes, sentence = REFUSALS[name]
    variables = {"X": cells(SEQUENCES)} | changes
    path = mat(tmp_path, **{k: v for k, v in variables.items() if v is not None})
    assert refusal(path) == sentence


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_broken_file(tmp_path, version):
    path = mat(tmp_path, version, X=cells(SEQUENCES), Y=PER_STEP)
    whole = path.read_bytes()
    for size in (0, 3, 200, len(whole) // 2):
        path.write_bytes(whole[:size])
        sentence = refusal(path)
        assert sentence.startswith("path FILE cannot be read (")
        assert sentence.endswith(
            "), but a whole MAT-file was wanted: save it again in MATLAB with the option '-v7'."
        )


@pytest.mark.parametrize("options", [{}, {"x_name": "X", "y_name": ""}])
def test_a_file_of_version_7_3_with_nothing_behind_its_header(tmp_path, options):
    path = mat(tmp_path, "v7.3", X=SEQUENCES[0])
    data = path.read_bytes()
    path.write_bytes(data[:128] + bytes(len(data) - 128))
    assert refusal(path, **options) == (
        "path FILE cannot be read (its header says version 7.3, but no such data follow it), but a "
        "whole MAT-file was wanted: save it again in MATLAB with the option '-v7'."
    )


def test_text_file_named_mat(tmp_path):
    path = tmp_path / "a.mat"
    path.write_text("sequence,x\n" * 30)
    assert refusal(path) == (
        "path FILE cannot be read (it has no header of a MAT-file), but a whole "
        "MAT-file was wanted: save it again in MATLAB with the option '-v7'."
    )


def test_without_mat_io(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matio", None)
    path = mat(tmp_path, X=SEQUENCES[0], Y=np.ones((1, 7)))
    assert read_sequences(path).x[0].tolist() == SEQUENCES[0].T.tolist()
    for version, y in (("v7", PER_STEP), ("v7.3", np.ones((1, 2)))):
        path = mat(tmp_path, version, X=cells(SEQUENCES), Y=y)
        with refuses(
            f"path {str(path)!r} is of version 7.3 or holds objects such as categorical arrays, "
            "which needs SciPy and mat-io: pip install 'minilstm[mat]'.",
            ImportError,
        ):
            read_sequences(path)


@pytest.mark.parametrize("code", [255.0, 256.0, -1.0])
def test_version_4_keeps_text_as_numbers_of_letters(tmp_path, code):
    path, letters = tmp_path / "four.mat", np.array([97.0, 98, code])
    pytest.importorskip("scipy.io").savemat(path, {"X": np.ones((2, 3))}, format="4")
    with path.open("ab") as file:  # a text of 3 rows and 1 column
        file.write(struct.pack("<5i", 1, 3, 1, 0, 2) + b"Y\0" + letters.tobytes())
    if code == 255:
        assert read_sequences(path, layout="CT").y[0].tolist() == ["a", "b", "\xff"]
    else:
        with pytest.raises(DataError, match="it holds text of an unknown character set"):
            read_sequences(path, layout="CT")


def test_more_cells_than_a_file_has_bytes_are_not_looked_for(tmp_path):
    path, cells = tmp_path / "cells.mat", np.empty((1, 2), object)
    cells[0, :] = [np.ones((3, 2)), np.ones((3, 2))]
    pytest.importorskip("scipy.io").savemat(path, {"X": cells})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(struct.pack("<2i", 1, 2), struct.pack("<2i", 1, 10**6), 1))
    with pytest.raises(DataError, match=r"cells of sizes \(1, 1000000\) do not fit into \d+ bytes"):
        read_sequences(path)


def test_a_name_of_a_field_that_fills_its_place_is_refused(tmp_path):
    path = tmp_path / "struct.mat"
    pytest.importorskip("scipy.io").savemat(path, {"X": {"speed": np.ones((3, 2))}})
    path.write_bytes(path.read_bytes().replace(b"speed\0", b"speeds"))  # six letters of six
    with pytest.raises(DataError, match="the name of a field has no end"):
        read_sequences(path)


def test_what_mat_io_gives_of_text_is_text():
    values = np.array([["up", "down"], ["left", "right"]])
    assert _value(values) == Text(["up", "left", "down", "right"], "char")


TARGETS = [np.arange(14.0).reshape(2, 7), np.arange(10.0).reshape(2, 5)]  # R x T


@pytest.mark.parametrize(
    ("x", "y", "wanted"),
    [
        (cells(SEQUENCES), cells(TARGETS), [t.T.tolist() for t in TARGETS]),
        (cells(SEQUENCES), cells([t.T for t in TARGETS]), [t.T.tolist() for t in TARGETS]),
        (cells([s.T for s in SEQUENCES]), cells([t.T for t in TARGETS]),
         [t.T.tolist() for t in TARGETS]),
        (cells(SEQUENCES), np.array([[1.5, 2.0], [3.0, 4.0]]), [[1.5, 2.0], [3.0, 4.0]]),
        (cells(SEQUENCES), np.array([[1.5, 3.0]]), [[1.5], [3.0]]),
        (cells(SEQUENCES), cells([np.array([[1.5, 2.0]]), np.array([[3.0, 4.0]])]),
         [[1.5, 2.0], [3.0, 4.0]]),
        (np.zeros((1, 3, 2)), np.arange(6.0).reshape(1, 3, 2), [[[0], [2], [4]], [[1], [3], [5]]]),
    ],
)  # fmt: skip
def test_numeric_targets(tmp_path, x, y, wanted):
    data = read_sequences(mat(tmp_path, X=x, Y=y), numeric_targets=True)
    assert [part.tolist() for part in data.y] == wanted


def test_numeric_targets_of_other_steps(tmp_path):
    path = mat(tmp_path, X=cells(SEQUENCES), Y=cells(TARGETS[::-1]))
    with refuses_data(
        "Y has 2 arrays of shape (2, 5), (2, 7), but there are 2 sequences of 7, 5 steps: give "
        "each an R x T matrix, or give one B x R matrix, or say with layout which axis is which."
    ):
        read_sequences(path, numeric_targets=True)
    path = mat(tmp_path, X=cells(SEQUENCES), Y=np.zeros((3, 3)))
    with refuses_data(
        "Y has shape (3, 3), but there are 2 sequences: give a row for each, or a cell array with "
        "an R x T matrix for each."
    ):
        read_sequences(path, numeric_targets=True)
