"""The campaign that changes the code: what it draws, what it catches, what it has explained.
A toy module stands for the package, with one test that can fail and one that cannot.
"""

import json
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from mutation.campaign import PER_ROOM, SEED, stale
from mutation.changes import KINDS, ROOMS, changes_below, changes_of, draw
from mutation.coverage import Map
from mutation.explained import EXPLAINED, LEFT_OUT

ROOT = Path(__file__).parents[1]


def edits(text):
    """The changes of a file, each of which must compile: where, and what becomes what."""
    source = textwrap.dedent(text).encode()
    found = changes_of("minilstm/layers/toy.py", source)
    for change in found:
        compile(change.made(source), "toy", "exec")
    return [(change.where, change.old, change.new) for change in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a < b", [("<", "<="), ("<", ">=")]),
        ("a not  in b", [("not  in", "in")]),
        ("a and (b) or c", [("or", "and"), ("and", "or")]),
        ("(a) - b", [("-", "+")]),
        ("x = not a", [("not", "")]),
        ("x = 5", [("5", "6"), ("5", "4")]),
        ("x = 0.5", [("0.5", "1.0"), ("0.5", "0.25")]),
        ("x = True", [("True", "False")]),
        ("x += y", [("+", "-"), ("x += y", "pass")]),
        ("f(a)", [("f(a)", "pass")]),
        ("b if a else c", [("a", "(not (a))"), ("a", "True"), ("a", "False")]),
        ("[a for a in b if a]", [("a", "(not (a))"), ("a", "True"), ("a", "False")]),
        ("while a:\n    b", [("a", "False")]),
    ],
)
def test_each_kind_of_code_has_its_changes(text, wanted):
    assert edits(text) == [("<module>", *pair) for pair in wanted]


def test_functions_and_classes_name_the_place():
    text = """
    class Toy:
        def one(self):
            def two():
                return a
    """
    assert edits(text) == [("Toy.one.two", "a", "None")]


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring of 5 words."""',
        "def f(x: int | None) -> int | None: ...",
        "x: Literal[5] | None",
        "@decorated(5)\ndef f(): ...",
        "if TYPE_CHECKING:\n    x = 5",
        "__all__ = ['a', 'b']",
        "x = f'{5 + y}'",
        "x = 'text'",
        "def f():\n    return",
        "def f():\n    return None",
    ],
)
def test_what_no_test_need_notice_is_not_changed(text):
    assert edits(text) == []


def test_of_errors_and_warnings_only_the_raising_is_changed():
    raising = "raise ValueError('more than %d' % (5 + n))"
    assert edits(raising) == [("<module>", raising, "pass")]
    warning = "warnings.warn('more than %d' % (5 + n), stacklevel=2)"
    assert edits(warning) == [("<module>", warning, "pass")]


def test_what_is_drawn_is_even_over_rooms_and_kinds_and_never_the_same_twice():
    changes = changes_below(ROOT, LEFT_OUT)
    drawn = draw(changes, SEED, PER_ROOM)
    assert len(drawn) >= 300 and len({change.key for change in drawn}) == len(drawn)
    assert Counter(change.room for change in drawn) == dict.fromkeys(ROOMS, PER_ROOM)
    kinds = Counter(change.kind for change in drawn)
    assert set(kinds) == set(KINDS) and min(kinds.values()) > len(drawn) / len(KINDS) * 0.9
    assert drawn == draw(changes[::-1], SEED, PER_ROOM)
    assert set(drawn) != set(draw(changes, SEED + 1, PER_ROOM))
    assert not [change for change in changes if change.path.startswith(LEFT_OUT[0][0])]


def test_lines_that_move_leave_the_draw_as_it_was(tmp_path):
    module = tmp_path / "minilstm" / "layers" / "toy.py"
    module.parent.mkdir(parents=True)
    text = "".join(f"a{n} = b{n} + c{n}\n" for n in range(20))
    found = []
    for start in ("", "import os\n\n"):
        module.write_text(start + text)
        found.append([change.key for change in draw(changes_below(tmp_path), 1, 5)])
    assert found[0] == found[1] and len(set(found[0])) == 5


def test_every_explained_change_is_one_of_todays_code_and_has_a_reason():
    assert stale(EXPLAINED) == []
    assert all(len(reason) > 10 for reason in EXPLAINED.values())
    gone = ("minilstm/checks.py", "check_path", "no such line", "a", "b", 1)
    assert stale({gone: "reason", **EXPLAINED}) == [gone]
    assert all((ROOT / path).exists() or list(ROOT.glob(f"{path}*")) for path, *_ in LEFT_OUT)


def test_tests_that_enter_the_function_come_first_then_its_module_its_files_and_its_room():
    change = changes_of("minilstm/layers/toy.py", b"def f():\n    return a\n")[0]
    here, beside = "minilstm/layers/toy.py:f", "minilstm/layers/toy.py:g"
    entered = {
        "tests/layers/test_a.py": {
            "": (0, []), "a::slow": (3, [here]), "a::quick": (1, [here]), "a::rest": (1, []),
        },
        "tests/data/test_b.py": {"": (0, []), "b::here": (0.5, [here]), "b::module": (1, [beside])},
        "tests/layers/test_c.py": {"": (0, []), "c::room": (1, [])},
        "tests/data/test_d.py": {"": (0, []), "d::other": (1, [])},
    }  # fmt: skip
    which = Map(entered)
    wanted = ["a::quick", "a::slow", "b::here", "b::module", "a::rest", "c::room", "b::none"][:6]
    assert which.tests_for(change, 100) == wanted
    assert which.tests_for(change, 2) == ["a::quick", "b::here"]


TOY = """
def larger(a, b):
    return a > b
