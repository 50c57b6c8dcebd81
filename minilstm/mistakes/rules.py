"""A line of a backward pass as an expression that computes, prints itself and can be changed.
The operators at the end change one: they leave a part out, put another in its place, and so on.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from copy import copy
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

Words = Mapping[str, str]
Formula = Callable[[Any], Any]
#: what makes a wrong line of the right one: an operator, or the text of a line or the line itself
Change = Callable[["Rule"], "Rule"]

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}


def alike(wrong: Any, right: Any) -> Any:
    """The wrong one of two arrays where it has the shape of the right one, which else stays."""
    return wrong if wrong.shape == right.shape else right


# Functions of every table. The others stand in the namespace `v` of their table.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "alike": alike,
    "sqrt": np.sqrt,
    "zero": np.zeros_like,
}
# How they are printed. A report does not say what stays where a mistake does not fit.
PRINTED: Words = {"alike": "{0}", "zero": "0"}


class Rule:
    """The right-hand side of one line: a few operations on the names of a namespace `v`.

    Parameters
    ----------
    source : the expression as Python writes it: names, numbers, + - * / @ **, `.T`, calls of
        functions by name, and ``[a, b]`` for arrays beside one another
    words : how a report prints parts of it. The name of a function stands for its calls, with {0}
        for the first argument; any other part stands for itself.

    Examples
    --------
    >>> rule = Rule("dc * dtanh(g) + dc_next", {"dtanh": "(1 - {0}^2)", "dc_next": "carried"})
    >>> rule.text
    'dc * (1 - g^2) + carried'
    >>> from types import SimpleNamespace
    >>> rule.value(SimpleNamespace(dc=2.0, g=0.5, dc_next=1.0, dtanh=lambda y: 1 - y**2))
    2.5
    """

    def __init__(self, source: str, words: Words) -> None:
        self.source = ast.unparse(ast.parse(source, mode="eval"))  # spaced in one way
        self.words = words

    @property
    def tree(self) -> ast.expr:
        """The expression, new at each call, so that it may be changed."""
        return ast.parse(self.source, mode="eval").body

    @cached_property
    def text(self) -> str:
        """The line as a report prints it."""
        printed = ast.unparse(_Printed({**PRINTED, **self.words}).visit(self.tree))
        return printed.replace(".T", "^T").replace(" @ ", " ").replace(" ** ", "^")

    @cached_property
    def value(self) -> Formula:
        """The line as a function of the namespace."""
        tree = self.tree
        value = formula(tree)
        # A line that is a name alone shares no memory with what has that name.
        return (lambda v: copy(value(v))) if isinstance(tree, ast.Name) else value

    def changed(self, change: Change | Rule | str) -> Rule:
        """This line after a change: an operator, or the line that stands in its place."""
        if isinstance(change, str):
            return Rule(change, self.words)
        return change if isinstance(change, Rule) else change(self)


class _Printed(ast.NodeTransformer):
    """Puts the words of a report for the parts of an expression that have some."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def visit(self, node: ast.AST) -> ast.AST:
        source = ast.unparse(node)
        if source in self.words and isinstance(node, ast.expr):
            return ast.Name(self.words[source])
        if isinstance(node, ast.Call) and ast.unparse(node.func) in self.words:
            parts = [ast.unparse(self.visit(part)) for part in node.args]
            return ast.Name(self.words[ast.unparse(node.func)].format(*parts))
        return self.generic_visit(node)


def formula(node: ast.expr) -> Formula:
    """The function of the namespace that an expression is.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> formula(ast.parse("dy * (1 - y)", mode="eval").body)(SimpleNamespace(dy=4.0, y=0.75))
    1.0
    """
    match node:
        case ast.Name(id=name):
            return attrgetter(name)
        case ast.Constant(value=number):
            return lambda v: number
        case ast.UnaryOp(op=ast.USub(), operand=part):
            inner = formula(part)
            return lambda v: -inner(v)
        case ast.BinOp(left=left, op=sign, right=right):
            apply, a, b = BINARY[type(sign)], formula(left), formula(right)
            return lambda v: apply(a(v), b(v))
        case ast.Attribute(value=part, attr="T"):
            inner = formula(part)
            return lambda v: inner(v).T
        case ast.List(elts=elements):
            columns = [formula(part) for part in elements]
            return lambda v: np.concatenate([column(v) for column in columns], axis=1)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, [formula(part) for part in arguments])
    raise ValueError(f"no line of a table can have {ast.unparse(node)} in it")


