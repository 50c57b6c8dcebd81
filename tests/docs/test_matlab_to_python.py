"""The page that sets MATLAB beside Python: its right column runs, and its left column is complete.
A training is cut short from outside, in epochs and in steps; all else runs as it is written."""

import ast
import contextlib
import dataclasses
import doctest
import io
import re
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.training.loop import TrainingLoop

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "matlab-to-python.md"
SEEDS = ROOT.parent / "shared" / "seeds"
DOCUMENTS = {
    "Sequence-to-sequence classification": "sequence-to-sequence-classification.txt",
    "The sequence input layer": "sequence-input-layer.txt",
}
EPOCHS, STEPS = 2, 200
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

documents = pytest.mark.parametrize("document", DOCUMENTS)


def part(document):
    """The text of the page about one document."""
    (text,) = re.findall(rf"^## {document}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.M | re.S)
    return text


def column(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```", part(document), re.M | re.S)


def cut_short(monkeypatch):
    """Trainings of few epochs over the first steps of every sequence."""
    real = TrainingLoop.__init__

    def init(self, net, heads, data, validation, options, *others):
        few = type(data)(
            [[s[:STEPS] for s in x] for x in data.sequences],
            [[t[:STEPS] for t in y] for y in data.targets],
            *data[2:],
        )
        short = dataclasses.replace(options, max_epochs=min(EPOCHS, options.max_epochs))
        real(self, net, heads, few, validation, short, *others)

    monkeypatch.setattr(TrainingLoop, "__init__", init)


def run(block, namespace):
    """Run a block; a statement with lines `#:` under it must give or print what they say."""
    lines = block.splitlines()
    stated = 0
    for node in ast.parse(block).body:
        code = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if isinstance(node, ast.Expr):
                value = eval(code, namespace)
                given = "" if value is None else f"{value!r}\n"
            else:
                exec(code, namespace)
                given = ""
        shown = printed.getvalue()
        want = ""
        for line in lines[node.end_lineno :]:
            if not line.startswith("#:"):
                break
            want += line[2:].removeprefix(" ") + "\n"
            stated += 1
        if want:
            same = doctest.OutputChecker().check_output(want, shown + given, FLAGS)
            assert same, f"{code}\ngives\n{shown + given}but the page says\n{want}"
        else:
            assert shown == "", f"{code}\nprints\n{shown}but the page says nothing"
    assert stated == sum(line.startswith("#:") for line in lines), f"a stray #: in\n{block}"
    return stated


@documents
def test_the_right_column_runs_and_gives_what_it_says(document, monkeypatch, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    cut_short(monkeypatch)
    namespace = {}
    try:
        with ml.use_backend("auto"):
            stated = sum(run(block, namespace) for block in column(document, "python"))
    finally:
        plt.close("all")
    assert stated > 20
    assert (tmp_path / "training-progress.png").stat().st_size > 1000
    info = namespace["info"]
    assert set(info.history["epoch"]) == {1, EPOCHS} and np.isfinite(info.history["loss"]).all()


def test_every_row_has_both_columns():
    text = PAGE.read_text("utf-8")
    for document in DOCUMENTS:
        assert len(column(document, "matlab")) == len(column(document, "python")) > 25
    assert text.count("<tr><td>") == text.count("</td><td>") == text.count("</td></tr>")
    assert text.count("<table>") == text.count("</table>")


def test_the_page_is_linked_and_links_back():
    assert "(docs/matlab-to-python.md)" in (ROOT / "README.md").read_text("utf-8")
    assert "(matlab-to-python.md)" in (ROOT / "docs" / "from-the-reference.md").read_text("utf-8")
    assert "(from-the-reference.md)" in PAGE.read_text("utf-8")


# ------------------------------------------------------------------- against the documents


def code_of(document):
    """What the document holds as code; the first document does not mark its code."""
    path = SEEDS / DOCUMENTS[document]
    if not path.is_file():
        pytest.skip("the documents are not here")
    text = path.read_text("utf-8")
    return "\n".join(re.findall(r"`+([^`]+)`+", text)) if "`" in text else text


@documents
def test_every_function_of_the_document_is_in_the_left_column(document):
    left = "\n".join(column(document, "matlab"))
    functions = set(re.findall(r"\b([A-Za-z]\w*)\(", code_of(document)))
    functions |= set(re.findall(r"\b(\w+(?:Layer|Network|GPU|Data))\b", code_of(document)))
    assert len(functions) > 10
    missing = {name for name in functions if not re.search(rf"\b{name}\b", left)}
    assert not missing - {"SequenceInputLayer"}, missing


@documents
def test_every_option_of_the_document_is_in_the_left_column(document):
    left = "\n".join(column(document, "matlab"))
    options = set(re.findall(r"[(, ]([A-Z]\w+)=(?=[\"\w])", code_of(document)))
    options |= set(re.findall(r"'([A-Z]\w+)'\s*,", code_of(document)))
    assert len(options) > 5
    missing = {name for name in options if not re.search(rf"\b{name}\b", left)}
    assert not missing, missing


def test_every_property_of_the_layer_is_in_the_left_column():
    left = "\n".join(column("The sequence input layer", "matlab"))
    for name in ("InputSize", "Normalization", "Mean", "Name", "NumInputs", "InputNames",
                 "NumOutputs", "OutputNames"):  # fmt: skip
        assert f"\n{name}" in f"\n{left}", name


@documents
def test_every_statement_of_the_document_is_in_the_left_column(document):
    """Statements that end in a semicolon stand there as they are, blanks aside."""

    def plain(text):
        return re.sub(r"\s|\.\.\.", "", text)

    left = plain("\n".join(column(document, "matlab")))
    code = code_of(document)
    statements = re.findall(r"(?:^|[;\n ])(\[?\w[\w,]*\]?\s?=\s?[^;=]*?;)", code, re.M)
    assert len(statements) > 10
    missing = {s for s in statements if plain(s) not in left}
    assert not missing, missing
