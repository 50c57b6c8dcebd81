"""What commands read and write: columns by name, labels as they are, and errors as one sentence.
What was taken for what is said on standard error, and is in the JSON object.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from builders import two_movements

import minilstm as ml
from minilstm.command_line import training
from minilstm.data import read_sequences, write_csv, write_npz

NAMES = ["ax", "ay", "az"]
SHORT = ["--hidden", "3", "--epochs", "2", "--quiet"]


pytestmark = pytest.mark.usefixtures("own_folder")


def movements(seed, y=None):
    """Three features, of which the first decides the label."""
    x, labels = two_movements(seed)
    x = [np.column_stack([a, a[:, 1] - a[:, 0]]) for a in x]  # (T, 3)
    return x, labels if y is None else [y] * 3


def write(path, seed=0, names=NAMES, y=None):
    """A file whose columns stand in the order of `names`."""
    x, labels = movements(seed)
    x = [a[:, [NAMES.index(name) for name in names]] for a in x]
    write_csv(path, x, labels if y is None else [np.where(a == "up", *y) for a in labels],
              feature_names=names)  # fmt: skip


# ---------------------------------------------------------------- columns by name


def test_columns_are_matched_by_name(run):
    write("train.csv")
    write("same.csv", 1)
    write("swapped.csv", 1, NAMES[::-1])
    x, y = movements(1)
    write_npz("bare.npz", x, y)  # without names: positions
    results = []
    for test in ("same.csv", "swapped.csv", "bare.npz"):
        how = ["--hidden", 4, "--epochs", 30, "--learn-rate", 0.1, "--quiet", "--out", "o"]
        code, out, _ = run("train", "train.csv", "--test", test, *how, "--json")
        predicted = run("predict", "o/model.safetensors", test, "--json")
        results.append((code, json.loads(out[-1])["accuracy"], predicted[1]))
    assert results[0] == results[1]
    assert results[0][:2] == results[2][:2] and results[0][1] > 0.9
    assert ml.load("o/model.safetensors").layers[0].feature_names == tuple(NAMES)
    told = run("info", "o/model.safetensors")[1]
    assert set(NAMES) <= {line.split()[0] for line in told if line.startswith("  ")}
    facts = json.loads(run("info", "o/model.safetensors", "--json")[1][-1])
    assert facts["feature_names"] == NAMES


def test_unknown_and_missing_columns_are_errors(run):
    write("train.csv")
    write("other.csv", 1, NAMES)
    text = Path("other.csv").read_text()
    Path("other.csv").write_text(text.replace("ay", "speed", 1))
    sentence = (
        "minilstm: 'other.csv' has the features ax, speed, az, but the network learned ax, ay, az "
        "(missing: ay; unknown: speed); rename, add or drop columns."
    )
    code, _, said = run("train", "train.csv", "--test", "other.csv", *SHORT, "--out", "o")
    assert (code, said[-1]) == (2, sentence)
    run("train", "train.csv", *SHORT, "--out", "o")
    code, out, said = run("predict", "o/model.safetensors", "other.csv")
    assert (code, out, said[-1]) == (2, [], sentence)


# ---------------------------------------------------------------- what is said


def test_what_was_read_is_said(run):
    write("train.csv")
    _, out, said = run("train", "train.csv", *SHORT, "--out", "o", "--json")
    labels = np.concatenate(movements(0)[1])
    up = int((labels == "up").sum())
    x = np.concatenate(movements(0)[0])
    ends = [(float(a), float(b)) for a, b in zip(x.min(axis=0), x.max(axis=0), strict=True)]
    shown = [f"{n} ({a:.4g} to {b:.4g})" for n, (a, b) in zip(NAMES, ends, strict=True)]
    assert said == [
        "train.csv: 3 sequences, 98 steps (25 to 40 each), id column 'sequence'",
        f"train.csv: features {', '.join(shown)}",
        f"train.csv: labels (column 'label', one a step) 'down' {98 - up}, 'up' {up}",
    ]
    [read] = json.loads(out[-1])["read"]
    assert read == {
        "path": "train.csv", "files": 1, "sequences": 3, "steps": 98, "shortest": 25,
        "longest": 40, "features": NAMES, "ranges": [list(pair) for pair in ends],
        "id_column": "sequence", "group_column": None, "groups": None, "time_column": None,
        "time_unit": None, "rate": None, "irregular": None, "longest_step": None,
        "label_column": "label", "label_per": "step", "labels": {"down": 98 - up, "up": up},
        "missing_labels": 0,
        "targets": None, "filled_cells": 0, "cut_rows": 0, "skipped_lines": 0, "empty_lines": 0,
        "unused": [], "told": [],
        "description": {
            "id_column": "sequence", "time_column": "", "label_column": "label",
            "label_per": "step",
        },
    }  # fmt: skip
    write_npz("one.npz", [np.zeros((1, 3))])
    assert run("predict", "o/model.safetensors", "one.npz")[2] == [
        "one.npz: 1 sequence, 1 step (1 each), 3 features", "one.npz: no labels",
    ]  # fmt: skip
    x, y = [np.zeros((1, 15))], [np.array(["a"])]
    write_csv("wide.csv", x, y)
    said = run("predict", "o/model.safetensors", "wide.csv")[2]
    assert said[1].endswith("feature_10 (0 to 0), feature_11 (0 to 0) and 3 more")


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("words", "labels", "missing"),
    [(["--missing-labels", "NA", "--missing-labels", ""], {"down": 6, "up": 6}, 4),
     (["--no-missing-labels"], {"NA": 2, "down": 6, "up": 6}, 0)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:1 files are both in the training")
def test_missing_labels_count_nowhere_or_are_a_class(run, words, labels, missing):
    rows = [("up", 1), ("down", -1), ("NA", 9)] * 2 + [("up", 1), ("down", -1)] * 4
    rows += [("", 9)] * 2 if missing else []
    lines = [f"{k // 8},{x},{label}\n" for k, (label, x) in enumerate(rows)]
    Path("train.csv").write_text("sequence,x,label\n" + "".join(lines))
    how = ["--hidden", 4, "--epochs", 60, "--learn-rate", 0.2, "--quiet", "--out", "o", "--json"]
    code, out, _ = run("train", "train.csv", *how, "--test", "train.csv", *words)
    facts = json.loads(out[-1])
    assert code == 0 and facts["read"][0]["labels"] == labels
    assert facts["read"][0]["missing_labels"] == missing
    assert facts["accuracy"] == 1.0
    classes = ml.load("o/model.safetensors").classes.tolist()
    assert classes == sorted(labels)
    code, _, said = run("predict", "o/model.safetensors", "train.csv", "--json", *words)
    assert code == 0 and json.loads(said[-1])["accuracy"] == 1.0


def test_missing_labels_beside_numbers_and_for_models_that_never_saw_one(run):
    write("train.csv", y=("1", "0"))
    run("train", "train.csv", *SHORT, "--out", "o")
    model = "o/model.safetensors"
    assert ml.load(model).classes.tolist() == [0, 1]
    whole = run("predict", model, "train.csv", "--json")
    header, *lines = Path("train.csv").read_text().splitlines()
    lines[3] = lines[3].rpartition(",")[0] + ",?"
    Path("gaps.csv").write_text("\n".join([header, *lines]) + "\n")
    code, out, said = run("predict", model, "gaps.csv")
    assert (code, out) == (2, [])
    assert said == [
        "minilstm: line 5 of 'gaps.csv', column 'label', has the missing label '?', but every "
        "label has to be known: fill it in, or give --missing-labels '?' to count it nowhere; give "
        "--no-missing-labels where '?' is a class."
    ]
    code, out, said = run("predict", model, "gaps.csv", "--json", "--missing-labels", "?")
    predicted = [line.split(",")[2] for line in out[1:]]
    true = [line.rpartition(",")[2] for line in lines]
    known = [a == b for a, b in zip(true, predicted, strict=True) if a != "?"]
    assert code == 0 and out == whole[1]
    assert json.loads(said[-1])["accuracy"] == pytest.approx(sum(known) / 97)
    Path("none.csv").write_text("sequence,ax,ay,az,label\na,1,2,3,?\n")
    code, _, said = run("predict", model, "none.csv", "--json", "--missing-labels", "?")
    assert (code, json.loads(said[-1])["accuracy"]) == (0, None)
    code, _, said = run("train", "gaps.csv", "--test", "none.csv", "--missing-labels", "?")
    assert (code, said[-1]) == (
        2,
        "minilstm: none.csv holds no label but the ignored ones, so nothing counts; check which "
        "labels are ignored.",
    )


@pytest.mark.filterwarnings("ignore:1 files are both in the training")
def test_words_like_missing_labels_are_classes_where_the_option_says_so(run):
    write("train.csv", y=("nan!", "NA!"))
    Path("train.csv").write_text(Path("train.csv").read_text().replace("!", ""))
    how = [*SHORT, "--out", "o"]
    code, _, said = run("train", "train.csv", *how)
    assert code == 2 and "give --no-missing-labels where" in said[-1]
    assert run("train", "train.csv", *how, "--test", "train.csv", "--no-missing-labels")[0] == 0
    assert ml.load("o/model.safetensors").classes.tolist() == ["NA", "nan"]
    model = "o/model.safetensors"
    assert run("predict", model, "train.csv", "--no-missing-labels", "--json")[0] == 0


def test_a_class_never_trained_counts_nowhere_where_the_option_lists_it(run):
    write("train.csv")
    write("other.csv", 1, y=("up", "left"))
    how = [*SHORT, "--out", "o", "--json"]
    words = ["train.csv", "--test", "other.csv", "--missing-labels", "left"]
    assert run("train", *words, *how)[0] == 0
    facts = json.loads(run("predict", "o/model.safetensors", *words[2:], "--json")[2][-1])
    assert set(facts["read"][0]["labels"]) == {"up"}
    assert facts["accuracy"] is not None


def test_labels_that_a_network_ignored_are_words_of_the_option(run):
    x, y = movements(0)
    y[0] = np.array([*y[0][:-2], "unknown", "unknown"])
    layers = [ml.SequenceInput(3), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    how = ml.TrainingOptions(max_epochs=1, verbose=False)
    net, _ = ml.train(x, y, layers, loss=ml.CrossEntropy(ignored_labels=["unknown"]), options=how)
    net.save("net.safetensors")
    write_csv("train.csv", x, y)
    words = ["predict", "net.safetensors", "train.csv", "--json", "--missing-labels", "unknown"]
    facts = json.loads(run(*words)[2][-1])
    assert facts["accuracy"] == pytest.approx(net.evaluate(x, y)["accuracy"])
    assert facts["read"][0]["missing_labels"] == 2


def test_labels_of_the_test_are_checked_before_the_training(run, monkeypatch):
    monkeypatch.setattr(training, "train", lambda *a, **k: pytest.fail("it was trained"))
    write("train.csv")
    write("class.csv", 1, y=("up", "left"))
    write("numbers.csv", 1, y=("1", "0"))
    x, labels = movements(1)
    write_npz("numbers.npz", x, [(a == "up").astype(int) for a in labels])
    write_npz("last.npz", x, np.array(["up", "down", "up"]))
    shown = (
        "the network's 2 classes 'down', 'up'; remove it, train with it, or count it nowhere with "
        "--missing-labels"
    )
    for test, sentence in (
        (
            "class.csv",
            f"class.csv holds the label 'left' (sequence 0), which is not among {shown} 'left'.",
        ),
        (
            "numbers.csv",
            f"numbers.csv holds the label '1' (sequence 0), which is not among {shown} '1'.",
        ),
        (
            "numbers.npz",
            "numbers.npz holds whole numbers as labels, such as 1 (sequence 0), but the network's "
            "classes 'down', 'up' are text; use one kind for both.",
        ),
        (
            "last.npz",
            "last.npz has one label a sequence, but a network with the output mode 'sequence' has "
            "one a step; train with --output-mode last.",
        ),
    ):
        # A test may hold a class that was never trained, but nothing of another kind.
        what = "--validation" if test.endswith(".csv") else "--test"
        code, _, said = run("train", "train.csv", what, test, "--out", "o")
        assert (code, said[-1]) == (2, f"minilstm: {sentence}")
    write_csv("bare.csv", x, feature_names=NAMES)
    code, _, said = run("train", "train.csv", "--out", "o", "--test", "bare.csv")
    assert said[-1] == (
        "minilstm: bare.csv has no labels, but a classifier learns from labels; add them, "
        "or name their column with --label-column."
    )
    assert not Path("o").exists()


def test_text_that_looks_like_numbers_belongs_to_classes_of_text(run):
    write("train.csv", y=("1", "one"))
    write("test.csv", 1, y=("1", "1"))
    code, out, _ = run("train", "train.csv", "--test", "test.csv", *SHORT, "--out", "o", "--json")
    assert code == 0 and json.loads(out[-1])["measured_on"] == "test"


NASTY = ["sit, down", ' say "no"', "two\nlines", "\tend ", "größer 数", "a\rb"]


def test_every_table_is_read_back_by_other_programs(run):
    x, labels = movements(0)
    y = [np.array(NASTY)[np.arange(len(a)) % len(NASTY)] for a in labels]
    write_csv("train.csv", x, y, feature_names=['a "b"', "c,d", " e"], ids=["x,y", '"', " z "])
    run("train", "train.csv", *SHORT, "--out", "o")
    net = ml.load("o/model.safetensors")
    assert net.classes.tolist() == sorted(NASTY)
    assert net.layers[0].feature_names == ('a "b"', "c,d", " e")
    assert run("predict", "o/model.safetensors", "train.csv", "--out", "p.csv")[0] == 0
    data = read_sequences("train.csv")
    wanted = np.concatenate(net.classify(data.x)).tolist()
    with open("p.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header == ["sequence", "step", "label", *(f"score_{c}" for c in sorted(NASTY))]
    assert [row[2] for row in rows] == wanted
    assert [row[0] for row in rows] == [i for i, a in zip(data.ids, x, strict=True) for _ in a]
    again = read_sequences("p.csv")
    assert again.ids == ["x,y", '"', " z "] and np.concatenate(again.y).tolist() == wanted


# ---------------------------------------------------------------- errors


ERRORS = {
    MemoryError("of 3 TiB"): (
        2, "the memory is not enough (of 3 TiB); take a smaller network or less data.",
    ),
    MemoryError(): (
        2, "the memory is not enough (MemoryError); take a smaller network or less data.",
    ),
    RecursionError("maximum depth"): (
        2, "something is nested too deeply (maximum depth); check what wrote the file.",
    ),
    OverflowError("int too large"): (
        2, "a number is too large (int too large); give a smaller one.",
    ),
    KeyError("x"): (
        1, "KeyError ('x') is a fault of minilstm, not of your data; please report it, with what "
        "MINILSTM_DEBUG=1 shows.",
    ),
    AssertionError(): (
        1, "AssertionError (AssertionError) is a fault of minilstm, not of your data; please "
        "report it, with what MINILSTM_DEBUG=1 shows.",
    ),
    ml.GradientError("lstm is wrong."): (1, "lstm is wrong."),
    ValueError("two\nlines;  label_per='step'."): (2, "two lines; --label-per 'step'."),
    KeyboardInterrupt(): (130, "stopped by Ctrl-C."),
    ValueError("lower initial_learn_rate."): (2, "lower --learn-rate."),
    ValueError("ignore it with loss=minilstm.CrossEntropy(ignored_labels=['']), or fill it in."): (
        2, "ignore it with --missing-labels '', or fill it in.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: f"{type(e).__name__} {e}"[:30])
def test_whatever_is_raised_is_one_sentence_and_a_code(run, monkeypatch, error):
    def broken(options):
        raise error

    monkeypatch.setattr(training, "train_files", broken)
    code, sentence = ERRORS[error]
    got, out, said = run("train", "x.csv", "--json")
    assert (got, said) == (code, [f"minilstm: {sentence}"])
    assert json.loads(out[-1]) == {"error": sentence, "exit_code": code}
    monkeypatch.setenv("MINILSTM_DEBUG", "1")
    got, _, said = run("train", "x.csv")
    assert got == code and said[0].startswith("Traceback") and said[-1] == f"minilstm: {sentence}"


def test_a_training_that_fails_leaves_no_folder(run):
    write("train.csv")
    how = ["--learn-rate", "1e38", "--epochs", 20, "--hidden", 4, "--quiet"]
    code, _, said = run("train", "train.csv", *how, "--out", "new")
    assert code == 1 and "the loss became" in said[-1] and "lower --learn-rate" in said[-1]
    code, _, said = run("train", "train.csv", "--hidden", 100_000_000, "--out", "large")
    assert code == 2 and said[-1].endswith("make the layers or the input smaller.")
    assert not Path("large").exists()
    code, _, said = run("train", "train.csv", "--hidden", 10**20)
    assert code == 2 and "is not a whole number from 1 to 2147483647" in said[-1]
