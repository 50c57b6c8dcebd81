"""The words of train about what is held out, the task and the descent, each with what it changes.
A case takes the `World` of `test_cli_options.py`.
"""

import dataclasses
import json

import numpy as np
from agreement import bits

from minilstm.command_line import training
from minilstm.command_line.cli import main

SPEED = "recording,a,load\n" + "".join(
    f"r{r},{(k * 7 + r * 3) % 11},{100 + 5 * ((k * 7 + r * 3) % 11)}\n"
    for r in range(6)
    for k in range(8)
)
GROUPS = [*"aabbcc"]


def people(w):
    """Six recordings of three people, with a label a step."""
    rows = ["recording,person,speed,label"]
    for r, who in enumerate(GROUPS):
        rows += [f"r{r},{who},{np.sin(k + r):.3f},{'up' if np.sin(k + r) > 0 else 'down'}"
                 for k in range(9)]  # fmt: skip
    (w.files / "people.csv").write_text("\n".join(rows) + "\n")
    return ["--id-column", "recording", "--group-column", "person"]


def loads(w):
    (w.files / "load.csv").write_text(SPEED)
    return ["--id-column", "recording", "--target-columns", "load"]


def options(*words, data="train.csv", files=None):
    """A function of the world: the training options that the words mean."""

    def found(w):
        more = files(w) if files is not None else []
        calls = w.taken(training, "train", None)
        assert (
            main(["train", data, "--quiet", "--out", str(w.out), *map(str, [*more, *words])]) == 2
        )
        return calls[0][1]

    return found


def sets(option, value, *words, **how):
    """The case of a word that is an option of the training."""

    def case(w):
        found = options(*words, **how)(w)["options"]
        assert getattr(found, option) == value
        assert getattr(options(**how)(w)["options"], option) != value

    return case


VALIDATES = ("--validation-share", "0.5")


def report(w):
    return json.loads((w.out / "t/report.json").read_text())


def test_share(w):
    w.train("--test-share", 0.5, *people(w), data="people.csv")
    assert w.facts["measured_on"] == "test"
    found = report(w)
    tested = {part["name"] for part in found["by_group"]}
    assert 1 <= len(tested) < 3 and found["recordings"] == 2 * len(tested)


def folds(w):
    w.train("--folds", 3, *people(w), data="people.csv")
    assert w.facts["measured_on"] == "held-out"
    found = report(w)
    assert len(found["folds"]) == 3 and found["rows"] == 54
    assert sorted(name for fold in found["folds"] for name in fold["test"]) == [
        f"r{r}" for r in range(6)
    ]


def leave_one_group_out(w):
    w.train("--leave-one-group-out", *people(w), data="people.csv")
    assert [fold["test"] for fold in report(w)["folds"]] == [["a"], ["b"], ["c"]]


def validation(w):
    words = ["--validation", "test.csv", "--quiet", "--epochs", 2, "--hidden", 2, "--out", w.out]
    read = w.run("train", "train.csv", *words)["read"]
    assert [facts["path"] for facts in read] == ["train.csv", "test.csv"]
    header, *rows = (w.out / "history.csv").read_text().splitlines()
    measured = [row.split(",")[header.split(",").index("validation_loss")] for row in rows]
    assert len(measured) == 3 and "" not in measured  # before the first, and after each epoch


def task(w):
    net = w.train("--task", "forecast", *people(w), data="people.csv")
    assert net.about["targets"] == ["speed"] and w.facts["task"] == "forecast"
    assert w.train(*people(w), data="people.csv").classes is not None


def horizon(w):
    how = [*people(w), "--task", "forecast"]
    steps = []
    for words in ((), ("--horizon", 3)):
        w.train(*how, *words, data="people.csv")
        facts = w.run("info", w.out / "t/model.safetensors")["about"]["card"]["data"]
        steps.append(facts["training"]["steps"])
    assert steps == [6 * 8, 6 * 6]


