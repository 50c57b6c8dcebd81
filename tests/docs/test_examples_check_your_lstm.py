"""The example that checks somebody's LSTM finds each public bug by its array and its cause.
And a wrong gradient makes the loss fall faster, as it says, on one task and not on the other."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "check_your_lstm.py"
FOUND = {
    "forget derivative": (["x", "K", "b"], "sigmoid(f) itself stands where the derivative"),
    "bias copied": (["b"], "In gate i and gate o: a copy of gate f stands there."),
    "h_t for h_{t-1}": (["K"], None),
    "cell path cut": (["x", "K", "b"], "is not carried to the step before"),
}


def test_the_bugs_of_others_are_found(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "check.png"
    example = runpy.run_path(str(EXAMPLE))
    assert set(example["BUGS"]) == set(FOUND)
    found = example["main"](seeds=5, out=str(out))
    shown = capsys.readouterr().out
    for bug, (arrays, words) in FOUND.items():
        wrong, causes = found[bug]
        assert wrong == arrays
        assert words in causes[0] if words else causes == ()  # then the rows are told
        assert f"{example['BUGS'][bug]}: wrong {', '.join(arrays)}\n" in shown
        assert (*causes, "the pattern: it is wrong at 2, 3, 4, 5 of axis 0 (of 6)")[0] in shown
    right, wrong, lower = found["fit"]
    assert wrong < 0.5 * right and lower >= 4  # a tenth or less, and 5 of 5
    right, wrong, lower = found["remember"]
    assert wrong > 1.5 * right and lower <= 2
    assert re.search(r"fit: median loss after 29 updates \S+ with the right gradient", shown)
    assert out.read_bytes()[:4] == b"\x89PNG" and out.stat().st_size > 10_000


def test_the_lstm_of_the_example_is_right_without_a_bug():
    example = runpy.run_path(str(EXAMPLE))
    report = example["check"]("")
    assert report.passed and report.max_error < 1e-13
    assert np.isfinite(example["train"]("remember", "", 0, 2)).all()
