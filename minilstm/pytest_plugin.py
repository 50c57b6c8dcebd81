"""Gradient checks inside a user's tests: a fixture, a marker, options and a summary for pytest.
Installing minilstm is enough; pytest finds this file by itself and nothing else imports it.

A test file::

    import numpy as np
    import pytest

    @pytest.mark.gradients(seed=3, tolerance=1e-9)
    def test_my_layer(assert_gradients):
        def forward(x, w):
            return np.tanh(w * x)

        def backward(dy, x, w):
            dz = dy * (1 - np.tanh(w * x) ** 2)
            return {"x": dz * w, "w": dz * x}

        inputs = {"x": np.array([0.5, -1.0, 2.0]), "w": np.array([0.3, 0.2, 0.1])}
        report = assert_gradients(forward, backward, inputs)
        assert report.max_error < 1e-12

The run ends with one line about all checks, and writes them to files if asked::

    $ pytest --gradcheck-json gradients.json --gradcheck-junit gradients.xml
    gradients: 1 check, 1 right, worst relative error 1.6e-16 (test_it.py::test_my_layer)

A comment ``# gradients: forward, backward`` in a Python file that pytest visits is a test as well,
of two functions of the file; ``# gradients: layer`` of one object. Inputs are found as by
``minilstm check``.

``-p no:minilstm.pytest_plugin`` leaves all of it out.

This file has no assertions that pytest should rewrite: PYTEST_DONT_REWRITE says so.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Generator
from typing import IO, TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from minilstm.errors import GradientError

if TYPE_CHECKING:
    from minilstm.proof.reports.report import GradientReport

KEYWORDS = ("seed", "tolerance", "max_entries", "method")

_REPORTS = pytest.StashKey[list[Any]]()  # of a test, not yet handed on


@pytest.fixture
def assert_gradients(request: pytest.FixtureRequest) -> Callable[..., GradientReport]:
    """Check gradients and fail the test if one is wrong: `minilstm.gradcheck` for tests.

    Parameters
    ----------
    *arguments, **options : as for `minilstm.gradcheck`, a function with its backward pass or a
        network with its data. An option that is not given here is taken from the marker
        ``@pytest.mark.gradients(seed=..., tolerance=..., max_entries=..., method=...)`` of the
        test, else of its class or file; the seed then from ``--gradcheck-seed``

    Returns
    -------
    GradientReport

    Raises
    ------
    GradientError
        A gradient is wrong, or was not tested, or cannot be judged (UndecidedError); the message
        ends with the report.

    Examples
    --------
    ::

        def test_square(assert_gradients):
            assert_gradients(lambda x: x * x, lambda dy, x: 2 * x * dy, {"x": np.ones(3)})
    """
    defaults = _defaults(request.node)
    reports = request.node.stash.setdefault(_REPORTS, [])

    def check(*arguments: Any, **options: Any) -> GradientReport:
        __tracebackhide__ = True  # the failing line is the user's, not one of these
        from minilstm.proof.checker.gradcheck import gradcheck

        strict = options.pop("raises", True)
        try:
            report = gradcheck(*arguments, **{**defaults, **options}, raises=False)
        except GradientError as error:  # what backward returned could not be compared at all
            raise error.with_traceback(None) from None
        reports.append(report)
        if strict and not report.passed:
            raise report.failure(f"\n\n{report}")
        return report

    return check


def _defaults(item: Any) -> dict[str, Any]:
    """Options of the command line, then of the markers, the nearest last."""
    seed = item.config.getoption("gradcheck_seed")
    given = {} if seed is None else {"seed": seed}
    for marker in reversed(list(item.iter_markers("gradients"))):
        given |= marker.kwargs
    return given


# ---------------------------------------------------------------- comments as tests


class _File(pytest.File):
    """A Python file with comments `# gradients: forward, backward`, a test each."""

    def collect(self) -> Generator[pytest.Item, None, None]:
        from minilstm.errors import DataError
        from minilstm.proof.adapters.finding import find, load

        try:
            module = load(self.path)
            for found in find(self.path, module, comments_only=True):
                name = f"gradients of {found.name}"
                yield _Gradients.from_parent(self, name=name, found=found, module=module)
        except DataError as error:
            raise self.CollectError(str(error)) from error


class _Gradients(pytest.Item):
    """The check of one comment."""

    def __init__(self, found: Any, module: Any, **how: Any) -> None:
        super().__init__(**how)
        self.found, self.module = found, module

    def runtest(self) -> None:
        from minilstm.proof.checker.files import check_found

        checked = check_found(self.found, self.module, _defaults(self).get("seed", 0))
        if checked.report is None:
            raise GradientError(f"{checked.taken_for}: {checked.fault}")
        self.stash.setdefault(_REPORTS, []).append(checked.report)
        if not checked.report.passed:
            raise checked.report.failure(f"\n\n{checked.report}")

    def repr_failure(self, excinfo: Any, style: Any = None) -> str:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Any, int, str]:
        return self.path, self.found.line - 1, self.name


# ---------------------------------------------------------------- what pytest calls


def pytest_collect_file(file_path: Any, parent: pytest.Collector) -> pytest.Collector | None:
    """Make tests of the comments of a Python file, where it has some."""
    if file_path.suffix != ".py" or b"gradients:" not in file_path.read_bytes():
        return None  # before anything is imported
    from minilstm.proof.adapters.finding import comments_in

    return _File.from_parent(parent, path=file_path) if comments_in(file_path) else None


def _seed(text: str) -> int:
    """As in files, int() alone takes "1_000" and the digits of other scripts."""
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 0")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The words of the command line."""
    group = parser.getgroup("minilstm", "gradient checks")
    group.addoption(
        "--gradcheck-seed",
        type=_seed,
        metavar="N",
        help="seed of assert_gradients where neither the call nor a marker gives one",
    )
    for kind, words in (("json", "JSON"), ("junit", "JUnit XML")):
        group.addoption(
            f"--gradcheck-{kind}", metavar="PATH", help=f"write all gradient reports as {words}"
        )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and refuse a file that could not be written in the end."""
    words = ", ".join(f"{name}=..." for name in KEYWORDS)
    config.addinivalue_line(
        "markers", f"gradients({words}): options of assert_gradients that a call does not give"
    )
    for kind in ("json", "junit"):
        path = config.getoption(f"gradcheck_{kind}")
        if path is not None:
            from minilstm.paths import check_target

            try:  # absolute, as a test may leave the folder
                target = check_target(path, f"--gradcheck-{kind}").absolute()
            except (OSError, ValueError) as error:
                raise pytest.UsageError(str(error)) from error
            setattr(config.option, f"gradcheck_{kind}", str(target))
    config.pluginmanager.register(_Session(config), "minilstm gradient reports")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a marker that would be passed over without a word."""
    for item in items:
        for marker in item.iter_markers("gradients"):
            unknown = [*map(repr, marker.args), *sorted(set(marker.kwargs) - set(KEYWORDS))]
            if unknown:
                raise pytest.UsageError(
                    f"{item.nodeid}: the marker gradients was given {', '.join(unknown)}; it "
                    f"takes the keywords {', '.join(KEYWORDS)}."
                )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hand the reports on with the test's outcome, which may come from another process."""
    outcome = yield
    reports = item.stash.get(_REPORTS, [])
    if outcome.failed:
        shown = getattr(call.excinfo and call.excinfo.value, "report", None)  # as the failure
        others = [str(report) for report in reports if report is not shown]
        outcome.sections += [("gradient report", "\n\n".join(others))] if others else []
    junit = item.config.getoption("gradcheck_junit") is not None
    found = [
        {
            "passed": report.passed,
            "undecided": report.verdict not in ("right", "wrong"),
            "max_error": report.max_error,
            "report": report.to_dict(),
            "junit": report.to_junit(item.nodeid) if junit else "",
        }
        for report in reports
    ]
    reports.clear()
    vars(outcome)["gradients"] = found  # travels with the outcome
    return outcome


