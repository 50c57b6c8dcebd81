"""What commands do where their results cannot go: one sentence and exit code 2, before they start.
What was trained is kept in another place where its own cannot be written in the end.
"""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import two_movements

import minilstm as ml
from minilstm.command_line import demo, training
from minilstm.command_line.cli import main
from minilstm.command_line.outputs import output_folder, save_model
from minilstm.data import write_csv

TRAIN = ["train", "d.csv", "--hidden", "2", "--epochs", "1", "--quiet", "--out", "o"]
NEEDED = "but the command needs it; leave it open."


@pytest.fixture(autouse=True)
def here(own_folder):
    write_csv("d.csv", *two_movements(0))
    write_csv("e.csv", *two_movements(1))


# ---------------------------------------------------------------- files of a folder


@pytest.mark.parametrize("name", ["model.safetensors", "history.csv", "confusion.png"])
def test_a_folder_in_the_place_of_a_result_is_found_before_the_training(name, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(training, "train", lambda *a, **k: pytest.fail("it was trained"))
    Path("o", name).mkdir(parents=True)
    assert main([*TRAIN, "--test", "e.csv"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"minilstm: {name} in --out is 'o/{name}', which is a folder, but a file is to be written; "
        "take it away, or choose another --out."
    )


def test_the_demo_names_every_file_that_it_writes(capsys):
    pytest.importorskip("matplotlib")
    for name in demo.NAMES:
        Path(name, name).mkdir(parents=True)
        assert main(["demo", "--quick", "--out", name]) == 2
        assert f"minilstm: {name} in --out is" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["beside", "temporary"])
def test_a_model_that_cannot_be_written_is_kept_in_another_place(place, tmp_path, monkeypatch):
    layers = [ml.SequenceInput(2), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spare))
    path = tmp_path / "o/model.safetensors"

    def run():
        with output_folder(path.parent, [path.name]):
            path.mkdir()  # meanwhile
            if place == "temporary":
                path.rmdir()
                path.parent.rmdir()
            save_model(net, path)

    with pytest.raises(OSError, match="the trained model is in") as error:
        run()
    folder = spare if place == "temporary" else path.parent
    [kept] = [p for p in folder.iterdir() if p.is_file()]
    fault = {
        "beside": "which is a folder, but a file is to be written",
        "temporary": f"but the folder {str(path.parent)!r} does not exist",
    }
    assert str(error.value) == (
        f"path is {str(path)!r}, {fault[place]}; the trained model is in {str(kept)!r}, so move it."
    )
    assert np.array_equal(ml.load(kept).parameters["lstm/bias"], net.parameters["lstm/bias"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises((OSError, ValueError), match="create it first or choose another"):
        save_model(net, tmp_path / "none/model.safetensors")


# ---------------------------------------------------------------- standard streams


def shell(words, redirect="", **options):
    """A command in a process of its own: exit code, and what it said on standard error."""
    python = f"exec {shlex.quote(sys.executable)} -m minilstm {words} {redirect}"
    done = subprocess.run(["sh", "-c", python], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr.splitlines(), done.stdout


@pytest.fixture
def full(tmp_path):
    """A device of our own on which no byte has room."""
    node = tmp_path / "full"
    try:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 7))
        with open(node, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            file.write(b"1")
    except OSError:
        pytest.skip("no nodes may be made or opened here")
    return node


@pytest.mark.parametrize("words", ["predict o/model.safetensors d.csv", "--version", "info"])
def test_a_full_standard_output_is_one_sentence(words, full):
    assert main(TRAIN) == 0
    assert shell(words, f"> {full}")[1][-1:] == [
        "minilstm: standard output fails (No space left on device); let it be a file with enough "
        "space, a pipe or a terminal."
    ]
    assert shell(words, f"> {full} 2> {full}")[0] == shell(words, f"> {full}")[0] == 2


@pytest.mark.parametrize(
    ("words", "redirect", "said"),
    [
        ("info", ">&-", f"minilstm: standard output is closed, {NEEDED}"),
        ("--version", ">&-", f"minilstm: standard output is closed, {NEEDED}"),
        ("stream o/m", "<&-", f"minilstm: standard input is closed, {NEEDED}"),
    ],
)
def test_a_closed_standard_stream_is_one_sentence(words, redirect, said):
    assert shell(words, redirect) == (2, [said], "")


def test_a_closed_standard_error_leaves_the_output_clean():
    assert main(TRAIN) == 0
    whole = shell("predict o/model.safetensors d.csv")
    assert shell("predict o/model.safetensors d.csv", "2>&-") == (0, [], whole[2])
    assert shell("predict o/model.safetensors d.csv", "<&-") == whole
    code, said, _ = shell("predict o/model.safetensors d.csv --json | true")
    assert (code, [line for line in said if "Traceback" in line or "Exception" in line]) == (0, [])


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("word", "value", "wanted"),
    [
        ("--hidden", "1_0", "a whole number from 1 to 2147483647"),
        ("--threads", "٣", "a whole number"),
        ("--seed", "1_0", "a whole number of at least 0"),
        ("--learn-rate", "1_0", "a number"),
        ("--learn-rate", "nan", "a number"),
        ("--gradient-threshold", "٣", "a number"),
        ("--dropout", "0.1_0", "a number from 0 to below 1"),
    ],
)
def test_numbers_are_those_that_files_may_hold(word, value, wanted, capsys):
    assert main(["train", "d.csv", word, value]) == 2
    assert capsys.readouterr().err == f"minilstm: {word}: {value} is not {wanted}.\n"


@pytest.mark.parametrize("value", ["1_0MB", "٣MB", "1.2.3kB"])
def test_sizes_are_too(value, capsys):
    assert main(["train", "d.csv", "--memory-budget", value]) == 2
    assert f"{value} is no size such as 200MB, nor auto" in capsys.readouterr().err
