"""An answer examined function by function: shape, value, gradient, then the cause in words.
A cause is named where a mistake, made on purpose, gives the very numbers of the answer.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minilstm.checks import nearest
from minilstm.data.datasets import japanese_vowels
from minilstm.lessons.exercises import Exercise, tables, text
from minilstm.lessons.source import Function, read
from minilstm.lessons.trial import Leaf, Trial, Unlike, arguments, called, leaves, words
from minilstm.proof.adapters.finding import load
from minilstm.proof.checker.gradcheck import gradcheck
from minilstm.proof.conformance import conformance

ENOUGH = 0.9  # of the test sequences right, for the last exercise
_REPAIR = re.compile(r"With line (\d+) of \w+: `[^`]*` in place of (`[^`]*`)")
_CLOSE = 1e-9  # of the largest entry: another order of sums is far below, a mistake far above


class Finding(NamedTuple):
    """One point, won or not."""

    name: str
    passed: bool
    said: str = ""  # why not, one sentence with the line
    cause: str = ""  # the likely cause, in a sentence


class _Fault(Exception):
    """Why a function cannot be judged further: one sentence with the line."""


class _Answer(NamedTuple):
    """A student's file."""

    module: SimpleNamespace
    functions: dict[str, Function]  # its own, and those of the files beside it
    starts: Callable[[str], Any]


def examine(exercise: Exercise, path: Path, starts: Callable[[str], Any]) -> Iterator[Finding]:
    """The points of an exercise, one after another, until what is lost decides the rest.

    `starts` is called with "functions", "gradients" or "training" before these are run. DataError
    is raised where the file cannot be judged at all.
    """
    functions, won = read(path), True
    starts("functions")
    answer = _Answer(_load(path), functions, starts)
    for name in exercise.needs:
        for finding in _function(name, answer):
            if not finding.passed:
                yield finding._replace(name=f"before this, {finding.name}")
                return
    for name in exercise.functions:
        for finding in _function(name, answer) if won or name != "train" else ():
            won = won and finding.passed
            yield finding


def _function(name: str, answer: _Answer) -> Iterator[Finding]:
    """The points of one function."""
    answer.starts("functions")
    try:
        trial, found = _returned(name, answer)
    except _Fault as fault:
        yield Finding(f"{name}: shape", False, str(fault))
        return
    yield Finding(f"{name}: shape", True)
    answer.starts("gradients")
    task, function = tables()[1][name], answer.functions[name]
    if name == "train":
        yield from _training(answer)
        return
    changed = [key for key, a in trial.given.items() if not _alike(a, trial.before[key])]
    said = [f"changes its input {key}; a new array was wanted" for key in changed[:1]]
    said = [function.at(what, function.changes(changed[0])) for what in said]
    yield Finding(f"{name}: inputs stay", not said, *said)
    if said:
        return
    if not task.forward:
        right = leaves(task.returns, called(name, _solved(name)).back)
        wrong = _difference(found[:1] if task.is_loss else found, right)
        if task.is_loss and not wrong:
            try:
                wrong = _overflow(name, answer, trial.given)
            except (Exception, SystemExit) as error:
                yield Finding(f"{name}: value", False, _raised(error, function))
                return
        told = (function.at(wrong), _mistake(name, answer)) if wrong else ()
        yield Finding(f"{name}: value", not wrong, *told)
        if wrong:
            return
    if task.forward or task.is_loss:
        yield from _gradients(name, answer)


# ---------------------------------------------------------------- what a function returns


