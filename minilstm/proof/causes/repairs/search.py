"""Tries changes of backward's source until wrong gradients are right, here and at other inputs.
Only a function that computes and does nothing else is changed; what it calls is left alone.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.elsewhere import Elsewhere
from minilstm.proof.causes.repairs.edits import (
    Edit,
    edits_with_names,
    is_safe,
    plain_edits,
    said,
    values,
)
from minilstm.proof.derivatives.problem import Array, Gradients, Problem

MOST_TERMS = 5_000  # numbers of a problem; thousands of changes are run
UPSTREAM_OF_RIGHT = 3  # the rank of a value that reaches right gradients
MOST_CHANGES = 1_500
RIGHT_ERROR = 1e-7  # of the largest entry; a right gradient is as near as this


class Truth(NamedTuple):
    """A problem and its right gradients, NaN where unknown."""

    problem: Problem
    exact: Mapping[str, Array]


class Found(NamedTuple):
    """A change and the arrays whose gradients it makes right."""

    sentence: str
    names: frozenset[str]


def repairs(
    here: Truth, grads: Mapping[str, Array | None], wrong: Sequence[str], elsewhere: Elsewhere
) -> dict[str, list[str]]:
    """Changes of backward's lines that make gradients right, as sentences by array name.

    A change must not touch an array that is right, and has to hold at other inputs too.
    """
    written = here.problem.written
    source = _source(written) if here.problem.terms <= MOST_TERMS else None
    if source is None:
        return {}
    tree, first_line, scope = source
    found: list[Found] = []
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    for edit in islice(_ordered(here, tree, function, scope, grads, wrong), MOST_CHANGES):
        if elsewhere.late():
            break
        changed = _changed(tree, edit, scope)
        names = _made_right(here, changed, grads, wrong)
        if not names or any(names <= f.names for f in found):
            continue
        if not all(_holds(elsewhere, other, changed, names) for other in elsewhere.others):
            continue
        line = first_line + getattr(edit.site.node, "lineno", 1) - 1
        found.append(Found(f"line {line} of {function.name}: {said(edit, tree)}", names))
        if len(names) == len(wrong):
            break
    return _told(found, wrong)


def _ordered(
    here: Truth,
    tree: ast.Module,
    function: ast.FunctionDef,
    scope: dict[str, Any],
    grads: Mapping[str, Array | None],
    wrong: Sequence[str],
) -> Iterator[Edit]:
    """Changes in order of promise; those that would reach a right gradient are left out.

    What a value reaches is found by making it larger. The mistake is in one that reaches the wrong
    arrays and no other.
    """
    rank: dict[int, int] = {}
    for site in values(function):
        if isinstance(site.node, ast.Starred):
            continue
        larger = Edit(site, ast.parse(f"({ast.unparse(site.node)}) * 1.375", mode="eval").body)
        reached = _moved_by(here, _changed(tree, larger, scope), grads)
        place = 1  # unknown
        if reached:
            place = UPSTREAM_OF_RIGHT if reached - set(wrong) else 0 if reached == set(wrong) else 2
        rank.update((id(node), place) for node in ast.walk(site.node))
    for edit in plain_edits(function):
        if rank.get(id(edit.site.node), rank.get(id(edit.part), 1)) < UPSTREAM_OF_RIGHT:
            yield edit
    for place in range(UPSTREAM_OF_RIGHT):
        wanted = {id(n) for n in ast.walk(function) if rank.get(id(n), 1) == place}
        yield from edits_with_names(function, wanted)


def _moved_by(
    here: Truth, changed: Callable[..., Any] | None, grads: Mapping[str, Array | None]
) -> set[str] | None:
    """The arrays whose gradients change with a changed function; None where it does not run."""
    made = _run(here.problem, changed)
    if made is None:
        return None
    return {n for n, g in grads.items() if g is not None and not _equal(made.get(n), g)}


def _equal(a: Array | None, b: Array) -> bool:
    return a is not None and a.shape == b.shape and _near(a, b)


def _run(problem: Problem, changed: Callable[..., Any] | None) -> Gradients | None:
    assert problem.gradients_by is not None
    if changed is None:
        return None
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem.backward_passes += 1
            found: Gradients = problem.gradients_by({}, backward=changed)
            return found
    except Exception:  # a change may not even run
        return None


def _told(found: list[Found], wrong: Sequence[str]) -> dict[str, list[str]]:
    """For each array the change that makes most arrays right."""
    told: dict[str, list[str]] = {}
    for name in wrong:
        best = max((f for f in found if name in f.names), key=lambda f: len(f.names), default=None)
        if best is not None:
            all_ = len(best.names) == len(wrong)
            end = "all gradients are right" if all_ else "its gradient is right"
            told[name] = [f"With {best.sentence}, {end}."]
    return told


def _source(written: Any) -> tuple[ast.Module, int, dict[str, Any]] | None:
    """The tree of a plain function, its first line, and the names that it sees."""
    if not inspect.isfunction(written):
        return None
    try:
        lines, first = inspect.getsourcelines(written)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or not is_safe(tree):
        return None
    tree.body[0].decorator_list = []
    closed = inspect.getclosurevars(written).nonlocals
    return tree, first, {**written.__globals__, **closed, "np": np}


def _changed(tree: ast.Module, edit: Edit, scope: dict[str, Any]) -> Callable[..., Any] | None:
    """The function with one change; None where that is no Python."""
    new = ast.copy_location(edit.new, edit.site.node)
    ast.fix_missing_locations(new)
    edit.site.put(new)
    try:
        space = dict(scope)
        exec(compile(tree, "<a change of backward>", "exec"), space)
        made: Callable[..., Any] = space[tree.body[0].name]  # type: ignore[attr-defined]
        return made
    except Exception:  # no Python, or a default or annotation of which only its place knows
        return None
    finally:
        edit.site.put(edit.site.node)


def _made_right(
    truth: Truth,
    changed: Callable[..., Any] | None,
    grads: Mapping[str, Array | None],
    wrong: Sequence[str],
) -> frozenset[str]:
    """The wrong arrays that a changed function gets right; none if it spoils another array."""
    made = _run(truth.problem, changed)
    if made is None:
        return frozenset()
    right = set()
    for name, hand in grads.items():
        now = made.get(name)
        if hand is None:
            continue
        if now is None or now.shape != hand.shape:
            return frozenset()
        exact = truth.exact.get(name)
        if name in wrong and exact is not None and _near(now, exact):
            right.add(name)
        elif not _near(now, hand):
            return frozenset()
    return frozenset(right)


def _holds(
    elsewhere: Elsewhere, other: Problem, changed: Callable[..., Any] | None, names: frozenset[str]
) -> bool:
    """Whether a changed function gets some arrays right at another input, and keeps the others."""
    made, claims = _run(other, changed), other.claimed()
    if made is None:
        return False
    return all(
        elsewhere.holds(other, n, made.get(n)) if n in names else _equal(made.get(n), hand)
        for n, hand in claims.items()
        if hand is not None
    )


def _near(a: Array, b: Array) -> bool:
    known = np.isfinite(b)
    apart = np.abs(a - b)[known]
    size = np.abs(b[known]).max(initial=0.0)
    return bool(known.any() and (apart <= RIGHT_ERROR * max(size, 1e-6)).all())
