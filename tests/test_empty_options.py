"""Options that may be empty or 0: no code takes one of those for an option that was not given.
The source is read, so a new test by truth is found wherever it stands.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def sources(*folders):
    """Source files, without the link by which a checkout finds its kernels as a subpackage."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [p for p in found if p.relative_to(ROOT).parts[:2] != ("minilstm", "kernels")]


def asked_for_truth(node):
    """The expressions whose truth a piece of code asks for."""
    if isinstance(node, ast.BoolOp):
        return [found for part in node.values for found in asked_for_truth(part)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return asked_for_truth(node.operand)
    return [node] if isinstance(node, (ast.Name, ast.Attribute)) else []


def truths(tree):
    """Every such expression below a node, written out, with its line."""
    for node in ast.walk(tree):
        tests = [getattr(node, "test", None), *getattr(node, "ifs", ())]
        tests += [node] if isinstance(node, (ast.BoolOp, ast.UnaryOp)) else []
        for test in tests:
            yield from ((ast.unparse(a), a.lineno) for a in asked_for_truth(test))


def test_an_argument_that_may_be_empty_or_0_is_compared_with_none():
    """0 and "" are values; `if option` and `option or default` would take them for no option."""
    wrong = []
    for path in sources("minilstm", "kernels"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                a = function.args
                given = [*a.posonlyargs, *a.args, *a.kwonlyargs]
                plain = re.compile(r"\b(str|int|float) \| None$|^None \| (str|int|float)$")
                named = {
                    g.arg for g in given if g.annotation and plain.search(ast.unparse(g.annotation))
                }
                wrong += [
                    f"{path}:{line} {name}" for name, line in truths(function) if name in named
                ]
    assert not wrong


def test_commands_ask_for_the_truth_of_flags_alone():
    from minilstm.command_line.words.parser import build_parser

    [commands] = [a.choices.values() for a in build_parser()._actions if a.choices is not None]
    words = {a.dest: a for command in commands for a in command._actions}
    flags = {f"options.{name}" for name, a in words.items() if a.const is True and a.nargs == 0}
    assert flags >= {"options.quick", "options.bilstm", "options.json"} and len(words) > 30
    for path in sources("minilstm/command_line"):
        found = {name for name, _ in truths(ast.parse(path.read_text()))}
        assert not {name for name in found if name.startswith("options.")} - flags, path
