"""Small changes of a function's source, such as undo what people get wrong in a backward pass.
Each is one expression or statement in place of another; the likeliest come first.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from itertools import product
from typing import Any, NamedTuple

# Names that a function may not use if changed versions of it are to be run.
_UNSAFE = {
    "open", "exec", "eval", "input", "print", "os", "sys", "subprocess", "shutil", "Path", "save",
    "savez", "savetxt", "tofile", "write", "write_text", "write_bytes", "dump", "unlink", "remove",
}  # fmt: skip
_UNSAFE_NODES = (
    ast.While, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.With, ast.Delete,
    ast.Try, ast.Yield, ast.YieldFrom, ast.Await,
)  # fmt: skip
_SWAPPED = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "var": "std", "std": "var"}
# What a value {0} may lack, of another variable {1}.
FORMS = (
    "{0} * {1}", "{0} / {1}", "{0} * (1 - {1})", "{0} * (1 - {1} ** 2)", "{0} + {1}", "{0} - {1}",
    "{0} / len({1})", "{0} / {1}.shape[-1]", "{0} / np.sqrt({1}.shape[-1])", "{0} / {1}.size",
    "{0} * len({1})", "{0} * np.sign({1})", "{0} * {1}[:, None]", "{0} - {1}.mean(axis=0)",
    "{0} - {1}.mean(axis=-1, keepdims=True)",
)  # fmt: skip
MOST_SHOWN = 72  # characters of code in a sentence
_AXES = ("0", "1", "2", "-1", "-2", "None")
_NUMBERS = ("2", "3", "1", "0.5", "0")
# What a left and a right operand may have between them in place of what stands there.
_BINARY: dict[type[ast.operator], tuple[str, ...]] = {
    ast.Add: ("({}) - ({})", "{0}", "{1}"),
    ast.Sub: ("({}) + ({})", "({1}) - ({0})", "{0}", "{1}"),
    ast.Mult: ("{0}", "{1}", "({}) / ({})", "({}) / np.sqrt({})"),
    ast.Div: ("{0}", "({}) * ({})", "({}) / np.sqrt({})"),
    ast.MatMult: ("({1}) @ ({0})", "({}).T @ ({})", "({}) @ ({}).T", "(({}) @ ({})).T"),
    ast.Pow: ("{0}", "({0}) ** 2", "({0}) ** 3", "({0}) ** -1", "({0}) ** -2"),
}


class Site(NamedTuple):
    """A place in the tree: the node there, and where it hangs."""

    node: Any
    parent: Any
    field: str
    place: int | None

    def put(self, node: Any) -> None:
        """Hang another node there."""
        if self.place is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.place] = node


class Edit(NamedTuple):
    """A change of one place."""

    site: Site
    new: Any

    @property
    def part(self) -> Any:
        """The value that it changes: of a statement, what stands on its right."""
        return getattr(self.site.node, "value", None)


def is_safe(tree: ast.AST) -> bool:
    """Whether changed versions of a function may be run: it computes and does nothing else."""
    nodes = list(ast.walk(tree))
    names = {n.id for n in nodes if isinstance(n, ast.Name)}
    names |= {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    return not (names & _UNSAFE or any(isinstance(n, _UNSAFE_NODES) for n in nodes))


def plain_edits(function: ast.FunctionDef) -> Iterator[Edit]:
    """Changes that bring no other variable in; there are few of them."""
    sites = list(_sites(function))
    found = [s for s in sites if isinstance(s.node, ast.expr) and _is_read(s)]
    for site in sites:
        yield from (Edit(site, new) for new in _statements(site.node))
    for site in found:
        yield from (Edit(site, new) for new in _simple(site))
    for site in found:
        if _is_factor(site):
            text = f"({ast.unparse(site.node)})"
            for times in ("-{0}", "{0} * 2", "{0} / 2"):
                yield Edit(site, _parsed(times.format(text)))


def edits_with_names(function: ast.FunctionDef, wanted: Container[int]) -> Iterator[Edit]:
    """Changes with another variable, at the nodes whose ids are `wanted`."""
    sites = [s for s in _sites(function) if id(s.node) in wanted]
    found = [s for s in sites if isinstance(s.node, ast.expr) and _is_read(s)]
    variables = _variables(function)
    names = [s for s in found if isinstance(s.node, ast.Name) and s.node.id in variables]
    for similar in (True, False):
        for site in names:
            alike = [v for v in variables if (v[0] == site.node.id[0]) is similar]
            yield from (Edit(site, _parsed(v)) for v in alike if v != site.node.id)
    for site in found:
        if isinstance(site.node, ast.Constant) and site.field != "slice":
            yield from (Edit(site, _parsed(v)) for v in variables)
    whole = {id(site.node) for site in values(function)}
    for outer, form in product((True, False), FORMS):
        for site in found:
            if (id(site.node) in whole) is outer and _is_factor(site):
                text = f"({ast.unparse(site.node)})"
                yield from (Edit(site, _parsed(form.format(text, v))) for v in variables)


def values(function: ast.FunctionDef) -> Iterator[Site]:
    """What is assigned, added or returned, each part of a tuple or of a dict by itself."""
    for site in _sites(function):
        if site.field != "value" or not isinstance(
            site.parent, ast.Assign | ast.AugAssign | ast.Return
        ):
            continue
        many = {"Tuple": "elts", "List": "elts", "Dict": "values"}.get(type(site.node).__name__)
        if many:
            parts = getattr(site.node, many)
            yield from (Site(part, site.node, many, n) for n, part in enumerate(parts))
        else:
            yield site


def said(edit: Edit, tree: ast.Module) -> str:
    """What should stand and what stands there, with so much around it that it is understood."""
    around = edit.site
    while not isinstance(around.node, ast.stmt):
        up = next(s for s in _sites(tree) if s.node is around.parent)
        if len(ast.unparse(up.node)) > MOST_SHOWN or isinstance(
            up.node, ast.For | ast.If | ast.Tuple
        ):
            break
        around = up
    old = ast.unparse(around.node)
    edit.site.put(edit.new)
    new = ast.unparse(edit.new if around is edit.site else around.node)
    edit.site.put(edit.site.node)
    return f"`{new}` in place of `{old}`" if new else f"without `{old}`"


def _sites(tree: ast.AST) -> Iterator[Site]:
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, list):
                yield from (Site(v, parent, field, n) for n, v in enumerate(value))
            elif isinstance(value, ast.AST):
                yield Site(value, parent, field, None)


def _is_read(site: Site) -> bool:
    """Whether an expression's value is used: not a target, an argument's default, a decorator."""
    context = getattr(site.node, "ctx", None)
    if context is not None and not isinstance(context, ast.Load):
        return False
    return site.field not in ("func", "decorator_list", "annotation", "returns", "defaults")


def _is_factor(site: Site) -> bool:
    """Whether it is long enough to lack a factor or a term: all of a value, or part of one."""
    if isinstance(site.node, ast.Constant | ast.Slice | ast.Tuple | ast.Compare | ast.Starred):
        return False
    within = (ast.Assign, ast.AugAssign, ast.Return, ast.Tuple, ast.List, ast.Call, ast.BinOp)
    if isinstance(site.parent, ast.Attribute) and site.parent.attr == "T":
        return True
    if not isinstance(site.parent, (*within, ast.Dict)) or site.field == "keys":
        return False
    return not (isinstance(site.parent, ast.Tuple) and isinstance(site.node, ast.Attribute))


def _variables(function: ast.FunctionDef) -> list[str]:
    names = [a.arg for a in function.args.args]
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
    return list(dict.fromkeys(names))


def _parsed(text: str) -> Any:
    return ast.parse(text, mode="eval").body


def _statements(node: Any) -> Iterator[ast.stmt]:
    """= and += exchanged; sums over repeated indices."""
    if not isinstance(node, ast.Assign | ast.AugAssign):
        return
    target: Any = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if isinstance(target, ast.Name | ast.Subscript | ast.Attribute):
        forms = ["{} += {}", "{} -= {}"]
        forms += ["{} = {}", "pass"] if isinstance(node, ast.AugAssign) else []
        if isinstance(target, ast.Subscript) and ":" not in ast.unparse(target.slice):
            base, index = ast.unparse(target.value), ast.unparse(target.slice)
            forms.append(f"np.add.at({base}, ({index}), {{1}})")
        texts = [form.format(ast.unparse(target), ast.unparse(node.value)) for form in forms]
        yield from (ast.parse(t).body[0] for t in texts if t != ast.unparse(node))


def _simple(site: Site) -> Iterator[Any]:
    """Changes of one expression that bring no other variable in."""
    yield from (_parsed(text) for text in _texts(site))
    node = site.node
    if isinstance(node, ast.Tuple | ast.List) and site.field in ("value", "args"):
        yield from (type(node)(order, node.ctx) for order in _orders(node.elts))
    if isinstance(node, ast.Call):
        yield from _calls(node)


def _texts(site: Site) -> Iterator[str]:
    node, text = site.node, ast.unparse(site.node)
    match node:
        case ast.UnaryOp(op=ast.USub()):
            yield ast.unparse(node.operand)
        case ast.BinOp(left=left, right=right):
            forms = _BINARY.get(type(node.op), ())
            yield from (form.format(ast.unparse(left), ast.unparse(right)) for form in forms)
            if isinstance(left, ast.BinOp) and isinstance(node.op, ast.Mult):
                yield ast.unparse(left.left)
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            yield from (n for n in _NUMBERS if n != text)
            if isinstance(node.value, int):
                yield from (str(node.value + 1), str(node.value - 1))
        case ast.Attribute(attr="T") | ast.Subscript(slice=ast.Slice()):
            yield ast.unparse(node.value)
    plain = isinstance(node, ast.Name | ast.Subscript | ast.Attribute) and site.field != "slice"
    if plain and isinstance(site.parent, ast.BinOp) and not text.endswith(".T"):
        yield from (f"{text}.T", f"{text} ** 2")
    if isinstance(node, ast.Name | ast.BinOp) and (
        site.field == "slice" or isinstance(site.parent, ast.Slice | ast.Tuple)
    ):
        yield from (f"{text} - 1", f"{text} + 1")
    if isinstance(site.parent, ast.For | ast.comprehension) and site.field == "iter":
        yield f"list({text})[::-1]"
    if isinstance(node, ast.BinOp | ast.Call | ast.Subscript) and site.field == "value":
        yield from (f"({text}).T", f"({text})[::-1]")


def _orders(parts: list[Any]) -> Iterator[list[Any]]:
    """Two parts exchanged."""
    for n in range(len(parts)):
        for m in range(n):
            order = list(parts)
            order[n], order[m] = parts[m], parts[n]
            yield order


def _calls(node: ast.Call) -> Iterator[Any]:
    function = node.func
    if isinstance(function, ast.Attribute):
        if function.attr in _SWAPPED:
            other = ast.Attribute(function.value, _SWAPPED[function.attr], function.ctx)
            yield ast.Call(other, node.args, node.keywords)
            for n, keyword in enumerate(node.keywords):
                for axis in _AXES if keyword.arg == "axis" else ():
                    kept = [*node.keywords]
                    kept[n] = ast.keyword("axis", _parsed(axis))
                    yield ast.Call(function, node.args, kept)
        if function.attr in ("swapaxes", "transpose", "copy"):
            yield function.value
    if len(node.args) > 1:
        yield from (ast.Call(function, order, node.keywords) for order in _orders(node.args))
    if len(node.args) == 1 and not node.keywords:
        yield node.args[0]
