"""What no check can run, and answers that are no answers: one sentence each, with its line.
And the score, the hints, and what the package has to ship.
"""

import re
import tomllib
from pathlib import Path

import pytest

from minilstm.errors import DataError
from minilstm.lessons import score
from minilstm.lessons.apart import examine_apart
from minilstm.lessons.exercises import hint, tables, text
from minilstm.lessons.findings import examine

ROOT = Path(__file__).parents[2]
FIRST = text("solutions", "ex1_step_forward.py")
RETURN = "return h_new, c_new, (x, h, c, W, R, i, f, g, o, c_new)"
START = "    H = len(h)\n"


def written(tmp_path, old, new):
    """The first solution with a piece that is another; a file of `new` alone without one."""
    assert old in FIRST
    path = tmp_path / "ex1_step_forward.py"
    path.write_text(FIRST.replace(old, new, 1) if old else new)
    return path


# No answer at all: the file cannot be judged.
REFUSED = {
    "syntax": (START, "    H = len(h\n", 20, "this is no Python ('(' was never closed)"),
    "NUL": ("", "\0", 1, "this is no Python (source code string cannot contain null bytes)"),
    "minilstm": ("import numpy as np\n", "import minilstm\n", 6,
                 "here minilstm does the work that is yours; NumPy is all you need"),
    "torch": (START, START + "    from torch import nn\n", 21,
              "here torch does the work that is yours; NumPy is all you need"),
    "hidden": (START, "    m = __import__('minilstm.functional.lstm')\n", 20,
               "here minilstm does the work that is yours; NumPy is all you need"),
    "no exercise before": ("import numpy as np\n", "from ex0_start import a\n", 6,
                           "ex0_start.py is not in this folder; begin with that exercise"),
}  # fmt: skip
WANTED = "`return h_new, c_new, cache` was wanted"
# The file runs, and a function gives no answer.
LOST = {
    "missing": ("def step_forward", "def stepforward", 14,
                "stepforward has another name; step_forward was wanted"),
    "empty": ("", "", 1, "it has no step_forward"),
    "shape": (RETURN, "return h_new[None], c_new, ()", 28,
              "step_forward returns h_new of shape (1, 4), but (4,) was wanted"),
    "NaN": (RETURN, "return h_new * np.nan, c_new, ()", 28,
            "step_forward returns h_new with nan at [0]"),
    "infinite": (RETURN, "return h_new / 0, c_new, ()", 28,
                 "step_forward returns h_new with -inf at [0]"),
    "prints": (RETURN, "print(h_new, c_new)", 28,
               "step_forward prints and returns nothing, but " + WANTED),
    "no return": (RETURN, "pass", 14,
                  "step_forward returns nothing, but " + WANTED),
    "two": (RETURN, "return h_new, c_new", 28,
            "step_forward returns tuple of 2, but (h_new, c_new, cache) was wanted"),
    "text": (RETURN, "return 'h', c_new, ()", 28,
             "step_forward returns h_new of type str, but an array was wanted"),
    "complex": (RETURN, "return h_new + 0j, c_new, ()", 28,
                "step_forward returns h_new of type complex128, but an array was wanted"),
    "changes": ("c_new = f * c + i * g", "c *= f\n    c_new = c + i * g", 26,
                "step_forward changes its input c; a new array was wanted"),
    "overwrites": (START, START + "    b[:] = 0\n", 21,
                   "step_forward changes its input b; a new array was wanted"),
    "arguments": ("(x, h, c, W, R, b)", "(x, h, W, R, b)", 14,
                  "step_forward takes (x, h, W, R, b), but (x, h, c, W, R, b) was wanted"),
    "raises": ("W @ x", "W @ y", 21, "step_forward raises NameError: name 'y' is not defined"),
    "a given one": ("0.5 * z", "0.5 * Z", 11, "sigmoid raises NameError: name 'Z' is not defined"),
    "broadcasts": ("W @ x", "W[:5] @ x", 21, "step_forward raises ValueError: operands could not "
                   "be broadcast together with shapes (5,) (16,)"),
    "exits": (START, "    raise SystemExit(3)\n", 20, "step_forward raises SystemExit: 3"),
    "float32": (RETURN, "return h_new.astype('f4'), c_new, ()", 28,
                "step_forward returns h_new[2] = -0.442013204098, but -0.442013218672 was wanted"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "said"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_judged_is_refused_with_its_line(tmp_path, old, new, line, said):
    path = written(tmp_path, old, new)
    with pytest.raises(DataError) as error:
        [*examine(tables()[0][0], path, lambda what: None)]
    assert str(error.value) == f"ex1_step_forward.py, line {line}: {said}."


@pytest.mark.parametrize(("old", "new", "line", "said"), LOST.values(), ids=LOST)
def test_a_function_that_gives_no_answer_is_told_with_its_line(tmp_path, old, new, line, said):
    found = [*examine(tables()[0][0], written(tmp_path, old, new), lambda what: None)]
    told = [one.said for one in found if one.said]
    assert told == [f"ex1_step_forward.py, line {line}: {said}."]
    assert sum(one.passed for one in found) < 3


def test_a_dict_with_a_key_too_few(tmp_path):
    for name in ("ex1_step_forward", "ex2_step_backward", "ex3_forward", "ex4_backward"):
        (tmp_path / f"{name}.py").write_text(text("solutions", f"{name}.py"))
    path = tmp_path / "ex4_backward.py"
    path.write_text(path.read_text().replace('"h0": dh_next, ', ""))
    found = [*examine(tables()[0][3], path, lambda what: None)]
    assert found[0].said == (
        'ex4_backward.py, line 27: backward returns dict of 5, but {"x": ..., "W": ..., "R": ..., '
        '"b": ..., "h0": ..., "c0": ...} was wanted.'
    )


# ---------------------------------------------------------------- in a process of its own

ENDLESS = (
    "this was still running after its time, perhaps in an endless loop; mend it, or give a slow "
    "machine more with --time-limit."
)
APART = {
    "a loop": (START, "    while True: H = len(h)\n", ", line 20: " + ENDLESS),
    "a loop at the top": ("import numpy as np\n", "while True: pass\n", ", line 6: " + ENDLESS),
    "a loop that nothing stops": (START, "    while True:\n        try: input()\n        except "
                                  "BaseException: pass\n", r", line 2[12]: " + ENDLESS),
    "an end": (START, "    import os; os._exit(3)\n",
               ": this ended Python with exit code 3; take it out."),
    "a crash": (START, "    import ctypes; ctypes.string_at(0)\n",
                ", line 20: this ended Python with exit code -11; take it out."),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), APART.values(), ids=APART)
def test_what_stops_or_breaks_python_is_told_with_its_line(tmp_path, old, new, said):
    with pytest.raises(DataError) as error:
        examine_apart(tables()[0][0], written(tmp_path, old, new), seconds=1)
    pattern = re.escape(said).replace(re.escape("2[12]"), "2[12]")
    assert re.fullmatch("ex1_step_forward.py" + pattern, str(error.value)), str(error.value)


def test_what_a_file_prints_asks_or_leaves_running_stays_there(tmp_path, capfd):
    more = "    import threading, time; threading.Thread(target=time.sleep, args=(999,)).start()\n"
    path = written(tmp_path, START, f"    print('a' * 9_999_999)\n{START}{more}")
    found, printed = examine_apart(tables()[0][0], path)
    assert all(one.passed for one in found) and printed == "a" * 2000
    path = written(tmp_path, START, "    H = int(input())\n")
    found, _ = examine_apart(tables()[0][0], path)
    said = "ex1_step_forward.py, line 20: step_forward raises EOFError: EOF when reading a line."
    assert found[0].said == said and capfd.readouterr() == ("", "")


# ---------------------------------------------------------------- the score, hints, the package


def test_the_score_keeps_the_best_and_a_damaged_one_is_told(tmp_path):
    assert score.read(tmp_path) == {}
    score.keep(tmp_path, 2, points=5)
    score.keep(tmp_path, 2, hints=2)
    score.keep(tmp_path, 2, points=3)
    assert score.read(tmp_path) == {"2": {"points": 5, "hints": 2}}
    path = tmp_path / score.NAME
    said = f"{str(path)!r}, where the score is kept, is damaged; remove it and check your files "
    said += "again."
    for damaged in ("{", "[]", '{"1": 3}', '{"1": {"points": "3", "hints": 0}}', "\0"):
        path.write_text(damaged)
        with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
            score.keep(tmp_path, 2, points=8)
        assert path.read_text() == damaged and [*tmp_path.iterdir()] == [path]


def test_each_exercise_has_three_hints_of_growing_strength():
    for exercise in tables()[0]:
        first, second, third = (hint(exercise, strength) for strength in (1, 2, 3))
        assert (
            "`" in third
            and "TODO" not in first + second + third
            and len({first, second, third}) == 3
        )
    assert (
        hint(tables()[0][2], 1) == "A step hands two things to the next one. Which names hold them?"
    )
    assert hint(tables()[0][2], 3) == (
        "`h, c, cache = step_forward(x[t], h, c, W, R, b)`, then two `append`."
    )


def test_the_package_ships_every_room_and_the_exercises():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    rooms = {p.parent.relative_to(ROOT) for p in ROOT.glob("minilstm/**/__init__.py")}
    rooms = {".".join(room.parts) for room in rooms if "kernels" not in room.parts}
    listed = {name for name in told["packages"] if ".kernels" not in name}
    files = "minilstm.lessons.files"
    assert listed == rooms | {files, f"{files}.solutions"}
    assert told["package-dir"][files] == "docs/exercises"
    assert told["package-dir"][f"{files}.solutions"] == "docs/exercises/solutions"
    assert told["package-data"][files] == ["exercises.toml", "hints.md"]
    # An editable install knows no such package; a module of the name would hide the shipped one.
    assert not [*(ROOT / "minilstm" / "lessons").glob("files*")]
    for name in ("index.md", "solutions.md"):  # the pages show the same files
        page = (ROOT / "docs" / "exercises" / name).read_text()
        folder = "solutions/" if name == "solutions.md" else ""
        shown = re.findall(r"\{literalinclude\} (\S+)", page)
        assert shown == [folder + exercise.file for exercise in tables()[0]]


def folder_of(tmp_path, **changed):
    """The solutions of exercises 1 to 4 and 5 in one folder, one of them changed."""
    for exercise in tables()[0][:5]:
        path = tmp_path / exercise.file
        path.write_text(text("solutions", exercise.file).replace(*changed.get(path.stem, ("", ""))))
    return tmp_path


def test_a_loop_is_told_in_the_file_that_is_checked_not_in_what_it_calls(tmp_path):
    step = "    for t in range(T - 1, -1, -1):"
    loop = (step, "    t = T - 1\n    while t >= 0:")
    path = folder_of(tmp_path, ex4_backward=loop) / "ex4_backward.py"
    with pytest.raises(DataError, match=r"^ex4_backward.py, line 2\d: this was still running"):
        examine_apart(tables()[0][3], path, seconds=1)


def test_what_a_file_prints_is_shown_once(tmp_path):
    path = folder_of(
        tmp_path, ex2_step_backward=("    return", "    print('dz', dz.shape)\n    return")
    )
    found, printed = examine_apart(tables()[0][1], path / "ex2_step_backward.py")
    assert printed == "dz (16,)\n" and all(one.passed for one in found)


def test_a_sequence_without_its_caches_is_no_answer(tmp_path):
    path = (
        folder_of(tmp_path, ex3_forward=("        caches.append(cache)\n", "")) / "ex3_forward.py"
    )
    found = [*examine(tables()[0][2], path, lambda what: None)]
    assert "returns 0 caches, but one of each of the 5 steps was wanted." in found[0].said


ONE = "scores - np.max(scores)"
EACH = "scores - np.max(scores, axis=1, keepdims=True)"
LARGE = "; take the largest score off before exp."
OVERFLOWS = {
    "one": (ONE, "scores", "sequence_loss returns loss = nan where scores are near 1000", LARGE),
    "each": (EACH, "scores", "step_loss returns loss = nan where scores are near 1000", LARGE),
    "raises": (ONE, f"{ONE} + (0 if scores.max() < 100 else 1 / 0)", "ex5_loss.py, line 15: "
               "sequence_loss raises ZeroDivisionError: division by zero", "."),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "starts", "ends"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_a_loss_that_overflows_is_told(tmp_path, old, new, starts, ends):
    path = folder_of(tmp_path, ex5_loss=(old, new)) / "ex5_loss.py"
    found = [*examine(tables()[0][4], path, lambda what: None)]
    said = next(one.said for one in found if not one.passed)
    assert starts in said and said.endswith(ends)
