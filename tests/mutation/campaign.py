"""The campaign: changes of the code are drawn, and for each the tests must fail.
Run it by `make campaign`, or `python -m mutation.campaign` in the folder `tests`.

It works in copies below `build/mutation`, where it also keeps which tests enter which function.
A change counts as caught when a test fails, when pytest cannot import the code, or when a run
takes ten times what it takes without the change. It fails when fewer than `MUST_CATCH` of the
changes are caught, or when one is neither caught nor explained.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from mutation.changes import ROOMS, changes_below, changes_of, draw
from mutation.copies import QUIET, ROOT, build_map, fork, make_copy, preload, run_all
from mutation.coverage import Map
from mutation.explained import EXPLAINED, LEFT_OUT

SEED, PER_ROOM, MUST_CATCH = 1, 21, 0.97
MOST_SECONDS = 300  # of tests, as timed without a change, that run against one
FIRST_SECONDS, FIRST_FILES = 10, 3  # tests that run before the rest of the files is imported
COMPILING_SECONDS = 600  # that kernels may take when one of them is changed
CAUGHT, MISSED = "caught", "MISSED"


class Runner:
    """A plugin of pytest that runs some tests of the files, and writes a line for each that fails.

    A file that cannot be imported gives the line "importing" and its path.
    """

    def __init__(self, tests, out):
        self.order = {test.partition("::")[0]: n for n, test in reversed(list(enumerate(tests)))}
        self.tests, self.out = set(tests), Path(out)

    def pytest_collection_modifyitems(self, items):
        kept = [item for item in items if item.nodeid in self.tests]
        items[:] = sorted(kept, key=lambda item: self.order[item.nodeid.partition("::")[0]])

    def pytest_runtest_logreport(self, report):
        self._note(report, report.nodeid)

    def pytest_collectreport(self, report):
        self._note(report, f"importing {report.nodeid}")

    def _note(self, report, line):
        if report.failed:
            with self.out.open("a") as out:
                out.write(f"{line}\n")


def run_tests(tests, out, seconds, options):
    """Run tests in a child of this process; gives pytest's exit code."""
    child = os.fork()
    if not child:
        code = 99
        try:
            signal.alarm(int(60 + 10 * seconds))  # which ends the child if nothing else does
            import pytest

            files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
            code = pytest.main([*QUIET, *options, *files], plugins=[Runner(tests, out)])
        finally:
            sys.stdout.flush()
            os._exit(int(code))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 100 - code if code < 0 else code  # a signal as a code of its own


class ChangeJob:
    """One change and the tests that may catch it.

    Parameters
    ----------
    change : or None, to see which of the tests fail without one
    tests : nearest first
    seconds : of each test, by name
    """

    limit = 7200

    def __init__(self, change, tests, seconds):
        self.change, self.tests, self.seconds = change, tests, seconds
        self.kernel = change is not None and change.path.startswith("kernels/numba")

    def start(self, place):
        self.out = Path(f"{place}.caught")  # takes the name of the test that fails
        self.out.unlink(missing_ok=True)
        if self.change:
            path = Path(place, self.change.path)
            self.before, stat = path.read_bytes(), path.stat()
            self.times = stat.st_atime_ns, stat.st_mtime_ns
            path.write_bytes(self.change.made(self.before))
            os.utime(path, ns=tuple(t + 10**10 for t in self.times))  # or old bytecode would be run
        return fork(place, lambda: self._run(place), self.out.with_suffix(".log"))

    def end(self, place):
        if self.change:
            path = Path(place, self.change.path)
            path.write_bytes(self.before)
            os.utime(path, ns=self.times)
        shutil.rmtree(Path(place, "numba_cache"), ignore_errors=True)

    def _run(self, place):
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        if self.kernel:
            import numba

            os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = str(Path(place, "numba_cache"))
        for tests in self.batches() if self.change else [self.tests]:
            seconds = sum(self.seconds[test] for test in tests)
            seconds += self.kernel * COMPILING_SECONDS / 10
            code = run_tests(
                tests,
                self.out,
                seconds,
                ["-x"] if self.change else ["--continue-on-collection-errors"],
            )
            if code:
                return code
        return 0

    def batches(self):
        """First the quick tests of a few files, then all others."""
        first, files, total = [], {}, 0.0
        for test in self.tests:
            file = test.partition("::")[0]
            if file in files or len(files) < FIRST_FILES:
                files[file] = True
                total += self.seconds[test]
                if first and total > FIRST_SECONDS:
                    break
                first.append(test)
        rest = [test for test in self.tests if test not in set(first)]
        return [tests for tests in (first, rest) if tests]

    def verdict(self, code):
        """How it was caught, in words; "" if it was not."""
        if self.out.exists():
            return self.out.read_text().splitlines()[0]
        words = {0: "", 5: "", 100 + signal.SIGALRM: "too slow", "time": "too slow"}
        return words.get(code, f"pytest ended with {code}")


