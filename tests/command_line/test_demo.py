"""The demonstration and the README: what a newcomer runs first does what the page says.
Every Python block and command of it and of the tour, and every file of its map, is tried."""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.command_line.cli import main
from minilstm.command_line.demo import _streamed
from minilstm.data import write_csv

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
TOUR = (ROOT / "docs" / "tour.md").read_text("utf-8")
BOTH = README + TOUR
ROOMS = ("minilstm/", "kernels/")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", BOTH, re.DOTALL | re.MULTILINE)


def skeleton(line: str) -> str:
    """A line of output without its numbers, folders and widths."""
    # How much is computed twice depends on the size, and the quick demo is small.
    line = re.sub(r"^(memory for gradients: \S+ MiB).*", r"\1", line)
    line = re.sub(r"\S*/", "", line)
    line = re.sub(r"[\d,.]*\d(e-?\d+)?", "0", line)
    return re.sub(r"\s+", " ", line).strip()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(["demo", "--quick", "--out", str(folder), "--json"])
    assert code == 0
    return folder, out.getvalue().splitlines()


def test_demo_reaches_its_accuracies(demo):
    result = json.loads(demo[1][-1])
    assert result["accuracy"] >= 0.985  # 1/25 of the recordings; the whole demo reaches 0.99
    assert result["vowels_accuracy"] >= 0.9


def test_demo_says_where_every_file_went(demo):
    folder, lines = demo
    files = sorted(p.name for p in folder.iterdir())
    assert files == [
        "confusion.png",
        "history.csv",
        "human-activity.safetensors",
        "predicted-activities.png",
        "test-sequence.png",
        "training-progress.png",
        "training-sequence.png",
    ]
    printed = [Path(line.strip()).name for line in lines if line.startswith("  /")]
    assert sorted(printed) == files
    assert len((folder / "history.csv").read_text().splitlines()) == 61
    for name in files:
        if name.endswith(".png"):
            assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_demo_model_predicts(demo):
    net = ml.load(demo[0] / "human-activity.safetensors")
    assert net.classes.tolist() == ["Dancing", "Running", "Sitting", "Standing", "Walking"]
    assert net.predict(np.zeros((5, 3))).shape == (5, 5)


def test_readme_shows_what_the_demo_prints(demo):
    shown = next(b for b in blocks("console") if "make demo" in b).splitlines()[1:]
    printed = {skeleton(line) for line in demo[1]}
    assert len(shown) > 15
    assert [line for line in shown if skeleton(line) not in printed] == []


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_readme_python_blocks_run(number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    block, name = blocks("python")[number], f"README block {number}"
    # Causes quote the source, which a reader has in a file.
    linecache.cache[name] = len(block), None, block.splitlines(True), name
    exec(compile(block, name, "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    shown = re.search(rf"^{re.escape(blocks('python')[number])}```\n\n```text\n(.*?)^```$",
                      BOTH, re.DOTALL | re.MULTILINE)  # fmt: skip
    if shown:
        assert [skeleton(line) for line in printed.splitlines()] == [
            skeleton(line) for line in shown[1].splitlines()
        ]


def test_readme_and_tour_have_their_six_python_blocks_and_the_step_is_the_second():
    found = blocks("python")
    assert len(found) == 6 and "adam_step" in found[1] and "import minilstm as ml" not in found[1]
    assert len(README.splitlines()) < 270


def test_readme_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("train.csv", "test.csv"):
        x = [rng.normal(size=(T, 2)) for T in (20, 30)]
        write_csv(name, x, [np.where(a[:, 0] > 0, "up", "down") for a in x])
    (tmp_path / "sensor.csv").write_text("0.1,0.2\n0.3,0.4\n")
    (tmp_path / "recordings").mkdir()
    for person in "abc":  # 25 steps a second
        rows = [f"{t / 25},{rng.normal()},{'up' if t < 64 else 'down'}" for t in range(128)]
        table = "\n".join(["time,ax,label", *rows])
        (tmp_path / "recordings" / f"{person}_1.csv").write_text(table)
    shutil.copy(ROOT / "tests/exchange/files/last.onnx", tmp_path / "somebody.onnx")
    commands = [
        line.removeprefix("$ ")
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    tried = set()
    for command in commands:
        if command.startswith("make "):
            target = command.split()[1]
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            tried.add(command)
            continue
        words = shlex.split(re.sub(r"^cat \S+ \| | > \S+$", "", command))
        assert words[0] == "minilstm"
        if "stream" in words:
            rows = (tmp_path / "sensor.csv").read_text()
            monkeypatch.setattr("sys.stdin", io.StringIO(rows))
        assert main(words[1:]) == 0, command
        tried.add(words[1])
    capsys.readouterr()
    assert tried == {
        "make demo", "make test", "train", "predict", "evaluate", "stream", "info", "export",
        "import", "plot", "gradcheck",
    }  # fmt: skip


def test_readme_map_names_every_room_and_each_has_its_page():
    rows = re.findall(r"^\| (?:\[`([^`]+)`\]\(([^)]+)\)|`([^`]+)`) \|", README, re.MULTILINE)
    rows = [(room or file, page) for room, page, file in rows if (room or file).startswith(ROOMS)]
    named = [room for room, _ in rows]
    folders = [p for p in (ROOT / "minilstm").iterdir() if (p / "__init__.py").is_file()]
    rooms = {f"minilstm/{p.name}/" for p in folders if p.name != "kernels"}
    assert set(named) == rooms | {"kernels/", "minilstm/backend.py"} and len(named) == 16
    for room, page in rows:
        if room.endswith("/"):
            assert page == f"{room}README.md"


def test_readme_links_lead_somewhere():
    for folder, page in ((ROOT, README), (ROOT / "docs", TOUR)):
        for target in re.findall(r"\]\(([^)#:]+)\)", page):
            assert (folder / target).exists(), target


REAL = Path(os.environ.get("MINILSTM_REAL_DATA", ROOT.parent / "shared" / "data"))


@pytest.mark.skipif(not REAL.is_dir(), reason="MathWorks' files are not here")
def test_the_seeds_network_learns_the_real_recordings():
    """A short training on a twentieth of each real recording; the full one is in the README."""
    x_train, y_train, x_test, y_test = ml.datasets.human_activity(REAL)
    assert [len(x) for x in x_train] == [64480, 53696, 56416, 50688, 51888, 54256]
    assert len(x_test[0]) == 53888
    layers = [ml.SequenceInput(3), ml.LSTM(50), ml.FullyConnected(5), ml.Softmax()]
    options = ml.TrainingOptions(
        max_epochs=40, initial_learn_rate=0.01, gradient_threshold=2, verbose=False
    )
    net, _ = ml.train(
        [x[::20] for x in x_train], [y[::20] for y in y_train], layers, options=options
    )
    assert net.evaluate([x_test[0][::20]], [y_test[0][::20]])["accuracy"] > 0.9


def test_what_is_streamed_is_compared_with_the_whole_sequence():
    layers = [ml.SequenceInput(2), ml.LSTM(3), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0), classes=["a", "b"])
    x = np.random.default_rng(1).standard_normal((7, 2)).astype(np.float32)
    stream = net.stream()
    scores = np.stack([stream.step(x_t) for x_t in x])
    start = "streaming 7 steps one by one: "
    same, apart = (_streamed(net, x, scores + moved) for moved in (0, np.float32(0.001)))
    assert same.startswith(f"{start}the same bits as the whole sequence, ")
    assert apart.startswith(f"{start}equal to 1e-03 as the whole sequence, ")
