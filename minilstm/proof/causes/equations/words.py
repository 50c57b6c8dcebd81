"""What the operations of a tape are called: pieces of the user's own source.
Where there is no source, an operation is called by its name."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from minilstm.proof.causes.equations.tape import Node

LONGEST = 70  # letters of a piece of source in a sentence
SHORT = 20  # where a piece is longer, a variable is named instead if there is one
Call = tuple[CodeType, int]  # code and instruction


class Parsed(NamedTuple):
    """A source file, read once."""

    at: dict[tuple[Any, ...], ast.AST]  # the node that covers a piece of the file exactly
    statements: list[ast.stmt]  # those without others in them


@lru_cache(maxsize=64)
def _parsed(text: str) -> Parsed:
    at: dict[tuple[Any, ...], ast.AST] = {}
    statements = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.expr | ast.stmt):
            at.setdefault(
                (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset), node
            )
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            statements.append(node)
    return Parsed(at, statements)


@lru_cache(maxsize=4096)
def _piece(call: Call) -> tuple[ast.AST | None, ast.stmt | None]:
    """The expression that an instruction computes, and the statement around it."""
    code, instruction = call
    place = list(code.co_positions())[instruction // 2]
    try:
        parsed = _parsed("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return None, None
    line, _, column, _ = place
    if line is None or column is None:
        return None, None
    around = [
        s for s in parsed.statements
        if (s.lineno, s.col_offset) <= (line, column) <= (s.end_lineno or 0, s.end_col_offset or 0)
    ]  # fmt: skip
    return parsed.at.get(place), around[-1] if around else None


def calls(node: Node) -> tuple[Call, ...]:
    """The calls that lead to an operation, the innermost first."""
    return node.site[2:]


def written(tree: ast.AST | None) -> str:
    """A piece of source on one line; "" where there is none or it is long."""
    text = "" if tree is None else " ".join(ast.unparse(tree).split())
    return text if len(text) <= LONGEST else ""


def statement(node: Node, outer: bool = False) -> str:
    """The statement that an operation stands in, with the call of the function around it.

    With `outer` that call alone, for a function that is looked at as one operation.
    """
    found: list[str] = []
    for call in calls(node):
        tree = _piece(call)[1]
        text = "" if tree is None else " ".join(ast.unparse(tree).split())
        if text and text not in found:
            found.append(text if len(text) <= 1.4 * LONGEST else f"{text[:LONGEST]} ...")
    found = found[-1:] if outer else found
    if not found or found == [f"return {expression(node)}"]:
        return ""
    inside = f", called in: {found[-1]}" if len(found) > 1 else ""
    return f" (line: {found[0]}{inside})"


def expression(node: Node) -> str:
    """An operation as it is written."""
    tree = _piece(calls(node)[0])[0] if calls(node) else None
    whole = written(tree)
    if len(whole) > SHORT and variable(node):
        return variable(node)
    if isinstance(tree, ast.AugAssign):
        return written(ast.BinOp(tree.target, tree.op, tree.value))  # type: ignore[arg-type]
    if isinstance(tree, ast.stmt):
        return ""
    return whole or f"the {node.options.get('called', node.op)}"


def operand(node: Node, k: int) -> str:
    """Parent k of an operation as it is written there."""
    tree = _piece(calls(node)[0])[0] if calls(node) else None
    parts: list[ast.AST] = []
    match tree:
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
        case ast.AugAssign(target=target, value=value):
            parts = [target, value]
        case ast.UnaryOp(operand=inside):
            parts = [inside]
        case ast.Subscript(value=value):
            parts = [value]
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module)), args=arguments) if module in (
            "np",
            "numpy",
            "special",
            "scipy",
        ):
            parts = list(arguments[1:] if node.op in ("einsum", "where") else arguments)
        case ast.Call(func=ast.Attribute(value=value), args=arguments):
            parts = [value, *arguments]
        case ast.Call(args=arguments):
            parts = list(arguments)
    if len(node.parents) == 1 and parts:
        parts = parts[:1]
    if len(parts) == 1 and isinstance(parts[0], ast.List | ast.Tuple):  # np.concatenate([a, b])
        parts = list(parts[0].elts)
    text = written(parts[k]) if k < len(parts) and node.op != "setitem" else ""
    parent = node.parents[k]
    return (text if len(text) <= SHORT else variable(parent) or text) or name(parent)


def name(node: Node) -> str:
    """The variable that the result of an operation has, else its expression."""
    return variable(node) or (expression(node) if node.site else "a constant")


def variable(node: Node) -> str:
    """The variable that an operation's result is assigned to; the name of an input; else ""."""
    if node.op == "input":
        return str(node.options["name"])
    if not node.site and node.live:  # moved outside the user's source
        return variable(node.parents[0])
    for call in calls(node):
        tree, around = _piece(call)
        match around:
            case ast.Assign(targets=[ast.Name() | ast.Attribute() as one], value=value) if (
                value is tree
            ):
                return written(one)
            case ast.Assign(targets=[ast.Subscript(value=base)]) if node.op == "setitem":
                return written(base)
            case ast.Assign(targets=[ast.Tuple(elts=many)]):
                at = node.site[1] - 1
                index = node.options.get("index")
                at = index if isinstance(index, int) else at
                if 0 <= at < len(many):
                    return written(many[at])
            case ast.AugAssign(target=ast.Name(id=target)):
                return target
        if not isinstance(around, ast.Return) or around.value is not tree:
            return ""
    return ""


def called(y: Node, x: Node) -> str:
    """The call that makes y of x, where x is computed outside a function and y inside it."""
    frames = calls(y)
    at = len(frames) - max(len(calls(x)), 1)
    text = written(_piece(frames[at])[0]) if 0 < at < len(frames) else expression(y)
    return text if 0 < len(text) <= SHORT else name(y)