def _returned(name: str, answer: _Answer) -> tuple[Trial, list[Leaf]]:
    """A call of a function, and the arrays that came back, of the right structure and shapes."""
    task, function = tables()[1][name], answer.functions.get(name)
    if function is None or not hasattr(answer.module, name):
        near = answer.functions.get(nearest(name, answer.functions, 0.72) or "")
        if near is not None:
            raise _Fault(near.at(f"has another name; {name} was wanted", near.tree.lineno))
        raise _Fault(f"{Path(answer.module.__file__).name}, line 1: it has no {name}.")
    if (hole := function.hole()) is not None:
        raise _Fault(function.at(f"has a hole, `{ast.unparse(hole)}`, to fill in", hole.lineno))
    has = list(inspect.signature(getattr(answer.module, name)).parameters)
    if has[: len(task.names)] != task.names:
        what = f"takes ({', '.join(has)}), but ({', '.join(task.names)}) was wanted"
        raise _Fault(function.at(what, function.tree.lineno))
    try:
        trial = called(name, answer.module)
    except (Exception, SystemExit) as error:
        raise _Fault(_raised(error, function)) from error
    if trial.back is None:
        line, shown = function.prints(), words(task.returns).strip("()")
        what = "prints and returns nothing" if line else "returns nothing"
        raise _Fault(function.at(f"{what}, but `return {shown}` was wanted", line))
    try:
        found = leaves(task.returns, trial.back)
    except Unlike as error:
        raise _Fault(function.at(str(error))) from error
    if name == "forward" and len(trial.back[-1]) != len(trial.given["x"]):
        steps = len(trial.given["x"])
        came = f"returns {len(trial.back[-1])} caches, but one of each of the {steps} steps"
        raise _Fault(function.at(f"{came} was wanted"))
    for leaf in found:
        shape, kind = np.shape(leaf.value), getattr(leaf.value, "dtype", np.dtype(type(leaf.value)))
        if kind.kind not in "fiu":
            came = kind.name if isinstance(leaf.value, np.ndarray) else type(leaf.value).__name__
            what = f"of type {came}, but {'an array' if leaf.wanted else 'a number'} was wanted"
        elif shape != leaf.wanted:
            what = f"of shape {shape}, but {leaf.wanted} was wanted"
        elif not np.isfinite(leaf.value).all():
            where, value = _place(leaf.value, ~np.isfinite(leaf.value))
            what = f"with {value} at {where or 'its only place'}"
        else:
            continue
        raise _Fault(function.at(f"returns {leaf.name} {what}"))
    return trial, found


