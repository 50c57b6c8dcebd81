"""The exercises: solutions win every point, holes and mistakes get the right sentence.
Answers are written as students write them, a change of a solution each.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from minilstm.functional.adam import AdamRule, adam_step
from minilstm.functional.lstm import lstm_forward
from minilstm.lessons.apart import examine_apart
from minilstm.lessons.exercises import tables, text
from minilstm.lessons.findings import _solved, examine

FOLDER = Path(__file__).parents[2] / "docs" / "exercises"
EXERCISES, TASKS = tables()
FILE_OF = {name: exercise for exercise in EXERCISES for name in exercise.functions}


@pytest.fixture
def desk(tmp_path):
    """A folder with all solutions."""
    for path in (FOLDER / "solutions").glob("ex*.py"):
        shutil.copy(path, tmp_path)
    return tmp_path


def answer(desk, name, old="", new=""):
    """The findings of the exercise with a function in which a piece is another."""
    exercise = FILE_OF[name]
    head, start, body = text("solutions", exercise.file).partition(f"def {name}(")
    assert old in body
    (desk / exercise.file).write_text(head + start + body.replace(old, new, 1))
    return [*examine(exercise, desk / exercise.file, lambda what: None)]


def lost(findings):
    """What is said of points that were lost, each sentence with its cause."""
    return [f"{one.said} {one.cause}".strip() for one in findings if one.said and not one.passed]


# ---------------------------------------------------------------- the files


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.file)
def test_a_solution_wins_every_point(exercise, desk):
    found, _ = examine_apart(exercise, desk / exercise.file)
    assert not lost(found) and sum(one.passed for one in found) == len(found) == exercise.points
    if exercise.number == 7:
        assert found[-2].said > "90" and found[-1].said == "40 of 40 points"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.file)
def test_a_file_with_holes_says_which_is_the_first(exercise, desk):
    lines = (FOLDER / exercise.file).read_text().splitlines()
    shutil.copy(FOLDER / exercise.file, desk)
    found = [*examine(exercise, desk / exercise.file, lambda what: None)]
    said = []
    for name in exercise.functions:
        start = next(k for k, line in enumerate(lines) if f"def {name}(" in line)
        k = next(k for k in range(start, len(lines)) if "...  # TODO" in lines[k])
        hole = lines[k].partition("  #")[0].strip()
        said.append(f"{exercise.file}, line {k + 1}: {name} has a hole, `{hole}`, to fill in.")
    waits = exercise.functions.count("train")  # for the rest of its file
    assert lost(found) == said[: len(said) - waits] and not any(one.passed for one in found)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.file)
def test_a_file_with_holes_is_the_solution_but_for_the_holes(exercise):
    whole = set(text("solutions", exercise.file).splitlines())
    left = [line for line in text(exercise.file).splitlines() if line not in whole]
    assert left and all("...  # TODO" in line for line in left)


def test_solutions_agree_with_the_engine():
    rng = np.random.default_rng(5)
    x, h, c = rng.normal(size=(6, 3)), rng.normal(size=4), rng.normal(size=4)
    W, R, b = rng.normal(size=(16, 3)), rng.normal(size=(16, 4)), rng.normal(size=16)
    outputs, (hT, cT), _ = _solved("forward").forward(x, h, c, W, R, b)
    want, state, _ = lstm_forward(x, h[None], c[None], W, R, b)
    for ours, theirs in ((outputs, want), (hT, state.hidden[0]), (cT, state.cell[0])):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    p, g, m, v = (a[0] for a in np.split(rng.normal(size=(4, 5)) ** 2, 4))
    folded = AdamRule(0.1 * np.sqrt(1 - 0.9**3) / (1 - 0.8**3), 0.8, 0.9, 0.3 * np.sqrt(1 - 0.9**3))
    ours = _solved("adam_step").adam_step(p, g, m, v, 3, 0.1, 0.8, 0.9, 0.3)
    np.testing.assert_allclose(ours, adam_step(p, g, m, v, folded), rtol=1e-12)


# ---------------------------------------------------------------- mistakes and their causes

TABLE = [
    (name, *mistake) for name, task in TASKS.items() for mistake in task.mistakes if name != "train"
]


@pytest.mark.parametrize(("name", "old", "new", "says"), TABLE, ids=lambda v: v[:24])
def test_every_mistake_of_the_table_is_named(name, old, new, says, desk):
    assert lost(answer(desk, name, old, new))[0].endswith(f"was wanted. {says}")


# Mistakes that no table knows: the checker names the line, and leaves the right one to the student.
CAUSES = {
    "step_backward": ("np.outer(dz, h)", "np.outer(dz, h + h)", "Line 28, `dR = "),
    "backward": ("dW = dW + dW_t", "dW = dW + dW + dW_t", "Line 24, `"),
    "top_backward": ("da = dscores", "da = dscores + dscores", "Line 34, `"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_mistake_of_backward_gets_the_cause_of_the_checker(name, desk):
    old, new, line = CAUSES[name]
    first = lost(answer(desk, name, old, new))[0]
    assert "in place of" not in first and f"{line}{new}`, is wrong" in first, first


def test_a_step_that_is_left_out_is_told_by_what_it_raises(desk):
    found = lost(answer(desk, "backward", "range(T - 1, -1, -1)", "range(T - 1, 0, -1)"))
    assert "raises ValueError: all input arrays" in found[0]


def test_a_training_that_goes_wrong_is_told_why(desk, monkeypatch):
    monkeypatch.setattr("minilstm.lessons.findings.japanese_vowels", few_vowels)
    for old, new, says in TASKS["train"].mistakes:
        found = answer(desk, "train", old, new)
        assert found[-2].cause == says and found[-1].passed  # the card is of the passes
        assert found[-2].said.endswith("% of the test right, but 90% was wanted.")


def few_vowels():
    """Noise, of which nothing can be learned, in the place of the recordings."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(4, 12)) for _ in range(20)]
    return x, np.arange(20) % 9 + 1, x[:9], np.arange(9)[::-1] + 1


OWN_WAY = """
import numpy as np
def s(v): return 1 / (1 + np.exp(-v))
def step_forward(x, h, c, W, R, b):
    parts = np.split(np.dot(W, x) + np.dot(R, h) + b, 4)
    i, f, o = s(parts[0]), s(parts[1]), s(parts[3])
    new = f * c + i * np.tanh(parts[2])
    return [o * np.tanh(new), new, {"i": i}]
"""


def test_another_way_of_writing_is_as_good_and_its_mistakes_are_known(desk):
    path = desk / "ex1_step_forward.py"
    for old, new, says in (
        ("parts[1]", "parts[1]", []),
        ("+ b, 4", ", 4", ["(1) lacks the bias: z = W x + R h + b."]),
        (
            "o * np.tanh(new), new, {",
            "o * new, new, {",
            ["(5) lacks the tanh: h_new = o tanh(c_new)."],
        ),
    ):
        path.write_text(OWN_WAY.replace(old, new))
        assert [one.cause for one in examine(EXERCISES[0], path, print) if one.said] == says


def test_an_earlier_exercise_is_judged_first(desk):
    answer(desk, "step_forward", "R @ h + b", "R @ h")
    found = answer(desk, "forward")
    assert len(found) == 1 and found[0].name == "before this, step_forward: value"
    assert found[0].cause == "(1) lacks the bias: z = W x + R h + b."