def _call(name: str, parts: list[Formula]) -> Formula:
    if name in FUNCTIONS:
        function = FUNCTIONS[name]
        return lambda v: function(*[part(v) for part in parts])
    of = attrgetter(name)
    return lambda v: of(v)(*[part(v) for part in parts])


# ------------------------------------------------------------------ operators


def drop(part: str) -> Change:
    """Leave one factor or one term out.

    Examples
    --------
    >>> drop("b")(Rule("a + b * c", {})).text, drop("a")(Rule("a + b * c", {})).text
    ('a + c', 'b * c')
    >>> drop("a")(Rule("a / b", {})).text
    '1 / b'
    """

    def change(rule: Rule) -> Rule:
        def without(node: ast.AST) -> ast.AST | None:
            match node:
                case ast.BinOp(left=left, op=ast.Add() | ast.Mult(), right=right):
                    if ast.unparse(left) == part:
                        return right
                    return left if ast.unparse(right) == part else None
                case ast.BinOp(left=left, op=ast.Div() | ast.Sub(), right=right):
                    if ast.unparse(left) == part and isinstance(node.op, ast.Div):
                        return ast.BinOp(ast.Constant(1), node.op, right)
                    return left if ast.unparse(right) == part else None
            return None

        return _edited(rule, without, f"no factor or term {part}")

    return change


def put(new: str, old: str) -> Change:
    """Put another part for each that stands there.

    Examples
    --------
    >>> put("f", "o")(Rule("dh * o * (1 - o)", {})).text
    'dh * f * (1 - f)'
    """

    def change(rule: Rule) -> Rule:
        def other(node: ast.AST) -> ast.AST | None:
            same = isinstance(node, ast.expr) and ast.unparse(node) == old
            return ast.parse(new, mode="eval").body if same else None

        return _edited(rule, other, f"no {old}")

    return change


def swap(one: str, other: str) -> Change:
    """Interchange two names.

    Examples
    --------
    >>> swap("a", "b")(Rule("a - b * a", {})).text
    'b - a * b'
    """

    def change(rule: Rule) -> Rule:
        return put(one, "_")(put(other, one)(put("_", other)(rule)))

    return change


def zero(rule: Rule) -> Rule:
    """Zeros in the shape of the right line.

    Examples
    --------
    >>> zero(Rule("dy @ W", {})).text
    '0'
    """
    return Rule(f"zero({rule.source})", rule.words)


def over(count: str) -> Change:
    """Divide by a number, as a mean does.

    Examples
    --------
    >>> over("N")(Rule("dy.T @ x", {})).text
    'dy^T x / N'
    """
    return lambda rule: Rule(f"({rule.source}) / {count}", rule.words)


def fitting(change: Change) -> Change:
    """Make a change only where the wrong array has the shape of the right one.

    Examples
    --------
    >>> fitting(put("x.T @ dy", "dy.T @ x"))(Rule("dy.T @ x", {})).text
    'x^T dy'
    """
    return lambda rule: Rule(f"alike({change(rule).source}, {rule.source})", rule.words)


def _edited(rule: Rule, edit: Callable[[ast.AST], ast.AST | None], lacking: str) -> Rule:
    """A rule after an edit of each node for which `edit` gives another."""

    class Editor(ast.NodeTransformer):
        edits = 0

        def visit(self, node: ast.AST) -> ast.AST:
            new = edit(node)
            if new is None:
                return self.generic_visit(node)
            self.edits += 1
            return new

    editor = Editor()
    tree = editor.visit(rule.tree)
    if not editor.edits:
        raise ValueError(f"{lacking} in {rule.source}")
    return Rule(ast.unparse(tree), rule.words)
