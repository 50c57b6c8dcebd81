"""The pytest plugin, run on small test files of its own: what it prints, fails, writes, refuses.
Each run is a pytest within this one, with the plugin given by name as well as perhaps installed."""

import ast
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest

import minilstm.pytest_plugin

pytest_plugins = ["pytester"]

HEAD = """
import numpy as np
import pytest

X = {"x": np.array([0.5, -1.0, 2.0])}

def tanh(x):
    return np.tanh(x)

def right(dy, x):
    return dy * (1 - np.tanh(x) ** 2)

def wrong(dy, x):
    return dy * (1 - np.tanh(np.tanh(x)) ** 2)

"""
RIGHT = """
def test_right(assert_gradients):
    report = assert_gradients(tanh, right, X)
    assert report.passed and report.errors[0].name == "x"
"""
WRONG = """
def test_wrong(assert_gradients):
    assert_gradients(lambda x: x * x, lambda dy, x: 2 * x * dy, X)
    assert_gradients(tanh, wrong, X)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest on the text of a test file."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("COLUMNS", "240")

    def run(text, *arguments):
        pytester.makepyfile(HEAD + text)
        return pytester.runpytest_subprocess(
            "-p", "minilstm.pytest_plugin", "-W", "error", "--strict-markers", *arguments
        )

    return run


def test_right_gradients_pass_and_are_summed_up_in_a_line(run):
    result = run(RIGHT)
    result.assert_outcomes(passed=1)
    line = next(line for line in result.outlines if line.startswith("gradients: "))
    pattern = r"gradients: 1 check, 1 right, worst relative error \d\.\de-1\d \(.*::test_right\)"
    assert re.fullmatch(pattern, line), line
    assert "gradient report" not in result.stdout.str()


def test_a_wrong_gradient_fails_with_the_report_and_without_our_code(run):
    result = run(RIGHT + WRONG)
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    for words in ("the gradient of x is wrong", "backward gives", "complex step", "WRONG"):
        assert words in text
    assert re.search(r"index \(\d,\)", text)
    assert re.search(r"^> +assert_gradients\(tanh, wrong, X\)$", text, re.MULTILINE)
    assert "pytest_plugin.py" not in text and "gradcheck.py" not in text
    assert "likely cause: " in text
    section = text.partition("- gradient report -")[2].partition("gradients: ")[0]
    assert "allowed" in section and "WRONG" not in section, "the right check before, that once"
    assert "gradients: 3 checks, 2 right, worst relative error" in text
    assert re.search(r"FAILED .*::test_wrong - .*the gradient of x is wrong", text)


# A test file, what becomes of its test, words that are printed and words that are not.
FILES = {
    "a test that fails otherwise": (
        f"{RIGHT}    assert 1 == 2\n", "failed", ["- gradient report -", "x  "], [],
    ),
    "an error that is caught, and one that is not raised": ("""
from minilstm import GradientError

def test_error(assert_gradients):
    with pytest.raises(GradientError) as caught:
        assert_gradients(tanh, wrong, X)
    assert caught.value.report.wrong == ["x"]
    assert not assert_gradients(tanh, wrong, X, raises=False).passed
""", "passed", ["gradients: 2 checks, 0 right"], []),
    "a network": ("""
import minilstm as ml

