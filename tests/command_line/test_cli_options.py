"""Every word of the command line, with a value other than its default, and what it changes.
The parser is walked, so a word without a case fails the test.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_words import BENCH
from builders import two_movements
from check_words import CHECK, RIGHT, names_and_codes
from data_words import DATA
from export_words import EXPORT
from import_words import IMPORT
from import_words import PLAIN as PLAIN_IMPORT
from learn_words import LEARN, bad_words, learning_and_codes, the_page
from matlab_words import matlab
from stream_words import STREAM
from train_words import TRAIN

import minilstm as ml
from minilstm.bench import Result
from minilstm.command_line import cli, commands
from minilstm.command_line.words.parser import build_parser
from minilstm.data import write_csv, write_npz

MODEL = "trained/model.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of data and a trained model."""
    folder = tmp_path_factory.mktemp("options")
    x, y = two_movements(0)
    write_csv(folder / "train.csv", x, y)
    write_csv(folder / "test.csv", *two_movements(1))
    write_csv(folder / "last.csv", x, np.array(["a", "b", "a"]))
    write_npz(folder / "plain.npz", x)
    rows = "run,speed,kind\n0,1,a\n0,2,a\n1,3,NA\n1,-1,b\n"
    (folder / "columns.csv").write_text(rows)
    (folder / "mine.py").write_text(RIGHT)
    write_csv(folder / "one.csv", [np.array([[1.0], [-1.0]])], [np.array(["a", "b"])],
              feature_names=["speed"])  # fmt: skip
    words = ["--epochs", "2", "--hidden", "3", "--quiet", "--backend", "numpy"]
    for name, out in (("train", "trained"), ("one", "small")):
        assert cli.main(["train", f"{folder / name}.csv", "--out", str(folder / out), *words]) == 0
    return folder


class World:
    """Runs commands in the folder of the files, and knows what they printed."""

    def __init__(self, files, tmp_path, capsys, monkeypatch):
        self.files, self.out, self.capsys, self.patch = files, tmp_path, capsys, monkeypatch
        monkeypatch.chdir(files)
        monkeypatch.setenv("MINILSTM_BACKEND", "numpy")

    def run(self, *words, code=0):
        """The JSON object of a command; what stands before it is `printed`."""
        assert cli.main([*map(str, words), "--json"]) == code
        said = self.capsys.readouterr()
        self.printed, self.errors = said.out.splitlines(), said.err
        if words[0] in ("predict", "stream") and "--out" not in words:  # the CSV stands alone
            return json.loads(said.err.splitlines()[-1])
        return json.loads(self.printed.pop())

    def train(self, *words, data="train.csv", code=0):
        """The network and the history, columns by name, of a short training."""
        how = ["--epochs", 2, "--hidden", 3, "--quiet", "--out", self.out / "t", *words]
        self.facts = self.run("train", data, *how, code=code)
        header, *rows = (self.out / "t/history.csv").read_text().splitlines()
        columns = zip(*(map(float, row.split(",")) for row in rows), strict=True)
        self.history = dict(zip(header.split(","), columns, strict=True))
        return ml.load(self.out / "t/model.safetensors")

    def stream(self, *words):
        self.patch.setattr(sys, "stdin", io.StringIO("1,2\n"))
        return self.run("stream", MODEL, *words)

    def taken(self, module, name, result, said=""):
        """What a function is called with, which does nothing but return `result`."""
        calls = []

        def fake(*args, **options):
            calls.append((args, options))
            print(said, end="")
            return result

        self.patch.setattr(module, name, fake)
        return calls


@pytest.fixture
def world(files, tmp_path, capsys, monkeypatch):
    return World(files, tmp_path, capsys, monkeypatch)


# ---------------------------------------------------------------- what each word changes


def reads(*words):
    """The case of words that say how a file with other names of columns is read."""

    def case(w):
        how = ["--id-column", "run", "--label-column", "kind", "--missing-labels", "NA"]
        facts = w.run(*words, "columns.csv", *how)["read"][0]
        assert (facts["id_column"], facts["label_column"], facts["label_per"]) == (
            "run", "kind", "step",
        )  # fmt: skip
        assert (facts["sequences"], facts["features"]) == (2, ["speed"])
        assert (facts["labels"], facts["missing_labels"]) == ({"a": 2, "b": 1}, 1)

    return case


def every_word(w):
    """Both commands, as only a network that knows the word takes it."""
    how = ["columns.csv", "--id-column", "run", "--label-column", "kind", "--no-missing-labels"]
    for words in (["train", "--epochs", 1, "--out", "c"], ["predict", "c/model.safetensors"]):
        assert w.run(*words, *how)["read"][0]["labels"] == {"NA": 1, "a": 2, "b": 1}


def label_per(w, *words):
    how = ["--label-per", "sequence", "--label-column", "label", "--log-level", "error"]
    return w.run(*words, *how)["read"][0]


def train_label_per(w):
    words = ["train", "last.csv", "--output-mode", "last", "--epochs", 1, "--out", w.out]
    assert label_per(w, *words)["label_per"] == "sequence"
    assert "one label a step" in w.run(*words, "--label-per", "step", code=2)["error"]


