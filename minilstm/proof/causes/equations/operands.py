"""Mistakes in what a derivative has in it: another array, another step, another axis of a sum.
They need a backward pass each, and so they come last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from minilstm.proof.causes.equations.tape import Change, Edge, Mistake, Node, Site, Tape, instead
from minilstm.proof.causes.equations.words import expression, operand, statement, variable
from minilstm.proof.derivatives.problem import Array


def operands(tape: Tape, site: Site, k: int) -> Iterator[Mistake]:
    """Another array in place of the one that the derivative has in it; or a transposed one."""
    nodes = tape.sites[site]
    node = nodes[-1]
    if node.op not in ("multiply", "matmul", "einsum", "divide") or len(node.parents) != 2:
        return
    j = 0 if node.op == "divide" and k == 1 else 1 - k
    other, shape = node.parents[j], node.parents[j].value.shape
    through = f"{operand(node, k)} through {expression(node)}{statement(node)}"
    what, taken = f"In the gradient of {through}", operand(node, j)
    seen = {n.parents[j].number for n in nodes}
    if len(seen) > 1:
        for by, when in ((1, "after"), (-1, "before")):
            find = _with(site, k, j, partial(_neighbour, j=j, by=by))
            yield Mistake(f"{what}, {taken} is that of the step {when}.", find, False, 0)
        last_first = _with(site, k, j, partial(_from_the_end, j=j))
        cause = f"{what}, {taken} is taken from the other end: its {len(seen)} parts in reverse."
        yield Mistake(cause, last_first, False, 0)
    tried = {tuple(n.parents[j].number for n in nodes)}
    for slot, candidate in _candidates(tape, shape):
        found = [_in_slot(tape, n, slot) for n in nodes]
        values = tuple(n.number for n in found if n is not None)
        if values not in tried and len(values) == len(nodes):
            tried.add(values)
            find = _with(site, k, j, partial(_beside, slot=slot))
            rank = 1 + (candidate == taken)
            if candidate == taken:  # the variable has another value by then
                earlier = values[-1] < nodes[-1].parents[j].number
                candidate += " of before this line" if earlier else " of after this line"
            yield Mistake(f"{what}, {candidate} stands in place of {taken}.", find, False, rank)
    if not other.live and other.value.ndim > 1:
        first = _with(site, k, j, lambda tape, n: _all_as_first(n.parents[j].value))
        yield Mistake(f"{what}, the first row of {taken} stands for all rows.", first, False, 0)
    turned = "is transposed where it should not be, or the other way round"
    if _square(other.value) and node.op in ("matmul", "einsum"):
        find = _with(site, k, j, lambda tape, n: n.parents[j].value.swapaxes(-1, -2))
        yield Mistake(f"{what}, {taken} {turned}.", find, False, 0)
    if _square(node.value):
        turn = instead(site, k, lambda tape, n, g: n.pull(k, g.swapaxes(-1, -2)))
        yield Mistake(f"{what}, the gradient of {expression(node)} {turned}.", turn, False, 0)
    if _square(node.parents[k].value):
        turn = instead(site, k, lambda tape, n, g: n.pull(k, g).swapaxes(-1, -2))
        yield Mistake(f"The gradient of {through} is transposed.", turn, False, 0)


def _all_as_first(a: Array) -> Array:
    return np.broadcast_to(a[:1], a.shape)


def _square(a: Array) -> bool:
    return a.ndim > 1 and a.shape[-1] == a.shape[-2] > 1


def _with(
    site: Site, k: int, j: int, find: Callable[[Tape, Node], Array | None]
) -> dict[Site, Change]:
    def make(tape: Tape, node: Node, g: Array) -> Array | None:
        found = find(tape, node)
        args = [p.value for p in node.parents]
        if found is None or found.shape != args[j].shape:
            return None
        args[j] = found
        return node.pull(k, g, args)

    return instead(site, k, make)


def _neighbour(tape: Tape, node: Node, j: int, by: int) -> Array:
    """The operand that the neighbouring pass through the loop has."""
    nodes, at = tape.sites[node.site], node.count + by
    if 0 <= at < len(nodes):
        return nodes[at].parents[j].value
    origin = tape.sites.get(node.parents[j].site, [])
    if by == 1 and 0 <= node.count < len(origin) and origin[node.count] is not node.parents[j]:
        return origin[node.count].value  # what this step itself computes
    return np.zeros_like(node.parents[j].value)


def _from_the_end(tape: Tape, node: Node, j: int) -> Array:
    """The operand that the pass has which is as far from the last as this one from the first."""
    return tape.sites[node.site][-1 - node.count].parents[j].value


def _candidates(tape: Tape, shape: tuple[int, ...]) -> Iterator[tuple[Edge, str]]:
    """What other operations take, results that have a name, and the inputs; each with its name."""
    for name, node in tape.inputs.items():
        if node.value.shape == shape:
            yield ((name,), -2), name
    for site, nodes in tape.sites.items():
        if nodes[-1].value.shape == shape and variable(nodes[-1]):
            yield (site, -1), variable(nodes[-1])
    for site, nodes in tape.sites.items():
        for k, parent in enumerate(nodes[-1].parents):
            if parent.value.shape == shape and (parent.live or parent.value.size > 1):
                yield (site, k), operand(nodes[-1], k)


def _in_slot(tape: Tape, node: Node, slot: Edge) -> Node | None:
    """What another site takes, or has, in the same pass through the loop as a node."""
    site, k = slot
    if k == -2:
        return tape.inputs[site[0]]
    nodes = tape.sites.get(site, [])
    at = 0 if len(nodes) == 1 else node.count
    if at >= len(nodes):
        return None
    return nodes[at] if k == -1 else nodes[at].parents[k]


def _beside(tape: Tape, node: Node, slot: Edge) -> Array | None:
    found = _in_slot(tape, node, slot)
    return None if found is None else found.value
