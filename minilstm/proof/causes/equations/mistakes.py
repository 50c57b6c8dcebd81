"""All kinds of mistakes that people make, for every operation on a tape, made mechanically.
Each says what one or a few sites do in place of the right thing, and has a sentence for a report.

An edge is parent k of a site. A scaled mistake multiplies what goes along edges by a factor that is
not known: dropped, wrong sign, twice, a mean for a sum. It is found by one pass for all factors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations

import numpy as np

from minilstm.proof.causes.equations.composites import composites
from minilstm.proof.causes.equations.operands import operands
from minilstm.proof.causes.equations.operations import fitted
from minilstm.proof.causes.equations.tape import (
    UPSTREAM,
    Change,
    Changes,
    Edge,
    Mistake,
    Node,
    Site,
    Tape,
    instead,
)
from minilstm.proof.causes.equations.variants import VARIANTS
from minilstm.proof.causes.equations.words import expression, name, operand, statement, variable
from minilstm.proof.derivatives.problem import Array


def scale(edges: Mapping[Site, set[int]], c: float = 0.0) -> dict[Site, Change]:
    """Multiplies what goes along edges by c."""

    def change(tape: Tape, node: Node, g: Array) -> Iterator[tuple[Node, Array]]:
        for k, parent in enumerate(node.parents):
            if not parent.live:
                continue
            if k not in edges[node.site]:
                yield parent, node.pull(k, g)
            elif c:
                yield parent, c * node.pull(k, g)

    return Changes(edges, change)


def carried(tape: Tape, node: Node, k: int) -> bool:
    """Whether parent k was computed in an earlier pass through the loop."""
    parent = node.parents[k]
    return bool(parent.site) and len(tape.sites[parent.site]) > 1 and parent.count < node.count


def mistakes(tape: Tape) -> tuple[list[Mistake], list[Mistake]]:
    """All mistakes at all sites of a tape: the likely ones, and those that are many."""
    users: dict[int, list[Edge]] = {}
    for site, nodes in tape.sites.items():
        for node in nodes:
            for k, parent in enumerate(node.parents):
                if parent.live and (site, k) not in users.setdefault(parent.number, []):
                    users[parent.number].append((site, k))
    inside, found = composites(tape)
    edges = [
        (site, k)
        for site, nodes in tape.sites.items()
        for k in range(len(nodes[0].parents))
        if site not in inside and any(k < len(n.parents) and n.parents[k].live for n in nodes)
    ]
    likely = [*_outputs(tape), *found]
    for edge in edges:
        likely += _edge(tape, *edge)
    likely += [*_uses(tape, users), *_loops(tape, users)]
    many = [*_exchanged(tape)]
    for site, k in edges:
        many += operands(tape, site, k)
    return likely, many


def _outputs(tape: Tape) -> Iterator[Mistake]:
    """What is done with the upstream gradients."""
    for n, node in enumerate(tape.outputs if len(tape.outputs) > 1 else ()):
        what = f"output {n} ({name(node)})"
        yield Mistake(f"The upstream gradient of {what} {{}}.", _without({n}), True, 0)
        others = _without({*range(len(tape.outputs))} - {n})
        yield Mistake(f"Only the upstream gradient of {what} is used.", others, False, 0)


def _without(left_out: set[int]) -> dict[Site, Change]:
    return {UPSTREAM: lambda ups: [None if k in left_out else up for k, up in enumerate(ups)]}


def _exchanged(tape: Tape) -> Iterator[Mistake]:
    """Two equal parts of an array in each other's place."""
    parts: dict[tuple[int, tuple[int, ...]], list[Site]] = {}
    for site, nodes in tape.sites.items():
        node = nodes[-1]
        if node.op in ("getitem", "move") and len(node.parents) == 1:
            parts.setdefault((node.parents[0].number, node.value.shape), []).append(site)
    for sites in parts.values():
        for one, other in combinations(sites, 2):
            names = " and ".join(name(tape.sites[site][-1]) for site in (one, other))
            changes = {a: partial(_as_if, other=b) for a, b in ((one, other), (other, one))}
            where = statement(tape.sites[one][-1], outer=True)
            yield Mistake(f"The parts {names}{where} are exchanged.", changes, False, 0)


def _as_if(tape: Tape, node: Node, g: Array, other: Site) -> Iterator[tuple[Node, Array]]:
    yield node.parents[0], tape.sites[other][node.count].pull(0, g)


