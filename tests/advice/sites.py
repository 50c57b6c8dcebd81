"""Where the package raises or warns, read from its source, and which places an error went through.
A place is a file with the first and the last line of the statement.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Site(NamedTuple):
    """A statement that raises, or a call that warns."""

    file: str  # relative to the root of the project
    first: int
    last: int
    text: str  # the source in one line, by which a table names the place


@cache
def sites():
    """All places of the package that give a message of its own."""
    found = []
    for path in sorted([*ROOT.glob("minilstm/**/*.py"), *ROOT.glob("kernels/**/*.py")]):
        file = str(path.relative_to(ROOT))
        if file.startswith("minilstm/kernels/"):
            continue  # the link by which a checkout finds its kernels
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if _gives_a_message(node):
                text = " ".join(ast.get_source_segment(source, node).split())
                found.append(Site(file, node.lineno, node.end_lineno, text))
    assert len(found) > 300
    return found


def _gives_a_message(node):
    """A warning, or a raise with words: no error again, no abstract method, no Ctrl-C."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "warn"
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    named = node.exc.id if isinstance(node.exc, ast.Name) else ""
    return named not in ("NotImplementedError", "KeyboardInterrupt")


#: what the advice of a message begins with
VERBS = re.compile(
    r"(add|ask|begin|call|change|check|choose|connect|convert|copy|correct|create|disconnect|fill|"
    r"give|install|keep|leave|let|lower|make|mark|mend|name|pass|put|remove|rename|replace|resize|"
    r"return|save|say|scale|seed|set|sort|start|train|unset|update|use|write) \w"
)
#: rooms whose text is reports, help or code
REPORTS = (
    "minilstm/proof/causes",
    "minilstm/functional",
    "minilstm/command_line/cli.py",
    "minilstm/command_line/words/",
    "minilstm/exchange/outgoing/javascript.py",
)


@cache
def pieces_of_advice():
    """(file, text) of every literal, or part of one behind a mark, that begins like advice."""
    found = set()
    for path in sorted(ROOT.glob("minilstm/**/*.py")):
        file = str(path.relative_to(ROOT))
        if file.startswith((*REPORTS, "minilstm/kernels/")):
            continue
        tree = ast.parse(path.read_text())
        bodies = [getattr(node, "body", None) for node in ast.walk(tree)]
        firsts = [body[0] for body in bodies if isinstance(body, list) and body]
        docstrings = {id(first.value) for first in firsts if isinstance(first, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts = re.split("[;:] ", node.value) if id(node) not in docstrings else ()
                parts = [part.strip(" .;,:(") for part in parts]
                found |= {(file, part) for part in parts if VERBS.match(part)}
    assert len(found) > 200
    return found


def _site_at(path, line):
    file = str(path)
    return next((s for s in sites() if s.file == file and s.first <= line <= s.last), None)


def error_of(call):
    """The error that a call ends in, or None, and the places whose words are in its message.

    A message may hold that of another error, as the problems of a network do.
    """
    raised = []  # (file, line, error) wherever an error comes up in the package

    def look(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(ROOT) or "tests" in path.parts:
            return None
        frame.f_trace_lines = False
        if event == "exception":
            resolved = path.resolve().relative_to(ROOT)
            raised.append((resolved, frame.f_lineno, argument[1]))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        call()
    except (Exception, SystemExit) as error:
        final = error
    else:
        return None, set()
    finally:
        sys.settrace(before)
    said = str(final)
    met = {
        _site_at(file, line)
        for file, line, e in raised
        if str(e).partition(";")[0].removeprefix("argument ") in said  # which argparse adds
    }
    return final, met - {None}
