"""Where commands write: devices, links, folders that are none, and standard output.
What cannot be written is refused before anything is computed, with exit code 2."""

import os
import stat
import subprocess
import sys

import pytest
from builders import two_movements

import minilstm as ml
from minilstm.command_line import commands, demo, models, training
from minilstm.command_line.cli import main
from minilstm.data import write_csv
from minilstm.training.history import TrainingInfo

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX nodes")


@pytest.fixture
def files(tmp_path, monkeypatch, on_numpy, capsys):
    """A folder with data and a model, which is also where the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINILSTM_BACKEND", "numpy")
    write_csv("data.csv", *two_movements(0))
    assert main(["train", "data.csv", "--epochs", "1", "--hidden", "2", "--quiet"]) == 0
    assert main(["predict", "minilstm-train/model.safetensors", "data.csv", "--out", "p.csv"]) == 0
    capsys.readouterr()
    return tmp_path


PREDICT = ["predict", "minilstm-train/model.safetensors", "data.csv", "--out"]
TRAIN = ["train", "data.csv", "--epochs", "1", "--hidden", "2", "--quiet", "--out"]


def test_predictions_go_into_a_device_a_link_and_standard_output(files, capsys):
    try:
        os.mknod("node", 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # one of our own
        with open("node", "wb"):
            pass
    except OSError:
        pytest.skip("no nodes may be made or opened here")
    wanted = (files / "p.csv").read_text()
    assert main([*PREDICT, "node"]) == 0 and stat.S_ISCHR(os.lstat("node").st_mode)
    (files / "target.csv").write_text("old")
    (files / "target.csv").chmod(0o600)
    (files / "link.csv").symlink_to("target.csv")
    assert main([*PREDICT, "link.csv"]) == 0 and os.path.islink("link.csv")
    assert (files / "target.csv").read_text() == wanted
    assert stat.S_IMODE(os.stat("target.csv").st_mode) == 0o600
    capsys.readouterr()
    assert main([*PREDICT, "-"]) == 0 and capsys.readouterr().out == wanted
    assert not (files / "-").exists()
    command = [sys.executable, "-m", "minilstm", *PREDICT, "/dev/stdout", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith(wanted) and len(done.stdout.splitlines()) == (
        len(wanted.splitlines()) + 1
    )


def broken(*arguments, **options):
    raise AssertionError("something was computed")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [*PREDICT, "no/p.csv"],
            "--out is 'no/p.csv', but the folder 'no' does not exist; create it first or choose "
            "another.",
        ),
        ([*PREDICT, "."],
         "--out is '.', which is a folder, but a file is to be written; name a file."),
        ([*PREDICT, "data.csv/p"],
         "--out is 'data.csv/p', but the folder 'data.csv' does not exist; create it first or "
         "choose another."),
        ([*TRAIN, "data.csv"], "--out is 'data.csv', but that is a file; choose another name."),
        (["demo", "--quick", "--out", "data.csv"],
         "--out is 'data.csv', but that is a file; choose another name."),
        (
            ["gradcheck", "--junit", "no/checks.xml"],
            "--junit is 'no/checks.xml', but the folder 'no' does not exist; create it first or "
            "choose another.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_before_anything_is_computed(
    files, words, message, capsys, monkeypatch
):
    if words[0] == "demo":
        pytest.importorskip("matplotlib")
    before = sorted(os.listdir())
    monkeypatch.setattr(training, "train", broken)
    monkeypatch.setattr(models, "load_predictor", broken)
    monkeypatch.setattr(demo, "train", broken)
    monkeypatch.setattr(commands, "current_backend", broken)
    assert main(words) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"minilstm: {message}"
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "words", [[*PREDICT, ""], [*TRAIN, ""], ["info", ""], ["train", ""], ["plot", "m", "--out", ""]]
)
def test_an_empty_word_is_no_path(words, capsys):
    assert main(words) == 2
    assert "it is '', which is no path; give the name of a file or folder." in (
        capsys.readouterr().err
    )


def test_a_training_whose_output_nobody_reads_still_writes_its_files(files):
    command = [sys.executable, "-m", "minilstm", *TRAIN[:-2], "--epochs", "40", "--out", "o"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # as head does, once it has enough
        process.stderr.read()
        assert process.wait(120) == 0
    assert ml.load("o/model.safetensors").classes.tolist() == ["down", "up"]


def test_ctrl_c_in_the_second_training_of_the_demo_is_its_exit_code(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    info = [TrainingInfo({}, reason, 1, 1.0) for reason in ("All done.", "Stopped by Ctrl-C.")]
    result = {"accuracy": 1.0, "loss": 0.0}
    monkeypatch.setattr(demo, "_activities", lambda *_: (result, [], info[0]))
    for second, code in ((info[1], 130), (info[0], 0)):
        monkeypatch.setattr(demo, "_vowels", lambda *_, s=second: (1.0, s))
        assert demo.run_demo(tmp_path, True, 0)["exit_code"] == code
