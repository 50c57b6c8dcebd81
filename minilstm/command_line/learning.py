"""The command learn: exercises listed with the score, started, helped with, and checked.
What is wrong with an answer is found by the room lessons; here it is told.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from minilstm.command_line.facts import facts
from minilstm.files import write_atomically
from minilstm.paths import check_readable


def learn(options: argparse.Namespace) -> dict[str, Any]:
    """List the exercises; or start, check or help with one."""
    from minilstm.lessons import score
    from minilstm.lessons.exercises import exercises, hint, text

    if options.number is None and (options.hint or options.solution):
        raise ValueError("--hint and --solution are of an exercise; give its number before them.")
    if options.number is None:
        return _list(score.read(Path()))
    most = {"NUMBER": (options.number, len(exercises())), "--hint": (options.hint or 1, 3)}
    for name, (value, last) in most.items():
        if value > last:
            raise ValueError(f"{name} is {value}; give a number from 1 to {last}.")
    exercise = exercises()[options.number - 1]
    file = options.file or Path(exercise.file)
    said = {"exercise": exercise.number, "file": str(file)}
    if options.hint:
        score.keep(file.parent, exercise.number, hint=options.hint)
        print(hint(exercise, options.hint))
        return {**said, "hint": options.hint}
    if options.solution:
        print(text("solutions", exercise.file), end="")
        return said
    if options.file is None and not file.exists():
        write_atomically(file, lambda f: f.write(text(exercise.file).encode()))
        print(f"{file} is written: {exercise.title}, after lesson {exercise.lesson}.")
        print(
            f"Fill in its holes, then check it by the same words: minilstm learn {exercise.number}"
        )
        return {**said, "files": [str(file)]}
    return _check(options, exercise, check_readable(file, "FILE", "Python file"), said)


def _check(options: argparse.Namespace, exercise: Any, file: Path, said: Any) -> dict[str, Any]:
    """Tell what is right and wrong, and keep the score."""
    from minilstm.lessons import score
    from minilstm.lessons.apart import examine_apart
    from minilstm.lessons.exercises import exercises

    started = time.perf_counter()
    score.read(file.parent)  # a damaged one is told before the work
    found = examine_apart(exercise, file, options.time_limit)
    won, of = sum(one.passed for one in found), exercise.points
    print(f"{file}: {exercise.title}")
    for one in found:
        print(f"  {'won ' if one.passed else 'LOST' if one.said else '  - '}  {one.name}")
        for line in (one.said, one.cause and f"likely cause: {one.cause}"):
            print(textwrap.indent(textwrap.fill(line, 92), " " * 8) + "\n" * bool(line), end="")
    told = f"{won} of {of} points"
    score.keep(file.parent, exercise.number, won, of)
    after = exercise.number + 1 if exercise.number < len(exercises()) else None
    if won < of:
        print(f"{told}; a hint: minilstm learn {exercise.number} --hint 1")
        print(f"minilstm: exercise {exercise.number}: {told}.", file=sys.stderr)
    else:
        print(told + (f"; next: minilstm learn {after}" if after else ": the LSTM is yours"))
    return {
        **facts(time.perf_counter() - started),
        **said,
        "points": won,
        "of": of,
        "findings": [one._asdict() for one in found],
        "exit_code": 1 if won < of else 0,
    }


def _list(kept: dict[str, Any]) -> dict[str, Any]:
    """Print the exercises with what was reached."""
    from minilstm.lessons.exercises import exercises

    rows = []
    for one in exercises():
        reached = {"points": 0, "hints": 0} | kept.get(str(one.number), {}) | {"of": one.points}
        rows.append({"exercise": one.number, "title": one.title, "file": one.file, **reached})
        state = "done" if reached["points"] == one.points else ""
        state = state or ("" if Path(one.file).exists() else "not begun")
        print(
            f"{one.number}  {one.title:<23} {reached['points']:>2} of {one.points:<2} "
            f" lesson {one.lesson}  {one.file:<21} {state}".rstrip()
        )
    won, of = (sum(row[key] for row in rows) for key in ("points", "of"))
    print(f"{won} of {of} points; begin or check with: minilstm learn NUMBER")
    return {"exercises": rows, "points": won, "of": of}
