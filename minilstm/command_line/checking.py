"""The command check: the backward passes of a user's file, found, checked and told.
With --watch each check is a process of its own, so that nothing is left from the one before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from minilstm.command_line.facts import facts
from minilstm.files import write_atomically
from minilstm.paths import check_readable, check_target

PAUSE = 0.3  # seconds between two looks at the files


def check_python(options: argparse.Namespace) -> dict[str, Any]:
    """Check the backward passes of a Python file."""
    check_readable(options.file, "FILE", "Python file")
    if options.junit is not None:
        check_target(options.junit, "--junit")
    if options.watch:
        _watch(options)
    from minilstm.proof.checker.files import check_file, summary, to_junit

    started, checked = time.perf_counter(), []
    for one in check_file(options.file, options.names, options.seed):
        checked.append(one)
        verdict = one.verdict.replace("wrong", "WRONG")
        error = f", largest relative error {one.report.max_error:.1e}" if one.report else ""
        print(f"{options.file}:{one.line}: {verdict}: {one.taken_for}{error}")
        told = one.fault if one.report is None else "" if one.passed else str(one.report)
        print(textwrap.indent(told, "    ") + "\n" * bool(told), end="", flush=True)
    print(summary(checked))
    if options.junit is not None:
        write_atomically(options.junit, lambda file: file.write(to_junit(checked)))
    wrong, left = (sum(one.passed is value for one in checked) for value in (False, None))
    return {
        **facts(time.perf_counter() - started, seed=options.seed),
        "right": len(checked) - wrong - left,
        "wrong": wrong,
        "not_checked": left,
        "checks": [one.to_dict() for one in checked],
        "exit_code": 1 if wrong else 2 if left else 0,
    }


def _watch(options: argparse.Namespace) -> None:
    """Check again whenever a Python file of the folder is saved, until Ctrl-C."""
    words = [sys.executable, "-m", "minilstm", "check", str(options.file), *options.names]
    words += ["--seed", str(options.seed), *(["--json"] if options.json else [])]
    words += [] if options.junit is None else ["--junit", str(options.junit)]
    before = None
    while True:
        now = _saved(options.file)
        if now != before:
            print(f"--- {time.strftime('%H:%M:%S')}", flush=True)
            subprocess.run(words, check=False)
        before = now
        time.sleep(PAUSE)


def _saved(file: Path) -> dict[Path, int]:
    """When each Python file beside a file was saved."""
    found = {}
    for path in (file, *file.parent.glob("*.py")):
        try:
            found[path] = path.stat().st_mtime_ns
        except OSError:  # on its way from one editor's file to another
            continue
    return found
