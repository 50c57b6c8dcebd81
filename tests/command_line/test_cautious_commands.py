"""Commands that would mislead: figures of another network, files written over, labels of no class.
Each is refused or said before anything is lost.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import two_movements

import minilstm as ml
from minilstm.data import write_csv

SHORT = ["--hidden", "3", "--epochs", "1", "--quiet"]


@pytest.fixture(autouse=True)
def here(own_folder):
    write_csv("train.csv", *two_movements(0))


def test_training_figures_are_those_of_the_saved_network(run):
    code, out, _ = run("train", "train.csv", *SHORT, "--learn-rate", 0.5, "--out", "o", "--json")
    facts = json.loads(out[-1])
    data = ml.read_sequences("train.csv")
    wanted = ml.load("o/model.safetensors").evaluate(data.x, data.y)
    assert code == 0 and facts["measured_on"] == "training"
    assert (facts["loss"], facts["accuracy"]) == (wanted["loss"], wanted["accuracy"])
    assert f"training accuracy {wanted['accuracy']:.4f}, loss {wanted['loss']:.4f}" in out


def test_a_loss_that_is_not_finite_fails_and_the_files_stay(run, monkeypatch):
    monkeypatch.setattr(ml.Network, "evaluate", lambda *_, **__: {"loss": np.nan, "accuracy": 0.5})
    code, out, said = run("train", "train.csv", *SHORT, "--out", "o", "--json")
    assert (code, json.loads(out[-1])["loss"]) == (1, None)
    assert Path("o/model.safetensors").exists()
    assert said[-1] == (
        "minilstm: the training loss of the saved network is nan, so the training diverged; try a "
        "lower --learn-rate."
    )


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize(
    ("words", "target", "read"),
    [
        ("predict o/model.safetensors train.csv --out {}", "{}", "o/model.safetensors"),
        ("predict o/model.safetensors train.csv --out {}", "{}", "train.csv"),
        ("plot o/model.safetensors --out {}", "{}", "o/model.safetensors"),
        ("train o/history.csv", "o/history.csv", "o/history.csv"),
        ("train train.csv --test o/history.csv", "o/history.csv", "o/history.csv"),
    ],
)
def test_no_file_that_is_read_is_written_over(run, words, target, read, link):
    run("train", "train.csv", *SHORT, "--out", "o")
    before, name = Path(read).read_bytes(), read
    if link is not None:
        name = "link.png"
        link(os.path.abspath(read), name)
    given = words.format(name)
    if "train" in given.split()[0]:
        given = f"{given} --out o" if link is None else f"{given.replace(read, name)} --out o"
    code, out, said = run(*given.split())
    path = target.format(name)
    seen = name if "train" in given.split()[0] else read
    assert (code, out, Path(read).read_bytes()) == (2, [], before)
    assert said == [
        f"minilstm: --out would write {path!r}, but that is the file {seen!r}, which is read; "
        "choose another name."
    ]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["0.37", "1.37", "2"], "line 2 of 'train.csv', column 'label', has the label 0.37, but "
         "whole numbers within 64 bits were wanted: number the classes from 1, or write their "
         "names."),
        (["1.0", "0", "2.0"], None),
        (["v1.5", "v2", "v1.5"], None),
    ],
)  # fmt: skip
def test_numbers_with_fractions_are_no_classes(run, labels, sentence):
    rows = [f"a,{n},{label}\n" for n, label in enumerate(labels)]
    Path("train.csv").write_text("sequence,x,label\n" + "".join(rows))
    code, _, said = run("train", "train.csv", *SHORT, "--out", "o")
    assert code == (0 if sentence is None else 2)
    if sentence is None:
        names = ml.load("o/model.safetensors").classes.tolist()
        assert names == ([0, 1, 2] if labels[1] == "0" else sorted(set(labels)))
    else:
        assert said[-1] == f"minilstm: {sentence}" and not Path("o").exists()


def test_words_for_missing_labels_may_stand_before_the_files(run):
    text = Path("train.csv").read_text()
    Path("train.csv").write_text(text.replace("up\n", "NA\n", 1).replace("up\n", "\n", 1))
    words = ["--missing-labels", "NA", "--missing-labels", ""]
    code, out, _ = run("train", *words, "train.csv", *SHORT, "--out", "o", "--json")
    assert code == 0 and json.loads(out[-1])["read"][0]["missing_labels"] == 2
    code, _, said = run("predict", *words, "o/model.safetensors", "train.csv", "--json")
    assert code == 0 and json.loads(said[-1])["read"][0]["missing_labels"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("predict train.csv o/model.safetensors", "train.csv is no model file, as its first bytes "
         "show; are MODEL and DATA swapped?"),
        ("info train.csv", "train.csv is no model file, as its first bytes show; name a file that "
         "train wrote."),
        ("plot train.csv", "train.csv is no model file, as its first bytes show; name a file that "
         "train wrote."),
        ("train o/model.safetensors", "o/model.safetensors is a model file by its name, but a file "
         "of sequences was wanted; name one that ends in .csv, .npz, .mat or .ts."),
        ("train .", "path is '.', which is a folder, but a data file was wanted; name a regular "
         "file."),
        ("train train.csv --out train.csv", "--out is 'train.csv', but that is a file; choose "
         "another name."),
        ("info --threads 0", "the number of threads is 0; "),
        ("info --threads 9999999", "the number of threads is 9999999; "),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named_as_what_it_is(run, words, sentence):
    run("train", "train.csv", *SHORT, "--out", "o")
    code, _, said = run(*words.split())
    assert code == 2
    assert said[-1].startswith(f"minilstm: {sentence}")


def test_a_number_beyond_the_range_names_its_line(run):
    text = "sequence,ax,ay,label\na,1,2,u\n\na,3,4,d\nb,5,-1e39,u\n"
    write_csv("named.csv", *two_movements(0), feature_names=["ax", "ay"])
    run("train", "named.csv", *SHORT, "--out", "o")
    Path("large.csv").write_text(text)
    fault = "minilstm: line 5 of large.csv has -1e+39 in column 'ay', beyond the range of float32; "
    said = run("train", "large.csv", *SHORT, "--out", "p")[2]
    assert said[-1] == fault + "correct it, or train with --dtype float64."
    assert run("predict", "o/model.safetensors", "large.csv")[2][-1] == fault + "correct it."
    assert run("train", "large.csv", *SHORT, "--out", "p", "--dtype", "float64")[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the channels")
@pytest.mark.parametrize(
    ("shell", "sentence"),
    [
        ("stream o/model.safetensors <&-", "standard input is closed, but the command needs it; "
         "leave it open."),
        ("info >&-", "standard output is closed, but the command needs it; leave it open."),
        ("predict o/model.safetensors train.csv >full", "standard output fails (File too large); "
         "let it be a file with enough space, a pipe or a terminal."),
    ],
)  # fmt: skip
def test_channels_that_are_closed_or_full(run, shell, sentence):
    run("train", "train.csv", *SHORT, "--out", "o")
    limit = "ulimit -f 0; " if "full" in shell else ""
    done = subprocess.run(
        ["bash", "-c", f"{limit}exec '{sys.executable}' -B -m minilstm {shell}"],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"minilstm: {sentence}")
