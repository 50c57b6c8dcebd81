"""A line of a backward pass as an expression that computes, prints itself and can be changed.
An operator makes a wrong line of the right one: it leaves a part out, swaps two, and so on.
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

    The source is the expression as Python writes it: names, numbers, + - * / @ **, `.T`, calls of
    functions by name, and ``[a, b]`` for arrays beside one another. The words say how a report
    prints parts of it. The name of a function stands for its calls, with {0} for the first
    argument; any other part stands for itself.

    Examples
    --------
    >>> Rule("dc * dtanh(g) + dc_next", {"dtanh": "(1 - {0}^2)", "dc_next": "carried"}).text
    'dc * (1 - g^2) + carried'
    """

    def __init__(self, source: str, words: Words) -> None:
        self.source = source
        self.words = words

    @cached_property
    def text(self) -> str:
        """The line as a report prints it."""
        words = {**PRINTED, **self.words}

        def said(node: ast.expr) -> ast.expr | None:
            text = words.get(_source(node))
            if text is None and isinstance(node, ast.Call) and _source(node.func) in words:
                parts = [_source(editor.visit(part)) for part in node.args]
                text = words[_source(node.func)].format(*parts)
            return None if text is None else ast.Name(text)

        editor = _Editor(said)
        printed = ast.unparse(editor.visit(_tree(self.source)))
        return printed.replace(".T", "^T").replace(" @ ", " ").replace(" ** ", "^")

    @cached_property
    def value(self) -> Formula:
        """The line as a function of the namespace."""
        tree = _tree(self.source)
        value = _formula(tree)
        # A line that is a name alone shares no memory with what has that name.
        return (lambda v: copy(value(v))) if isinstance(tree, ast.Name) else value

    def changed(self, words: str) -> Rule:
        """This line after a mistake, made by one of the operators or written out.

        ``drop a`` leaves a factor or a term out, ``b for a`` puts another part in its place,
        ``swap a and b`` interchanges two; ``over N`` divides, ``zero`` gives zeros in the shape of
        the right line; ``= expression`` stands for the whole line.

        Examples
        --------
        >>> rule = Rule("a + b / c", {})
        >>> [rule.changed(words).text for words in ("drop a", "drop b", "swap a and c", "over N")]
        ['b / c', 'a + 1 / c', 'c + b / a', '(a + b / c) / N']
        """
        verb, _, rest = words.partition(" ")
        match verb:
            case "=":
                return Rule(rest, self.words)
            case "zero":
                return Rule(f"zero({self.source})", self.words)
            case "over":
                return Rule(f"({self.source}) / {rest}", self.words)
            case "drop":
                return self._edited(lambda node: _without(rest, node), rest)
            case "swap":
                a, b = rest.split(" and ")
                return self._put("_", a)._put(a, b)._put(b, "_")
        return self._put(*words.split(" for "))

    def _put(self, new: str, old: str) -> Rule:
        """Another part for each that stands there."""
        return self._edited(lambda node: _tree(new) if _source(node) == old else None, old)

    def _edited(self, edit: Callable[[ast.expr], ast.expr | None], part: str) -> Rule:
        """The line with what `edit` gives for the parts of the expression, if it gives any."""
        editor = _Editor(edit)
        tree = editor.visit(_tree(self.source))
        if not editor.edited:
            raise ValueError(f"{self.source} has no part {part} to change")
        return Rule(ast.unparse(tree), self.words)


def _tree(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body


def _source(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ast.unparse(node)


def _without(part: str, node: ast.expr) -> ast.expr | None:
    """One operation without a factor or a term; None where it has no such part."""
    match node:
        case ast.BinOp(left=left, op=sign, right=right):
            if _source(right) == part:
                return left
            if _source(left) == part:
                nothing = {ast.Div: ast.Constant(1), ast.Sub: ast.Constant(0)}.get(type(sign))
                return right if nothing is None else ast.BinOp(nothing, sign, right)
    return None


class _Editor(ast.NodeTransformer):
    """Puts what `edit` gives for the parts of an expression for which it gives something."""

    def __init__(self, edit: Callable[[ast.expr], ast.expr | None]) -> None:
        self.edit, self.edited = edit, False

    def visit(self, node: ast.AST) -> ast.AST:
        new = self.edit(node) if isinstance(node, ast.expr) else None
        if new is None:
            return self.generic_visit(node)
        self.edited = True
        return new


def _formula(node: ast.expr) -> Formula:
    """The function of the namespace that an expression is."""
    match node:
        case ast.Name(id=name):
            return attrgetter(name)
        case ast.Constant(value=number):
            return lambda v: number
        case ast.UnaryOp(op=ast.USub(), operand=part):
            inner = _formula(part)
            return lambda v: -inner(v)
        case ast.BinOp(left=left, op=sign, right=right):
            apply, a, b = BINARY[type(sign)], _formula(left), _formula(right)
            return lambda v: apply(a(v), b(v))
        case ast.Attribute(value=part, attr="T"):
            inner = _formula(part)
            return lambda v: inner(v).T
        case ast.List(elts=elements):
            columns = [_formula(part) for part in elements]
            return lambda v: np.concatenate([column(v) for column in columns], axis=1)
        case ast.Call(func=function, args=arguments):
            known = FUNCTIONS.get(_source(function))
            of = _formula(function) if known is None else lambda v: known
            parts = [_formula(part) for part in arguments]
            return lambda v: of(v)(*[part(v) for part in parts])
    raise ValueError(f"no line of a table can have {_source(node)} in it")
