"""The page on data: what it shows is what comes out, and every option it names exists.
Its blocks share one namespace, as a reader would type them one after another."""

import doctest
import re
from dataclasses import fields
from pathlib import Path

import pytest

from minilstm.command_line.words.shaping import shaping_options
from minilstm.data import Shaping

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text("utf-8")


def test_the_blocks_give_what_they_show():
    pytest.importorskip("scipy")
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(blocks, {}, "data.md", None, 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append)
    assert result.attempted > 15 and result.failed == 0, "".join(said)


def test_the_table_has_every_option_of_a_shaping():
    words = {w for a in shaping_options()._actions for w in a.option_strings}
    assert all(f"`{word}`" in PAGE for word in words)
    assert all(f"`{field.name}`" in PAGE for field in fields(Shaping))


def test_the_page_on_data_is_found():
    assert "(docs/data.md" in (ROOT / "README.md").read_text("utf-8")
