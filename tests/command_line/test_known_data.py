"""Commands with a model that knows its data: columns, windows, targets, and lines of a stream.
What a model knows needs no option, and what an option says goes before it.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.command_line import streaming
from minilstm.command_line.cli import main

pytestmark = [pytest.mark.usefixtures("own_folder"), pytest.mark.usefixtures("on_numpy")]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 2)).round(3)
DESCRIPTION = {"id_column": "run", "time_column": "t", "time_unit": "s", "label_column": "label",
               "label_per": "step", "group_column": "who"}  # fmt: skip
FEATURES = [{"name": "ax", "unit": "g"}, {"name": "ay", "unit": None}]
KNOWN = {"features": FEATURES, "description": DESCRIPTION}


def model(name, about, mode="sequence", classes=("a", "b")):
    layers = [ml.SequenceInput(2, feature_names=["ax", "ay"]), ml.LSTM(3, mode)]
    layers += [ml.FullyConnected(2), *([] if classes is None else [ml.Softmax()])]
    losses = ["mse"] if classes is None else None
    rng = np.random.default_rng(0)
    net = ml.Network(layers, rng=rng, classes=classes, about=about, losses=losses)
    net.save(name)
    return net


@pytest.fixture
def nets(own_folder):
    windows = {**KNOWN, "shaping": {"window_length": 4, "window_step": 2}}
    targets = {"features": FEATURES, "targets": ["speed", "load"]}
    return {
        "steps": model("steps", KNOWN),
        "windows": model("windows", windows, "last"),
        "numbers": model("numbers", targets, classes=None),
        "value": model("value", None, "last", classes=None),
    }


def table(*columns, x=X, run="r"):
    """A CSV file of the columns named, one recording."""
    cells = {"run": lambda n: run, "who": lambda n: "ann", "t": lambda n: f"{n / 50:.2f}",
             "ax": lambda n: repr(x[n, 0].item()), "ay": lambda n: repr(x[n, 1].item()),
             "label": lambda n: "ab"[n % 2], "speed": lambda n: repr(n / 4),
             "load": lambda n: repr(-n / 8)}  # fmt: skip
    lines = [",".join(cells[c](n) for c in columns) for n in range(len(x))]
    return ",".join(columns) + "\n" + "\n".join(lines) + "\n"


def cells_of(scores):
    return [f"{score:.6g}" for score in scores]


def answer(net, scores):
    label = [] if net.classes is None else [str(ml.scores_to_labels(scores, net.classes))]
    return ",".join([*label, *cells_of(scores)])


# ---------------------------------------------------------------- predict


def test_predict_reads_as_the_training_did_and_takes_columns_by_name(run, nets):
    Path("a.csv").write_text(table("who", "t", "ay", "label", "run", "ax"))
    code, out, said = run("predict", "steps", "a.csv")
    scores = nets["steps"].predict(X)
    assert (code, out[0]) == (0, "sequence,step,time,label,score_a,score_b")
    assert out[1:] == [
        f"r,{n},{n / 50:g},{answer(nets['steps'], row)}" for n, row in enumerate(scores)
    ]
    truth = np.array(list("ababababa"))
    measured = nets["steps"].evaluate([X], [truth])
    assert said[-1] == f"accuracy {measured['accuracy']:.4f}, loss {measured['loss']:.4f}"
    Path("b.csv").write_text(table("ay", "ax").replace("ax", "AX"))
    said = run("predict", "steps", "b.csv", "--id-column", "")[2]
    assert "(missing: ax; unknown: AX; is 'AX' meant for 'ax'?)" in said[-1]


def test_predict_of_a_model_of_windows_gives_a_row_a_window(run, nets):
    Path("a.csv").write_text(table("run", "t", "ax", "ay", "label"))
    code, out, said = run("predict", "windows", "a.csv", "--json")
    starts = [0, 2, 4]
    scores = nets["windows"].predict([X[k : k + 4] for k in starts])
    assert (code, out[0]) == (0, "sequence,start,time,label,score_a,score_b")
    assert out[1:] == [
        f"r,{k},{k / 50:g},{answer(nets['windows'], row)}"
        for k, row in zip(starts, scores, strict=True)
    ]
    assert "minilstm: shaped as in training: windows of 4 steps, every 2 steps, label " in (
        "\n".join(said)
    )
    # Two of each label in each window: that which is seen last.
    measured = nets["windows"].evaluate([X[k : k + 4] for k in starts], np.array(["b"] * 3))
    assert json.loads(said[-1])["loss"] == measured["loss"]
    Path("short.csv").write_text(table("run", "t", "ax", "ay", x=X[:3]))
    code, out, said = run("predict", "windows", "short.csv")
    assert (code, out) == (2, []) and "longer than every recording" in said[-1]


@pytest.mark.parametrize("trained_on", ["named", "unnamed"])
def test_predict_of_numbers(run, nets, trained_on):
    net = nets["numbers" if trained_on == "named" else "value"]
    name = "numbers" if trained_on == "named" else "value"
    Path("a.csv").write_text(table("ay", "ax"))
    code, out, said = run("predict", name, "a.csv", "--id-column", "", "--json")
    scores = net.predict(X)
    if trained_on == "named":
        rows = [f"0,{n},{','.join(cells_of(row))}" for n, row in enumerate(scores)]
        assert out == ["sequence,step,speed,load", *rows]
    else:
        assert out == ["sequence,value_1,value_2", f"0,{','.join(cells_of(scores))}"]
    assert code == 0 and json.loads(said[-1])["loss"] is None


def test_numbers_are_measured_where_the_file_has_them(run, nets):
    Path("a.csv").write_text(table("speed", "ay", "ax", "load"))
    words = ["--id-column", "", "--target-columns", "speed,load"]
    code, _, said = run("predict", "numbers", "a.csv", *words, "--json")
    truth = np.column_stack([np.arange(9) / 4, -np.arange(9) / 8])
    measured = nets["numbers"].evaluate([X], [truth])
    facts = json.loads(said[-1])
    assert (code, facts["loss"], facts["accuracy"]) == (0, measured["loss"], None)
    assert facts["rmse"] == measured["rmse"]
    assert said[-2] == f"rmse {measured['rmse']:.6g}, loss {measured['loss']:.6g}"


def test_json_and_a_table_never_share_a_stream(run, nets, capsys):
    Path("a.csv").write_text(table("run", "t", "ax", "ay"))
    code, out, said = run("predict", "steps", "a.csv", "--json")
    assert code == 0 and len(out) == 10 and json.loads(said[-1])["accuracy"] is None
    code, out, said = run("predict", "steps", "a.csv", "--json", "--out", "-")
    assert code == 0 and len(out) == 10 and json.loads(said[-1])["accuracy"] is None
    code, out, _ = run("predict", "steps", "a.csv", "--json", "--out", "p.csv")
    assert code == 0 and json.loads(out[-1])["accuracy"] is None and len(out) == 1
    code, out, said = run("predict", "steps", "none.csv", "--json")
    assert (code, out, json.loads(said[-1])["exit_code"]) == (2, [], 2)
    code, out, _ = run("predict", "steps", "none.csv", "--json", "--out", "p.csv")
    assert (code, json.loads(out[-1])["exit_code"]) == (2, 2)


# ---------------------------------------------------------------- stream


@pytest.fixture
def stream(nets, monkeypatch, capsys):
    """Exit code, lines and complaints for a model and some text."""

    def command(name, text, *words):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        code = main(["stream", name, *map(str, words)])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return command


def stepped(net, rows):
    steps = net.stream()
    return [answer(net, steps.step(np.array(row))) for row in rows]


def test_a_heading_may_have_columns_that_the_model_knows(stream, nets):
    text = table("label", "ay", "t", "ax", "who")
    wanted = stepped(nets["steps"], X)
    assert stream("steps", text) == (0, wanted, ["minilstm: columns not used: label, t"])
    assert stream("numbers", table("ay", "ax")) == (0, stepped(nets["numbers"], X), [])
    code, out, said = stream("steps", text.replace("who", "where", 1))
    assert (code, out) == (2, []) and said == [
        "minilstm: the heading on line 1 has the features ay, ax, where, but the network learned "
        "ax, ay (unknown: where); rename, add or drop columns."
    ]


def test_a_column_that_a_model_does_not_know_can_be_dropped(run, nets):
    Path("a.csv").write_text(table("run", "ax", "ay", "speed", "load"))
    model("left", {**KNOWN, "description": {**DESCRIPTION, "drop": ["load"]}})
    assert run("predict", "left", "a.csv")[2][-1] == (
        "minilstm: 'a.csv' has the features ax, ay, speed, but the network learned ax, ay "
        "(unknown: speed); leave it out with --drop 'speed'."
    )
    code, out, _ = run("predict", "left", "a.csv", "--drop", "speed")
    assert (code, len(out)) == (0, 10)


def test_a_stream_answers_each_window_as_predict_does(run, stream, nets):
    Path("a.csv").write_text(table("run", "t", "ax", "ay"))
    rows = [row.split(",", 3) for row in run("predict", "windows", "a.csv")[1][1:]]
    wanted = [f"{start},{rest}" for _, start, _, rest in rows]
    assert len(wanted) == 3
    assert stream("windows", table("ay", "ax")) == (0, wanted, [])
    lines = table("ax", "ay").split("\n", 1)[1]
    assert stream("windows", lines + "\n" + lines) == (0, wanted + wanted, [])


def test_a_gap_or_another_rate_in_the_times_of_a_stream(stream, nets):
    about = {**KNOWN, "shaping": {"window_length": 2, "gap_seconds": 1.0, "rate": 50}}
    net = model("gaps", about, "last")
    text = "t,ax,ay\n0,1,2\n0.02,3,4\n9,5,6\n9.02,7,8\n"
    wanted = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    answers = [answer(net, net.predict(np.array(w, float))) for w in wanted]
    told = (
        "minilstm: the model takes 50 steps a second, and a stream resamples nothing; send lines "
        "at that rate."
    )
    assert stream("gaps", text) == (0, [f"0,{answers[0]}", f"2,{answers[1]}"], [told])
    iso = text.replace("\n9", "\n2026-01-01T00:00:0").replace("\n0", "\n2025-01-01T00:00:00")
    iso = iso.replace("00:000", "00:00").replace("00:0.02", "00:00.02").replace("00:0,", "00:00,")
    assert stream("gaps", iso)[:2] == (0, [f"0,{answers[0]}", f"2,{answers[1]}"])
    in_ms = text.replace("t,", "ms,").replace("0.02", "20").replace("9.20", "9020")
    in_ms = in_ms.replace("9,", "9000,").replace("9.02", "9020")
    assert stream("gaps", in_ms, "--time-column", "ms", "--time-unit", "ms")[1] == (
        [f"0,{answers[0]}", f"2,{answers[1]}"]
    )
    code, out, said = stream("gaps", text.replace("0.02", "later"))
    assert (code, out, said[-1]) == (
        2, [], "minilstm: line 3 has the time 'later', but a number or an ISO time was wanted; "
        "mend the line, or leave such lines out with --on-bad-line skip.",
    )  # fmt: skip
    code, out, said = stream("gaps", text.replace("0.02", "0.5"))
    assert (code, said[-1]) == (
        2, "minilstm: line 3: rows come at 2 Hz, but the model takes 50 Hz; send them at that "
        "rate, or record them and use predict, which resamples; mend the line, or leave such lines "
        "out with --on-bad-line skip.",
    )  # fmt: skip
    code, out, said = stream("gaps", text.replace("0.02", "-1"))
    assert (code, said[-1]) == (
        2, "minilstm: line 3: time is -1.0, but the row before came at 0.0; send rows in the order "
        "of time, or send an empty line before a new recording; mend the line, or leave such lines "
        "out with --on-bad-line skip.",
    )  # fmt: skip
    late = (
        "t,ax,ay\n0,1,2\n0.5,3,4\n0.4,3,4\n0.52,5,6\n0.54,7,8\n"  # a line refused by rate or time
    )
    assert stream("gaps", late, "--on-bad-line", "skip")[1] == [f"2,{answers[1]}"]


def test_another_id_in_a_line_starts_a_new_sequence(stream, nets):
    first, second, other = X[:5], X[5:], X[2:6]
    rows = [("r", "ann", first), ("s", "ann", second), ("s", "bob", other)]  # the group tells, too
    lines = [f"{run},{who},{a},{b}" for run, who, x in rows for a, b in x.tolist()]
    text = "run,who,ax,ay\n" + "\n".join(lines) + "\n"
    wanted = [row for *_, x in rows for row in stepped(nets["steps"], x)]
    assert stream("steps", text) == (0, wanted, [])
    windows = [(s, x[s : s + 4]) for *_, x in rows for s in range(0, len(x) - 3, 2)]
    wanted = [f"{s},{answer(nets['windows'], nets['windows'].predict(w))}" for s, w in windows]
    assert stream("windows", text) == (0, wanted, [])
    back = text + "r,ann,1,2\n"
    assert stream("windows", back) == (2, wanted, [
        "minilstm: line 15 goes back to the sequence 'ann/r', but the lines of a sequence have to "
        "come together; mend the line, or leave such lines out with --on-bad-line skip."
    ])  # fmt: skip
    assert stream("windows", text + "\nr,ann,1,2\n")[0] == 0  # an empty line forgets what came


def test_lines_at_another_rate_than_the_model_learned(stream):
    text = "t,ax,ay\n" + "".join(f"{k / 25},1,{k % 3}\n" for k in range(30))
    model("fifty", {**KNOWN, "rate": 50})
    assert stream("fifty", text)[2] == [
        "minilstm: warning: lines come at 25 Hz, but the model learned 50 Hz; send them at that "
        "rate."
    ]
    same = text.replace("0.04", "later")  # a time that is none is no line less
    assert len(stream("fifty", same)[1]) == 30
    model("five", {**KNOWN, "rate": 25})
    assert stream("five", text)[::2] == (0, [])
    shaped = {**KNOWN, "rate": 50, "shaping": {"window_length": 4}}
    model("windows50", shaped, "last")
    assert stream("windows50", text) == (2, [], [
        "minilstm: line 5: rows come at 25 Hz, but the model takes 50 Hz; send them at that rate; "
        "mend the line, or leave such lines out with --on-bad-line skip."
    ])  # fmt: skip
    model("windows25", {**shaped, "rate": 25}, "last")
    holes = text.replace("0.12,", "0.119,").replace("\n0.", "\n-9.", 1)  # a hole is no rate
    assert len(stream("windows25", holes)[1]) == 14


BAD = ["x,1", "1", "1,2,3", "nan,2", '"1,2', "1e999,2", "1e39,2", "ax,ay"]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_line_is_answered_by_empty_cells_and_changes_nothing(stream, nets, bad):
    lines = table("ax", "ay").splitlines()
    text = "\n".join([*lines[:4], bad, *lines[4:]]) + "\n"
    wanted = stepped(nets["steps"], X)
    code, out, said = stream("steps", text, "--on-bad-line", "skip", "--json")
    assert (code, out) == (0, [*wanted[:3], ",,", *wanted[3:]])
    assert len(said) == 2 and said[0].startswith("minilstm: line 5 ")
    assert said[0].endswith("; skipped.")
    facts = json.loads(said[1])
    assert (facts["steps"], facts["skipped"]) == (9, 1)
    assert stream("steps", text)[:2] == (2, wanted[:3])
    code, out, _ = stream("numbers", text, "--on-bad-line", "skip")
    assert (code, out[3]) == (0, ",")
    code, out, said = stream("windows", text, "--on-bad-line", "skip")
    assert (code, len(out), len(said)) == (0, 3, 1)  # a window has no line to be answered


def test_the_description_may_say_skip_and_many_bad_lines_are_counted(stream, monkeypatch):
    monkeypatch.setattr(streaming, "_MOST_TOLD", 2)
    net = model("skips", {"description": {"on_bad_line": "skip"}})
    text = "#boot\nax,ay\n" + "1,2\n?,?\n" * 4
    code, out, said = stream("skips", text, "--json")
    wanted = stepped(net, [[1, 2]] * 4)
    assert (code, out) == (0, [row for one in wanted for row in (one, ",,")])
    bad = "but 2 numbers separated by commas, all of them finite and not '?', were wanted; skipped."
    assert said[:-1] == [
        "minilstm: line 1 is a comment, left out: #boot",
        f"minilstm: line 4 is '?,?', {bad}",
        f"minilstm: line 6 is '?,?', {bad}",
        "minilstm: more lines that are skipped are counted only.",
    ]
    assert json.loads(said[-1])["skipped"] == 4
    code, out, said = stream("skips", text, "--on-bad-line", "error")
    assert (code, out, said) == (2, wanted[:1], [
        "minilstm: line 1 is a comment, left out: #boot",
        f"minilstm: line 4 is '?,?', {bad[:-9]} mend the line, or leave such lines out with "
        "--on-bad-line skip.",
    ])  # fmt: skip


def test_separators_and_decimal_commas(stream, nets):
    wanted = stepped(nets["steps"], X)
    plain = table("ay", "t", "ax")
    told = ["minilstm: columns not used: t"]
    for sign, word in ((";", ";"), ("\t", "tab"), ("|", "|")):
        text = plain.replace(",", sign)
        assert stream("steps", text, "--separator", word) == (0, wanted, told)
    text = plain.replace(",", ";").replace(".", ",")
    assert stream("steps", text, "--separator", ";", "--decimal", ",") == (0, wanted, told)
    model("german", {"description": {**DESCRIPTION, "separator": ";", "decimal": ","}})
    assert stream("german", text) == (0, wanted, told)
    code, _, said = stream("german", "1;2;3\n")
    assert code == 2 and said[-1] == (
        "minilstm: line 1 is '1;2;3', but 2 numbers separated by ';' were wanted; mend the line, "
        "or leave such lines out with --on-bad-line skip."
    )


# ---------------------------------------------------------------- info


def test_info_shows_the_card(run, nets):
    out = run("info", "windows")[1]
    assert "For every window of 4 steps it gives one of 2 classes: a, b." in out
    assert "  label column: label" in out and "  window length: 4" in out
    page = run("info", "windows", "--markdown")[1]
    assert page[0] == "# windows" and "| ax | g |" in page and "- window length: 4" in page
    facts = json.loads(run("info", "windows", "--json")[1][-1])
    assert facts["about"] == nets["windows"].about and facts["feature_names"] == ["ax", "ay"]
    code, out, said = run("info", "--markdown")
    assert (code, out, said) == (
        2, [], ["minilstm: --markdown writes the page of a model; name its file."],
    )  # fmt: skip
