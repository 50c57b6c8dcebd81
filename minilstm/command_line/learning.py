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
    from minilstm.lessons.exercises import hint, tables, text

    exercises = tables()[0]
    if options.number is None and (options.hint is not None or options.solution):
        raise ValueError("--hint and --solution are of an exercise; give its number before them.")
    if options.number is None:
        return _list(exercises, score.read(Path()))
    for name, value, last in (
        ("NUMBER", options.number, len(exercises)),
        ("--hint", 1 if options.hint is None else options.hint, 3),
    ):
        if not 1 <= value <= last:
            raise ValueError(f"{name} is {value}; give a number from 1 to {last}.")
    exercise = exercises[options.number - 1]
    file = Path(exercise.file) if options.file is None else options.file
    said = {"exercise": exercise.number, "file": str(file)}
    if options.hint is not None:
        score.keep(file.parent, exercise.number, hints=options.hint)
        print(hint(exercise, options.hint))
    elif options.solution:
        print(text("solutions", exercise.file), end="")
    elif options.file is None and not file.exists():
        write_atomically(file, lambda f: f.write(text(exercise.file).encode()))
        print(f"{file} is written: {exercise.title}, after lesson {exercise.lesson}.")
        print(
            f"Fill in its holes, then check it by the same words: minilstm learn {exercise.number}"
        )
    else:
        return {**said, **_check(options, exercise, check_readable(file, "FILE", "Python file"))}
    return said


def _check(options: argparse.Namespace, exercise: Any, file: Path) -> dict[str, Any]:
    """Tell what is right and wrong, and keep the score."""
    from minilstm.lessons import apart, score

    started = time.perf_counter()
    score.read(file.parent)  # a damaged one is told before the work
    found, printed = apart.examine_apart(exercise, file, options.time_limit)
    won, number = sum(one.passed for one in found), exercise.number
    print(f"{file}: {exercise.title}")
    if printed.strip():
        print("  it printed\n" + textwrap.indent(printed.rstrip(), " " * 8))
    for one in found:
        print(f"  {'won ' if one.passed else 'LOST'}  {one.name}")
        for line in filter(None, (one.said, one.cause and f"likely cause: {one.cause}")):
            print(textwrap.indent(textwrap.fill(line, 92), " " * 8))
    score.keep(file.parent, number, points=won)
    told, done = f"{won} of {exercise.points} points", won == exercise.points
    if not done:
        print(f"{told}; a hint: minilstm learn {number} --hint 1")
        print(f"minilstm: exercise {number}: {told}.", file=sys.stderr)
    else:
        print(told + (f"; next: minilstm learn {number + 1}" if number < 7 else ": it is yours"))
    return {
        **facts(time.perf_counter() - started),
        "points": won,
        "of": exercise.points,
        "findings": [one._asdict() for one in found],
        "exit_code": int(not done),
    }


def _list(exercises: list[Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Print the exercises with what was reached."""
    rows = []
    for one in exercises:
        reached = kept.get(str(one.number), {"points": 0, "hints": 0})
        rows.append({**reached, "exercise": one.number, "file": one.file, "of": one.points})
        state = "done" if reached["points"] == one.points else "begun" * Path(one.file).exists()
        points = f"{reached['points']:>2} of {one.points:<2}"
        line = (
            f"{one.number}  {one.title:<23} {points}  lesson {one.lesson}  {one.file:<21} {state}"
        )
        print(line.rstrip())
    won, of = (sum(row[key] for row in rows) for key in ("points", "of"))
    print(f"{won} of {of} points; the words to begin and to check: minilstm learn NUMBER")
    return {"exercises": rows, "points": won, "of": of}
