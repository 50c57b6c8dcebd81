"""The words that say how data are read, each with a file that is read rightly with it alone.
A case takes the `World` of `test_cli_options.py`; train and predict have the same words.
"""

import pytest

HEAD = "recording,speed,label\n"
BODY = "a,1,u\na,-1,v\nb,2,u\n"
LONG = "recording,time,sensor,reading,label\na,0,speed,1,u\na,1,speed,-1,v\nb,0,speed,2,u\n"
BOTH = ["--channel-column", "sensor", "--value-column", "reading"]
TIMED = "recording,time,speed,label\na,0,1,u\na,20,-1,v\nb,0,2,u\n"
MORE = "recording,speed,extra,label\na,1,7,u\na,-1,3,v\nb,2,5,u\n"
GAPS = "recording,speed,label\na,1,u\na,,v\na,2,v\nb,2,u\n"

# The file's name and text, the words, and what is told of it.
ROWS = {
    "--time-column": ("f.csv", TIMED.replace("time", "uhr"), ["--time-column", "uhr"],
                      {"time_column": "uhr"}),
    "--time-unit": ("f.csv", TIMED, ["--time-unit", "ms"], {"rate": 50, "time_unit": "ms"}),
    "--group-column": ("f.csv", MORE.replace("-1,3", "-1,7"), ["--group-column", "extra"],
                       {"groups": {"5": 1, "7": 1}}),
    "--channel-column": ("f.csv", LONG, BOTH, {"features": ["speed"], "steps": 3}),
    "--value-column": ("f.csv", LONG, BOTH, {"ranges": [[-1.0, 2.0]]}),
    "--sort-by": ("f.csv", TIMED.replace("a,0", "a,30"), ["--sort-by", "time"], {"rate": 0.1}),
    "--features": ("f.csv", MORE, ["--features", "speed"], {"unused": ["extra"]}),
    "--drop": ("f.csv", MORE, ["--drop", "extra"], {"features": ["speed"]}),
    "--separator": ("f.csv", (HEAD + BODY).replace(",", "|"), ["--separator", "|"], {"steps": 3}),
    "--decimal": ("f.csv", (HEAD + BODY).replace("-1", "-1,5").replace(",", ";").replace(
        "1;5", "1,5"), ["--decimal", ","], {"ranges": [[-1.5, 2.0]]}),
    "--encoding": ("f.csv", (HEAD + BODY).replace("v", "é").encode("cp1252"),
                   ["--encoding", "cp1252"], {"labels": {"u": 2, "é": 1}}),
    "--file-pattern": ("p_7.csv", "speed,label\n1,u\n2,v\n", ["--file-pattern", "{group}_{id}"],
                       {"groups": {"p": 1}}),
    "--fill": ("f.csv", GAPS, ["--fill", "linear"], {"filled_cells": 1}),
    "--on-bad-line": ("f.csv", HEAD + BODY + "b,2\n", ["--on-bad-line", "skip"],
                      {"skipped_lines": 1}),
    "--describe": ("f.csv", MORE, ["--describe", "f.toml"], {"unused": ["extra"]}),
}  # fmt: skip


def reads(command, row):
    def case(w):
        name, text, words, told = row
        (w.out / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        (w.files / "f.toml").write_text('drop = ["extra"]\nlabel_column = "label"\n')
        facts = w.run(*command(w), w.out / name, *words)["read"][0]
        assert {key: facts[key] for key in told} == told

    return case


def sheet(command):
    def case(w):
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("openpyxl")
        with pandas.ExcelWriter(w.out / "f.xlsx") as book:
            for name, speed in (("one", 1.0), ("two", 2.0)):
                rows = {"recording": ["a", "b"], "speed": [speed, 0.5], "label": ["u", "v"]}
                pandas.DataFrame(rows).to_excel(book, sheet_name=name, index=False)
        facts = w.run(*command(w), w.out / "f.xlsx", "--sheet", "two")["read"][0]
        assert facts["ranges"] == [[0.5, 2.0]]

    return case


def targets(command):
    def case(w):
        (w.out / "f.csv").write_text(MORE)
        said = w.run(*command(w), w.out / "f.csv", "--target-columns", "nothing", code=2)
        assert said["error"].startswith("--target-columns is 'nothing', but the columns are")

    return case


def train(w):
    return ["train", "--epochs", 1, "--hidden", 2, "--quiet", "--out", w.out / "t"]


def predict(w):
    """With a network of the classes of these files."""
    (w.files / "classes.csv").write_text(HEAD + BODY + "b,2,é\n")
    w.run("train", "classes.csv", "--epochs", 1, "--hidden", 2, "--quiet", "--out", w.out / "p")
    return ["predict", w.out / "p/model.safetensors"]


def evaluate(w):
    return ["evaluate", *predict(w)[1:]]


DATA = {
    (name, word): case
    for name, command in (("train", train), ("predict", predict), ("evaluate", evaluate))
    for word, case in {
        **{word: reads(command, row) for word, row in ROWS.items()},
        "--sheet": sheet(command),
        "--target-columns": targets(command),
    }.items()
}
