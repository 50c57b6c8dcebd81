"""The command stream: headings by name, a label a line, and refusals that name the line.
No line is dropped: each is a heading, a step, the start of a sequence, or an error.
"""

import io
import re
import subprocess
import sys

import numpy as np
import pytest
from builders import two_movements

import minilstm as ml
from minilstm.command_line.cli import main
from minilstm.data import write_csv, write_npz

NAMES = ["ax", "ay", "az"]
MEND = "; mend the line, or leave such lines out with --on-bad-line skip."


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A network that knows the names of its features, and one that does not."""
    folder = tmp_path_factory.mktemp("stream")
    x, y = two_movements(0)
    x = [np.column_stack([a, a[:, 0] * a[:, 1]]) for a in x]  # (T, 3)
    y = [np.where(labels == "up", "sit, down", "up") for labels in y]
    write_csv(folder / "named.csv", x, y, feature_names=NAMES)
    write_npz(folder / "plain.npz", x, y)
    how = ["--hidden", "3", "--epochs", "1", "--quiet", "--backend", "numpy"]
    for data in ("named.csv", "plain.npz"):
        assert main(["train", str(folder / data), "--out", str(folder / data[:5]), *how]) == 0
    return {name: folder / name / "model.safetensors" for name in ("named", "plain")}


@pytest.fixture
def stream(models, monkeypatch, capsys):
    """What the command says to some bytes: exit code, lines, and what is wrong."""

    def run(text, model="named"):
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))
        code = main(["stream", str(models[model]), "--backend", "numpy"])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return run


def expected(models, rows, model="named"):
    net = ml.load(models[model])
    with ml.use_backend("numpy"):
        steps = net.stream()
        scores = [steps.step(np.array(row, np.float64)) for row in rows]
    labels = ml.scores_to_labels(np.stack(scores), net.classes)
    names = [f'"{label}"' if "," in label else label for label in labels]
    return [f"{a},{s[0]:.6g},{s[1]:.6g}" for a, s in zip(names, scores, strict=True)]


ROWS = [[1.0, -2.0, 0.5], [1.5, 0.0, 3.0]]
PLAIN_TEXT = "1,-2,0.5\n1.5,0,3\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN_TEXT,
        "\ufeff" + PLAIN_TEXT,
        "1,-2,0.5\r\n1.5,0,3",
        " 1 ,\t-2, 0.5 \n+1.5,.0,3e0\n",
        '"1","-2",0.5\n"1.5", "0" ,3\n',
        "ax,ay,az\n" + PLAIN_TEXT,
        '\ufeffax, ay ,"az"\n' + PLAIN_TEXT,
        "\n\nax,ay,az\n" + PLAIN_TEXT,
        "az,ax,ay\n0.5,1,-2\n3,1.5,0\n",
    ],
)
def test_every_step_is_answered(models, stream, text):
    cut = f"minilstm: line {text.count(chr(10)) + 1}, the last one, has no line end; check that it "
    said = "" if text.endswith("\n") else cut + "is whole.\n"
    assert stream(text) == (0, expected(models, ROWS), said)


def test_a_network_without_names_takes_positions(models, stream):
    wanted = expected(models, ROWS, "plain")
    note = "minilstm: line 1 is a comment, left out: # sensor 5\n"
    for heading in ("", "z,y,x\n", "°C,_b,(c)\n"):
        told = note + bool(heading) * (
            "minilstm: the model does not know the names of its features, so the columns are taken "
            f"by position: {heading.strip().replace(',', ', ')}; send them in the order of the "
            "training.\n"
        )
        assert stream("# sensor 5\n" + heading + PLAIN_TEXT, "plain") == (0, wanted, told)
    assert stream("a,b\n" + PLAIN_TEXT, "plain")[::2] == (
        2,
        "minilstm: line 1 names 2 columns, but the network takes 3 features; send the columns that "
        "it was trained on, in the same order.\n",
    )


PLAIN_NUMBER = re.compile(r"-?[0-9.]+")
BROKEN = ["1,NA,3", "1,,3", "1,2,3abc", "1_0,2,3", "NA,NA,NA", ",,", "?,?,?", "nan,nan,nan",
          "inf,-inf,inf", "1,2", "1,2,3,4", "1;2;3", "1 2 3", '"1,2,3', '"1"x,2,3', "1,2,0x10",
          "1e999,2,3", "\u0661,2,3", "1,2,3\0", "1,2,3\ufeff4", "-,-,-", "2nd,3rd,4th"]  # fmt: skip


@pytest.mark.parametrize("model", ["named", "plain"])
@pytest.mark.parametrize("line", BROKEN)
def test_a_line_that_is_no_step_is_an_error_on_any_line(models, stream, line, model):
    for before in ("", "1,-2,0.5\n"):
        code, lines, said = stream(f"{before}{line}\n{PLAIN_TEXT}", model)
        number = before.count("\n") + 1
        assert code == 2 and lines == expected(models, ROWS[:1], model)[: number - 1]
        if "\0" in line:
            assert "iconv -f UTF-16" in said
            continue
        bad = next((c for c in line.split(",") if not PLAIN_NUMBER.fullmatch(c)), None)
        named = line.count(",") == 2 and not {'"', "\ufeff"} & {*line}
        why = f", all of them finite and not {bad!r}," if named else ""
        why = ", but not semicolons," if ";" in line else why
        assert said == (
            f"minilstm: line {number} is {line!r}, but 3 numbers separated by commas{why} were "
            f"wanted{MEND}\n"
        )


def test_bytes_that_are_no_text_name_their_line(stream):
    code, lines, said = stream(b"1,2,3\n1,2,\xe9\n")
    assert (code, len(lines)) == (2, 1)
    assert said.startswith("minilstm: line 2 is '1,2,\\udce9', but 3 numbers")
    code, lines, said = stream("1,2,3\n".encode("utf-16"))
    assert (code, lines) == (2, []) and said == (
        "minilstm: line 1 holds a NUL byte or the mark of UTF-16, but text in UTF-8 was wanted; "
        "convert it, for example with iconv -f UTF-16 -t UTF-8.\n"
    )


def test_a_heading_of_other_names_or_in_the_middle(stream):
    assert stream("ax,ay,speed\n1,2,3\n") == (
        2,
        [],
        "minilstm: the heading on line 1 has the features ax, ay, speed, but the network learned "
        "ax, ay, az (missing: az; unknown: speed); rename, add or drop columns.\n",
    )
    code, lines, said = stream("ax,ay,az\n1,2,3\n\nax,ay,az\n")
    assert (code, len(lines)) == (2, 1) and said.startswith("minilstm: line 4 is 'ax,ay,az', but")


@pytest.mark.parametrize("model", ["named", "plain"])
@pytest.mark.parametrize(("between", "called"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_a_heading_with_another_separator_names_it(models, stream, between, called, model):
    text = ("ax,ay,az\n" + PLAIN_TEXT).replace(",", between)
    assert stream(text, model) == (
        2, [], f"minilstm: line 1 names the features between {called!r}, but ',' was expected; say "
        f"--separator {called!r}.\n",
    )  # fmt: skip


def test_an_empty_line_starts_anew(models, stream):
    again = expected(models, ROWS)
    assert stream(PLAIN_TEXT + "  \n" + PLAIN_TEXT)[1] == again + again


def test_networks_that_take_no_lines(tmp_path, stream, models):
    layers = [ml.SequenceInput([2, 2, 1]), ml.Flatten(), ml.LSTM(2), ml.FullyConnected(2)]
    net = ml.Network([*layers, ml.Softmax()], classes=["a", "b"], rng=np.random.default_rng(0))
    models["images"] = net.save(tmp_path / "images.safetensors")
    assert stream("1,2,3\n", "images")[2] == (
        f"minilstm: {models['images']} takes steps of shape (2, 2, 1), but a line holds the "
        "features of a vector; call net.stream() in Python.\n"
    )


def test_each_line_is_answered_as_it_arrives(models):
    command = [sys.executable, "-m", "minilstm", "stream", str(models["plain"])]
    with subprocess.Popen(
        [*command, "--backend", "numpy"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(3):
            process.stdin.write("0.5,-0.5,1\n")
            process.stdin.flush()
            assert process.stdout.readline().rpartition('"')[0] in ('"sit, down', "")
        process.stdin.close()
        assert process.wait(60) == 0
