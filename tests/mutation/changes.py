"""Small changes of the code that a test should notice, each as an edit of a few letters.
They are drawn by a seed, evenly over the rooms and the kinds, and never the same one twice.

A change is known by its file, function, line and edit, and its place in the draw by a hash of
these: code that is added elsewhere moves few others. What is never changed: docstrings, type
hints, `if TYPE_CHECKING`, decorators, text, and what makes the text of an error or a warning.
"""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

SWAPS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "==": ("!=",), "!=": ("==",), "is": ("is not",), "is not": ("is",),
    "in": ("not in",), "not in": ("in",),
    "+": ("-",), "-": ("+",), "*": ("/", "+"), "/": ("*",), "//": ("*",), "%": ("//",),
    "**": ("*",), "&": ("|",), "|": ("&",), "<<": (">>",), ">>": ("<<",), "@": (),
    "^": ("&",), "and": ("or",), "or": ("and",),
}  # fmt: skip
SIGNS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<", ast.RShift: ">>",
    ast.MatMult: "@", ast.BitXor: "^", ast.And: "and", ast.Or: "or",
}  # fmt: skip
KINDS = ("comparison", "arithmetic", "logic", "condition", "constant", "return", "statement")

# The folders that get an even share each; a file belongs to the first that holds it.
ROOMS = (
    "minilstm/functional", "minilstm/layers", "minilstm/losses", "minilstm/network/graph",
    "minilstm/network/passes", "minilstm/network", "minilstm/training", "minilstm/data",
    "minilstm/plots", "minilstm/proof/causes", "minilstm/proof", "minilstm/bench",
    "minilstm/command_line", "minilstm", "kernels/numba", "kernels/cuda",
)  # fmt: skip


class Change(NamedTuple):
    """One edit: `old` at a place of a file becomes `new`."""

    room: str
    path: str
    where: str  # the function, with the classes and functions around it, or "<module>"
    line: str  # the line of code, without its indentation
    old: str
    new: str
    kind: str
    number: int  # among edits that are alike in all this
    start: int  # in bytes of the file
    row: int

    @property
    def key(self):
        """What the change is known by while the file around it changes."""
        return (self.path, self.where, self.line, self.old, self.new, self.number)

    def made(self, source):
        """The file's bytes after the edit."""
        old = self.old.encode()
        assert source[self.start : self.start + len(old)] == old
        return source[: self.start] + self.new.encode() + source[self.start + len(old) :]

    def __str__(self):
        old, new = (" ".join(text.split())[:60] for text in (self.old, self.new))
        return f"{self.path}:{self.row} {self.where}: {old} -> {new} in {self.line[:90]}"


