"""Recordings that do not go together: one sentence each, before anything is written.
It names the file, the line or the column, and an option or a word that helps, which is tried.
"""

from pathlib import Path

import pandas as pd
import pytest
from logger_files import ALONE, RECORDINGS, table

import minilstm as ml

pytestmark = pytest.mark.usefixtures("own_folder")
SMALL = ["--hidden", 2, "--epochs", 1, "--quiet", "--out", "o"]
FIRST, SECOND = (table(ALONE, [r]) for r in RECORDINGS[:2])


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("minilstm.plots.live.save_figure", lambda *_: None)


def backwards(frame):
    """Lines 12 and 13 in the wrong order."""
    order = [*range(10), 11, 10, *range(12, len(frame))]
    return frame.iloc[order]


ENDINGS = ".csv, .tsv, .parquet, .xlsx, .mat, .npz, .ts"
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
    "other columns": (
        SECOND.assign(heat=1.5), [],
        "'walks/b.csv' has the column 'heat', which 'walks/a.csv' lacks, but all files need the "
        "same columns: rename or add it, or say --drop 'heat'.",
        ["--drop", "heat"],
    ),
    "labels of other letters": (
        SECOND.assign(label=SECOND.label.str.title()), [],
        f"line 2 of 'walks/b.csv' has the label '{SECOND.label[0].title()}', and line "
        f"{(FIRST.label == SECOND.label[0]).argmax() + 2} of 'walks/a.csv' has "
        f"'{SECOND.label[0]}' in column 'label', which differ in capitals alone: write them alike.",
        ["--label-column", "", "--drop", "label", "--task", "forecast"],
    ),
    "one group holds all": (
        SECOND, ["--file-pattern", "*/{group}/{id}", "--leave-one-group-out"],
        "groups holds 'walks' only, so one group holds all 2 recordings and none is left to test; "
        "name another --group-column, or leave groups out to split by recording.",
        ["--folds", "2"],
    ),
    "windows longer than all": (
        SECOND, ["--window-length", "500"],
        f"windows of 500 steps are longer than every recording; the longest, 'b', has "
        f"{len(SECOND)}: give a length (--window-length) of at most that.",
        ["--window-length", min(len(FIRST), len(SECOND))],
    ),
}  # fmt: skip


def write(second):
    """A folder of two recordings."""
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


@pytest.mark.parametrize("others", [[], ["notes.txt", "walk.docx"]])
def test_a_folder_without_recordings_is_refused(run, others):
    folder = Path("walks")
    folder.mkdir()
    for name in others:
        (folder / name).write_text("a remark\n")
    assert run("train", folder, *SMALL) == (2, [], [
        "minilstm: path 'walks' is a folder in which no file is called as a file of sequences is "
        f"({ENDINGS}): name another folder, or the files."
    ])  # fmt: skip


def test_a_rate_that_changes_is_told_with_what_helps(run):
    folder = write(SECOND.assign(time=SECOND.time / 2))
    for words in ([], ["--rate", 50]):
        code, _, said = run("train", folder, *words, *SMALL)
        told = (
            "walks: the rate is not the same in all recordings, 100 Hz in 'b' and 50 Hz in 'a': "
            "bring them to one, with --rate 50 say"
        )
        assert code == 0 and told in said
    assert ml.load("o/model.safetensors").about["shaping"] == {"rate": 50.0}


def test_labels_that_may_be_meant_for_one_are_told(run):
    folder = write(SECOND.assign(label=SECOND.label.where(SECOND.index % 2 == 0, "Walk")))
    code, _, said = run("train", folder, *SMALL)
    assert code == 0 and "walks: the labels 'Walk' and 'walk' differ in capitals alone" in said
