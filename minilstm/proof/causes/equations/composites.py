"""Functions that forward builds of several operations, found by their values: sigmoid, softmax.
Backward passes have a formula of its own for them, and mistakes of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from minilstm.proof.causes.equations.mistake import Mistake
from minilstm.proof.causes.equations.operations import SLOPES
from minilstm.proof.causes.equations.tape import Node, Site, Tape
from minilstm.proof.causes.equations.variants import Variant, one_number
from minilstm.proof.causes.equations.words import called, name, statement, variable
from minilstm.proof.derivatives.problem import Array

DEEPEST = 9  # operations between a function's argument and its result
SAME = 1e-11
Path = tuple[int, ...]  # numbers of parents on the way from the result to the argument


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _softmax_variants(axis: int, n: Node, k: int) -> Iterator[Variant]:
    def total(a: Array, along: int = axis) -> Array:
        return a.sum(along, keepdims=True)

    yield "the part of the Jacobian that all entries share is missing: y * dy stands alone", (
        lambda n, g: n.value * g
    )
    yield "only the diagonal of the Jacobian is used, y (1 - y), as for a sigmoid", (
        lambda n, g: n.value * (1 - n.value) * g
    )
    yield "the derivative of the softmax is missing", lambda n, g: g
    yield "the factor y outside is missing: dy - sum(dy * y)", lambda n, g: g - total(g * n.value)
    yield "sum(dy) stands where sum(dy * y) belongs", lambda n, g: n.value * (g - total(g))
    yield "the mean of dy * y stands where its sum belongs", (
        lambda n, g: n.value * (g - total(g * n.value) / g.shape[axis])
    )
    yield "the factor y is missing in front of sum(dy * y)", (
        lambda n, g: n.value * g - total(g * n.value)
    )
    yield "the sign of sum(dy * y) is wrong", lambda n, g: n.value * (g + total(g * n.value))
    for other in range(n.value.ndim):
        if other != axis:
            yield f"sum(dy * y) runs over axis {other}, where axis {axis} belongs", (
                lambda n, g, other=other: n.value * (g - total(g * n.value, other))
            )
    yield "sum(dy * y) runs over all entries", lambda n, g: n.value * (g - (g * n.value).sum())


def _log_softmax_variants(axis: int, n: Node, k: int) -> Iterator[Variant]:
    def total(a: Array, along: int = axis) -> Array:
        return a.sum(along, keepdims=True)

    yield "the part through the sum of exponentials is missing: dy stands alone", lambda n, g: g
    yield "log-probabilities stand where probabilities belong", (
        lambda n, g: g - n.value * total(g)
    )
    yield "the sum of dy is missing: dy - p", lambda n, g: g - np.exp(n.value)
    yield "dy * p stands where p * sum(dy) belongs", lambda n, g: g * (1 - np.exp(n.value))
    yield "sum(dy * p) stands where p * sum(dy) belongs", (
        lambda n, g: g - total(g * np.exp(n.value))
    )
    yield "it is the gradient of the softmax, p (dy - sum(dy * p))", (
        lambda n, g: np.exp(n.value) * (g - total(g * np.exp(n.value)))
    )
    yield "dy is missing: -p * sum(dy) stands alone", lambda n, g: -np.exp(n.value) * total(g)
    yield "the derivative of a softmax, p (1 - p), is applied once more", lambda n, g: (
        (g - np.exp(n.value) * total(g)) * np.exp(n.value) * (1 - np.exp(n.value))
    )
    yield "the sign of p * sum(dy) is wrong", lambda n, g: g + np.exp(n.value) * total(g)
    for other in range(n.value.ndim):
        if other != axis:
            yield f"sum(dy) runs over axis {other}, where axis {axis} belongs", (
                lambda n, g, other=other: g - np.exp(n.value) * total(g, other)
            )


def _softplus_variants(n: Node, k: int) -> Iterator[Variant]:
    yield "the derivative of the softplus is missing", lambda n, g: g
    yield "the derivative of the sigmoid stands where the sigmoid belongs", (
        lambda n, g: g * _sigmoid(n.parents[0].value) * (1 - _sigmoid(n.parents[0].value))
    )
    yield "sigmoid(-x) stands where sigmoid(x) belongs", (
        lambda n, g: g * _sigmoid(-n.parents[0].value)
    )


def _silu_variants(n: Node, k: int) -> Iterator[Variant]:
    s = lambda n: _sigmoid(n.parents[0].value)  # noqa: E731
    yield "x sigmoid'(x) is missing: sigmoid(x) stands alone", lambda n, g: g * s(n)
    yield "sigmoid(x) is missing: x sigmoid'(x) stands alone", (
        lambda n, g: g * n.parents[0].value * s(n) * (1 - s(n))
    )
    yield "x is missing in x sigmoid'(x)", lambda n, g: g * (s(n) + s(n) * (1 - s(n)))
    yield "x sigmoid(x) stands where x sigmoid'(x) belongs", lambda n, g: g * (s(n) + n.value)
    yield "1 - y stands where 1 - sigmoid(x) belongs", lambda n, g: g * s(n) * (1 - n.value)
    yield "x (1 - sigmoid(x)) stands where x sigmoid'(x) belongs", (
        lambda n, g: g * (s(n) + n.parents[0].value * (1 - s(n)))
    )


def _normalised_variants(
    axes: tuple[int, ...], centred: bool, unit: bool, n: Node, k: int
) -> Iterator[Variant]:
    """y = (x - mean) / s, or x / s, where s is of all entries along the axes.

    dx = (dy - mean(dy) - y * mean(dy * y)) / s; there is no mean(dy) where x is not centred, and a
    sum where the norm is one.
    """
    others = tuple(a for a in range(n.value.ndim) if a not in axes)

    def parts(n: Node, g: Array) -> tuple[Array, Array, Array, Array, Array]:
        x, y = n.parents[0].value, n.value
        from_mean = x - x.mean(axes, keepdims=True) if centred else x
        s = np.sqrt((from_mean**2).sum(axes, keepdims=True) / (y**2).sum(axes, keepdims=True))
        count = 1 if unit else x.size // s.size
        first = g.mean(axes, keepdims=True) if centred else 0 * s
        return y, s, from_mean, first, (g * y).sum(axes, keepdims=True) / count

    def form(f: Callable[..., Any]) -> Callable[[Node, Array], Array]:
        return lambda n, g: f(g, *parts(n, g))

    word = "sum(dy * y)" if unit else "mean(dy * y)"
    yield f"the term with {word} is missing: s is treated as a constant", form(
        lambda g, y, s, c, a, b: (g - a) / s
    )
    if centred:
        yield "the mean and the variance are treated as constants", form(
            lambda g, y, s, c, a, b: g / s
        )
        yield "the term with mean(dy) is missing", form(lambda g, y, s, c, a, b: (g - y * b) / s)
        if others:
            yield f"mean(dy) runs over the wrong axis, where axis {axes} belongs", form(
                lambda g, y, s, c, a, b: (g - g.mean(others, keepdims=True) - y * b) / s
            )
        yield "sum(dy) stands where mean(dy) belongs", form(
            lambda g, y, s, c, a, b: (g - g.sum(axes, keepdims=True) - y * b) / s
        )
        yield "mean(dy) and mean(dy * y) are of all entries", form(
            lambda g, y, s, c, a, b: (g - g.mean() - y * (g * y).mean()) / s
        )
        yield "both means run over the wrong axis", form(
            lambda g, y, s, c, a, b: (
                g - g.mean(others, keepdims=True) - y * (g * y).mean(others, keepdims=True)
            ) / s
        )  # fmt: skip
        yield "the sign of mean(dy) is wrong", form(lambda g, y, s, c, a, b: (g + a - y * b) / s)
        yield "x stands where the centred x belongs, in mean(dy * y)", lambda n, g: form(
            lambda g, y, s, c, a, b: (
                g - a - y * (g * n.parents[0].value / s).mean(axes, keepdims=True)
            ) / s
        )(n, g)  # fmt: skip
    yield "the factor 1 / s outside is missing", form(lambda g, y, s, c, a, b: g - a - y * b)
    yield "s multiplies where it should divide", form(lambda g, y, s, c, a, b: (g - a - y * b) * s)
    yield "the factor 1 / s is there twice", form(lambda g, y, s, c, a, b: (g - a - y * b) / s**2)
    yield f"the factor y is missing in front of {word}", form(
        lambda g, y, s, c, a, b: (g - a - b) / s
    )
    yield f"the sign of the term with {word} is wrong", form(
        lambda g, y, s, c, a, b: (g - a + y * b) / s
    )
    yield f"the array before the division stands where y belongs in front of {word}", form(
        lambda g, y, s, c, a, b: (g - a - c * b) / s
    )
    yield f"the array before the division stands where y belongs in {word}", form(
        lambda g, y, s, c, a, b: (g - a - y * (b * s)) / s
    )
    yield f"the array before the division stands where y belongs in {word} and in front of it", (
        form(lambda g, y, s, c, a, b: (g - a - c * (b * s)) / s)
    )
    count = int(np.prod([n.value.shape[a] for a in axes]))
    for c, said in ((count, "a sum stands where a mean belongs"), (1 / count, "a mean stands where a sum belongs"), (0.5, "the 1/2 of the root counts twice"), (2.0, "the 1/2 of the root is missing"), (count / (count - 1 or 1), "n - 1 stands where n belongs")):  # fmt: skip
        yield f"{said} in the term with {word}", lambda n, g, m=c: form(
            lambda g, y, s, c, a, b: (g - a - m * y * b) / s
        )(n, g)
    if others:
        yield f"{word} runs over the wrong axis, where axis {axes} belongs", form(
            lambda g, y, s, c, a, b: (
                g - a - y * ((g * y).sum(others, keepdims=True) if unit else (g * y).mean(others, keepdims=True))
            ) / s
        )  # fmt: skip


Found = tuple[str, Callable[[Node, int], Iterator[Variant]], bool]  # with: of single numbers


def _kind(x: Array, y: Array) -> Found | None:
    """What function of x the array y is."""

    def same(made: Array) -> bool:
        return bool(np.abs(made - y).max() <= SAME * max(1.0, float(np.abs(y).max())))

    if (y >= 0).all() and (y <= 1).all():
        if same(_sigmoid(x)):
            return "sigmoid", partial(one_number, op="sigmoid"), True
        for axis in range(x.ndim):
            if x.shape[axis] > 1 and same(_softmax(x, axis)):
                return "softmax", partial(_softmax_variants, axis), False
    if (y >= 0).all() and same(np.logaddexp(0, x)):
        return "softplus", _softplus_variants, True
    if (y <= 0).all():
        for axis in range(x.ndim):
            if x.shape[axis] > 1 and same(np.log(_softmax(x, axis))):
                return "log-softmax", partial(_log_softmax_variants, axis), False
    if same(x * _sigmoid(x)):
        return "SiLU", _silu_variants, False
    return _normalisation(x, y)


def _normalisation(x: Array, y: Array) -> Found | None:
    """Whether y is x, centred or not, divided by its norm or spread along some axes."""
    if y.size < 4 or not (y < 0).any():
        return None
    for many in range(1, x.ndim + 1):
        for axes in combinations(range(x.ndim), many):
            if np.prod([x.shape[a] for a in axes]) < 2:
                continue
            for centred in (True, False):
                above = x - x.mean(axes, keepdims=True) if centred else x
                squares, total = (y * y).sum(axes, keepdims=True), (above * y).sum(axes, keepdims=True)
                if np.abs(above * squares - y * total).max() > SAME * np.abs(above * squares).max():
                    continue
                count = x.size // squares.size
                unit, mean = (bool(np.abs(squares - m).max() < 0.05 * m) for m in (1, count))
                if unit or mean:
                    title = "normalisation"
                    variants = partial(_normalised_variants, axes, centred, unit and not mean)
                    return title, variants, False
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


def composites(tape: Tape) -> tuple[set[Site], list[Mistake]]:
    """Sites inside functions of single numbers, and the mistakes in all functions found."""
    inside: set[Site] = set()
    found: list[Mistake] = []
    groups: dict[tuple[str, str], dict[Site, Any]] = {}
    found += _passed(tape)
    for site, nodes in tape.sites.items():
        node = nodes[-1]
        if node.value.size < 2 or node.op in ("getitem", "move", "setitem", "matmul", "tanh"):
            continue
        with np.errstate(all="ignore"):
            best = None
            for x, path in _ancestors(node):
                kind = None if x.site in inside else _kind(x.value, node.value)
                if kind is not None and (best is None or x.number < best[1].number):
                    best = kind, x, path
                    if kind[0] != "normalisation":  # which begins with x, not with x - mean(x)
                        break
            if best is None:
                continue
            kind, x, path = best
        title, variants, single = kind
        if single:
            inside |= {site} | set(_between(node, x))
        as_one = Node(-1, title, (x,), node.value)
        text = called(node, x)
        for what, make in variants(as_one, 0):
            said = what.format(x=name(x), y=text)
            changes = {site: partial(_replaced, path=path, make=make)}
            cause = f"In the gradient of {name(x)} through {text}{statement(node)}, {said}."
            found.append(Mistake(cause, changes, False, 0))
            if single:
                general = what.format(x="its argument", y="its result")
                groups.setdefault((title, general), {}).update(changes)
    for (title, said), changes in groups.items():
        if len(changes) > 1:
            found.append(Mistake(f"In the gradients of all {title}s, {said}.", changes, False, 0))
    return inside, found


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
                    f"In the gradient of {variable(x)} through {name(node)}{statement(node)}, the inner "
                    "derivative is missing: the gradient passes as it is.",
                    {site: partial(_replaced, path=path, make=lambda n, g: g)}, False, 2,
                )  # fmt: skip


def _between(y: Node, x: Node) -> Iterator[Site]:
    """Sites of the operations that make y of x."""
    for parent in y.parents:
        if parent.live and parent is not x and parent.site:
            yield parent.site
            yield from _between(parent, x)


def _replaced(tape: Tape, node: Node, g: Array, path: Path, make: Any) -> Iterator[Any]:
    """The gradient goes from the result to the argument at once."""
    x = node
    for k in path:
        x = x.parents[k]
    yield x, make(Node(-1, "composite", (x,), node.value), g)
