"""Which tests enter which function of the package, and how long each test takes.
It is found by running every test file once, with its subprocesses, in a copy of the project.

Functions are named, not counted by lines, so a map stays true while lines move. Compiled kernels
are entered by no Python; `tests_for` falls back on their module, and then on their room.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

FOLDER = "MINILSTM_TRACE"  # where subprocesses of a test leave the functions that they entered
# Tests of the source text, which say nothing about what the code does, and those of this folder.
NO_TESTS = ("tests/test_structure.py", "tests/test_budgets.py", "tests/test_mutation.py")
# For code that no test enters by Python: what runs the compiled kernels.
BY_ROOM = {
    "kernels/numba": ("tests/kernels/numba/", "tests/test_backends_agree.py"),
    "kernels/cuda": ("tests/kernels/cuda/",),
    "minilstm": ("tests/",),
}

_seen: set[object] = set()


def _trace(frame, event, argument):
    _seen.add(frame.f_code)


def start():
    """Note every function that is entered from now on, in every thread."""
    threading.settrace(_trace)
    sys.settrace(_trace)


def taken(root):
    """The functions below a folder that were entered since the last call: path and name."""
    codes = list(_seen)
    _seen.clear()
    for code in codes:
        path = os.path.realpath(code.co_filename)
        if path.startswith(root + "/minilstm/") or path.startswith(root + "/kernels/"):
            yield f"{os.path.relpath(path, root)}:{code.co_qualname}"


def start_in_subprocess():
    """Called by the `sitecustomize` of the copy: leave at the end what was entered."""
    root, folder = os.environ["MINILSTM_TRACE_ROOT"], Path(os.environ[FOLDER])
    start()

    def leave():
        sys.settrace(None)
        if folder.is_dir():
            (folder / f"{os.getpid()}.json").write_text(json.dumps(list(taken(root))))

    atexit.register(leave)


class Mapper:
    """A plugin of pytest that writes what each passing test of a run enters, and its seconds.

    Parameters
    ----------
    root : the copy of the project, as text
    folder : an empty folder for what subprocesses leave
    """

    def __init__(self, root, folder):
        self.root, self.folder = root, Path(folder)
        self.entered = {}  # test -> (seconds, functions)
        self.failed = []
        os.environ[FOLDER], os.environ["MINILSTM_TRACE_ROOT"] = str(folder), root
        start()

    def _all(self):
        found = set(taken(self.root))
        for left in self.folder.glob("*.json"):
            found.update(json.loads(left.read_text()))
            left.unlink()
        return sorted(found)

    def pytest_collection_finish(self, session):
        self.entered[""] = 0, self._all()  # while importing: of use to every test of the file

    def pytest_runtest_logstart(self, nodeid, location):
        self.begun, self.good = time.perf_counter(), True

    def pytest_runtest_logreport(self, report):
        self.good = self.good and report.passed

    def pytest_runtest_logfinish(self, nodeid, location):
        functions = self._all()
        if self.good:
            self.entered[nodeid] = round(time.perf_counter() - self.begun, 3), functions
        else:
            self.failed.append(nodeid)


def digest(path):
    """What tells one version of a test file, or of a folder of modules, from another."""
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


def test_files(root):
    """Every file that holds tests, and every folder and module with examples in docstrings."""
    root = Path(root)
    found = [str(p.relative_to(root)) for p in sorted(root.glob("tests/**/test_*.py"))]
    tops = [p for p in sorted(root.glob("minilstm/*")) if p.name not in ("kernels", "__pycache__")]
    found += [str(p.relative_to(root)) for p in tops if p.is_dir() or p.suffix == ".py"]
    return [path for path in found if path not in NO_TESTS]


def room_of_test(path):
    """The room whose tests a file holds, as the start of paths: "minilstm/data/"."""
    parts = Path(path).parts
    if parts[0] != "tests" or len(parts) < 3:
        return str(Path(path).parent) + "/"
    return "/".join(parts[1:-1] if parts[1] == "kernels" else ("minilstm", *parts[1:-1])) + "/"


class Map:
    """Which tests to run against a change.

    Parameters
    ----------
    entered : test file -> test -> (seconds, functions); what the test "" enters, each may use
    """

    def __init__(self, entered):
        self.seconds, self.files = {}, {}  # of tests; test -> file it was run with
        self.of_function, self.of_module = defaultdict(set), defaultdict(set)
        for path, tests in entered.items():
            for test, (seconds, functions) in tests.items():
                if test:
                    self.seconds[test], self.files[test] = seconds, path
                for function in functions:
                    named = (path, test)
                    self.of_function[function].add(named)
                    self.of_module[function.partition(":")[0]].add(named)

    def tests_for(self, change, most_seconds):
        """Tests against a change, nearest and quickest first.

        First come those that enter its function, then those that enter its module, then the
        rest of the files that hold such tests, and the tests of its room.

        Parameters
        ----------
        change : with `path`, `where` (a function's name, or "<module>") and `room`
        most_seconds : of tests, all together; the first of them runs however long it takes
        """
        here = self.of_function[f"{change.path}:{change.where}"]
        module = self.of_module[change.path]
        files = {path for path, _ in here}
        by_room = BY_ROOM.get(change.room, (f"tests/{change.path.split('/')[1]}/",))

        def rank(test):
            named = (self.files[test], test)
            if named in here or named in module:
                return 0 if named in here else 1
            near = named[0] in files or named[0].startswith(by_room)
            return 2 if near else 3

        ranks = {test: rank(test) for test in self.seconds}
        ordered = sorted(
            (ranks[t], not change.path.startswith(room_of_test(self.files[t])), seconds, t)
            for t, seconds in self.seconds.items()
            if ranks[t] < 3
        )
        chosen, total = [], 0.0
        for *_, seconds, test in ordered:
            if not chosen or total + seconds <= most_seconds:
                chosen.append(test)
                total += seconds
        return chosen

    def forget(self, failing):
        """Leave out tests that fail, and, after the word "importing", all tests of a file."""
        files = {line.partition(" ")[2] for line in failing if line.startswith("importing ")}
        for test in list(self.seconds):
            if test in failing or test.partition("::")[0] in files:
                del self.seconds[test]
