"""The front door of the readers, and what both writers refuse before they touch a file.
A refusal is asserted word for word, with FILE in place of the path."""

import os
import socket

import numpy as np
import pytest
from agreement import refusal, refuses, refuses_data

from minilstm.data import read_sequences, write_csv, write_npz
from minilstm.errors import DataError

X = [np.array([[0.1, 2.0], [-3.5, 1e-30], [7.0, 8.0]]), np.array([[1 / 3, 5.0]])]
STEPS = [np.array(["go", "stop", "go"]), np.array(["stop"])]


def test_unknown_suffix(tmp_path):
    assert refusal(tmp_path / "data.doc") == (
        "path FILE ends in '.doc', but a file of sequences ends in .mat, .npz, .ts, .csv, .tsv, "
        ".txt, .dat, .parquet, .xlsx: convert it to one of those, with minilstm.data.write_npz say."
    )


@pytest.mark.parametrize("suffix", [".mat", ".npz", ".csv", ".ts"])
def test_missing_file_and_folder(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with refuses(
        f"path is {str(path)!r}, but there is no such data file; check its name.",
        FileNotFoundError,
    ):
        read_sequences(path)
    path.mkdir()
    assert refusal(path) == (
        "path FILE is a folder of 0 files, none of which is called as a file of sequences is "
        "(.csv, .tsv, .parquet, .xlsx, .mat, .npz, .ts): name another folder, or the files."
    )


@pytest.mark.parametrize("suffix", [".mat", ".npz", ".csv", ".ts"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")
def test_what_is_no_regular_file_is_not_opened(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a{suffix}"
    os.mkfifo(path)
    assert refusal(path) == (
        "path is FILE, which is a pipe, but a data file was wanted; name a regular file."
    )
    path.unlink()
    with socket.socket(socket.AF_UNIX) as end:
        monkeypatch.chdir(tmp_path)  # the path of a socket is short
        end.bind(path.name)
        assert refusal(path) == (
            "path is FILE, which is a socket, but a data file was wanted; name a regular file."
        )


def test_option_of_another_format(tmp_path):
    assert refusal(tmp_path / "a.npz", label_per="step") == (
        "label_per='step' was given for a .npz file, but label_per is an option of tables, such as "
        ".csv files, only: leave it out."
    )
    assert refusal(tmp_path / "a.csv", layout="TC") == (
        "layout='TC' was given for a .csv file, but layout is an option of .mat, .npz, .ts files "
        "only: leave it out."
    )


@pytest.mark.parametrize("write", [write_npz, write_csv])
def test_writers_refuse_and_leave_nothing(tmp_path, write):
    path = tmp_path / f"a.{write.__name__.removeprefix('write_')}"
    path.write_text("as before")
    bad = [X[0], np.array([[np.inf, 0.0]])]
    for x, y, options, sentence in (
        (bad, None, {}, "x[1] has inf at step 0, feature 0, but only finite numbers can be used: "
         "fill in or remove that step."),
        ([], None, {}, "x holds 0 sequences, but at least 1 was wanted: check what was written."),
        (X, STEPS[:1], {}, "y has 1 arrays of labels, but x has 2 sequences: give one array (T,) "
         "for each sequence."),
        (X, np.array([1, 2, 3]), {}, "y has shape (3,), but x has 2 sequences: give one label for "
         "each sequence, shape (2,), or a list with one array (T,) for each."),
        (X, STEPS[::-1], {}, "y[0] has shape (1,), but x[0] has 3 steps: give one label for each "
         "step, shape (3,)."),
        (X, None, {"ids": ["a", "a"]}, "ids has 1 different names, but there are 2 sequences: give "
         "each a name of its own."),
    ):  # fmt: skip
        with refuses_data(sentence):
            write(path, x, y, **options)
    with pytest.raises(DataError, match=r"y\[0\] holds the label 0.5, but labels are strings or"):
        write(path, X, [np.full(3, 0.5), np.zeros(1)])
    assert path.read_text() == "as before"
    assert len(list(tmp_path.iterdir())) == 1
    with refuses_data(
        f"path {str(tmp_path / 'a.txt')!r} ends in '.txt', but {path.suffix} was wanted: rename it."
    ):
        write(tmp_path / "a.txt", X)


def test_npz_writer_wants_one_float_type(tmp_path):
    with refuses_data(
        "x has the types float32, float64, but one float type for all was wanted: convert the "
        "arrays first."
    ):
        write_npz(tmp_path / "a.npz", [X[0], X[1].astype(np.float32)])