def stale(explained, root=ROOT):
    """Entries of the table that name no change of today's code."""
    found = set()
    for path in {key[0] for key in explained}:
        if (root / path).exists():
            found |= {change.key for change in changes_of(path, (root / path).read_bytes())}
    return sorted(set(explained) - found)


def main(arguments=None):
    """Run the campaign; the exit code is 0 when enough is caught and the rest explained."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--room", action="append", help="only this room; may be given again")
    parser.add_argument("--keep", action="store_true", help="keep what an earlier run caught")
    parser.add_argument("--per-room", type=int, default=PER_ROOM)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    if stale(EXPLAINED):
        print(
            "explained.py names changes that are not there any more:", *stale(EXPLAINED), sep="\n"
        )
        return 1
    build, begun = ROOT / "build" / "mutation", time.monotonic()
    results = build / "results.json"
    build.mkdir(parents=True, exist_ok=True)
    preload()
    places = [make_copy(build / f"copy{n}") for n in range(os.cpu_count() or 1)]
    which = Map(build_map(places, build / "map"))
    drawn = [
        change
        for change in draw(changes_below(places[0], LEFT_OUT), options.seed, options.per_room)
        if not options.room or change.room in options.room
    ]
    before = json.loads(results.read_text()) if options.keep and results.exists() else {}
    verdicts = {change: before.get(repr(change.key), "") for change in drawn}
    todo = [change for change in drawn if change.key not in EXPLAINED and not verdicts[change]]
    while todo:
        tests = [(change, which.tests_for(change, MOST_SECONDS)) for change in todo]
        jobs = [ChangeJob(change, those, which.seconds) for change, those in tests]
        for job, code, seconds in run_all(jobs, places):
            verdicts[job.change] = verdict = job.verdict(code)
            said = f"{CAUGHT} by {verdict}" if verdict else f"{MISSED} by {len(job.tests)} tests"
            print(f"{seconds:4.0f} s {job.change}: {said}", flush=True)
            before = json.loads(results.read_text()) if results.exists() else {}
            before[repr(job.change.key)] = verdict
            results.write_text(json.dumps(before, indent=0))
        failing = failing_anyway(verdicts.values(), which, places)
        which.forget(failing)
        todo = [change for change, verdict in verdicts.items() if verdict in failing]
        for line in sorted(failing):
            print(f"fails without a change too: {line}", flush=True)
    return report(verdicts, time.monotonic() - begun)


def failing_anyway(verdicts, which, places):
    """Those verdicts that come without a change too, of a test that is out of date."""
    tests = {verdict for verdict in verdicts if verdict in which.seconds}
    for path in {v.partition(" ")[2] for v in verdicts if v.startswith("importing ")}:
        tests |= {test for test in which.seconds if test.startswith(f"{path}::")}
    if not tests:
        return set()
    check = ChangeJob(None, sorted(tests), which.seconds)
    [(_, code, _)] = run_all([check], places[:1])
    if code not in (0, 1, 2):
        raise RuntimeError(f"the tests that caught changes do not run without one: {code}")
    return set(check.out.read_text().splitlines()) if code else set()


def report(verdicts, seconds):
    """Print the table, what was missed and why, and give the exit code."""
    print(f"\n| room | drawn | {CAUGHT} | explained |\n|---|---|---|---|")
    drawn, caught = Counter(c.room for c in verdicts), Counter()
    explained = Counter(c.room for c in verdicts if c.key in EXPLAINED)
    for change, verdict in verdicts.items():
        caught[change.room] += bool(verdict) and change.key not in EXPLAINED
    for room in filter(drawn.get, ROOMS):
        print(f"| {room} | {drawn[room]} | {caught[room]} | {explained[room]} |")
    total = len(verdicts)
    rate = caught.total() / max(1, total - explained.total())
    print(f"| all | {total} | {caught.total()} | {explained.total()} |\n")
    for change, verdict in verdicts.items():
        if change.key in EXPLAINED:
            print(f"explained: {change}: {EXPLAINED[change.key]}")
        elif not verdict:
            print(f'{MISSED}: {change}\n    {change.key!r}: "",')
    missed = total - caught.total() - explained.total()
    print(
        f"{rate:.1%} of the changes that can be caught are; {missed} missed; {seconds / 60:.0f} "
        f"minutes, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    return 0 if rate >= MUST_CATCH and not missed else 1


if __name__ == "__main__":
    sys.exit(main())
