"""The command line on the CuPy backend: the same files and lines as on NumPy.
Numbers agree as far as they are printed, and the backend is told."""

import io
import json
import sys

import numpy as np
import pytest
from builders import two_movements

from minilstm.command_line.cli import main
from minilstm.data import write_csv


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    write_csv(folder / "train.csv", *two_movements(0))
    write_csv(folder / "test.csv", *two_movements(1))
    return folder


def run(capsys, *words):
    """The JSON of a command that went well, and what it printed before."""
    assert main([*map(str, words), "--json"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    is_table = words[0] == "stream"  # where the CSV stands alone
    return json.loads(said.err.splitlines()[-1] if is_table else lines.pop()), lines


def test_train_predict_and_stream(cupy_backend, data, tmp_path, capsys, monkeypatch):
    results, scores, lines = {}, {}, {}
    for backend in ("cupy", "numpy"):
        out = tmp_path / backend
        how = ["--backend", backend, "--quiet", "--dtype", "float64", "--seed", 1]
        size = ["--hidden", 5, "--bilstm", "--dropout", 0.2, "--normalization", "zscore"]
        words = ["train", data / "train.csv", "--test", data / "test.csv", "--epochs", 3]
        results[backend], _ = run(capsys, *words, *size, *how, "--out", out)
        model, table = tmp_path / "cupy/model.safetensors", tmp_path / f"{backend}.csv"
        run(capsys, "predict", model, data / "test.csv", "--backend", backend, "--out", table)
        scores[backend] = table.read_text()
    assert results["cupy"]["backend"] == "cupy" and results["cupy"]["threads"] == 1
    for name in ("loss", "accuracy"):
        assert results["cupy"][name] == pytest.approx(results["numpy"][name], rel=1e-9)
    assert scores["cupy"] == scores["numpy"]
    words = ["train", data / "train.csv", "--epochs", 1, "--hidden", 5, "--quiet"]
    run(capsys, *words, "--backend", "cupy", "--out", tmp_path)
    for backend in ("cupy", "numpy"):
        monkeypatch.setattr(sys, "stdin", io.StringIO("0.5,1\n-1,2\n\n0.5,1\n"))
        model = tmp_path / "model.safetensors"
        result, lines[backend] = run(capsys, "stream", model, "--backend", backend)
        assert result["backend"] == backend and result["steps"] == 3
    table = [[line.split(",") for line in lines[b] if line] for b in ("cupy", "numpy")]
    assert [row[0] for row in table[0]] == [row[0] for row in table[1]] and len(table[0]) >= 3
    cupy, numpy = (np.array([row[1:] for row in t[-3:]], float) for t in table)
    np.testing.assert_allclose(cupy, numpy, atol=2e-6)
