"""The gradient checkers beside one another: the table of the docs is what they really do.
Ours runs in every test run; the others, which take longer, where they are installed."""

import re
from pathlib import Path

import anchors
import campaigns
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "gradient-checkers.md"


def in_the_docs(tool):
    """The row of a checker in the table, without its seconds, which depend on the machine."""
    (row,) = re.findall(rf"^\| {re.escape(tool)} \|.*$", PAGE.read_text(), re.M)
    return row.rsplit("|", 2)[0]


@pytest.mark.parametrize("tool", anchors.TOOLS)
def test_the_table_of_the_docs(tool):
    if tool != "minilstm":
        pytest.importorskip(tool.split()[0].split(".")[0])
        if not campaigns.WHOLE:
            pytest.skip("in `make campaign`")
    assert anchors.row(tool, *anchors.judged(tool)).rsplit("|", 2)[0] == in_the_docs(tool)


def test_ours_catches_all_and_accuses_none():
    caught, accused, _ = anchors.judged("minilstm")
    assert (len(caught), accused) == (len(anchors.CASES), [])