def _raised(error: BaseException, function: Function) -> str:
    """What was raised, at the innermost line of the student's files that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).parent == function.path.parent]
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":.")
    if not own:
        return function.at(f"raises {said}")
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].name} raises {said}."


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_alike(a[k], b[k]) for k in b)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_alike, a, b))
    return not isinstance(a, np.ndarray) or np.array_equal(a, b)


# ---------------------------------------------------------------- is it right, and why not?


def _overflow(name: str, answer: _Answer, given: dict[str, Any]) -> str:
    """What a loss gives where scores are large; "" where it is what it is of small ones."""
    losses = []
    for more in (0.0, 1000.0):
        with np.errstate(all="ignore"):
            moved = {**given, "scores": given["scores"] + more}
            losses.append(getattr(answer.module, name)(**moved)[0])
    if np.allclose(losses[0], losses[1], 1e-9):
        return ""
    return (
        f"returns loss = {losses[1]:.6g} where scores are near 1000, but {losses[0]:.6g} was "
        "wanted; take the largest score off before exp"
    )


def _difference(found: list[Leaf], right: list[Leaf]) -> str:
    """Where a value is wrong; "" where all are right."""
    for leaf, want in zip(found, right, strict=False):
        off = np.abs(np.asarray(leaf.value) - want.value)
        if off.max() > _CLOSE * np.abs(want.value).max():
            where, value = _place(leaf.value, off == off.max())
            wanted = _place(want.value, off == off.max())[1]
            digits = 6 if f"{value:.6g}" != f"{wanted:.6g}" else 12
            came = f"returns {leaf.name}{where} = {value:.{digits}g}"
            return f"{came}, but {wanted:.{digits}g} was wanted"
    return ""


def _place(array: Any, mask: Any) -> tuple[str, Any]:
    """The first place of a mask as it is written in Python, and the value there."""
    k = tuple(int(n) for n in np.argwhere(mask)[0])
    return f"[{', '.join(map(str, k))}]" if k else "", np.asarray(array)[k]


def _gradients(name: str, answer: _Answer) -> Iterator[Finding]:
    """A point for each array, from the checker of this package."""
    task, function = tables()[1][name], answer.functions[name]
    given: Any = arguments(task.forward or name, np.random.default_rng(0))
    first = getattr(answer.module, task.forward or name)
    rest = (getattr(answer.module, name), given) if task.forward else tuple(given.values())
    try:
        report = gradcheck(first, *rest, cached=True if task.forward else None, raises=False)
    except (Exception, SystemExit) as error:
        yield Finding(f"{name}: gradients", False, _raised(error, function))
        return
    known, told = "" if report.passed else _mistake(name, answer), ""
    for one in report.errors:
        # The right line is for the student to find.
        cause = known or _REPAIR.sub(r"Line \1, \2, is wrong: with one change", _first(one))
        known_place = bool(one.place) and not one.place.startswith("axis")
        place = f" ({one.place})" * known_place + f" as {one.by_hand:.6g}"
        more = f"; {one.note}" * bool(one.note and not cause)
        said = function.at(
            f"gives the gradient of {one.name} at {list(map(int, one.where))}{place}, but "
            f"{one.reference:.6g} was wanted{more}"
        )
        shown = () if one.passed else (said, cause if cause != told else "")
        yield Finding(f"{name}: gradient of {one.name}", one.passed, *shown)
        told = told if one.passed else cause or told


def _first(one: Any) -> str:
    """The likeliest cause that the checker found."""
    return next(iter(one.causes), "")


def _mistake(name: str, answer: _Answer) -> str:
    """The mistake which, made on purpose in the solution, gives the very numbers of the answer."""
    task = tables()[1][name]

    def numbers(module: SimpleNamespace) -> list[Any]:
        found = [leaves(task.returns, called(name, module, seed).back) for seed in (0, 1)]
        return [np.asarray(leaf.value) for one in found for leaf in one]

    def alike(a: Any, b: Any) -> bool:
        return a.shape == b.shape and np.allclose(a, b, _CLOSE, _CLOSE, equal_nan=True)

    mine = numbers(answer.module)
    for right, wrong, says in task.mistakes:
        try:
            made = numbers(_solved(name, right, wrong))
        except (ValueError, IndexError, TypeError):  # shapes that do not fit
            continue
        if all(map(alike, mine, made)):
            return says
    return ""


def _solved(name: str, right: str = "", wrong: str = "") -> SimpleNamespace:
    """The solution of the exercise with a function, which is given a mistake."""
    with tempfile.TemporaryDirectory() as place:
        for exercise in tables()[0]:
            head, start, body = text("solutions", exercise.file).partition(f"def {name}(")
            filled = head + start + body.replace(right, wrong, 1)
            (Path(place) / exercise.file).write_text(filled, "utf-8")
            if name in exercise.functions:
                break
        return _load(Path(place) / exercise.file)


def _load(path: Path) -> SimpleNamespace:
    """The names of a file, and of the exercises that it imports, which are read anew."""
    stems = [Path(exercise.file).stem for exercise in tables()[0]]
    for stem in stems:
        sys.modules.pop(stem, None)
    module = load(path)
    beside = [sys.modules[stem] for stem in stems if stem in sys.modules]
    return SimpleNamespace(**{k: v for m in (*beside, module) for k, v in vars(m).items()})


def _training(answer: _Answer) -> Iterator[Finding]:
    """The student's own LSTM learns, and is examined by the conformance kit."""
    module, function = answer.module, answer.functions["train"]
    answer.starts("training")
    x, y, x_test, y_test = japanese_vowels()
    weights = module.train(x, y - 1, module.start(12, 24, 9))
    best = [int(np.argmax(module.scores_of(a, weights)[0])) + 1 for a in x_test]
    right = float(np.mean(np.array(best) == y_test))
    said = f"gets {right:.1%} of the test right, but {ENOUGH:.0%} was wanted"
    won = right >= ENOUGH
    told = (f"{right:.1%}",) if won else (function.at(said), _mistake("train", answer))
    yield Finding("right on the test", won, *told)
    card = conformance(module.forward, module.backward)
    lost = next((row for row in card.rows if row.passed is False), None)
    first = f"; {lost.name}: {lost.detail}." if lost else ""
    said = f"{card.score} of {card.total} points{first}"
    yield Finding("the score card", lost is None, said, lost.cause if lost else "")