def test_net(assert_gradients):
    layers = [ml.SequenceInput(2), ml.LSTM(3), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    report = assert_gradients(net, np.ones((3, 2)), np.array([0, 1, 0]), max_entries=3)
    assert {e.name for e in report.errors} > {"lstm/bias", "fc/weights"}
""", "passed", [], []),
    "a check in a fixture": ("""
@pytest.fixture
def checked(assert_gradients):
    return assert_gradients(tanh, wrong, X)

def test_it(checked):
    pass
""", "errors", ["gradients: 1 check, 0 right"], []),
    "a backward that breaks off": ("""
def test_breaks(assert_gradients):
    assert_gradients(tanh, lambda dy, x: dy / None, X)
""", "failed", ["TypeError"], []),
    "a backward that cannot be compared": ("""
def test_none(assert_gradients):
    assert_gradients(tanh, lambda dy, x: (dy, dy), X)
""", "failed", ["2 gradients for 1 inputs"], ["pytest_plugin.py", "plain.py"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_becomes_of_a_test_and_what_is_printed(run, name):
    text, outcome, words, unsaid = FILES[name]
    result = run(text)
    result.assert_outcomes(**{outcome: 1})
    printed = result.stdout.str()
    assert [w for w in words if w not in printed] == [w for w in unsaid if w in printed] == []


MARKED = """
@pytest.mark.gradients(seed=3, tolerance=1e-9)
class TestMarked:
    def test_class(self, assert_gradients):
        report = assert_gradients(tanh, right, X)
        assert report.seed == 3 and report.errors[0].tolerance == 1e-9

    @pytest.mark.gradients(seed=4, max_entries=2)
    def test_nearest(self, assert_gradients):
        report = assert_gradients(tanh, right, X)
        assert report.seed == 4 and report.errors[0].tolerance == 1e-9
        assert report.errors[0].checked == 2

    @pytest.mark.gradients(method="difference")
    def test_call(self, assert_gradients):
        report = assert_gradients(tanh, right, X, seed=5)
        assert report.seed == 5 and "difference" in report.method

def test_unmarked(assert_gradients, pytestconfig):
    seed = pytestconfig.getoption("--gradcheck-seed")
    assert assert_gradients(tanh, right, X).seed == (0 if seed is None else seed)
"""


@pytest.mark.parametrize("seed", [None, 17])
def test_options_come_from_call_marker_class_and_command_line_in_this_order(run, seed):
    run(MARKED, *([] if seed is None else ["--gradcheck-seed", str(seed)])).assert_outcomes(
        passed=4
    )


@pytest.mark.parametrize(
    ("mark", "words"), [("seeds=3", "seeds"), ("3", "3"), ("seed=1, colour=2", "colour")]
)
def test_an_unknown_word_in_the_marker_is_one_clear_error(run, mark, words):
    result = run(f"@pytest.mark.gradients({mark})" + RIGHT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert f"::test_right: the marker gradients was given {words}; it takes" in line
    assert "seed, tolerance, max_entries, method" in line


COMMENTS = """
# gradients: tanh, right
# gradients: tanh, wrong
"""
TEXT = 'text = """\n# gradients: no, comment\n"""\n'


def test_a_comment_is_a_test(run, pytester):
    Path("layers.py").write_text(HEAD + TEXT + COMMENTS[:25])
    result = run(RIGHT + COMMENTS, ".", "-v", "--gradcheck-json", "out.json", "--gradcheck-seed=3")
    result.assert_outcomes(passed=3, failed=1)
    text = result.stdout.str()
    assert re.search(r"layers.py::gradients of tanh PASSED", text)
    assert re.search(r"FAILED .*::gradients of tanh - .*the gradient of x is wrong", text)
    assert "likely cause: " in text and "pytest_plugin.py" not in text
    assert "gradients: 4 checks, 3 right, worst relative error" in text
    reports = json.loads(Path("out.json").read_text())["reports"]
    assert [report["seed"] for report in reports] == [3, 3, 3, 3]


def test_a_comment_that_cannot_be_followed_is_one_sentence(run):
    result = run("# gradients: tanh, rihgt\n# gradients: tanh, right\n")
    result.assert_outcomes(failed=1, passed=1)
    assert "the comment names 'rihgt', which the file does not have" in result.stdout.str()
    result = run("# gradients: tanh, lost\ndef lost(dy, x): return dy / {}['k']\n")
    result.assert_outcomes(failed=1)
    assert "tanh, with lost: x (4, 3): line 16 raises KeyError: 'k'" in result.stdout.str()


def test_the_files_hold_every_report(run, pytester):
    files = ["--gradcheck-json", "out.json", "--gradcheck-junit", "out.xml"]
    run(RIGHT + WRONG, *files).assert_outcomes(passed=1, failed=1)
    found = json.loads(Path("out.json").read_text(), parse_constant=pytest.fail)
    assert (found["checks"], found["right"], len(found["reports"])) == (3, 2, 3)
    tests = [report["test"].partition("::")[2] for report in found["reports"]]
    assert tests == ["test_right", "test_wrong", "test_wrong"]
    bad = found["reports"][2]["errors"][0]
    assert bad["name"] == "x" and bad["relative_error"] > bad["tolerance"]
    suites = list(ElementTree.parse("out.xml").getroot())
    assert [suite.get("name").partition("::")[2] for suite in suites] == tests
    assert [len(list(suite.iter("failure"))) for suite in suites] == [0, 0, 1]
    assert "backward gives" in "".join(suites[2].itertext())
    assert not list(pytester.path.glob("*.part"))


@pytest.mark.skipif(os.name == "nt", reason="POSIX nodes")
def test_a_link_stays_and_a_pipe_gets_the_whole_report(run, pytester):
    os.mkfifo("pipe")
    Path("link").symlink_to("far.json")
    got = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_text()))
    reader.start()
    try:
        run(RIGHT, "--gradcheck-json", "link", "--gradcheck-junit", "pipe").assert_outcomes(
            passed=1
        )
    finally:
        if reader.is_alive():  # nothing was written: let go of the reader
            os.close(os.open("pipe", os.O_RDWR | os.O_NONBLOCK))
        reader.join(60)
    assert Path("link").is_symlink() and json.loads(Path("far.json").read_text())["right"] == 1
    assert [suite.tag for suite in ElementTree.fromstring(got[0])] == ["testsuite"]
    assert Path("pipe").is_fifo() and not list(pytester.path.glob(".*.part"))


