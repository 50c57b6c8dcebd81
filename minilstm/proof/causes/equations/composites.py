"""Functions that forward builds of several operations, found by their values: sigmoid, softmax.
Backward passes have a formula of its own for each, and mistakes of its own.

In a formula g is the gradient dy, x the argument and y the result; `total` and `mean` run along the
axes of the function, `wrong` and `wrong_mean` along others; p is a softmax whose logarithm is y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from minilstm.proof.causes.equations.mistake import Mistake
from minilstm.proof.causes.equations.operations import SLOPES
from minilstm.proof.causes.equations.tape import Change, Node, Site, Tape
from minilstm.proof.causes.equations.variants import Names, Variant, forms, one_number, sigmoid
from minilstm.proof.causes.equations.words import called, name, statement, variable
from minilstm.proof.derivatives.problem import Array

DEEPEST = 9  # operations between a function's argument and its result
SAME = 1e-11
Path = tuple[int, ...]  # numbers of parents on the way from the result to the argument
Groups = dict[tuple[str, str], dict[Site, Change]]  # the same mistake in a function, wherever it is
Found = tuple[str, Callable[[Node, int], Iterator[Variant]], bool]  # with: of single numbers

_SOFTMAX = """
the part of the Jacobian that all entries share is missing: y * dy stands alone | y * g
only the diagonal of the Jacobian is used, y (1 - y), as for a sigmoid | y * (1 - y) * g
the derivative of the softmax is missing | g
the factor y outside is missing: dy - sum(dy * y) stands alone | g - total(g * y)
sum(dy) stands where sum(dy * y) belongs | y * (g - total(g))
the mean of dy * y stands where its sum belongs | y * (g - mean(g * y))
the factor y is missing in front of sum(dy * y) | y * g - total(g * y)
the sign of sum(dy * y) is wrong | y * (g + total(g * y))
sum(dy * y) runs over another axis | y * (g - wrong(g * y))
sum(dy * y) runs over all entries | y * (g - all_sum(g * y))
"""
_LOG_SOFTMAX = """
the part through the sum of exponentials is missing: dy stands alone | g
log-probabilities stand where probabilities belong | g - y * total(g)
the sum of dy is missing: dy - p stands alone | g - p
dy * p stands where p * sum(dy) belongs | g * (1 - p)
sum(dy * p) stands where p * sum(dy) belongs | g - total(g * p)
it is the gradient of the softmax, p (dy - sum(dy * p)) | p * (g - total(g * p))
dy is missing: -p * sum(dy) stands alone | -p * total(g)
the derivative of a softmax, p (1 - p), is applied once more | (g - p * total(g)) * p * (1 - p)
the sign of p * sum(dy) is wrong | g + p * total(g)
sum(dy) runs over another axis | g - p * wrong(g)
"""
_SOFTPLUS = """
the derivative of the softplus is missing | g
the derivative of the sigmoid stands where the sigmoid belongs | g * sigmoid(x) * sigmoid(-x)
sigmoid(-x) stands where sigmoid(x) belongs | g * sigmoid(-x)
"""
_SILU = """
x sigmoid'(x) is missing: sigmoid(x) stands alone | g * sigmoid(x)
sigmoid(x) is missing: x sigmoid'(x) stands alone | g * y * sigmoid(-x)
x is missing in x sigmoid'(x) | g * sigmoid(x) * (1 + sigmoid(-x))
x sigmoid(x) stands where x sigmoid'(x) belongs | g * (sigmoid(x) + y)
1 - y stands where 1 - sigmoid(x) belongs | g * (sigmoid(x) + y * (1 - y))
x (1 - sigmoid(x)) stands where x sigmoid'(x) belongs | g * (sigmoid(x) + x * sigmoid(-x))
"""
# y = c / s, c = x - mean(x) or x: dx = (dy - m - y q) / s with m = mean(dy), q = mean(dy * y).
# There is no m where x is not centred, and q is a sum where the norm of y is one.
_DIVIDED = """
the term with {q} is missing: s is treated as a constant | (g - m) / s
the factor 1 / s outside is missing | g - m - y * q
s multiplies where it should divide | (g - m - y * q) * s
the factor 1 / s is there twice | (g - m - y * q) / s**2
the factor y is missing in front of {q} | (g - m - q) / s
the sign of the term with {q} is wrong | (g - m + y * q) / s
what is divided stands where y belongs in front of {q} | (g - m - c * q) / s
what is divided stands where y belongs in {q} | (g - m - y * q * s) / s
what is divided stands for y in {q} and beside it | (g - m - c * q * s) / s
a sum stands where a mean belongs in {q} | (g - m - y * total(g * y)) / s
a mean stands where a sum belongs in {q} | (g - m - y * mean(g * y)) / s
the 1/2 of the root counts twice in the term with {q} | (g - m - 0.5 * y * q) / s
the 1/2 of the root is missing in the term with {q} | (g - m - 2 * y * q) / s
n - 1 stands where n belongs in {q} | (g - m - y * total(g * y) / (size - 1)) / s
{q} runs over another axis | (g - m - y * wrong_q(g * y)) / s
"""
_CENTRED = """
the mean and the variance are treated as constants | g / s
the term with mean(dy) is missing | (g - y * q) / s
sum(dy) stands where mean(dy) belongs | (g - total(g) - y * q) / s
mean(dy) and mean(dy * y) are of all entries | (g - all_mean(g) - y * all_mean(g * y)) / s
mean(dy) runs over another axis | (g - wrong_mean(g) - y * q) / s
both means run over another axis | (g - wrong_mean(g) - y * wrong_mean(g * y)) / s
the sign of mean(dy) is wrong | (g + m - y * q) / s
x stands where the centred x belongs in mean(dy * y) | (g - m - y * mean(g * x / s)) / s
"""


def _along(
    text: str, axes: tuple[int, ...], centred: bool, unit: bool, node: Node, k: int
) -> Iterator[Variant]:
    """The lines of a table of a function along some axes; each wrong axis has lines of its own."""
    lines = text.strip().splitlines()
    everywhere = "\n".join(line for line in lines if "wrong" not in line.rsplit("|", 1)[1])
    yield from forms(everywhere, node, k, _names(axes, (), centred, unit))
    others = [a for a in range(node.value.ndim) if a not in axes]
    elsewhere = "\n".join(line for line in lines if "wrong" in line.rsplit("|", 1)[1])
    for wrong in sorted({tuple(others), *((a,) for a in others)} - {()}):
        yield from forms(elsewhere, node, k, _names(axes, wrong, centred, unit))


def _names(axes: tuple[int, ...], others: tuple[int, ...], centred: bool, unit: bool) -> Names:
    """What the formulas of a function along some axes have in them."""

    def names(n: Node, k: int, g: Array) -> dict[str, Any]:
        x, y = n.parents[0].value, n.value
        total, mean = (
            partial(np.sum, axis=axes, keepdims=True),
            partial(np.mean, axis=axes, keepdims=True),
        )
        c = x - mean(x) if centred else x
        return {
            "total": total, "mean": mean, "p": np.exp(y), "c": c,
            "wrong": partial(np.sum, axis=others, keepdims=True),
            "wrong_mean": partial(np.mean, axis=others, keepdims=True),
            "wrong_q": partial(np.sum if unit else np.mean, axis=others, keepdims=True),
            "s": np.sqrt(total(c * c) / total(y * y)), "m": mean(g) if centred else 0 * mean(g),
            "q": (total if unit else mean)(g * y), "size": x.size // mean(x).size,
        }  # fmt: skip

    return names


def _kind(x: Array, y: Array) -> Found | None:
    """What function of x the array y is."""

    def same(made: Array) -> bool:
        return bool(np.abs(made - y).max() <= SAME * max(1.0, float(np.abs(y).max())))

    def softmax(axis: int) -> Array:
        e = np.exp(x - x.max(axis, keepdims=True))
        return np.asarray(e / e.sum(axis, keepdims=True))

    axes = [a for a in range(x.ndim) if x.shape[a] > 1]
    if (y >= 0).all() and (y <= 1).all():
        if same(sigmoid(x)):
            return "sigmoid", partial(one_number, op="sigmoid"), True
        for a in axes:
            if same(softmax(a)):
                return "softmax", partial(_along, _SOFTMAX, (a,), False, False), False
    if (y >= 0).all() and same(np.logaddexp(0, x)):
        return "softplus", partial(forms, _SOFTPLUS), True
    if (y <= 0).all():
        for a in axes:
            if same(np.log(softmax(a))):
                return "log-softmax", partial(_along, _LOG_SOFTMAX, (a,), False, False), False
    if same(x * sigmoid(x)):
        return "SiLU", partial(forms, _SILU), False
    return _normalisation(x, y, axes)


def _normalisation(x: Array, y: Array, long: list[int]) -> Found | None:
    """Whether y is x, centred or not, divided by its norm or spread along some axes."""
    if y.size < 4 or not (y < 0).any():
        return None
    choices = [axes for many in range(1, x.ndim + 1) for axes in combinations(long, many)]
    for axes, centred in ((axes, centred) for axes in choices for centred in (True, False)):
        c = x - x.mean(axes, keepdims=True) if centred else x
        squares, total = (y * y).sum(axes, keepdims=True), (c * y).sum(axes, keepdims=True)
        if np.abs(c * squares - y * total).max() <= SAME * np.abs(c * squares).max():
            unit, mean = (
                bool(np.abs(squares - m).max() < 0.05 * m) for m in (1, x.size // squares.size)
            )
            if unit or mean:
                text = (_CENTRED if centred else "\n").rstrip("\n") + _DIVIDED
                text = text.replace("{q}", "mean(dy * y)" if mean else "sum(dy * y)")
                known = partial(_along, text, axes, centred, unit and not mean)
                return "normalisation", known, False
    return None


def _ancestors(node: Node) -> Iterator[tuple[Node, Path]]:
    """Live nodes of the same shape on the way up, each with the way to it, nearest first."""
    queue: list[tuple[Node, Path]] = [(node, ())]
    seen = {node.number}
    for at, path in queue:
        for k, parent in enumerate(at.parents):
            if parent.live and parent.number not in seen and len(path) < DEEPEST:
                seen.add(parent.number)
                queue.append((parent, (*path, k)))
                if parent.value.shape == node.value.shape:
                    yield parent, (*path, k)


def composites(tape: Tape) -> tuple[set[Site], list[Mistake], Groups]:
    """Sites inside functions of single numbers, the mistakes in all found, and what they share."""
    inside: set[Site] = set()
    found = list(_passed(tape))
    groups: Groups = {}
    parts: dict[int, list[Site]] = {}
    for site, nodes in tape.sites.items():
        if nodes[-1].op in ("getitem", "move"):
            parts.setdefault(nodes[-1].parents[0].number, []).append(site)
    for site, nodes in tape.sites.items():
        node, best = nodes[-1], None
        if node.value.size < 2 or node.op in ("getitem", "move", "setitem", "matmul", "tanh"):
            continue
        for x, path in _ancestors(node):
            kind = None if x.site in inside else _kind(x.value, node.value)
            if kind is not None and (best is None or x.number < best[1].number):
                best = kind, x, path
                if kind[0] != "normalisation":  # which begins with x, not with x - mean(x)
                    break
        if best is None:
            continue
        (title, variants, single), x, path = best
        inside |= {site} | set(_between(node, x)) if single else set()
        text = called(node, x)
        way = f"{name(x)} through {text}{statement(node, outer=True)}"
        for what, make in variants(Node(-1, title, (x,), node.value), 0):
            said = what.format(x=name(x), y=text)
            changes = {site: partial(_replaced, path=path, make=make)}
            found.append(Mistake(f"In the gradient of {way}, {said}.", changes, False, 0))
            if single:
                groups.setdefault((title, what), {}).update(changes)
            for part in parts.get(node.number, ()) if title == "sigmoid" else ():
                cause = (
                    f"In the gradient of {way}, for the part {name(tape.sites[part][-1])}, {said}."
                )
                here = {site: partial(_in_part, path=path, make=make, part=part)}
                found.append(Mistake(cause, here, False, 0))
    return inside, found, groups


_ELEMENTWISE = {*SLOPES, "add", "subtract", "multiply", "divide", "power", "elementwise"}


def _passed(tape: Tape) -> Iterator[Mistake]:
    """An inner derivative that is left out: the gradient of y goes to x as it is."""
    for site, nodes in tape.sites.items():
        node = nodes[-1]
        if node.op not in _ELEMENTWISE or len(node.parents) < 2:
            continue
        for x, path in _ancestors(node):
            at, ops = node, []
            for k in path:
                ops.append(at.op)
                at = at.parents[k]
            if variable(x) and len(path) > 1 and _ELEMENTWISE.issuperset(ops):
                yield Mistake(
                    f"In the gradient of {variable(x)} through {name(node)}{statement(node)}, the "
                    "inner derivative is missing: the gradient passes as it is.",
                    {site: partial(_replaced, path=path, make=lambda n, g: g)}, False, 2,
                )  # fmt: skip


def _between(y: Node, x: Node) -> Iterator[Site]:
    """Sites of the operations that make y of x."""
    for parent in y.parents:
        if parent.live and parent is not x and parent.site:
            yield parent.site
            yield from _between(parent, x)


def _in_part(tape: Tape, node: Node, g: Array, path: Path, make: Any, part: Site) -> Iterator[Any]:
    """Wrong in one part of what a sigmoid gives, such as one of stacked gates."""
    one = tape.sites[part][-1]
    ((x, wrong),) = _replaced(tape, node, g, path, make)
    right = g * node.value * (1 - node.value)
    yield x, np.where(one.pull(0, np.ones_like(one.value)) != 0, wrong, right)


def _replaced(tape: Tape, node: Node, g: Array, path: Path, make: Any) -> Iterator[Any]:
    """The gradient goes from the result to the argument at once."""
    x = node
    for k in path:
        x = x.parents[k]
    yield x, make(Node(-1, "composite", (x,), node.value), g)
