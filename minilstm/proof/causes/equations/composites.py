"""Functions that forward builds of several operations, found by their values: sigmoid, softmax.
Backward passes have a formula of its own for each, and mistakes of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from minilstm.proof.causes.equations.tape import Mistake, Node, Site, Tape
from minilstm.proof.causes.equations.variants import Variant, forms, one_number, sigmoid
from minilstm.proof.causes.equations.words import called, name, statement
from minilstm.proof.derivatives.problem import Array

DEEPEST = 9  # operations between a function's argument and its result
SAME = 1e-11
Path = tuple[int, ...]  # numbers of parents on the way from the result to the argument

# In a formula g is the gradient dy, y the result, and `total` runs along the axis of the function.
_SOFTMAX = """
the part of the Jacobian that all entries share is missing: y * dy stands alone | y * g
only the diagonal of the Jacobian is used, y (1 - y), as for a sigmoid | y * (1 - y) * g
the derivative of the softmax is missing | g
the factor y outside is missing: dy - sum(dy * y) stands alone | g - total(g * y)
sum(dy) stands where sum(dy * y) belongs | y * (g - total(g))
the factor y is missing in front of sum(dy * y) | y * g - total(g * y)
the sign of sum(dy * y) is wrong | y * (g + total(g * y))
sum(dy * y) runs over all entries | y * (g - all_sum(g * y))
"""


def composites(tape: Tape) -> tuple[set[Site], list[Mistake]]:
    """Sites inside functions of single numbers, and the mistakes in all functions found."""
    inside: set[Site] = set()
    found = []
    for site, nodes in tape.sites.items():
        node = nodes[-1]
        if node.value.size < 2 or node.op in ("getitem", "move", "setitem", "matmul", "tanh"):
            continue
        for x, path in _ancestors(node):
            variants = None if x.site in inside else _variants(x.value, node.value)
            if variants is None:
                continue
            if variants is _sigmoid:
                inside |= {site} | set(_between(node, x))
            text = called(node, x)
            way = f"{name(x)} through {text}{statement(node, outer=True)}"
            for what, make in variants(Node(-1, "composite", (x,), node.value), 0):
                said = what.format(x=name(x), y=text)
                changes = {site: partial(_replaced, path=path, make=make)}
                found.append(Mistake(f"In the gradient of {way}, {said}.", changes, False, 0))
            break
    return inside, found


_sigmoid = partial(one_number, op="sigmoid")


def _variants(x: Array, y: Array) -> Callable[[Node, int], Iterator[Variant]] | None:
    """Wrong forms of the derivative of the function of x that the array y is, if it is known."""

    def same(made: Array) -> bool:
        return bool(np.abs(made - y).max() <= SAME * max(1.0, float(np.abs(y).max())))

    if (y < 0).any() or (y > 1).any():
        return None
    if same(sigmoid(x)):
        return _sigmoid
    for axis in (a for a in range(x.ndim) if x.shape[a] > 1):
        e = np.exp(x - x.max(axis, keepdims=True))
        if same(e / e.sum(axis, keepdims=True)):
            return partial(forms, _SOFTMAX, names=partial(_along, axis=axis))
    return None


def _along(n: Node, k: int, g: Array, axis: int) -> Mapping[str, Any]:
    return {"total": partial(np.sum, axis=axis, keepdims=True)}


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
