"""The pages on gradient checking and on the GPU: their blocks run, their figures are counted.
What the page on the GPU says of installing is read by people alone."""

from __future__ import annotations

import contextlib
import doctest
import io
import linecache
import re
from pathlib import Path

import mutants
import pytest

import minilstm as ml
from minilstm.command_line.cli import main

ROOT = Path(__file__).parents[2]
GRADIENTS = (ROOT / "docs" / "gradient-checking.md").read_text("utf-8")
GPU = (ROOT / "docs" / "gpu.md").read_text("utf-8")


def test_the_blocks_on_gradients_run(capsys):
    """They share one namespace, as a reader would type them one after another."""
    blocks = re.findall(r"^```python\n(.*?)^```$", GRADIENTS, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7
    namespace = {}
    for number, block in enumerate(blocks):
        # Causes quote the source, which a reader has in a file.
        linecache.cache[f"block {number}"] = len(block), None, block.splitlines(True), ""
        exec(compile(block, f"block {number}", "exec"), namespace)
        assert capsys.readouterr().out


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_blocks_on_frameworks_run_where_they_are_installed(framework, capsys):
    pytest.importorskip(framework)
    blocks = re.findall(r"^```py\n(.*?)^```$", GRADIENTS, re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if block.startswith(f"import {framework}\n")]
    exec(compile(block, framework, "exec"), {})
    assert "passed; seed 0" in capsys.readouterr().out


def test_the_command_on_the_page_prints_what_it_says(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    words, said = re.search(
        r"^\$ minilstm (check .*)\n([^`]*)```", GRADIENTS, re.MULTILINE
    ).groups()
    assert main(words.split()) == 0
    error = r"\d\.\de-\d+"
    assert re.sub(error, "", capsys.readouterr().out) == re.sub(error, "", said)


def test_every_public_bug_of_the_page_is_a_mutant():
    made = [*mutants.LSTM.values(), *mutants.OTHERS.values(), mutants.FORWARD]
    for thread in {m.thread for m in made} - {""}:
        assert thread in GRADIENTS, thread


def test_the_page_on_gradients_is_found():
    assert "(docs/gradient-checking.md)" in (ROOT / "README.md").read_text("utf-8")


# ---------------------------------------------------------------- the GPU


def examples():
    """Each `#: value` with the code above it."""
    for block in re.findall(r"^```python\n(.*?)^```$", GPU, re.DOTALL | re.MULTILINE):
        code: list[str] = []
        for line in block.splitlines():
            if line.startswith("#: "):
                yield "\n".join(code), line[3:]
                code = []
            else:
                code.append(line)
        assert not "".join(code).strip(), "code whose value is not stated"


def test_the_python_of_the_page_on_the_gpu_gives_what_it_says(cupy_backend, monkeypatch):
    monkeypatch.delenv("MINILSTM_BACKEND", raising=False)
    names: dict[str, object] = {}
    found = list(examples())
    with ml.use_backend("auto"), contextlib.redirect_stdout(io.StringIO()):
        for code, want in found:
            *before, last = re.split(r"\n(?=\S)", code.strip())
            exec("\n".join(before), names)
            assert doctest.OutputChecker().check_output(f"{want}\n", f"{eval(last, names)!r}\n", 0)
    assert len(found) == 4


def test_the_page_on_the_gpu_is_reached_from_the_others():
    assert "(docs/gpu.md)" in (ROOT / "README.md").read_text("utf-8")
    assert "(gpu.md)" in (ROOT / "docs" / "promises.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)", GPU):
        assert (ROOT / "docs" / target).exists(), target
