"""The command train on data of several people and on numbers: what is held out, judged and kept.
Each case ends with a model, a report and one line of scores.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.command_line.complaints import in_words_of_options
from minilstm.command_line.words.parser import build_parser
from minilstm.data import write_npz
from minilstm.evaluation import split_share
from minilstm.training import prepare

pytestmark = pytest.mark.usefixtures("own_folder")
SHORT = ["--hidden", 6, "--epochs", 15, "--learn-rate", 0.03, "--quiet", "--json"]
BY_PERSON = ["--id-column", "recording", "--group-column", "person"]
PEOPLE = [f"p{k}" for k in range(8)]


def write_people(path, people=PEOPLE, strange=""):
    """Two recordings of each person at 20 Hz, who walk, sit and run; as a logger writes them."""
    rows = ["person,recording,time,ax,ay,label"]
    for who in people:
        p = int(who[1:])
        rng = np.random.default_rng(p)
        for r in range(2):
            for k in range(120):
                name, size = (("walk", 1.0), ("sit", 0.05), ("run", 3.0))[(k // 40 + r) % 3]
                ax, ay = size * np.sin(k * (1 + p / 20)) + 0.1 * rng.normal(size=2)
                label = strange if strange and k < 10 else name
                rows.append(f"{who},{who}r{r},{k / 20},{ax:.4f},{ay + size:.4f},{label}")
    Path(path).write_text("\n".join(rows) + "\n")


def write_loads(path, factor=800.0):
    """Twelve recordings of a load that follows its drive, in large units."""
    rng, rows = np.random.default_rng(0), ["recording,time,drive,load"]
    for r in range(12):
        state = 0.0
        for k in range(40):
            drive = rng.normal()
            state = 0.7 * state + drive
            rows.append(f"r{r},{k / 10},{drive:.4f},{5000 + factor * state:.3f}")
    Path(path).write_text("\n".join(rows) + "\n")


def trained(run, *words, code=0, after=()):
    """The JSON object of a training, what was printed before it, and what was complained of."""
    found, out, said = run("train", *words, *SHORT, *after, "--out", "o")
    assert found == code, said
    return json.loads(out[-1]), out[:-1], said


def report():
    return json.loads(Path("o/report.json").read_text())


# ---------------------------------------------------------------- people


def test_leave_one_person_out_ends_with_a_report_in_one_command(run):
    write_people("people.csv")
    windows = ["--window-length", "1s", "--window-step", "10", "--mini-batch-size", 16]
    how = [*BY_PERSON, "--leave-one-group-out", *windows, "--normalization", "zscore"]
    facts, printed, said = trained(run, "people.csv", *how)
    found = report()
    assert [fold["test"] for fold in found["folds"]] == [[who] for who in PEOPLE]
    assert {row["name"] for row in found["by_group"]} == set(PEOPLE)
    assert (found["recordings"], found["rows"]) == (8 * 2, 8 * 2 * 11)  # 11 windows each
    assert [part["rows"] for part in found["by_recording"]] == [11] * 16
    assert found["majority"]["of"] == "training data"
    assert facts["accuracy"] == found["accuracy"] > 0.7 and facts["measured_on"] == "held-out"
    assert facts["balanced_accuracy"] == found["balanced_accuracy"]
    assert printed[0] == (
        f"held-out accuracy {found['accuracy']:.4f}, balanced accuracy "
        f"{found['balanced_accuracy']:.4f}, loss {found['cross_entropy']:.4f}"
    )
    page = Path("o/report.md").read_text()
    assert page.startswith("# Held-out data\n") and "| 3 | p2 |" in page
    assert "people.csv: time column 'time' (in s): 20 Hz" in said
    # What is saved knows how its data were read and shaped.
    net = ml.load("o/model.safetensors")
    assert net.about["shaping"] == {"window_length": 20, "window_step": 10}
    assert net.about["rate"] == 20 and net.about["description"]["group_column"] == "person"
    card = net.about["card"]
    assert card["scores"]["measured_on"] == "held-out"
    assert card["scores"]["by_class"]["sit"]["support"] == found["classes"][1]["support"]
    assert card["data"]["training"]["groups"] == 8
    write_people("new.csv", ["p9"])
    _, out, _ = run("predict", "o/model.safetensors", "new.csv")
    assert len(out) == 1 + 2 * 11


def test_a_share_of_the_people_tests_and_another_validates(run):
    write_people("people.csv")
    how = ["--test-share", 0.25, "--validation-share", 0.2, "--patience", 3, "--best"]
    facts, printed, _ = trained(run, "people.csv", *BY_PERSON, *how)
    tested = {row["name"] for row in report()["by_group"]}
    assert len(tested) == 2 and facts["measured_on"] == "test"
    assert report()["majority"]["of"] == "training data"
    kept = re.fullmatch(r".*\. The saved network is that of epoch (\d+) \(validation accuracy "
                        r"[01]\.\d+, loss (.*)\)\.", printed[1])  # fmt: skip
    header, *rows = Path("o/history.csv").read_text().splitlines()
    measured = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
    best = min(measured, key=lambda row: float(row["validation_loss"] or "inf"))
    assert best["epoch"] == kept[1] and f"{float(best['validation_loss']):.4f}" == kept[2]
    card = ml.load("o/model.safetensors").about["card"]
    assert card["data"]["training"]["groups"] == 6 and card["data"]["test"]["groups"] == 2
    assert card["options"]["validation_share"] == 0.2
    assert "validation_loss" in Path("o/history.csv").read_text().splitlines()[0]


def test_what_is_held_out_is_told(run, monkeypatch):
    write_people("people.csv", PEOPLE[:5])
    drawn = []

    def noted(*how):
        drawn.append(split_share(*how))
        return drawn[-1]

    monkeypatch.setattr(prepare, "split_share", noted)
    how = ["--test-share", 0.05, "--validation-share", 0.25, "--epochs", 1, "--hidden", 2]
    code, out, _ = run("train", "people.csv", *BY_PERSON, *how, "--out", "o")
    tested = report()["by_group"][0]["name"]
    validated = PEOPLE[:5]
    validated.remove(tested)
    validated = validated[drawn[0].test[0] // 2]  # two recordings each
    assert code == 0 and out[:2] == [
        f"test: 2 of 10 sequences (20%), 1 group: {tested} (--test-share is 0.05, but each group "
        "is kept whole)",
        f"validation: 2 of 8 sequences (25%), 1 group: {validated}",
    ]


def test_folds_of_people_are_the_same_for_one_seed(run):
    write_people("people.csv")
    found = []
    for seed in (0, 0, 1):
        how = ["--folds", 3, "--seed", seed]
        trained(run, "people.csv", *BY_PERSON, *how, after=["--epochs", 2])
        found.append(report())
    assert found[0] == found[1] and found[0]["folds"] != found[2]["folds"]
    names = [name for fold in found[0]["folds"] for name in fold["test"]]
    assert sorted(names) == [f"{who}r{r}" for who in PEOPLE for r in range(2)]
    people = [{name[:2] for name in fold["test"]} for fold in found[0]["folds"]]
    assert not people[0] & people[1] | people[1] & people[2] | people[0] & people[2]


def test_a_class_that_was_never_trained_is_a_row(run):
    write_people("train.csv", PEOPLE[:4])
    write_people("test.csv", PEOPLE[4:], strange="fall")
    facts, printed, _ = trained(run, "train.csv", "--test", "test.csv", *BY_PERSON)
    rows = {row["label"]: row for row in report()["classes"]}
    assert rows["fall"]["trained"] is False and rows["fall"]["support"] == 4 * 2 * 10
    assert facts["loss"] is None and "loss" not in printed[0] and facts["accuracy"] < 0.92


def test_people_on_both_sides_are_told(run):
    write_people("train.csv", PEOPLE[:4])
    write_people("test.csv", PEOPLE[3:5])
    told = r"1 groups are both in the training and in the test data \('p3'\)"
    with pytest.warns(UserWarning, match=told):
        trained(run, "train.csv", "--test", "test.csv", *BY_PERSON)


# ---------------------------------------------------------------- numbers


def test_numbers_in_large_units_are_learned_and_given_in_their_units(run):
    write_loads("load.csv")
    how = ["--target-columns", "load", "--test-share", 0.25, "--mini-batch-size", 2]
    facts, printed, _ = trained(run, "load.csv", *how)
    assert facts["task"] == "regress" and facts["accuracy"] is facts["loss"] is None
    found = report()
    assert found["kind"] == "numbers" and found["r2"] == facts["r2"] > 0.9
    assert printed[0].startswith(f"test rmse {found['rmse']:.6g}, mae ")
    net = ml.load("o/model.safetensors")
    assert net.about["targets"] == ["load"] == [score["name"] for score in found["responses"]]
    data = ml.data.read_sequences("load.csv", target_columns=["load"])
    assert 3000 < net.predict(data.x[0]).mean() < 7000
    # The units change nothing that is learned.
    write_loads("small.csv", 1.0)
    small, *_ = trained(run, "small.csv", *how)
    assert small["r2"] == pytest.approx(facts["r2"], abs=0.01)


def test_validation_files_of_numbers_are_in_the_scale_of_the_training(run):
    write_loads("load.csv")
    how = ["--target-columns", "load", "--validation", "load.csv", "--mini-batch-size", 2]
    with pytest.warns(UserWarning, match="1 files are both in the training"):
        trained(run, "load.csv", *how)
    header, *rows = Path("o/history.csv").read_text().splitlines()
    last = dict(zip(header.split(","), rows[-1].split(","), strict=True))
    assert float(last["validation_loss"]) < 0.2


def test_arrays_hold_numbers_where_they_are_asked_for(run):
    x = np.random.default_rng(0).normal(size=(12, 9, 1))
    np.savez("numbers.npz", x=x, y=100 * x[:, -1, 0])
    facts, *_ = trained(run, "numbers.npz", "--task", "regress", "--test-share", 0.25)
    assert facts["task"] == "regress" and report()["unit"] == "sequence"
    code, out, _ = run("predict", "o/model.safetensors", "numbers.npz")
    assert code == 0 and len(out) == 13
    write_npz("labels.npz", list(x), np.array(["a", "b"] * 6))
    code, _, said = run("train", "labels.npz", "--task", "regress", "--out", "n")
    assert code == 2 and "numbers" in said[-1]


def test_arrays_with_gaps_are_filled_as_in_the_training(run):
    x = np.random.default_rng(0).normal(size=(6, 9, 1))
    x[2, 4] = np.nan
    np.savez("gaps.npz", x=x, y=x[:, 0, 0])
    for words, sentence in [
        ([], "y holds labels of type float64, but strings or integers were wanted: write class "
         "names or class numbers, or say --task regress for numbers to be predicted."),
        (["--task", "regress"], "x[2] of 'gaps.npz' has nan at step 4, feature 0, but only finite "
         "numbers can be used: fill in or remove that step, or say --fill 'linear' or --fill "
         "'previous'."),
    ]:  # fmt: skip
        code, _, said = run("train", "gaps.npz", "--out", "n", *words)
        assert (code, said[-1]) == (2, f"minilstm: {sentence}")
    np.savez("gaps.npz", x=x, y=x[:, 0] + [[0.0, 1.0]])
    trained(run, "gaps.npz", "--task", "regress", "--fill", "linear")
    code, out, said = run("predict", "o/model.safetensors", "gaps.npz")
    assert code == 0 and out[0] == "sequence,target 1,target 2"
    assert "gaps.npz: 1 empty cell filled (--fill 'linear')" in said


def test_numbers_a_window_are_those_of_its_last_step(run):
    write_loads("load.csv")
    how = ["--target-columns", "load", "--window-length", 10]
    code, _, said = run("train", "load.csv", *how, "--out", "n")
    assert (code, said[-1]) == (
        2, "minilstm: y[0] holds numbers of type float64, but --window-label majority counts "
        "classes; give --window-label last.",
    )  # fmt: skip
    trained(run, "load.csv", *how, "--window-label", "last", "--folds", 3)
    assert (report()["recordings"], report()["rows"]) == (12, 12 * 7)


@pytest.mark.parametrize(
    ("words", "held"), [("--test-share 0.5", "--test-share 0.5"), ("--folds 2", "a fold")]
)
def test_one_class_is_too_few_to_train_on(run, words, held):
    Path("two.csv").write_text("recording,ax,label\na,1,go\na,2,go\nb,3,stop\nb,4,stop\n")
    code, _, said = run("train", "two.csv", *words.split(), "--out", "n")
    assert code == 2 and said[-1] in [
        f"minilstm: {held} leaves only {c!r} to train on, but a classifier needs at least two "
        "classes; hold out less, or record more."
        for c in ("go", "stop")
    ]


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_forecast_is_of_the_features_some_steps_later(run, ahead):
    write_loads("load.csv", 1.0)
    how = ["--features", "load", "--task", "forecast", "--horizon", ahead, "--test-share", 0.25]
    words = ["--hidden", "6,4", "--epochs", 5, "--mini-batch-size", 2]
    facts, *_ = trained(run, "load.csv", *how, after=words)
    net = ml.load("o/model.safetensors")
    assert facts["task"] == "forecast" and net.about["targets"] == ["load"]
    assert [layer.num_hidden_units for layer in net.layers[1:3]] == [6, 4]
    found = report()
    assert found["rows"] == 3 * (40 - ahead) and net.about["forecast"] == {"horizon": ahead}
    steps = f"{ahead} step{'s' * (ahead > 1)}"
    told = f"For every time step it forecasts load {steps} ahead."
    assert told in run("info", "o/model.safetensors")[1]
    # The same data are judged the same by the model alone.
    tested = {part["name"] for part in found["by_recording"]}
    rows = Path("load.csv").read_text().splitlines()
    kept = [rows[0], *(row for row in rows if row.split(",")[0] in tested)]
    Path("test.csv").write_text("\n".join(kept) + "\n")
    again = json.loads(run("evaluate", "o/model.safetensors", "test.csv", "--json")[1][-1])
    assert again["report"]["responses"] == found["responses"]
    assert again["report"]["persistence"] == found["persistence"]
    x = [np.loadtxt([r.split(",")[3] for r in kept if r.startswith(f"{who},")]) for who in tested]
    off = np.concatenate([a[ahead:] - a[:-ahead] for a in x])
    assert found["persistence"][0]["rmse"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-6)
    said = run("predict", "o/model.safetensors", "test.csv")[2]
    assert said[-1] == f"minilstm: a forecast: each row is {steps} ahead of its step."


# ---------------------------------------------------------------- hints, and what is refused


def test_hints_are_printed_in_words_of_the_command_line(run):
    write_people("people.csv")
    facts, printed, _ = trained(run, "people.csv", *BY_PERSON)
    one = (
        "Every epoch was one update, as the mini-batch takes all 16 sequences; set "
        "--mini-batch-size 2 for more updates an epoch."
    )
    assert facts["hints"][0] == one and f"hint: {one}" in printed
    assert "o/report.md" not in facts["files"] and not Path("o/report.md").exists()


NO_DATA = (
    " needs data to validate on, but there are none; add --validation-share 0.2, or --validation "
    "FILE."
)
AY = "--target-columns ay --drop label"
WRONG = [
    ("--patience 3", f"--patience{NO_DATA}"),
    ("--best", f"--best{NO_DATA}"),
    ("--horizon 2", "--horizon is 2, but it is of --task forecast; add that."),
    ("--loss mae", "--loss is 'mae', which is for numbers; leave it out."),
    ("--task regress", "people.csv has no numbers to be predicted, but --task regress learns "
     "them; name them with --target-columns."),
    (f"{AY} --task classify", "people.csv has numbers to be predicted, but --task "
     "classify learns labels; name them with --label-column, or leave --task out."),
    (f"{AY} --class-weights balanced", "--class-weights is 'balanced', which is for "
     "classes; leave it out."),
    ("--task forecast --output-mode last", "--output-mode is 'last', but a forecast is one a step; "
     "leave it out."),
    ("--task forecast --target-columns ay", "--target-columns names numbers to be predicted, but a "
     "forecast predicts the features; say --task regress, or leave --target-columns out."),
    ("--task forecast --horizon 120", "the recording 'p0r0' of people.csv has 120 steps, but a "
     "forecast of 120 ahead needs more; leave it out, or lower --horizon."),
    ("--leave-one-group-out", "people.csv has no groups to leave out; name them with "
     "--group-column, or with {group} in --file-pattern, or take --folds 5."),
    ("--folds 1", "--folds: 1 is not a whole number of at least 2."),
    ("--folds 3 --test-share 0.2", "--test-share cannot stand beside --folds; leave one of them "
     "out."),
    ("--folds 17", "there are 16 recordings, but 17 folds want one each; record more, or cut long "
     "recordings into parts."),
    ("--metrics f1score", "--metrics: 'f1score' is no metric; choose among accuracy, fscore, "
     "precision, recall, auc, rmse (did you mean 'fscore'?)."),
    ("--hidden 3,x", "--hidden: x is not a whole number from 1 to 2147483647."),
    ("--window-length 500", None),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=[words for words, _ in WRONG])
def test_what_cannot_be_is_refused_before_the_training(run, words, sentence):
    write_people("people.csv")
    more = [] if "--leave" in words or "--folds 17" in words else BY_PERSON[2:]
    drop = ["--drop", "person"] if not more else []
    code, _, said = run("train", "people.csv", *BY_PERSON[:2], *more, *drop, *words.split())
    assert code == 2 and not Path("minilstm-train").exists()
    if sentence is not None:
        assert said[-1] == f"minilstm: {sentence}"


def test_the_best_network_is_kept_by_a_word():
    hint = "set output_network='best-validation' to keep that network."
    options = build_parser().parse_args(["train", "d.csv"])
    assert in_words_of_options(hint, options) == "add --best to keep that network."


def test_an_option_that_cannot_act_is_a_warning_in_words_of_the_command_line(run):
    write_people("people.csv")
    with pytest.warns(UserWarning, match="learn_rate_drop_factor is 0.5, but"):
        trained(run, "people.csv", *BY_PERSON, "--learn-rate-drop-factor", 0.5)
