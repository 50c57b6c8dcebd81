"""The lessons form one walk: each is listed, leads to the next, and ends with exercises.
That their cells run is tested by building the site."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

LESSONS = sorted((Path(__file__).parents[2] / "docs" / "lessons").glob("[0-9]*.md"))
TEXTS = {path.stem: path.read_text("utf-8") for path in LESSONS}


def test_the_index_lists_them_in_order():
    index = LESSONS[0].with_name("index.md").read_text("utf-8")
    assert re.findall(r"^\d\d-[\w-]+$", index, re.MULTILINE) == list(TEXTS)
    titles = [int(re.search(r"^# (\d+)\. ", text, re.MULTILINE)[1]) for text in TEXTS.values()]
    assert titles == list(range(1, len(TEXTS) + 1))


def test_each_leads_to_the_next():
    for lesson, following in pairwise(TEXTS):
        assert re.findall(r"^Next: .*\((.*)\.md\)", TEXTS[lesson], re.MULTILINE) == [following]


@pytest.mark.parametrize("lesson", TEXTS)
def test_each_has_exercises_and_cells_that_fit_beside_the_sidebar(lesson):
    exercises = TEXTS[lesson].partition("\n## Exercises\n")[2]
    assert len(re.findall(r"^\d\. ", exercises, re.MULTILINE)) >= 3
    cells = re.findall(r"^```\{code-cell\}\n(.*?)^```$", TEXTS[lesson], re.DOTALL | re.MULTILINE)
    assert len(cells) >= 5
    assert max(len(line) for cell in cells for line in cell.splitlines()) <= 100