class _Finder(ast.NodeVisitor):
    """Edits in one file, as (kind, function, start, old, new)."""

    def __init__(self, source):
        self.source, self.found, self.names = source, [], []
        lengths = [len(line) for line in source.splitlines(keepends=True)]
        self.starts = [sum(lengths[:n]) for n in range(len(lengths) + 1)]

    def span(self, node):
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def add(self, kind, start, end, *news):
        old = self.source[start:end].decode()
        where = ".".join(self.names) or "<module>"
        self.found += [(kind, where, start, old, new) for new in news if new != old]

    def replace(self, kind, node, *news):
        self.add(kind, *self.span(node), *news)

    def sign(self, kind, left, right, operator):
        """The operator that stands between two nodes."""
        sign, start = SIGNS[type(operator)], self.span(left)[1]
        between = self.source[start : self.span(right)[0]].decode()
        if "#" not in between:
            at = re.search(r"\s+".join(map(re.escape, sign.split())), between)
            self.add(kind, start + at.start(), start + at.end(), *SWAPS[sign])

    def condition(self, test):
        text = self.source[slice(*self.span(test))].decode()
        self.replace("condition", test, f"(not ({text}))", "True", "False")

    # -------------------------------------------------------- what is changed

    def visit_Compare(self, node):
        for left, operator, right in zip(
            [node.left, *node.comparators], node.ops, node.comparators, strict=False
        ):
            self.sign("comparison", left, right, operator)
        self.generic_visit(node)

    def visit_BinOp(self, node):
        self.sign("arithmetic", node.left, node.right, node.op)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.sign("logic", left, right, node.op)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if not isinstance(node.op, ast.UAdd):
            kind = "logic" if isinstance(node.op, ast.Not) else "arithmetic"
            start = self.span(node)[0]
            self.add(kind, start, start + (3 if kind == "logic" else 1), "")
        self.generic_visit(node)

    def visit_Constant(self, node):
        value = node.value
        if isinstance(value, bool):
            self.replace("constant", node, str(not value))
        elif isinstance(value, int):
            self.replace("constant", node, str(value + 1), str(value - 1))
        elif isinstance(value, float):
            self.replace("constant", node, repr(value * 2 if value else 1.0), repr(value / 2))

    def visit_If(self, node):
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.condition(node.test)
            self.generic_visit(node)

    def visit_IfExp(self, node):
        self.condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node):
        self.replace("condition", node.test, "False")
        self.generic_visit(node)

    def visit_comprehension(self, node):
        for test in node.ifs:
            self.condition(test)
        self.generic_visit(node)

    def visit_Return(self, node):
        if node.value is not None and ast.unparse(node.value) != "None":
            self.replace("return", node.value, "None")
            self.generic_visit(node)

    def visit_AugAssign(self, node):
        sign = SIGNS[type(node.op)]
        start = self.source.index(f"{sign}=".encode(), self.span(node.target)[1])
        self.add("arithmetic", start, start + len(sign), *SWAPS[sign])
        self.replace("statement", node, "pass")
        self.generic_visit(node)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            self.replace("statement", node, "pass")
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Raise(self, node):
        self.replace("statement", node, "pass")  # and nothing in it: it makes text

    # -------------------------------------------------------- what is not

    def visit_JoinedStr(self, node):
        """Text; and before Python 3.12 places in it are not known."""

    def visit_Assert(self, node):
        self.generic_visit(node.test)

    def visit_Call(self, node):
        if not ast.unparse(node.func).endswith("warn"):
            self.generic_visit(node)

    def visit_AnnAssign(self, node):
        if node.value is not None and "TypeAlias" not in ast.unparse(node.annotation):
            self.visit(node.value)

    def visit_arg(self, node):
        pass

    def visit_FunctionDef(self, node):
        self.names.append(node.name)
        for part in [node.args, *node.body]:
            self.visit(part)
        self.names.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.names.append(node.name)
        for part in node.body:
            self.visit(part)
        self.names.pop()


def changes_of(path, source):
    """Every change of a file.

    Parameters
    ----------
    path : of the file below the project, as text
    source : its bytes
    """
    room = next((room for room in ROOMS if path.startswith(f"{room}/")), "")
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    counts, changes = {}, []
    for kind, where, start, old, new in finder.found:
        row = source.count(b"\n", 0, start) + 1
        line = source.splitlines()[row - 1].decode().strip()
        alike = (where, line, old, new)
        counts[alike] = number = counts.get(alike, 0) + 1
        changes.append(Change(room, path, *alike, kind, number, start, row))
    return changes


def changes_below(root, left_out=()):
    """Every change of the package below a folder.

    Parameters
    ----------
    root : folder of the project
    left_out : (start of a path, kind or "", reason) of what is not to be changed
    """
    root, found = Path(root), []
    for path in [p for top in ("minilstm", "kernels") for p in sorted(root.glob(f"{top}/**/*.py"))]:
        name = str(path.relative_to(root))
        if name.startswith("minilstm/kernels"):
            continue  # the link by which a checkout finds its kernels
        out = {kind for start, kind, _ in left_out if name.startswith(start)}
        if "" not in out:
            changes = changes_of(name, path.read_bytes())
            found += [c for c in changes if c.room and c.kind not in out]
    return found


def draw(changes, seed, per_room):
    """Some of the changes, so many a room, evenly over the kinds and no two of one line.

    Parameters
    ----------
    changes : from `changes_below`
    seed : decides which
    per_room : how many of each room, if it has them

    Returns
    -------
    list of `Change`, room by room
    """
    queues = {(room, kind): [] for room in ROOMS for kind in KINDS}
    for change in sorted(changes, key=lambda c: _rank(seed, c)):
        queues[change.room, change.kind].append(change)
    drawn = []
    for room in ROOMS:
        lines, taken = set(), []
        while any(queues[room, kind] for kind in KINDS) and len(taken) < per_room:
            for queue in (queues[room, kind] for kind in KINDS):
                while queue:
                    change = queue.pop(0)
                    if (change.path, change.row) not in lines:
                        lines.add((change.path, change.row))
                        taken.append(change)
                        break
        drawn += taken[:per_room]
    return drawn


def _rank(seed, change):
    return hashlib.sha256(repr((seed, *change.key)).encode()).digest()
