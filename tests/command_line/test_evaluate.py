"""The command evaluate prints and writes the report that Python gives for the same recordings.
What cannot be judged is one sentence, and nothing is written.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from builders import built, chain, regressor, two_in_two_out, two_movements

import minilstm as ml
from minilstm.data import write_csv, write_npz
from minilstm.evaluation import report
from minilstm.network.card import data_facts, make_card

MODEL = "m.safetensors"


@pytest.fixture
def net(own_folder):
    """A classifier of steps, saved, beside two files of labelled recordings."""
    net = built(chain(ml.LSTM(3), features=2, out=2), classes=["down", "up"])
    net.save(MODEL)
    for seed in (0, 1):
        write_csv(f"d{seed}.csv", *two_movements(seed), feature_names=["ax", "ay"])
    return net


def test_it_prints_the_report_of_python(net, run):
    x, y = two_movements(0)
    found = report(net, x, y)
    code, out, _ = run("evaluate", MODEL, "d0.csv", "--json")
    assert (code, out[:-1]) == (0, str(found).splitlines())
    facts = json.loads(out[-1])
    wanted = json.loads(json.dumps(found.to_plain()))
    assert facts["report"] == {k: v for k, v in wanted.items() if k != "curves"}
    assert facts["accuracy"] == found.accuracy == net.evaluate(x, y)["accuracy"]
    assert facts["loss"] == pytest.approx(net.evaluate(x, y)["loss"], rel=1e-12)
    assert facts["files"] == [] and facts["read"][0]["path"] == "d0.csv"


def test_several_files_are_judged_together_and_written(net, run, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, _ = run("evaluate", MODEL, "d0.csv", "d1.csv", "--out", "found")
    pictures = ["confusion.png", "roc.png", "precision-recall.png", "calibration.png"]
    written = [f"found/{name}" for name in ("report.md", "report.json", *pictures)]
    assert (code, [line.strip() for line in out[-6:]]) == (0, written)
    assert sorted(p.name for p in (tmp_path / "found").iterdir()) == sorted(
        name.removeprefix("found/") for name in written
    )
    (x0, y0), (x1, y1) = two_movements(0), two_movements(1)
    ids = [f"d{s}/{b}" for s in (0, 1) for b in range(3)]
    found = report(net, x0 + x1, y0 + y1, ids=ids)
    text = (tmp_path / "found/report.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(found.to_plain()))
    assert (tmp_path / "found/report.md").read_text() == found.to_markdown()


def test_a_label_never_trained_is_a_row_and_a_missing_one_counts_nowhere(net, run):
    x, y = two_movements(0)
    y = [np.where(np.arange(len(a)) < 3, "fall", a) for a in y]
    y[0][5:9] = "NA"
    write_csv("strange.csv", x, y, feature_names=["ax", "ay"])
    code, out, _ = run("evaluate", MODEL, "strange.csv", "--missing-labels", "NA", "--json")
    found = json.loads(out[-1])["report"]
    assert code == 0 and sum(c["support"] for c in found["classes"]) == 98 - 4
    fall = found["classes"][2]
    assert (fall["label"], fall["support"], fall["recall"]) == ("fall", 9, 0.0)
    assert found["notes"] == [
        "'fall' was never trained, so it is never right (9 steps)",
        "left out, as without a label: 4 steps",
    ]


def test_one_label_a_sequence(own_folder, run):
    net = built(chain(ml.LSTM(3, "last"), features=2, out=2), classes=[0, 1])
    net.save(MODEL)
    x, _ = two_movements(0)
    for name in ("d.npz", "e.npz"):
        write_npz(name, x, np.array([0, 1, 1]), ids=["u", "v", "w"])
    code, out, _ = run("evaluate", MODEL, "d.npz", "e.npz", "--json")
    found = json.loads(out[-1])["report"]
    assert (code, found["rows"], found["bouts"]) == (0, 6, None)
    said = net.classify(x)
    rows = {part["name"]: part for part in found["by_recording"]}
    assert [rows[f"e/{n}"]["predicted"] for n in "uvw"] == said.tolist()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            [MODEL, "plain.npz"],
            "plain.npz has no labels or target numbers to compare with; add them, or use the "
            "command predict.",
        ),
        (
            ["plain.safetensors", "d0.csv"],
            "the network has no classes; train it on labels, or name those of its scores, in their "
            "order, with net.replace(classes=[...]).",
        ),
        (["d0.csv", MODEL], "d0.csv is no model file, as its first bytes show; are MODEL and DATA "
         "swapped?"),
        (
            [MODEL, "last.csv", "--label-per", "sequence"],
            "last.csv has one label a sequence, but a network with the output mode 'sequence' has "
            "one a step; train with --output-mode last.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_one_sentence(words, sentence, net, run, tmp_path):
    write_npz("plain.npz", two_movements(0)[0])
    write_csv("last.csv", two_movements(0)[0], np.array(["up", "down", "up"]))
    built(chain(ml.LSTM(3), features=2, out=2)).save("plain.safetensors")
    code, out, err = run("evaluate", *words, "--out", "found")
    assert (code, out, err[-1]) == (2, [], f"minilstm: {sentence}")
    assert not (tmp_path / "found").exists()


def test_a_file_that_is_read_is_not_written(net, run, tmp_path):
    (tmp_path / "report.json").symlink_to("d0.csv")
    code, _, err = run("evaluate", MODEL, "d0.csv", "--out", ".")
    assert (code, err) == (
        2,
        ["minilstm: --out would write 'report.json', but that is the file 'd0.csv', which is read; "
         "choose another name."],
    )  # fmt: skip


def test_a_model_with_several_outputs_is_refused(own_folder, run):
    ml.Network(two_in_two_out(), rng=np.random.default_rng(0)).save(MODEL)
    code, _, err = run("evaluate", MODEL, "d.csv")
    assert (code, err) == (
        2,
        ["minilstm: m.safetensors has several inputs or outputs, but a file gives one input and "
         "takes one output; call predict in Python."],
    )  # fmt: skip


def test_numbers(own_folder, run):
    x, _ = two_movements(0)
    y = [a[:, :1] - 0.5 for a in x]
    net = built(regressor())
    net.save(MODEL)
    lines = ["recording,person,ax,ay,speed"]
    for name, person, a, t in zip("uvw", "pqp", x, y, strict=True):
        lines += [f"{name},{person},{u!r},{v!r},{s!r}" for (u, v), (s,) in
                  zip(a.tolist(), t.tolist(), strict=True)]  # fmt: skip
    Path("d.csv").write_text("\n".join(lines))
    words = ["--target-columns", "speed", "--group-column", "person", "--out", "found"]
    code, out, _ = run("evaluate", MODEL, "d.csv", *words, "--json")
    found = report(net, x, y, ids=list("uvw"), groups=list("pqp"))
    facts = json.loads(out[-1])
    assert (code, facts["accuracy"], facts["report"]) == (0, None, found.to_plain())
    assert out[: len(str(found).splitlines())] == str(found).splitlines()
    assert found.by_group[0].name in "pq" and len(found.by_group) == 2


def test_data_are_shaped_as_those_that_trained_and_told_of_by_recording(own_folder, run):
    net = built(chain(ml.LSTM(3, "last"), features=2, out=2), classes=["down", "up"])
    shaping = ml.data.Shaping(window_length=10, window_step=5)
    card = {"data": {"training": {"labels": {"down": 3, "up": 9}}}}
    about = {"description": {}, "shaping": shaping.to_plain(), "card": card}
    net.replace(about=about).save(MODEL)
    x, y = two_movements(0)
    write_csv("d.csv", x, y, feature_names=["ax", "ay"])
    code, out, _ = run("evaluate", MODEL, "d.csv", "--json")
    data = ml.data.shape(ml.data.read_sequences("d.csv"), shaping)
    said = net.classify(data.x)
    found = json.loads(out[-1])["report"]
    assert (code, found["accuracy"], found["rows"]) == (0, (said == data.y).mean(), len(said))
    assert found["recordings"] == 3 and sum(p["rows"] for p in found["by_recording"]) == len(said)
    share = (data.y == "up").mean()
    assert found["majority"] == {"label": "up", "accuracy": share, "of": "training data"}


def test_the_training_data_themselves_are_warned_of(net, run):
    data = ml.data.read_sequences("d0.csv")
    card = make_card(data={"training": data_facts(data.x, data.y)}, date=None)
    net.replace(about={"card": card}).save(MODEL)
    said = (
        r"^d0\.csv is what the model was trained on, so the scores are too good; test it on others"
    )
    with pytest.warns(UserWarning, match=said):
        assert run("evaluate", MODEL, "d0.csv")[0] == 0
    assert run("evaluate", MODEL, "d1.csv")[0] == 0
