"""What is read of a student's file without running it: holes, lines, and what it imports.
The files beside it that it imports are read as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.errors import DataError

# What would do the work in a student's place, and how Python imports without saying so.
_ENGINES = ("minilstm", "torch", "tensorflow", "keras", "jax", "autograd", "cupy")
_HIDDEN = {"__import__", "import_module", "exec", "eval"}
_DATA = "minilstm.data.datasets"


class Function(NamedTuple):
    """A function of a student, read."""

    path: Path  # of its file
    tree: ast.FunctionDef

    def at(self, what: str, line: int = 0) -> str:
        """A sentence about it, with a line: that of its last return if none is given."""
        line = line or max((n.lineno for n in self._all(ast.Return)), default=self.tree.lineno)
        return f"{self.path.name}, line {line}: {self.tree.name} {what}."

    def hole(self) -> ast.stmt | None:
        """The first statement that is still `...`."""
        found = self._all(ast.stmt)
        holes = [s for s in found if getattr(getattr(s, "value", 0), "value", 0) is ...]
        return min(holes, key=lambda s: s.lineno, default=None)

    def prints(self) -> int:
        """The line of its last print; 0 without one."""
        calls = self._all(ast.Call)
        return max((c.lineno for c in calls if ast.unparse(c.func) == "print"), default=0)

    def changes(self, name: str) -> int:
        """The line that changes an array in place; its own first line if none is seen."""
        targets = [(s.lineno, s.target) for s in self._all(ast.AugAssign)]
        for s in self._all(ast.Assign):
            targets += [(s.lineno, t) for t in s.targets if isinstance(t, ast.Subscript)]
        lines = [line for line, t in targets if ast.unparse(t).partition("[")[0] == name]
        return min(lines, default=self.tree.lineno)

    def _all(self, kind: type[ast.AST]) -> list[Any]:
        return [node for node in ast.walk(self.tree) if isinstance(node, kind)]


def read(path: Path, done: tuple[Path, ...] = ()) -> dict[str, Function]:
    """The functions of a file and of those beside it that it imports, by name.

    DataError is raised where one is no Python, is missing, or lets another program do the work.
    """
    line, fault = 1, ""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        tree, line = ast.Module([], []), getattr(error, "lineno", None) or 1
        fault = f"this is no Python ({getattr(error, 'msg', error)})"
    found: dict[str, Function] = {}
    for at, module, names in _imports(tree):
        root = module.partition(".")[0]
        beside = path.parent / f"{root}.py"
        if root in _ENGINES and not (module == _DATA and names):
            line, fault = at, f"here {root} does the work that is yours; NumPy is all you need"
        elif root[:2] == "ex" and root[2:3].isdigit() and not beside.exists():
            line, fault = at, f"{beside.name} is not in this folder; begin with that exercise"
        elif beside.exists() and beside not in (*done, path):
            found |= read(beside, (*done, path))
    if fault:
        raise DataError(f"{path.name}, line {line}: {fault}.")
    own = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return found | {node.name: Function(path, node) for node in own}


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """(line, module, whether names are taken from it) of all that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "", True
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _HIDDEN:
            text = ast.unparse(node)
            yield from ((node.lineno, engine, False) for engine in _ENGINES if engine in text)
