"""The page on files of other programs: its lines give what stands below them.
The files are those of the tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "importing.md").read_text("utf-8")


@pytest.mark.usefixtures("on_numpy")
def test_every_line_gives_what_the_page_says(monkeypatch):
    monkeypatch.chdir(ROOT / "tests" / "exchange" / "files")
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    namespace, checked = {}, 0
    for code, value in re.findall(r"(.*?)^#: (.*?)\n", block, re.DOTALL | re.MULTILINE):
        *before, last = code.strip().splitlines()
        exec("\n".join(before), namespace)
        assert repr(eval(last, namespace)) == value
        checked += 1
    assert checked == 3


def test_the_page_is_found():
    assert "(docs/importing.md)" in (ROOT / "README.md").read_text("utf-8")