@pytest.mark.parametrize("seed", ["1_0", "٣", "-1"])
def test_the_seed_is_a_plain_number(run, seed):
    result = run(RIGHT, f"--gradcheck-seed={seed}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{seed} is not a whole number of at least 0" in result.stderr.str()


def test_a_file_in_no_folder_is_refused_before_anything_runs(run):
    result = run(RIGHT, "--gradcheck-json", "nowhere/out.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gradcheck-json is 'nowhere/out.json'" in result.stderr.str()
    assert "passed" not in result.stdout.str()


def test_a_session_without_checks_says_nothing_and_writes_an_empty_list(run):
    result = run("def test_nothing():\n    pass\n", "--gradcheck-json", "out.json")
    assert "gradients:" not in result.stdout.str()
    assert json.loads(Path("out.json").read_text())["reports"] == []


def test_it_runs_without_the_terminal(run):
    result = run(RIGHT, "-p", "no:terminal", "--gradcheck-json", "out.json")
    assert result.ret == 0
    assert json.loads(Path("out.json").read_text())["checks"] == 1


def test_the_example_in_the_documentation_runs(pytester):
    text = minilstm.pytest_plugin.__doc__.partition("A test file::\n\n")[2].partition("\nThe run")[
        0
    ]
    pytester.makepyfile(test_it="\n".join(line[4:] for line in text.splitlines()))
    result = pytester.runpytest_subprocess("-p", "minilstm.pytest_plugin", "-W", "error")
    result.assert_outcomes(passed=1)
    line = next(line for line in result.outlines if line.startswith("gradients: "))
    shown = minilstm.pytest_plugin.__doc__.partition("    gradients: ")[2].splitlines()[0]
    assert line.partition("error")[0] == "gradients: " + shown.partition("error")[0]


def test_loading_the_plugin_costs_pytest_alone():
    program = (
        "import pytest, sys; before = set(sys.modules); import minilstm.pytest_plugin; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["minilstm"]


def test_the_entry_point_has_the_name_of_the_module():
    # With another name pytest would refuse `-p minilstm.pytest_plugin` as registered twice.
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    entry = re.search(r"\[project.entry-points.pytest11\]\n(.*) = (.*)\n", text)
    assert ast.literal_eval(entry[1]) == ast.literal_eval(entry[2]) == "minilstm.pytest_plugin"