def predict_label_per(w):
    w.train("--output-mode", "last", data="last.csv")
    model = w.out / "t/model.safetensors"
    assert label_per(w, "predict", model, "last.csv")["labels"] == {"a": 2, "b": 1}
    said = w.run("predict", model, "last.csv", "--label-per", "step", code=2)["error"]
    assert "one label a step" in said


def predict_out(w):
    w.run("predict", MODEL, "test.csv")
    printed = w.printed
    w.run("predict", MODEL, "test.csv", "--out", w.out / "labels.csv")
    assert (w.out / "labels.csv").read_text().splitlines() == printed and w.printed == []


def evaluate_label_per(w):
    w.train("--output-mode", "last", data="last.csv")
    words = ["evaluate", w.out / "t/model.safetensors", "last.csv"]
    assert label_per(w, *words)["labels"] == {"a": 2, "b": 1}
    assert "one label a step" in w.run(*words, "--label-per", "step", code=2)["error"]


def evaluate_every_word(w):
    how = ["columns.csv", "--id-column", "run", "--label-column", "kind", "--no-missing-labels"]
    found = w.run("evaluate", "small/model.safetensors", *how)["report"]["classes"]
    assert [(c["label"], c["support"]) for c in found] == [("a", 2), ("b", 1), ("NA", 1)]


def evaluate_out(w):
    assert w.run("evaluate", MODEL, "test.csv")["files"] == []
    w.run("evaluate", MODEL, "test.csv", "--out", w.out / "e")
    assert (w.out / "e/report.md").read_text().startswith("# Evaluation")


def demo(option, place, value):
    def case(w):
        import minilstm.command_line.demo as room

        calls = w.taken(room, "run_demo", {}, said="\n")
        w.run("demo", option, *([value] if value is not True else []))
        w.run("demo")
        assert calls[0][0][place] == value != calls[1][0][place]

    return case


def warm(w):
    calls = w.taken(commands, "warmup", None)
    w.run("warmup", "--dtype", "both")
    assert [a[0] for a, _ in calls] == ["float32", "float64"]


SOFTMAX = ["gradcheck", "--layer", "Softmax"]


def gradcheck_layer(w):
    names = {row["name"] for row in w.run(*SOFTMAX, "ReLU")["checks"]}
    assert names == {"softmax", "relu"}


def gradcheck_seed(w):
    errors = [[row["error"] for row in w.run(*SOFTMAX, "--seed", s)["checks"]] for s in (0, 5, 5)]
    assert errors[0] != errors[1] == errors[2]


def gradcheck_junit(w):
    w.run(*SOFTMAX, "--junit", w.out / "checks.xml")
    assert "<testcase" in (w.out / "checks.xml").read_text()


def plot_out(w):
    pytest.importorskip("matplotlib")
    assert w.run("plot", MODEL, "--out", w.out / "a.svg")["files"] == [str(w.out / "a.svg")]


GATES = ["plot", MODEL, "--gates", "test.csv"]


def plot_gates(word, value, told):
    def case(w):
        pytest.importorskip("matplotlib")
        drawn = w.run(*GATES, *[word, value] * bool(word), "--out", w.out / "g.svg")
        assert told.items() <= drawn.items() and drawn["files"] == [str(w.out / "g.svg")]
        letters = value if word == "--show" else "cf"
        text = (w.out / "g.svg").read_text()
        assert [letter in text for letter in ("Cell c", "Output gate o")] == [
            "c" in letters,
            "o" in letters,
        ]
        if word:
            assert f"{word} " in w.run("plot", MODEL, word, value, code=2)["error"]

    return case


# A short way to run each command, for the words that all share.
PLAIN = {
    "demo": ["demo"],
    "train": ["train", "train.csv", "--epochs", 1, "--hidden", 2, "--quiet"],
    "predict": ["predict", MODEL, "test.csv"],
    "evaluate": ["evaluate", MODEL, "test.csv"],
    "stream": ["stream", MODEL],
    "info": ["info"],
    "plot": ["plot", MODEL],
    "bench": ["bench"],
    "warmup": ["warmup"],
    "gradcheck": SOFTMAX,
    "completion": ["completion", "bash"],
    "check": ["check", "mine.py"],
    "learn": ["learn"],
    "export": ["export", MODEL, "--to", "json"],
    "import": PLAIN_IMPORT,
}


def run_plain(w, command, *words):
    """A command whose long work, if it has any, is left out."""
    import minilstm.bench
    import minilstm.command_line.demo

    w.patch.setattr(sys, "stdin", io.StringIO("1,2\n"))
    w.taken(minilstm.command_line.demo, "run_demo", {"backend": "numpy"}, said="\n")
    w.taken(minilstm.bench, "run_bench", Result({}, [], []))
    w.taken(commands, "warmup", None)
    out = ["--out", w.out / "p.png"] if command in ("train", "plot") else []
    out = ["--out", w.out / "p.safetensors"] if command == "import" else out
    return w.run(*PLAIN[command], *out, *words)