"""
TESTS = """
from kernels.toy import larger

def test_good():
    assert larger(2, 1) and larger(1, 2) is False

def test_that_cannot_fail():
    larger(2, 1)

def test_that_fails():
    assert larger(1, 2)
"""
RUN = """
import hypothesis, numpy, pytest  # each run is a fork of this
import json, sys
from pathlib import Path
from mutation.campaign import ChangeJob, failing_anyway
from mutation.changes import changes_of
from mutation.copies import MapJob, run_all
from mutation.coverage import Map

place, folder = map(Path, sys.argv[1:])
source = (place / "kernels/toy.py").read_bytes()
[(job, code, _)] = run_all([MapJob("tests/test_toy.py", folder)], [place])
mapped = json.loads(job.out.read_text())["tests"]
found = {}
changes = changes_of("kernels/toy.py", source)
seconds = {test: values[0] for test, values in mapped.items() if test}
for name in ("test_good", "test_that_cannot_fail"):
    tests = [f"tests/test_toy.py::{name}"]
    jobs = [ChangeJob(change, tests, seconds) for change in changes]
    for job, code, _ in run_all(jobs, [place]):
        found[f"{name} {job.change.old} {job.change.new}"] = job.verdict(code)
clean = (place / "kernels/toy.py").read_bytes() == source
which = Map({"tests/test_toy.py": mapped})
which.seconds["tests/test_toy.py::test_that_fails"] = 1.0
failing = failing_anyway({"too slow", *which.seconds}, which, [place])
which.forget(failing)
print(json.dumps([mapped, found, clean, sorted(failing), sorted(which.seconds)]))
"""


def test_a_good_test_catches_a_change_and_one_that_cannot_fail_does_not(tmp_path):
    for path, text in {"kernels/toy.py": TOY, "tests/test_toy.py": TESTS}.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True)
        (tmp_path / "copy" / path).write_text(text)
    (tmp_path / "folder").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", RUN, tmp_path / "copy", tmp_path / "folder"],
        cwd=ROOT / "tests", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mapped, found, clean, failing, left = json.loads(done.stdout.splitlines()[-1])
    good, bad = "tests/test_toy.py::test_good", "tests/test_toy.py::test_that_cannot_fail"
    assert {test: functions for test, (_, functions) in mapped.items()} == {
        "": ["kernels/toy.py:<module>"],
        good: ["kernels/toy.py:larger"],
        bad: ["kernels/toy.py:larger"],
    }
    assert clean and found == {
        "test_good > <=": good,
        "test_good a > b None": good,
        "test_good > >=": "",  # no test compares equal numbers
        **{f"test_that_cannot_fail {edit}": "" for edit in ("> <=", "> >=", "a > b None")},
    }
    assert (failing, left) == (["tests/test_toy.py::test_that_fails"], [good, bad])