def _edge(tape: Tape, site: Site, k: int) -> Iterator[Mistake]:
    nodes = tape.sites[site]
    node = nodes[-1]
    way = f"of {operand(node, k)} through {expression(node)}{statement(node)}"
    named = bool(variable(node.parents[k]))
    yield from _scaled(f"The gradient {way}", {site: {k}}, 0 if named else 1, len(nodes) > 1)
    unused = instead(site, k, lambda tape, n, g: n.pull(k, np.ones_like(g)))
    cause = f"In the gradient {way}, the gradient that arrives there is missing: ones stand for it."
    yield Mistake(cause, unused, False, 2)
    parts = {"y": expression(node), "x": operand(node, k)}
    if len(node.parents) == 2:
        parts["other"] = operand(node, 1 - k)
    for what, make in VARIANTS.get(node.op, lambda *_: ())(node, k):
        form = instead(site, k, partial(_formed, k=k, make=make))
        yield Mistake(f"In the gradient {way}, {what.format(**parts)}.", form, False, 1)


def _formed(
    tape: Tape, node: Node, g: Array, k: int, make: Callable[[Node, Array], Array]
) -> Array | None:
    try:
        return fitted(make(node, g), node.parents[k].value.shape)
    except (ValueError, np.exceptions.AxisError):
        return None


def _uses(tape: Tape, users: Mapping[int, list[Edge]]) -> Iterator[Mistake]:
    """What is used in several places gets the sum of several gradients."""
    seen = set()
    for number, edges in users.items():
        if len(edges) < 2 or tuple(edges) in seen:
            continue
        seen.add(tuple(edges))
        what = name(tape.nodes[number])
        whole: dict[Site, set[int]] = {}
        for site, k in edges:
            whole.setdefault(site, set()).add(k)
        named = 1 if variable(tape.nodes[number]) else 3
        where = statement(tape.nodes[number], outer=True)
        in_loop = len(tape.sites.get(tape.nodes[number].site, ())) > 1
        yield from _scaled(f"The whole gradient of {what}{where}", whole, named, in_loop)
        for site, k in edges:
            others = {s: {j for j in ks if (s, j) != (site, k)} for s, ks in whole.items()}
            node = tape.sites[site][0]
            cause = (
                f"Of the gradients of {what}, which is used in {len(edges)} places, only that "
                f"through {expression(node)}{statement(node)} counts: = where += belongs."
            )
            dropped = scale({s: ks for s, ks in others.items() if ks})
            yield Mistake(cause, dropped, False, 3 if len(edges) == 2 else 1)


_FACTORS = (
    (-1.0, "has the wrong sign"), (2.0, "is twice too large"),
    (0.5, "is half as large as it should be"),
)  # fmt: skip


def _scaled(
    what: str, edges: Mapping[Site, set[int]], rank: int, in_loop: bool
) -> Iterator[Mistake]:
    """A gradient by any factor; in a loop, where that is no line, by those that people make."""
    yield Mistake(f"{what} {{}}.", scale(edges), True, rank)
    for c, became in _FACTORS if in_loop else ():
        yield Mistake(f"{what} {became}.", scale(edges, c), False, rank)


def _loops(tape: Tape, users: Mapping[int, list[Edge]]) -> Iterator[Mistake]:
    """What a loop carries from step to step, and the parts that its steps take."""
    into: dict[Site, dict[Site, set[int]]] = {}
    for site, nodes in tape.sites.items():
        if len(nodes) < 2:
            continue
        for k in range(len(nodes[0].parents)):
            for n in nodes:
                if k < len(n.parents) and n.parents[k].live and carried(tape, n, k):
                    into.setdefault(n.parents[k].site, {}).setdefault(site, set()).add(k)
        if nodes[0].op == "getitem" and len({n.parents[0].number for n in nodes}) == 1:
            for which, sign in (("last", 1), ("first", -1)):
                parts = f"{expression(nodes[0])}{statement(nodes[0])}"
                cause = (
                    f"The gradients of the parts {parts} overlap and are not added: only "
                    f"the {which} one counts (= where += belongs)."
                )
                yield Mistake(cause, instead(site, 0, partial(_overwritten, sign=sign)), False, 0)
    for site, edges in into.items():
        node = tape.sites[site][0]
        yield Mistake(
            f"The gradient of {name(node)}{statement(node)} is not carried to the step before.",
            _not_carried(edges), False, 0,
        )  # fmt: skip


def _overwritten(tape: Tape, node: Node, g: Array, sign: int) -> Array:
    part = node.pull(0, g).copy()
    for other in tape.sites[node.site]:
        if sign * other.count > sign * node.count:
            part[other.options["index"]] = 0
    return part


def _not_carried(edges: Mapping[Site, set[int]]) -> dict[Site, Change]:
    def change(tape: Tape, node: Node, g: Array) -> Iterator[tuple[Node, Array]]:
        for k, parent in enumerate(node.parents):
            if parent.live and not (k in edges[node.site] and carried(tape, node, k)):
                yield parent, node.pull(k, g)

    return Changes(edges, change)
