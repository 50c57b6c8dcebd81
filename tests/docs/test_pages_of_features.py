"""The pages on trainings that survive and on gates: what they show is what comes out.
The blocks of a page share one namespace, as a reader would type them one after another."""

import doctest
import re
from dataclasses import fields
from pathlib import Path

import pytest

import minilstm as ml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "resuming.md").read_text("utf-8")


@pytest.mark.parametrize(("name", "least"), [("resuming.md", 16), ("gates.md", 10)])
def test_the_blocks_give_what_they_show(name, least, on_numpy):
    page = (ROOT / "docs" / name).read_text("utf-8")
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(blocks, {}, name, None, 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert result.attempted >= least and result.failed == 0, "".join(said)


def test_every_picture_that_the_page_on_gates_names_can_be_drawn():
    page = (ROOT / "docs" / "gates.md").read_text("utf-8")
    named = re.findall(r"ml\.plots\.(\w+)", page)
    assert len(named) == 5 and all(hasattr(ml.plots, name) for name in named)
    assert (ROOT / "docs/images/quote-cell.png").stat().st_size < 400_000


def test_every_option_about_checkpoints_is_there():
    for field in fields(ml.TrainingOptions):
        assert not field.name.startswith("checkpoint") or f"`{field.name}`" in PAGE
    assert "(docs/resuming.md)" in (ROOT / "README.md").read_text("utf-8")
