"""What train, predict and evaluate tell of data: files on both sides, another rate, holes, labels.
Each sentence is wanted as a whole, and silence where nothing is wrong.
"""

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("own_folder")
SHORT = ["--hidden", 6, "--epochs", 15, "--learn-rate", 0.03, "--quiet", "--json"]


def trained(run, *words, code=0, after=()):
    """The JSON object of a training, what was printed before it, and what was complained of."""
    found, out, said = run("train", *words, *SHORT, *after, "--out", "o")
    assert found == code, said
    return json.loads(out[-1]), out[:-1], said


def write_person(path, rate=20, shift=0.0, head="time,ax,label"):
    """A file of one recording, who walks and sits."""
    rng = np.random.default_rng(0)
    rows = [f"{k / rate},{rng.normal() + 3 * (k % 40 < 20) + shift:.4f},{'uv'[k % 40 < 20]}"
            for k in range(80)]  # fmt: skip
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text("\n".join([head, *rows]) + "\n")


def test_a_file_on_both_sides_is_told(run):
    for name in ("people/Ann_0.csv", "people/Eva_0.csv", "else/Eva_0.csv", "else/Bob_0.csv"):
        write_person(name)
    Path("again.csv").symlink_to("people/Ann_0.csv")

    def told(test, train="people", *more):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            trained(run, train, "--test", test, *more, after=["--epochs", 1])
        return [str(one.message) for one in found if one.category is UserWarning]

    alone = ["--id-column", ""]
    end = "so the scores are too good; test on others."
    for test, more in (("people/Eva_0.csv", []), ("again.csv", ["--file-pattern", "{group}*"])):
        assert told(test, "people", *more) == [
            f"1 files are both in the training and in the test data ('{test}'), {end}"
        ]
    assert told("else/Eva_0.csv") == [  # a copy of another folder, by its name
        f"1 recordings are both in the training and in the test data ('Eva_0'), {end}"
    ]
    assert told("else/Bob_0.csv") == told("else/Eva_0.csv", "people/Eva_0.csv", *alone) == []


def test_another_rate_than_the_model_learned_is_told(run):
    write_person("fast.csv", 50)
    write_person("slow.csv", 25, 0.1)
    said = (
        "the recording '0' of slow.csv has 25 Hz, but the model learned 50 Hz; bring the data to "
        "that rate, or train with --rate 25, which resamples all data."
    )
    how = ["fast.csv", "--id-column", ""]
    once = ["--epochs", 1]
    with pytest.warns(UserWarning, match=f"^{re.escape(said)}$"):
        trained(run, *how, "--test", "slow.csv", after=once)
    model = "o/model.safetensors"
    for command in ("predict", "evaluate"):
        with pytest.warns(UserWarning, match=f"^{re.escape(said)}$"):
            assert run(command, model, "slow.csv")[0] == 0
    assert run("predict", model, "fast.csv")[0] == 0  # no warning
    trained(run, *how, "--window-length", 20, after=once)
    for command in ("predict", "evaluate"):  # windows of another length in seconds
        code, out, told = run(command, model, "slow.csv")
        assert (code, out, told[-1]) == (2, [], f"minilstm: {said}")
    trained(run, *how, "--window-length", 20, "--rate", 25, after=once)
    assert run("predict", model, "slow.csv")[0] == 0


def test_a_name_that_the_learned_pattern_does_not_fit_names_the_recording(run):
    for name in ("in/Ann_u.csv", "in/Eva_v.csv", "new.csv"):
        write_person(name)
    how = ["--file-pattern", "{group}_{label}", "--drop", "label"]
    trained(run, "in", *how, after=["--epochs", 1])
    _, out, _ = run("predict", "o/model.safetensors", "new.csv")
    assert [line.split(",")[0] for line in out] == ["sequence", "new"]


def test_labels_that_are_missing_or_of_another_kind_say_how(run):
    for name in ("in/Ann_u.csv", "in/Eva_v.csv"):
        write_person(name)
    said = trained(run, "in", "--label-column", "", "--drop", "label", code=2)[2]
    assert said[-1] == (
        "minilstm: in has no labels, but a classifier learns from labels; name their column with "
        "--label-column, or say which part of the files' names they are, as --file-pattern "
        "'{group}_{label}_*' does."
    )
    words = ["--window-length", 20, "--output-mode", "sequence"]
    assert trained(run, "in", *words, code=2)[2][-1] == (
        "minilstm: --output-mode is 'sequence', one label a step, but windows have one label each; "
        "leave --output-mode out, or cut no windows."
    )


def test_holes_and_labels_of_whole_recordings_are_told(run):
    rows = [f"{r},{k / 50 + 9 * (r == 'b' and k > 50)},{k % 7},{y}" for r, y in ("au", "bv", "cu")
            for k in range(100)]  # fmt: skip
    Path("holes.csv").write_text("\n".join(["recording,time,ax,label", *rows]) + "\n")
    hole = (
        "holes.csv: a recording has a step of 9.02 s, 451 times the usual one: split it there with "
        "--split-gaps 1"
    )
    one = (
        "minilstm: every recording has one label only; say --label-per sequence, so that a "
        "recording gets one answer."
    )
    across = "minilstm: 2 of 12 windows lie across a hole in time; say --split-gaps 1."
    windows = ["--window-length", 40]
    for words, wanted in (
        ([], {hole, one}),
        (["--label-per", "sequence"], {hole}),
        (["--output-mode", "sequence"], {hole}),
        (windows, {hole, across}),
        ([*windows, "--split-gaps", 1], set()),
    ):
        said = trained(run, "holes.csv", *words, after=["--epochs", 1])[2]
        assert {hole, one, across} & {*said} == wanted
    assert hole not in run("predict", "o/model.safetensors", "holes.csv")[2]
