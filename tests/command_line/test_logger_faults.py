"""Recordings that do not go together: one sentence each, before anything is written.
It names the file, the line or the column, and an option or a word that helps, which is tried.
"""

import pandas as pd
import pytest
from logger_files import ALONE, RECORDINGS, table

pytestmark = pytest.mark.usefixtures("own_folder")
SMALL = ["--hidden", 2, "--epochs", 1, "--quiet", "--out", "o"]
FIRST, SECOND = (table(ALONE, [r]) for r in RECORDINGS[:2])
LINE = int((SECOND.label == "sit").argmax()) + 2


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("minilstm.plots.live.save_figure", lambda *_: None)


def backwards(frame):
    """Lines 12 and 13 in the wrong order."""
    order = [*range(10), 11, 10, *range(12, len(frame))]
    return frame.iloc[order]


# The second file, words, what is said, and words that help.
FAULTS = {
    "times go backwards": (
        backwards(SECOND), [],
        "line 13 of 'walks/b.csv' goes back in time (column 'time'), but the lines of a sequence "
        "have to stand in the order of time: say --sort-by 'time', or --time-column '' where it is "
        "no time.",
        ["--sort-by", "time"],
    ),
    "a row twice": (
        pd.concat([SECOND[:21], SECOND[20:]]), [],
        "line 23 of 'walks/b.csv' has the time of the line before it (0.4), but each time was "
        "wanted once: remove the line, or say --on-bad-line 'skip' to leave such lines out, or "
        "--time-column '' where it is no time.",
        ["--on-bad-line", "skip"],
    ),
    "a gap": (
        SECOND.assign(ax=SECOND.ax.where(SECOND.index != 5)), [],
        "line 7 of 'walks/b.csv' has no number in column 'ax', but one was wanted: fill it in, or "
        "say --fill 'linear', --fill 'previous' or --fill 'split'.",
        ["--fill", "linear"],
    ),
    "windows longer than all": (
        SECOND, ["--window-length", "500"],
        f"windows of 500 steps are longer than every recording; the longest, 'b', has "
        f"{len(SECOND)}: give a length (--window-length) of at most that.",
        ["--window-length", min(len(FIRST), len(SECOND))],
    ),
}  # fmt: skip


def write(second):
    from pathlib import Path

    folder = Path("walks")
    folder.mkdir()
    FIRST.to_csv(folder / "a.csv", index=False)
    second.to_csv(folder / "b.csv", index=False)
    return folder


@pytest.mark.parametrize(("second", "words", "sentence", "help"), FAULTS.values(), ids=FAULTS)
def test_what_does_not_go_together_is_one_sentence_with_what_helps(
    tmp_path, run, second, words, sentence, help
):
    folder = write(second)
    code, out, said = run("train", folder, *words, *SMALL)
    assert (code, out, said[-1]) == (2, [], f"minilstm: {sentence}")
    assert [p.name for p in tmp_path.iterdir()] == ["walks"]
    code, _, said = run("train", folder, *help, *SMALL)
    assert code == 0, said