def loss(w):
    nets = [w.train(*loads(w), *words, data="load.csv") for words in ((), ("--loss", "mae"))]
    assert [net.losses[0] if isinstance(net.losses[0], str) else net.losses[0].name
            for net in nets] == ["mse", "mae"]  # fmt: skip


def class_weights(w):
    found = options("--class-weights", "balanced")(w)["loss"]
    assert found.class_weights == "inverse-frequency"


def shaped(word, value, key, wanted, *more):
    """The case of a word about the shape of recordings, which the model keeps."""

    def case(w):
        rows = ["recording,time,speed,label"]
        rows += [f"r{r},{k / 10 + (5 if k > 20 else 0)},{np.sin(k):.3f},{'ab'[k > 20]}"
                 for r in range(2) for k in range(40)]  # fmt: skip
        (w.files / "timed.csv").write_text("\n".join(rows) + "\n")
        (w.files / "plain.csv").write_text("\n".join(
            ",".join(row.split(",")[i] for i in (0, 2, 3)) for row in rows) + "\n")  # fmt: skip
        how = ["--id-column", "recording", *more]
        file = "plain.csv" if word == "--rate-in" else "timed.csv"
        given = [word] if value is None else [word, value]
        assert w.train(*how, *given, data=file).about["shaping"][key] == wanted

    return case


def with_test(w):
    w.train("--test", "test.csv")
    assert w.facts["measured_on"] == "test"
    assert [read["path"] for read in w.facts["read"]] == ["train.csv", "test.csv"]


def trains(check, *words, data="train.csv"):
    """The case of a word of train that its network or history shows, unlike those without it."""

    def case(w):
        assert check(w.train(*words, data=data), w)
        assert not check(w.train(), w)

    return case


def other_weights(*words):
    """The case of a word that changes what is learned, and nothing that a network says."""

    def case(w):
        nets = [w.train(), w.train(*words), w.train(*words)]
        first, other, again = (n.parameters["lstm/bias"] for n in nets)
        assert not np.array_equal(first, other) and np.array_equal(other, again)

    return case


def threshold(w):
    still = ["--solver", "sgdm", "--learn-rate", 1]
    w.train(*still, "--gradient-threshold", 1e-9)
    assert np.ptp(w.history["loss"]) < 1e-6
    w.train(*still)
    assert np.ptp(w.history["loss"]) > 1e-3


def budget(w):
    calls = w.taken(training, "train", None)
    assert main(["train", "train.csv", "--memory-budget", "3kB", "--out", str(w.out)]) == 2
    assert calls[0][1]["options"].memory_budget == 3000


def loud(w):
    words = ["train", "train.csv", "--epochs", 2, "--hidden", 3, "--out", w.out]
    w.run(*words)
    assert any("LearnRate" in line for line in w.printed)
    w.run(*words, "--quiet")
    assert not any("LearnRate" in line for line in w.printed)


def resume(w):
    """A training that is stopped after two steps and goes on is one that nothing stopped."""
    how, real = ["--epochs", 4, "--dropout", 0.2], training.train
    whole, history = w.train(*how), w.history
    assert not (w.out / "t/checkpoints").exists()  # none was due

    def stopped(*given, options, **more):
        stop = {"output_fcn": lambda told: told.iteration == 2}
        return real(*given, options=dataclasses.replace(options, **stop), **more)

    w.patch.setattr(training, "train", stopped)
    w.train(*how, "--resume", "--checkpoint-seconds", 1e-9)
    folder = w.out / "t/checkpoints"
    assert f"minilstm: no checkpoint in {folder}: the training begins" in w.errors.splitlines()
    assert len(w.history["loss"]) == 2 and len(list(folder.iterdir())) == 2
    w.patch.setattr(training, "train", None)
    assert bits(w.train(*how, "--resume")) == bits(whole)
    assert w.history["loss"] == history["loss"] and len(history["loss"]) == 4
    facts = w.run(
        "train", "train.csv", *how, "--hidden", 4, "--resume", "--out", w.out / "t", code=2
    )
    assert facts["error"].startswith("the layer 'lstm' is ")
    assert facts["error"].endswith("; give those of that training.")


