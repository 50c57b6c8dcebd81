"""The commands on files as loggers write them: train, predict, stream and evaluate, on NumPy.
What the first error says to add is added as it stands there, and then the file is read rightly.
"""

import io
import json
import re
import shlex
import sys

import numpy as np
import pytest
from logger_files import AXES, KINDS, RECORDINGS, SECONDS, USUAL, axes, csv, simulate, table

import minilstm as ml

pytestmark = pytest.mark.usefixtures("own_folder")
SMALL = ["--hidden", 2, "--epochs", 2, "--quiet", "--out", "o"]
MODEL = "o/model.safetensors"
FRACTION = 1e-5  # of what six digits show


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Pictures have tests of their own, and take most of the time of a small training."""
    monkeypatch.setattr("minilstm.plots.live.save_figure", lambda *_: None)


@pytest.fixture
def send(monkeypatch, run):
    """Run a command with bytes on its standard input."""

    def command(data, *words):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))
        return run(*words)

    return command


def listed(paths):
    return paths if isinstance(paths, list) else [paths]


def option(name):
    return "--" + name.replace("_", "-")


def typed(options):
    """Options of Python as words of a command."""
    pairs = [(option(n), v if isinstance(v, str) else ",".join(v)) for n, v in options.items()]
    return [word for pair in pairs for word in pair]


def advised(sentence, kind):
    """The words of the options that a kind needs, as they stand in a sentence."""
    found = re.findall(r"(--[a-z-]+) ('[^']*'|\"[^\"]*\")", sentence)
    said = [[word, *shlex.split(value)] for word, value in found]
    words = typed(kind.options)
    pairs = [[words[k], words[k + 1].replace("\t", "\\t")] for k in range(0, len(words), 2)]
    assert all(pair in said for pair in pairs), sentence
    return [word for pair in pairs for word in pair]


def assert_trained(kind, out, names=AXES):
    """The JSON of a training tells the recordings that were written."""
    wanted = kind.wanted()
    [read] = json.loads(out[-1])["read"]
    assert (read["sequences"], read["steps"]) == (len(wanted.x), sum(map(len, wanted.x)))
    assert read["features"] == names
    low, high = np.min([x.min(0) for x in wanted.x], 0), np.max([x.max(0) for x in wanted.x], 0)
    np.testing.assert_allclose(read["ranges"], np.stack([low, high], 1), rtol=1e-12)


def told_as_computed(kind, lines):
    """The predictions of a file are those that the network gives for what was written in it."""
    wanted, net = kind.wanted(), ml.load(MODEL)
    scores = [net.predict(x) for x in wanted.x]
    rows = [line.split(",") for line in lines]
    told = np.array([row[-np.shape(scores[0])[-1] :] for row in rows[1:]], float)
    order = range(len(scores)) if kind.ordered else reading_order(wanted, rows)
    whole = np.concatenate([np.atleast_2d(scores[k]) for k in order])
    np.testing.assert_allclose(told, whole, rtol=FRACTION, atol=1e-6)


def reading_order(wanted, rows):
    names = list(dict.fromkeys(row[0] for row in rows[1:]))
    return [wanted.ids.index(name) for name in names]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_is_trained_on_as_advised_and_predicted(tmp_path, run, kind):
    paths = listed(kind.write(tmp_path))
    words = typed(kind.options)
    code, out, said = run("train", *paths, *([] if kind.told else words), *SMALL, "--json")
    if code:
        assert not (tmp_path / "o").exists() and len(out) == 1  # the JSON of the error
        words = advised(said[-1], kind)
        code, out, said = run("train", *paths, *words, *SMALL, "--json")
    assert code == 0, said
    assert_trained(kind, out)
    code, lines, said = run("predict", MODEL, *paths)  # the model knows how to read them
    assert code == 0, said
    told_as_computed(kind, lines)


def test_standard_input_is_read(send, run):
    """Kind 19, for every command that reads data."""
    data = table(USUAL).to_csv(index=False).encode()
    code, out, said = send(data, "train", "-", *SMALL, "--json")
    assert code == 0, said
    assert_trained(KINDS["1 ISO time first"], out)
    code, lines, said = send(data, "predict", MODEL, "-")
    assert code == 0, said
    told_as_computed(KINDS["1 ISO time first"], lines)


def test_windows_are_cut_where_labels_change_but_one_a_sequence_is_wanted(tmp_path, run):
    """Kind 18."""
    path = csv(USUAL)(tmp_path)
    code, out, said = run("train", path, "--output-mode", "last", *SMALL, "--json")
    assert (code, len(out)) == (2, 1) and not (tmp_path / "o").exists()
    first = np.flatnonzero(RECORDINGS[0].y[1:] != RECORDINGS[0].y[:-1])[0] + 1
    was, now = RECORDINGS[0].y[first - 1 : first + 1]
    assert said[-1] == (
        f"minilstm: --label-per is 'sequence', but line {first + 2} of {str(path)!r} has the "
        f"label '{now}' after '{was}' in the same sequence: make them equal, or cut windows with "
        "--window-length."
    )
    code, _, said = run("train", path, "--output-mode", "last", "--window-length", 40,
                        "--window-step", 30, *SMALL)  # fmt: skip
    assert code == 0, said
    net, data = ml.load(MODEL), ml.data.windows(40, 30)(ml.data.read_sequences(path))
    assert len(data.x) == sum(1 + (len(r.x) - 40) // 30 for r in RECORDINGS)
    code, lines, said = run("predict", MODEL, path)
    assert code == 0, said
    told = np.array([line.split(",")[-4:] for line in lines[1 : 1 + len(data.x)]], float)
    np.testing.assert_allclose(told, net.predict(data.x), rtol=FRACTION, atol=1e-6)
    others = [r._replace(id=f"new {r.id}") for r in simulate(people=2, seed=9)]
    code, out, said = run("evaluate", MODEL, csv(USUAL, "new.csv", others)(tmp_path), "--json")
    assert code == 0, said
    count = sum(1 + (len(r.x) - 40) // 30 for r in others)
    assert json.loads(out[-1])["report"]["rows"] == count


def test_a_stream_survives_a_bad_line(tmp_path, send, run):
    """Kind 20: the line is told, and the next one is answered as if it had not been there."""
    run("train", csv(USUAL)(tmp_path), *SMALL)
    x = RECORDINGS[0].x[:6]
    lines = [",".join(map(str, row)) for row in x.tolist()]
    text = "\n".join([",".join(AXES), *lines[:3], "0.1,0.2,E", *lines[3:]]) + "\n"
    code, out, said = send(text.encode(), "stream", MODEL)
    assert (code, len(out)) == (2, 3)
    assert "line 5 " in said[-1] and "--on-bad-line skip" in said[-1]
    code, out, said = send(text.encode(), "stream", MODEL, "--on-bad-line", "skip")
    assert code == 0 and out.pop(3) == ",,,,"  # a line out for every line in
    told = np.array([line.split(",")[1:] for line in out], float)
    np.testing.assert_allclose(told, ml.load(MODEL).predict(x), rtol=FRACTION, atol=1e-6)
    assert len(said) == 1 and "line 5 " in said[0]


def test_a_class_that_was_never_trained_is_a_row_of_the_result(tmp_path, run):
    """Kind 21."""
    few = [r._replace(x=r.x[r.y != "walk"], y=r.y[r.y != "walk"]) for r in RECORDINGS[:6]]
    few = [r._replace(seconds=np.arange(len(r.y)) / 50) for r in few]
    csv(USUAL, "few.csv", few)(tmp_path)
    csv(USUAL, "rest.csv", RECORDINGS[6:])(tmp_path)
    code, out, said = run("train", "few.csv", "--test", "rest.csv", *SMALL, "--json")
    assert code == 0, said
    reports = [json.loads((tmp_path / "o" / "report.json").read_text())]
    code, out, said = run("evaluate", MODEL, "rest.csv", "--json")
    assert code == 0, said
    reports.append(json.loads(out[-1])["report"])
    support = sum(int((r.y == "walk").sum()) for r in RECORDINGS[6:])
    for report in reports:
        assert [c["trained"] for c in report["classes"]] == [True, True, True, False]
        walk = report["classes"][-1]
        assert [walk[k] for k in ("label", "support", "recall")] == ["walk", support, 0.0]


def test_one_command_leaves_each_of_eight_people_out_once(tmp_path, run):
    """Groups stand in the names of the files; one network a person, and one report of them all."""
    people = simulate(people=8, each=1, seed=5)
    place = tmp_path / "people"
    place.mkdir()
    for r in people:
        table(axes(SECONDS, label="activity"), [r]).to_csv(place / f"{r.person}_1.csv", index=False)
    code, _, said = run(
        "train", place, "--file-pattern", "{group}_*", "--leave-one-group-out", "--hidden", 8,
        "--rate", 10, "--epochs", 20, "--learn-rate", 0.03, "--mini-batch-size", 2, "--quiet",
        "--out", "o", "--json",
    )  # fmt: skip
    assert code == 0, said
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    assert report["balanced_accuracy"] > 0.8
    assert sorted(part["name"] for part in report["by_group"]) == [r.person for r in people]
    assert sum(p["rows"] for p in report["by_group"]) == sum(-(-len(r.y) // 5) for r in people)
