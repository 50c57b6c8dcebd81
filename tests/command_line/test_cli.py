"""The command line: what it prints, what it writes, and its exit codes.
Commands run in this process, but for those that need their own."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from builders import two_movements

import minilstm as ml
import minilstm.layers
from minilstm.backend import is_installed, load_backend
from minilstm.command_line import facts as facts_of_commands
from minilstm.command_line.cli import main
from minilstm.data import write_csv, write_npz
from minilstm.proof import engine as engine_proof
from minilstm.proof.engine import checks, formulas, networks


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_csv(folder / "train.csv", *two_movements(0))
    write_csv(folder / "test.csv", *two_movements(1))
    x, _ = two_movements(2)
    write_npz(folder / "unlabelled.npz", x, None)
    arguments = ["train", str(folder / "train.csv"), "--test", str(folder / "test.csv"), "--quiet"]
    arguments += ["--hidden", "8", "--epochs", "40", "--learn-rate", "0.05"]
    assert main([*arguments, "--out", str(folder / "out")]) == 0
    return folder


def last_json(capsys) -> dict:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_train_writes_model_history_and_figures(files):
    names = sorted(p.name for p in (files / "out").iterdir())
    assert names == sorted([
        "model.safetensors", "history.csv", "training-progress.png", "report.md", "report.json",
        "confusion.png", "roc.png", "precision-recall.png", "calibration.png",
    ])  # fmt: skip
    rows = (files / "out" / "history.csv").read_text().splitlines()
    assert rows[0] == "iteration,epoch,time,learning_rate,loss,accuracy"
    assert len(rows) == 41


def test_train_json_is_the_last_line(files, tmp_path, capsys):
    arguments = ["train", str(files / "train.csv"), "--epochs", "2", "--hidden", "3", "--json"]
    assert main([*arguments, "--out", str(tmp_path), "--seed", "7", "--threads", "1"]) == 0
    result = last_json(capsys)
    assert set(result) >= {
        "accuracy", "loss", "seconds", "peak_memory_mb", "backend", "threads", "seed",
    }  # fmt: skip
    assert result["seed"] == 7
    assert result["measured_on"] == "training"
    assert 0 < result["loss"] < 5
    assert result["peak_memory_mb"] > 10


def test_train_on_one_label_a_sequence(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(T, 2)) + 2 * (n % 2) for n, T in enumerate((5, 9, 3, 4, 7, 6))]
    y = np.array(["low", "high"] * 3)
    write_npz(tmp_path / "train.npz", x, y)
    arguments = ["train", str(tmp_path / "train.npz"), "--output-mode", "last", "--hidden", "4"]
    assert main([*arguments, "--epochs", "3", "--quiet", "--out", str(tmp_path / "o")]) == 0
    capsys.readouterr()
    assert (
        main(["predict", str(tmp_path / "o/model.safetensors"), str(tmp_path / "train.npz")]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sequence,label,score_high,score_low"
    assert len(lines) == 7


def test_a_large_file_of_arrays_stays_on_disk(tmp_path, capsys, monkeypatch):
    x = np.random.default_rng(0).normal(size=(6, 5, 2))
    arrays = {f"x_{n:04}": a for n, a in enumerate(x)} | {"y": np.array(["low", "high"] * 3)}
    models = []
    for folder, save in (("a", np.savez), ("b", np.savez), ("c", np.savez_compressed)):
        save(tmp_path / "train.npz", **arrays)
        words = ["--output-mode", "last", "--hidden", "4", "--epochs", "2", "--quiet"]
        out = tmp_path / folder
        assert main(["train", str(tmp_path / "train.npz"), *words, "--out", str(out)]) == 0
        told = capsys.readouterr().err
        said = {"a": "", "b": "x stays there\n", "c": "numpy.savez packs nothing\n"}[folder]
        assert said in told and ("bytes; " in told) == (folder != "a")
        models.append(ml.load(out / "model.safetensors").parameters)
        monkeypatch.setattr("minilstm.command_line.reading._LARGE", 0)
    for other in models[1:]:
        assert all(np.array_equal(other[k], p) for k, p in models[0].items())


def test_predict_gives_the_labels_of_the_network(files, capsys, tmp_path):
    model, data = files / "out/model.safetensors", files / "test.csv"
    assert main(["predict", str(model), str(data), "--json"]) == 0
    out = capsys.readouterr()
    lines = out.out.splitlines()
    assert lines[0] == "sequence,step,label,score_down,score_up"
    assert len(lines) == 1 + 40 + 25 + 33
    net = ml.load(model)
    x, y = two_movements(1)
    labels = np.concatenate(ml.scores_to_labels(net.predict(x), net.classes))
    assert [line.split(",")[2] for line in lines[1:]] == labels.tolist()
    accuracy = float((labels == np.concatenate(y)).mean())
    said = out.err.splitlines()[-1]  # beside no CSV
    assert json.loads(said)["accuracy"] == pytest.approx(accuracy)
    assert accuracy > 0.9
    target = tmp_path / "labels.csv"
    assert main(["predict", str(model), str(data), "--out", str(target)]) == 0
    assert target.read_text().splitlines() == lines


def test_predict_without_labels(files, capsys, tmp_path):
    model, data = files / "out/model.safetensors", files / "unlabelled.npz"
    assert main(["predict", str(model), str(data), "--json", "--out", str(tmp_path / "p.csv")]) == 0
    assert last_json(capsys)["accuracy"] is None


def test_info(files, capsys):
    assert main(["info"]) == 0
    assert "backend" in capsys.readouterr().out
    assert main(["info", str(files / "out/model.safetensors")]) == 0
    assert "LSTM with 8 hidden units" in capsys.readouterr().out
    assert main(["info", str(files / "out/model.safetensors"), "--json"]) == 0
    facts = last_json(capsys)
    assert facts["classes"] == ["down", "up"]
    assert facts["learnables"] == 4 * 8 * (8 + 2 + 1) + 2 * 8 + 2


def test_versions_of_a_slim_installation(capsys, monkeypatch):
    def without_facts(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", without_facts)
    assert main(["info", "--json"]) == 0
    assert last_json(capsys)["numpy"] == np.__version__


def test_plot_draws_the_model_beside_it_or_where_told(files, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    model = tmp_path / "small.safetensors"
    model.write_bytes((files / "out/model.safetensors").read_bytes())
    assert main(["plot", str(model), "--json"]) == 0
    facts = last_json(capsys)
    assert facts == {"layers": 4, "learnables": 370, "files": [str(tmp_path / "small.png")]}
    assert (tmp_path / "small.png").read_bytes().startswith(b"\x89PNG")
    assert main(["plot", str(model), "--out", str(tmp_path / "other.svg")]) == 0
    assert "LSTM with 8 hidden units" not in capsys.readouterr().err
    assert (tmp_path / "other.svg").read_text().startswith("<?xml")
    assert main(["plot", str(model), "--out", str(tmp_path / "other.bmp")]) == 2
    assert main(["plot", str(tmp_path / "none.safetensors")]) == 2
    assert len(list(tmp_path.iterdir())) == 3


def test_train_with_other_layers_solver_and_padding(files, tmp_path, capsys):
    arguments = ["train", str(files / "train.csv"), "--hidden", "3", "--epochs", "2", "--quiet"]
    arguments += ["--solver", "sgdm", "--normalization", "zscore", "--bilstm", "--dropout", "0.25"]
    arguments += ["--padding", "longest", "--backend", "numpy", "--out", str(tmp_path)]
    assert main(arguments) == 0
    net = ml.load(tmp_path / "model.safetensors")
    kinds = [layer.kind for layer in net.layers]
    assert kinds == ["sequence_input", "bilstm", "dropout", "fully_connected", "softmax"]
    assert net.layers[0].normalization == "zscore" and net.layers[2].probability == 0.25
    rates = (tmp_path / "history.csv").read_text().splitlines()[1].split(",")[3]
    assert float(rates) == 0.01  # of sgdm, where none is given
    for share in ("1", "-0.1", "half"):
        assert main(["train", "x.csv", "--dropout", share]) == 2
        assert f"{share} is not a number from 0 to below 1" in capsys.readouterr().err


# ---------------------------------------------------------------- gradcheck


def test_gradcheck_proves_the_whole_engine_and_says_so(capsys, tmp_path):
    file = tmp_path / "checks.xml"
    assert main(["gradcheck", "--backend", "numpy", "--json", "--junit", str(file)]) == 0
    out = capsys.readouterr().out
    facts = json.loads(out.strip().splitlines()[-1], parse_constant=pytest.fail)
    assert facts["max_error"] < 1e-12 and facts["wrong"] == 0 and facts["compile_seconds"] == 0
    sentence, single, missing = facts["proved"]
    assert "proved on this machine (numpy " in sentence
    assert "18 layers, 9 losses, 3 solvers, 4 networks; largest relative error" in sentence
    assert "the backend numba" in missing and "float32" in missing
    assert "float32 keeps within its rounding bounds (lstm, fully_connected, conv" in single
    assert "batch_normalization with given statistics" in single
    assert all(text in out for text in facts["proved"])
    rows = facts["checks"]
    assert {row["name"] for row in rows if row["part"] == "layer"} == set(ml.layers.KINDS)
    assert {row["backend"] for row in rows} == {"numpy"}
    for row in rows:
        assert row["passed"] and row["error"] <= row["tolerance"]
        assert row["tolerance"] < 1e-10 or row["part"] == "float32"
        assert row["entries"] > 3 or "along directions" in row["name"]
        assert f"{row['part']} {row['name']}" in out
    cases = list(ElementTree.parse(file).getroot().iter("testcase"))
    assert len(cases) == len(rows) and not list(ElementTree.parse(file).iter("failure"))


def test_gradcheck_of_named_layers_does_those_on_every_backend(capsys):
    arguments = ["gradcheck", "--layer", "Softmax", "batch_normalization", "fullyconnected"]
    assert main([*arguments, "--json", "--seed", "5"]) == 0
    rows = last_json(capsys)["checks"]
    names = {row["name"] for row in rows}
    assert names == {"softmax", "batch_normalization", "fully_connected"}
    installed = {"numpy", "numba"} if is_installed("numba") else {"numpy"}
    assert {row["backend"] for row in rows} == installed


def faulty(**functions):
    """The NumPy backend with other functions in it."""
    return dataclasses.replace(load_backend("numpy"), **functions)


def forgets_the_recurrent_weights(*arguments):
    dx, grads = load_backend("numpy").lstm_backward(*arguments)
    return dx, grads._replace(R=0 * grads.R)


def test_gradcheck_names_layer_array_and_cause_of_a_planted_fault(monkeypatch, capsys, tmp_path):
    wrong = faulty(lstm_backward=forgets_the_recurrent_weights)
    monkeypatch.setattr("minilstm.proof.checker.networks.current_backend", lambda: wrong)
    file = tmp_path / "checks.xml"
    arguments = ["gradcheck", "--backend", "numpy", "--layer", "LSTM", "sigmoid"]
    assert main([*arguments, "--junit", str(file), "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "layer lstm, every step on numpy (lstm/recurrent_weights)" in captured.err
    assert "layer sigmoid" not in captured.err
    assert re.search(r"lstm/recurrent_weights .* WRONG\n +at index .* unit \d", captured.out)
    assert "likely cause: It is zero everywhere: it was never computed" in captured.out
    facts = json.loads(captured.out.strip().splitlines()[-1], parse_constant=pytest.fail)
    assert {row["name"] for row in facts["checks"] if not row["passed"]} == {"lstm"}
    assert facts["wrong"] == 5 and facts["max_error"] == pytest.approx(1)
    failures = list(ElementTree.parse(file).getroot().iter("failure"))
    assert len(failures) == 5 and "recurrent_weights" in failures[0].text


@pytest.mark.parametrize("broken", [lambda *a: 1 / 0, lambda *a: (np.full(3, np.nan), a[1])])
def test_gradcheck_finds_a_solver_or_a_layer_that_breaks(monkeypatch, capsys, broken):
    wrong = faulty(sgdm_step=broken, sigmoid_backward=broken)
    monkeypatch.setattr("minilstm.backend._numpy", lambda: wrong)
    some = {kind: networks.LAYERS[kind] for kind in ("addition", "relu", "sigmoid")}
    monkeypatch.setattr(networks, "LAYERS", some)
    monkeypatch.setattr(networks, "NETWORKS", {})
    rows = engine_proof.prove(["numpy"], say=print)
    named = {passed: {row.name for row in rows if row.passed == passed} for passed in (False, True)}
    assert named[False] == {"sgdm", "sigmoid", "addition"}  # a sum of an input and its sigmoid
    assert named[True] >= {"adam", "rmsprop", "relu", "mse"}
    assert json.dumps(engine_proof.to_plain(rows), allow_nan=False)
    assert "checks are wrong" in engine_proof.proved(rows)[0]


def test_a_wrong_step_of_a_solver_shows_both_numbers():
    def sgdm_step(p, g, v, rule):  # the momentum a second time
        v = rule.momentum * v - rule.rate * (g + rule.l2 * p)
        return p + rule.momentum * v, v

    found = checks._solver("sgdm")(faulty(sgdm_step=sgdm_step), 0)
    assert not found.passed and found.error > 1e-4
    assert re.search(r"^(weights|bias)\[.*\] is \S+ after 3 steps, the formula gives", found.report)


def test_every_layer_and_solver_has_its_case():
    assert set(networks.LAYERS) == set(ml.layers.KINDS)
    assert len(formulas.loss_names()) == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "none.safetensors"], "there is no such file"),
        (["train", "none.csv"], "none.csv"),
        (["train", "none.xyz"], ".xyz"),
        (["gradcheck", "--backend", "cupy"], "cupy"),
        (["gradcheck", "--layer", "GRU"], "layer is 'GRU', which is none; choose among Addition"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out = capsys.readouterr()
    assert words in out.err
    assert out.err.startswith("minilstm: ")
    assert out.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert main([*arguments, "--json"]) == 2
    assert last_json(capsys)["exit_code"] == 2


def test_the_backend_of_a_command_ends_with_it(files, capsys):
    from minilstm.backend import current_backend

    before = current_backend().name
    assert main(["info", "--backend", "numpy", "--json"]) == 0
    assert last_json(capsys)["backend"] == "numpy"
    assert current_backend().name == before


def test_bad_usage_is_exit_code_2(capsys):
    assert main([]) == 2
    assert main(["train"]) == 2
    assert main(["demo", "--seed", "-1"]) == 2
    assert main(["train", "x.csv", "--hidden", "0"]) == 2
    assert main(["--version"]) == 0


def test_labels_of_another_kind_than_the_output_mode(files, capsys, tmp_path):
    arguments = ["train", str(files / "train.csv"), "--output-mode", "last", "--quiet"]
    assert main([*arguments, "--out", str(tmp_path / "o")]) == 2
    assert "label" in capsys.readouterr().err


def test_diverging_training_is_exit_code_1(files, tmp_path, capsys):
    arguments = ["train", str(files / "train.csv"), "--learn-rate", "1e38", "--epochs", "20"]
    code = main([*arguments, "--hidden", "4", "--quiet", "--out", str(tmp_path)])
    assert code == 1
    assert "the loss became" in capsys.readouterr().err
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_keeps_the_network_and_exits_with_130(files, tmp_path):
    command = [sys.executable, "-u", "-m", "minilstm", "train", str(files / "train.csv")]
    command += ["--epochs", "1000000", "--hidden", "4", "--backend", "numpy", "--json"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        while not process.stdout.readline().lstrip().startswith("1 "):
            assert process.poll() is None
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out.strip().splitlines()[-1])["stop_reason"].startswith("Stopped by Ctrl-C")
    assert ml.load(tmp_path / "model.safetensors").classes.tolist() == ["down", "up"]


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_in_megabytes_whatever_the_system_counts_in(monkeypatch, platform, unit):
    resource = pytest.importorskip("resource")
    used = SimpleNamespace(ru_maxrss=3 * 2**20 // unit)
    monkeypatch.setattr(resource, "getrusage", lambda who: used)
    monkeypatch.setattr(sys, "platform", platform)
    assert facts_of_commands._peak_memory_mb() == 3.0
