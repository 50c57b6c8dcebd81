"""The page on evaluation: what it shows is what comes out.
Its blocks share one namespace, as a reader would type them one after another."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evaluation.md").read_text("utf-8")


def test_the_blocks_give_what_they_show(on_numpy):
    pytest.importorskip("sklearn")
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(blocks, {}, "evaluation.md", None, 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert result.attempted > 15 and result.failed == 0, "".join(said)
    assert f"```text\n{test.globs['report']}\n```" in PAGE


def test_the_page_on_evaluation_is_found():
    assert "(docs/evaluation.md)" in (ROOT / "README.md").read_text("utf-8")