READS = {"predict": reads("predict", "small/model.safetensors")}
READS["train"] = reads("train", "--epochs", 1, "--quiet", "--out", "columns")
COLUMNS = ("--id-column", "--label-column", "--missing-labels")
CASES = {
    **{(command, word): READS[command] for command in READS for word in COLUMNS},
    ("train", "--no-missing-labels"): every_word,
    ("train", "--label-per"): train_label_per,
    ("predict", "--no-missing-labels"): every_word,
    ("predict", "--label-per"): predict_label_per,
    ("train", "--layout"): matlab("train", "--layout", "TC"),
    ("train", "--x-name"): matlab("train", "--x-name", "b"),
    ("train", "--y-name"): matlab("train", "--y-name", "m"),
    ("predict", "--layout"): matlab("predict", "--layout", "TC"),
    ("predict", "--x-name"): matlab("predict", "--x-name", "b"),
    ("predict", "--y-name"): matlab("predict", "--y-name", "m"),
    ("predict", "--out"): predict_out,
    ("evaluate", "--id-column"): reads("evaluate", "small/model.safetensors"),
    ("evaluate", "--label-column"): reads("evaluate", "small/model.safetensors"),
    ("evaluate", "--missing-labels"): reads("evaluate", "small/model.safetensors"),
    ("evaluate", "--no-missing-labels"): evaluate_every_word,
    ("evaluate", "--label-per"): evaluate_label_per,
    ("evaluate", "--layout"): matlab("evaluate", "--layout", "TC"),
    ("evaluate", "--x-name"): matlab("evaluate", "--x-name", "b"),
    ("evaluate", "--y-name"): matlab("evaluate", "--y-name", "m"),
    ("evaluate", "--out"): evaluate_out,
    ("demo", "--quick"): demo("--quick", 1, True),
    ("demo", "--out"): demo("--out", 0, Path("elsewhere")),
    ("demo", "--seed"): demo("--seed", 2, 9),
    **BENCH,
    **STREAM,
    **{("train", word): case for word, case in TRAIN.items()},
    **DATA,
    **EXPORT,
    **IMPORT,
    ("warmup", "--dtype"): warm,
    ("gradcheck", "--layer"): gradcheck_layer,
    ("gradcheck", "--seed"): gradcheck_seed,
    ("gradcheck", "--junit"): gradcheck_junit,
    ("plot", "--out"): plot_out,
    ("plot", "--gates"): plot_gates("", "", {"layer": "lstm", "sequence": "0"}),
    ("plot", "--layer"): plot_gates("--layer", "lstm", {"layer": "lstm"}),
    ("plot", "--sequence"): plot_gates("--sequence", "1", {"sequence": "1"}),
    ("plot", "--show"): plot_gates("--show", "o", {"sequence": "0"}),
    **CHECK,
    **LEARN,
}


def words_of_the_parser():
    """(command, word) of every option; positional words are in every case of their command."""
    [choices] = [a.choices for a in build_parser()._actions if a.choices and a.dest == "command"]
    return {
        (command, action.option_strings[-1])
        for command, parser in choices.items()
        for action in parser._actions
        if action.option_strings and action.dest != "help"
    }


COMMON = {"--json", "--backend", "--threads", "--log-level"}


def test_every_word_has_a_case():
    commands = {command for command, _ in words_of_the_parser()}
    assert commands == set(PLAIN)
    shared = {(command, word) for command in commands for word in COMMON}
    assert words_of_the_parser() == shared | set(CASES)


@pytest.mark.parametrize(("command", "word"), CASES, ids=lambda text: text.strip("-"))
def test_a_word_changes_what_it_names(world, command, word):
    CASES[command, word](world)


@pytest.mark.parametrize("command", PLAIN)
def test_the_words_of_all_commands(world, command, set_threads):
    run_plain(world, command, "--threads", 3)  # and --json, which `run` takes apart
    assert ml.get_num_threads() == 3
    seen = []
    real = cli.use_backend
    world.patch.setattr(cli, "use_backend", lambda name: seen.append(name) or real(name))
    facts = run_plain(world, command, "--backend", "numpy")
    assert seen == ["numpy"] and facts.get("backend", "numpy") == "numpy"
    run_plain(world, command, "--log-level", "error")
    assert cli.main([*map(str, PLAIN[command]), "--log-level", "loud"]) == 2


def test_check_of_some_names_and_its_exit_codes(world):
    names_and_codes(world)


@pytest.mark.parametrize("case", [learning_and_codes, the_page, bad_words])
def test_learning(world, case):
    case(world)


def test_empty_words_are_words(world):
    (world.files / "whole.csv").write_text("speed,label\n1,0\n2,0\n")
    words = ["predict", "small/model.safetensors", "whole.csv", "--id-column", ""]
    facts = world.run(*words, "--label-column", "", code=2)
    assert "has the features speed, label" in facts["error"]
    (world.files / "bare.csv").write_text("speed\n1\n2\n")
    facts = world.run("predict", "small/model.safetensors", "bare.csv", "--id-column", "")
    assert facts["read"][0]["sequences"] == 1 and facts["read"][0]["steps"] == 2
    assert world.printed[1].startswith("0,0,")
