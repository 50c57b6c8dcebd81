"""The page on trainings that survive: what it shows is what comes out.
Its blocks share one namespace, as a reader would type them one after another."""

import doctest
import re
from dataclasses import fields
from pathlib import Path

import minilstm as ml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "resuming.md").read_text("utf-8")


def test_the_blocks_give_what_they_show(on_numpy):
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(blocks, {}, "resuming.md", None, 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert result.attempted > 15 and result.failed == 0, "".join(said)


def test_every_option_about_checkpoints_is_there():
    for field in fields(ml.TrainingOptions):
        assert not field.name.startswith("checkpoint") or f"`{field.name}`" in PAGE
    assert "(docs/resuming.md)" in (ROOT / "README.md").read_text("utf-8")
