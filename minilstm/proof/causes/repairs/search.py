"""Tries changes of backward's source until wrong gradients are right, here and at other inputs.
Only a function that computes and does nothing else is changed; what it calls is left alone.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

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
SAME = 1e-7  # of the largest entry: two computations of the same gradient


def repairs(elsewhere: Elsewhere, grads: Gradients, wrong: Sequence[str]) -> dict[str, list[str]]:
    """Changes of backward's lines that make gradients right, as sentences by array name.

    A change must not touch an array that is right, and has to hold at other inputs too.
    """
    problem = elsewhere.problem
    source = _source(problem.written) if problem.terms <= MOST_TERMS else None
    if source is None:
        return {}
    tree, first_line, scope = source
    found: dict[frozenset[str], str] = {}
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    for n, edit in enumerate(_ordered(problem, tree, function, scope, grads, wrong)):
        elsewhere.cut_short |= n == MOST_CHANGES
        if n == MOST_CHANGES or elsewhere.late():
            break
        changed = _changed(tree, edit, scope)
        names = _made_right(elsewhere, problem, changed, grads, wrong)
        if not names or any(names <= other for other in found):
            continue
        if all(
            names <= _made_right(elsewhere, other, changed, other.claimed(), wrong)
            for other in elsewhere.others
        ):
            line = first_line + getattr(edit.site.node, "lineno", 1) - 1
            found[names] = f"With line {line} of {function.name}: {said(edit, tree)}"
            if len(names) == len(wrong):
                break
    told: dict[str, list[str]] = {}
    for names in sorted(found, key=len):  # the change that makes most arrays right
        end = "all gradients are right" if len(names) == len(wrong) else "its gradient is right"
        told |= {name: [f"{found[names]}, {end}."] for name in names}
    return told


def _ordered(
    problem: Problem,
    tree: ast.Module,
    function: ast.FunctionDef,
    scope: dict[str, Any],
    grads: Gradients,
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
        made = _run(problem, _changed(tree, larger, scope))
        pairs = [(n, made.get(n), g) for n, g in grads.items() if g is not None] if made else []
        reached = {name for name, now, g in pairs if not _equal(now, g)}
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


def _equal(a: Array | None, b: Array) -> bool:
    """Whether two gradients are the same but for rounding."""
    size = max(float(np.abs(b).max(initial=0.0)), 1e-6)
    return a is not None and a.shape == b.shape and bool((np.abs(a - b) <= SAME * size).all())


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
    elsewhere: Elsewhere,
    problem: Problem,
    changed: Callable[..., Any] | None,
    grads: Gradients,
    wrong: Sequence[str],
) -> frozenset[str]:
    """The wrong arrays that a changed function gets right; none if it spoils another array."""
    made = _run(problem, changed) or {}
    right = set()
    for name, hand in grads.items():
        if name in wrong and elsewhere.holds(problem, name, made.get(name)):
            right.add(name)
        elif hand is not None and not _equal(made.get(name), hand):
            return frozenset()
    return frozenset(right)
