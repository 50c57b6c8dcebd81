"""An answer examined in a process of its own, which is ended where it runs for too long.
What a student's file raises or breaks stays there; the findings come back, and what it prints.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from minilstm.errors import DataError
from minilstm.lessons.exercises import Exercise, tables
from minilstm.lessons.findings import Finding, examine

SECONDS = 10
MOST_PRINTED = 2000  # letters of what the file prints that are shown
_LONGER = {"functions": 1, "gradients": 6, "training": 30}  # times the limit


def examine_apart(
    exercise: Exercise, path: Path, seconds: int = SECONDS
) -> tuple[list[Finding], str]:
    """All points of an exercise, and what the file printed when it was loaded and first called.

    DataError is raised where the file cannot be judged: no Python, an endless loop, the work of
    another program, an end of Python.
    """
    with tempfile.TemporaryDirectory() as place:
        results, trace, printed = (Path(place) / name for name in ("results", "trace", "printed"))
        words = [exercise.number, path.absolute(), results, trace, printed, seconds]
        # Without the folder at hand in its path, where a file may be called like one of Python's.
        command = [sys.executable, "-P", "-m", "minilstm.lessons.apart", *map(str, words)]
        nothing: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        code = subprocess.run(command, check=False, **nothing).returncode
        found = json.loads(results.read_text("utf-8")) if results.exists() else {}
        told = trace.read_text("utf-8") if trace.exists() else ""
        said = ""
        if printed.exists():
            with open(printed, encoding="utf-8", errors="replace") as file:
                said = file.read(MOST_PRINTED)
    if "findings" in found:
        return [Finding(*one) for one in found["findings"]], said
    beside = re.escape(str(path.absolute().parent) + os.sep)
    lines = re.findall(rf'File "{beside}(.+)", line (\d+)', told)  # the innermost first
    lines = [line for line in lines if line[0] == path.name] or lines  # not what it calls
    where = f"{lines[0][0]}, line {lines[0][1]}" if lines else path.name
    why = f"{where}: this ended Python with exit code {code}; take it out."
    if "Timeout" in told:
        why = (
            f"{where}: this was still running after its time, perhaps in an endless loop; mend it, "
            "or give a slow machine more with --time-limit."
        )
    raise DataError(found.get("error", why))


def _main(number: str, path: str, results: str, trace: str, printed: str, seconds: str) -> None:
    """In the process of its own."""
    how: Any = {"mode": "w", "encoding": "utf-8", "errors": "replace"}
    with open(trace, **how) as file, open(printed, **how) as heard, open(os.devnull, **how) as none:
        faulthandler.enable(file)

        def starts(what: str) -> None:
            # A check of gradients calls a function hundreds of times.
            sys.stdout = none if what == "gradients" else heard
            limit = int(seconds) * _LONGER[what]
            faulthandler.dump_traceback_later(limit, exit=True, file=file)

        found: dict[str, Any] = {}
        try:
            found["findings"] = [*examine(tables()[0][int(number) - 1], Path(path), starts)]
        except DataError as error:
            found["error"] = str(error)
        faulthandler.cancel_dump_traceback_later()
        sys.stdout = sys.__stdout__
    Path(results).write_text(json.dumps(found), "utf-8")
    os._exit(0)  # a thread of the student's may still run


if __name__ == "__main__":
    _main(*sys.argv[1:])