class _Session:
    """Collects the reports of all tests, writes the files and the line at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: list[tuple[str, dict[str, Any]]] = []  # name of the test, what it handed on

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.found += [(report.nodeid, one) for one in getattr(report, "gradients", [])]

    def pytest_sessionfinish(self) -> None:
        from minilstm.files import write_atomically

        option = self.config.getoption
        if option("collectonly") or hasattr(self.config, "workerinput"):
            return  # nothing ran, or this is one of several processes that only hand on
        for kind, write in (("json", self._json), ("junit", self._junit)):
            if option(f"gradcheck_{kind}") is not None:
                write_atomically(option(f"gradcheck_{kind}"), write)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.found:
            return
        right = sum(one["passed"] for _, one in self.found)
        name, worst = max(self.found, key=lambda pair: pair[1]["max_error"])
        undecided = sum(one["undecided"] for _, one in self.found)
        left = f"{undecided} undecided, " if undecided else ""
        checks = "1 check" if len(self.found) == 1 else f"{len(self.found)} checks"
        terminalreporter.write_line(
            f"gradients: {checks}, {right} right, {left}"
            f"worst relative error {worst['max_error']:.1e} ({name})"
        )

    def _json(self, file: IO[bytes]) -> None:
        reports = [{"test": name, **one["report"]} for name, one in self.found]
        right = sum(one["passed"] for _, one in self.found)
        undecided = sum(one["undecided"] for _, one in self.found)
        counts = {"checks": len(reports), "right": right, "undecided": undecided}
        session = {**counts, "reports": reports}
        file.write(json.dumps(session, indent=1, allow_nan=False).encode() + b"\n")

    def _junit(self, file: IO[bytes]) -> None:
        from minilstm.proof.reports.exports import element, xml_text

        root = element(None, "testsuites")
        for _, one in self.found:
            root.extend(ElementTree.fromstring(one["junit"]))
        file.write(xml_text(root).encode())