WINDOWS = ("--window-length", "10")
TRAIN = {
    "--test": with_test,
    "--hidden": trains(lambda net, w: net.layers[1].num_hidden_units == 5, "--hidden", 5),
    "--output-mode": trains(
        lambda net, w: net.output_mode == "last", "--output-mode", "last", data="last.csv"
    ),
    "--bilstm": trains(lambda net, w: net.layers[1].kind == "bilstm", "--bilstm"),
    "--dropout": trains(
        lambda net, w: getattr(net.layers[2], "probability", 0) == 0.25, "--dropout", 0.25
    ),
    "--normalization": trains(
        lambda net, w: net.layers[0].normalization == "zscore", "--normalization", "zscore"
    ),
    "--solver": trains(
        lambda net, w: w.history["learning_rate"] == (0.01, 0.01), "--solver", "sgdm"
    ),
    "--epochs": trains(lambda net, w: w.history["epoch"] == (1, 2, 3), "--epochs", 3),
    "--mini-batch-size": trains(
        lambda net, w: w.history["epoch"] == (1, 1, 2, 2), "--mini-batch-size", 2
    ),
    "--learn-rate": trains(
        lambda net, w: w.history["learning_rate"] == (0.25, 0.25), "--learn-rate", 0.25
    ),
    "--gradient-threshold": threshold,
    "--padding": other_weights("--padding", "shortest"),
    "--dtype": trains(lambda net, w: net.dtype == np.float64, "--dtype", "float64"),
    "--memory-budget": budget,
    "--seed": other_weights("--seed", 7),
    "--out": lambda w: w.train() and (w.out / "t/model.safetensors").stat(),
    "--quiet": loud,
    "--resume": resume,
    "--shards": sets("shards", 3, "--shards", 3),
    "--checkpoint-seconds": sets("checkpoint_seconds", 9.0, "--checkpoint-seconds", 9),
    "--test-share": test_share,
    "--folds": folds,
    "--leave-one-group-out": leave_one_group_out,
    "--validation": validation,
    "--validation-share": sets("validation_share", 0.5, *VALIDATES),
    "--patience": sets("validation_patience", 4, *VALIDATES, "--patience", 4),
    "--best": sets("output_network", "best-validation", *VALIDATES, "--best"),
    "--task": task,
    "--horizon": horizon,
    "--loss": loss,
    "--class-weights": class_weights,
    "--metrics": sets("metrics", ("fscore", "auc"), "--metrics", "fscore,auc"),
    "--learn-rate-schedule": sets(
        "learn_rate_schedule", "cosine", "--learn-rate-schedule", "cosine"
    ),
    "--learn-rate-drop-factor": sets(
        "learn_rate_drop_factor", 0.5, "--learn-rate-drop-factor", 0.5
    ),
    "--learn-rate-drop-period": sets("learn_rate_drop_period", 3, "--learn-rate-drop-period", 3),
    "--window-length": shaped("--window-length", "1s", "window_length", 10),
    "--window-step": shaped("--window-step", "4", "window_step", 4, *WINDOWS),
    "--window-label": shaped("--window-label", "last", "window_label", "last", *WINDOWS),
    "--rate": shaped("--rate", "5", "rate", 5.0, "--split-gaps", 1),
    "--rate-in": shaped("--rate-in", "20", "rate_in", 20.0, "--rate", 5),
    "--split-gaps": shaped("--split-gaps", "2", "gap_seconds", 2.0),
    "--trim-unlabelled": shaped("--trim-unlabelled", None, "trim_unlabelled", True),
}
