"""The page on gradient checking does what it says: its blocks run, its figures are counted.
The blocks share one namespace, as a reader would type them one after another."""

from __future__ import annotations

import re
from pathlib import Path

import mutants

from minilstm.proof.causes.mistakes import CATALOGUE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gradient-checking.md").read_text("utf-8")


def test_the_blocks_run(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    namespace = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number}", "exec"), namespace)
        assert capsys.readouterr().out


def test_the_catalogue_is_as_large_as_the_page_says():
    assert f"`minilstm.proof.causes.mistakes`: {len(CATALOGUE)} of them" in PAGE


def test_every_public_bug_of_the_page_is_a_mutant():
    made = [*mutants.LSTM.values(), *mutants.OTHERS.values(), mutants.FORWARD]
    for thread in {m.thread for m in made} - {""}:
        assert thread in PAGE, thread


def test_the_page_is_found():
    assert "(docs/gradient-checking.md)" in (ROOT / "README.md").read_text("utf-8")
