"""All kinds of mistakes that people make, for every operation on a tape, made mechanically.
Each says what one or a few sites do in place of the right thing, and has a sentence for a report.

An edge is parent k of a site. A scaled mistake multiplies what goes along edges by a factor that is
not known: dropped, wrong sign, twice, a mean for a sum. It is found by one pass for all factors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from minilstm.proof.causes.equations.composites import composites
from minilstm.proof.causes.equations.mistake import Mistake, instead
from minilstm.proof.causes.equations.operations import PULLS, SLOPES, fitted
from minilstm.proof.causes.equations.tape import UPSTREAM, Change, Node, Site, Tape
from minilstm.proof.causes.equations.variants import VARIANTS, Variant
from minilstm.proof.causes.equations.words import expression, name, operand, statement, variable
from minilstm.proof.derivatives.problem import Array

Edge = tuple[Site, int]
Some = Callable[[Tape, Node], bool]  # which passes through a loop


def every(tape: Tape, node: Node) -> bool:
    """At every step."""
    return True


def scale(edges: Mapping[Site, set[int]], c: float = 0.0, some: Some = every) -> dict[Site, Change]:
    """Multiplies what goes along edges by c."""

    def change(tape: Tape, node: Node, g: Array) -> Iterator[tuple[Node, Array]]:
        for k, parent in enumerate(node.parents):
            if not parent.live:
                continue
            if k not in edges[node.site] or not some(tape, node):
                yield parent, node.pull(k, g)
            elif c:
                yield parent, c * node.pull(k, g)

    return dict.fromkeys(edges, change)


def carried(tape: Tape, node: Node, k: int) -> bool:
    """Whether parent k was computed in an earlier pass through the loop."""
    parent = node.parents[k]
    return bool(parent.site) and len(tape.sites[parent.site]) > 1 and parent.count < node.count


def mistakes(tape: Tape) -> Iterator[Mistake]:
    """All mistakes at all sites of a tape, the quick ones first."""
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
    yield from _outputs(tape)
    yield from found
    for edge in edges:
        yield from _edge(tape, *edge)
    yield from _uses(tape, users)
    yield from _loops(tape, users)
    yield from _alike(tape, edges)
    for site, k in edges:
        yield from _broadcast(site, tape.sites[site][0], k)
    for edge in edges:
        yield from _operands(tape, *edge)
    yield from _forgotten(tape)


def _outputs(tape: Tape) -> Iterator[Mistake]:
    """What is done with the upstream gradients."""
    many = len(tape.outputs)
    ones = {UPSTREAM: lambda ups: [None if up is None else np.ones_like(up) for up in ups]}
    yield Mistake("The upstream gradient is not used: ones stand in its place.", ones, False, 0)
    for n, node in enumerate(tape.outputs if many > 1 else ()):
        what = f"output {n} ({name(node)})"
        yield Mistake(
            f"The upstream gradient of {what} {{}}.",
            {UPSTREAM: lambda ups, n=n: [None if k == n else up for k, up in enumerate(ups)]}, True, 0,
        )  # fmt: skip
        for m in range(n):
            if tape.outputs[m].value.shape == node.value.shape:
                order = [m if k == n else n if k == m else k for k in range(many)]
                yield Mistake(
                    f"The upstream gradients of {what} and output {m} are exchanged.",
                    {UPSTREAM: lambda ups, order=order: [ups[k] for k in order]}, False, 0,
                )  # fmt: skip


def _alike(tape: Tape, edges: list[Edge]) -> Iterator[Mistake]:
    """The same wrong form of a derivative wherever the function is."""
    groups: dict[tuple[str, int, str], list[tuple[Site, Variant]]] = {}
    for site, k in edges:
        node = tape.sites[site][-1]
        if node.op in SLOPES:
            for variant in VARIANTS[node.op](node, k):
                groups.setdefault((node.op, k, variant[0]), []).append((site, variant))
    for (op, k, what), members in groups.items():
        if len(members) > 1:
            changes: dict[Site, Change] = {}
            for site, variant in members:
                changes |= variant_mistake(tape.sites[site][-1], k, variant).changes
            said = what.format(y="its result", x="what it is taken of")
            yield Mistake(f"In the gradients of all {op} in forward, {said}.", changes, False, 1)


def _forgotten(tape: Tape) -> Iterator[Mistake]:
    """Small numbers that keep a denominator from zero, and masks, left out in all of backward."""
    for site, nodes in tape.sites.items():
        node = nodes[0]
        if node.op not in ("add", "maximum", "where") or len(node.parents) != 2:
            continue
        for k, parent in enumerate(node.parents):
            if parent.live or parent.value.size != 1:
                continue
            number, out = float(parent.value.reshape(-1)[0]), lambda n, k=k: n.parents[1 - k].value
            if node.op == "where":
                yield Mistake(
                    f"The mask is left out in all of backward: forward has {expression(node)}"
                    f"{statement(node)}.",
                    instead(site, 1 - k, lambda tape, n, g, k=k: _fit(g, n, 1 - k)), False, 1, {site: out},
                )  # fmt: skip
            elif 0 < abs(number) <= 0.01:
                yield Mistake(
                    f"{number:g} is left out in backward: forward has {expression(node)}{statement(node)}.",
                    {}, False, 1, {site: lambda n, out=out: out(n) + 0 * n.value},
                )  # fmt: skip


def _edge(tape: Tape, site: Site, k: int) -> Iterator[Mistake]:
    nodes = tape.sites[site]
    node = nodes[-1]
    way = f"of {operand(node, k)} through {expression(node)}{statement(node)}"
    named = bool(variable(node.parents[k]))
    yield Mistake(f"The gradient {way} {{}}.", scale({site: {k}}), True, 0 if named else 1)
    if len(nodes) > 1:
        for c, became in _FACTORS:
            yield Mistake(
                f"The gradient {way} {became}.", scale({site: {k}}, c), False, 1 + (not named)
            )
    for variant in VARIANTS.get(node.op, lambda *_: ())(node, k):
        yield variant_mistake(node, k, variant)


def variant_mistake(node: Node, k: int, variant: Variant) -> Mistake:
    """One wrong form of an operation's derivative."""
    what, make = variant
    parts = {"y": expression(node), "x": operand(node, k)}
    if len(node.parents) > 1:
        parts["other"] = operand(node, 1 - k)
    said = what.format(**parts)
    cause = f"In the gradient of {parts['x']} through {parts['y']}{statement(node)}, {said}."
    return Mistake(
        cause, instead(node.site, k, lambda tape, n, g: _fit(make(n, g), n, k)), False, 1
    )


def _fit(part: Array, node: Node, k: int) -> Array | None:
    shape = node.parents[k].value.shape
    try:
        return fitted(part, shape)
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
        where = statement(tape.nodes[number])
        yield Mistake(f"The whole gradient of {what}{where} {{}}.", scale(whole), True, named)
        if len(tape.sites.get(tape.nodes[number].site, ())) > 1:
            for c, became in _FACTORS:
                yield Mistake(
                    f"The whole gradient of {what}{where} {became}.", scale(whole, c), False, 0
                )
        for site, k in edges:
            others = {s: {j for j in ks if (s, j) != (site, k)} for s, ks in whole.items()}
            node = tape.sites[site][0]
            yield Mistake(
                f"Of the gradients of {what}, which is used in {len(edges)} places, only that through "
                f"{expression(node)}{statement(node)} counts: = where += belongs.",
                scale({s: ks for s, ks in others.items() if ks}), False, 3 if len(edges) == 2 else 1,
            )  # fmt: skip


_FACTORS = (
    (-1.0, "has the wrong sign"), (2.0, "is twice too large"),
    (0.5, "is half as large as it should be"),
)  # fmt: skip


def _loops(tape: Tape, users: Mapping[int, list[Edge]]) -> Iterator[Mistake]:
    """What a loop carries from step to step, and what it adds up over the steps."""
    into: dict[Site, dict[Site, set[int]]] = {}
    shared: dict[int, dict[Site, set[int]]] = {}
    for site, nodes in tape.sites.items():
        if len(nodes) < 2:
            continue
        for k in range(len(nodes[0].parents)):
            parents = [n.parents[k] for n in nodes if k < len(n.parents)]
            if all(p is parents[0] for p in parents) and parents[0].live:
                shared.setdefault(parents[0].number, {}).setdefault(site, set()).add(k)
            for n in nodes:
                if k < len(n.parents) and n.parents[k].live and carried(tape, n, k):
                    into.setdefault(n.parents[k].site, {}).setdefault(site, set()).add(k)
    for site, edges in into.items():
        node = tape.sites[site][0]
        yield Mistake(
            f"The gradient of {name(node)}{statement(node)} is not carried to the step before.",
            _not_carried(edges), False, 0,
        )  # fmt: skip
    if len(into) > 1:
        together: dict[Site, set[int]] = {}
        for edges in into.values():
            for site, ks in edges.items():
                together.setdefault(site, set()).update(ks)
        names = " and ".join(dict.fromkeys(name(tape.sites[site][0]) for site in into))
        yield Mistake(
            f"No gradient is carried from a step to the step before: not that of {names}.",
            _not_carried(together), False, 0,
        )  # fmt: skip
    groups = [([number], edges) for number, edges in shared.items()]
    if len(shared) > 1:
        all_edges: dict[Site, set[int]] = {}
        for edges in shared.values():
            for site, ks in edges.items():
                all_edges.setdefault(site, set()).update(ks)
        groups.append((list(shared), all_edges))
    for numbers, edges in groups:
        what = ", ".join(name(tape.nodes[n]) for n in numbers)
        for which, some in _PARTS.items():
            yield Mistake(
                f"The gradient of {what} is a sum over the steps of a loop: {which}.",
                scale(edges, 0.0, some), False, 1,
            )  # fmt: skip


def _not_carried(edges: Mapping[Site, set[int]]) -> dict[Site, Change]:
    def change(tape: Tape, node: Node, g: Array) -> Iterator[tuple[Node, Array]]:
        for k, parent in enumerate(node.parents):
            if parent.live and not (k in edges[node.site] and carried(tape, node, k)):
                yield parent, node.pull(k, g)

    return dict.fromkeys(edges, change)


def _is_last(tape: Tape, node: Node) -> bool:
    return node.count == len(tape.sites[node.site]) - 1


_PARTS: dict[str, Some] = {
    "only the last step counts": lambda tape, node: not _is_last(tape, node),
    "only the first step counts (= where += belongs)": lambda tape, node: node.count > 0,
    "the last step is left out": _is_last,
    "the first step is left out": lambda tape, node: node.count == 0,
}


def _broadcast(site: Site, node: Node, k: int) -> Iterator[Mistake]:
    """The sum over the axes along which an array was broadcast."""
    shape, wide = node.parents[k].value.shape, node.value.shape
    if shape == wide or node.op not in ("add", "subtract", "multiply", "divide"):
        return
    what = f"the gradient of {operand(node, k)} through {expression(node)}{statement(node)}"
    lead = len(wide) - len(shape)
    axes = [a for a in range(len(wide)) if a < lead or shape[a - lead] == 1 != wide[a]]
    for which, at in (("last", -1), ("first", 0)):
        yield Mistake(
            f"In {what}, only the {which} row counts, where a sum over the rows belongs.",
            _raw(site, k, lambda g, axes, at=at: np.take(g, at, axes)), False, 1,
        )  # fmt: skip
    if lead == 0 and len(wide) == 2 and len(axes) == 1:
        other = 1 - axes[0]
        for c in (1.0, wide[axes[0]] / wide[other]):  # of a sum, and of a mean
            yield Mistake(
                f"In {what}, the sum or mean runs over axis {other}, where axis {axes[0]} belongs.",
                _raw(site, k, lambda g, _, c=c: c * g.sum(other, keepdims=True), True), False, 0,
            )  # fmt: skip


def _raw(
    site: Site, k: int, reduce: Callable[..., Array], loose: bool = False
) -> dict[Site, Change]:
    """A gradient whose broadcast axes are reduced in another way."""

    def make(tape: Tape, node: Node, g: Array) -> Array:
        args = [p.value for p in node.parents]
        raw = np.broadcast_to(
            PULLS[node.op](k, g, node.value, args, node.options), node.value.shape
        )
        if loose:
            return reduce(raw, None)
        shape = args[k].shape
        while raw.ndim > len(shape):
            raw = reduce(raw, 0)
        for axis, n in enumerate(shape):
            if n == 1 != raw.shape[axis]:
                raw = np.expand_dims(reduce(raw, axis), axis)
        return raw

    return instead(site, k, make)


def _operands(tape: Tape, site: Site, k: int) -> Iterator[Mistake]:
    """Another array in place of the one that the derivative has in it."""
    nodes = tape.sites[site]
    node = nodes[-1]
    if node.op not in ("multiply", "matmul", "einsum", "divide") or len(node.parents) != 2:
        return
    j = 1 - k
    if node.op == "divide" and k == 1:
        j = 0
    other, shape = node.parents[j], node.parents[j].value.shape
    what = f"In the gradient of {operand(node, k)} through {expression(node)}{statement(node)}"
    if len({n.parents[j].number for n in nodes}) > 1:
        for by, when in ((1, "after"), (-1, "before")):
            yield Mistake(
                f"{what}, {operand(node, j)} is that of the step {when}.",
                _with(site, k, j, lambda tape, n, by=by: _neighbour(tape, n, j, by)), False, 0,
            )  # fmt: skip
    seen = {n.parents[j].number for n in nodes}
    candidates = [(other_site, ns[0]) for other_site, ns in tape.sites.items()]
    candidates += [((), node) for node in tape.inputs.values()]
    for other_site, candidate in candidates:
        if candidate.value.shape != shape or candidate.number in seen or not variable(candidate):
            continue
        if other_site and other_site == other.site:
            continue
        yield Mistake(
            f"{what}, {variable(candidate)} stands in place of {operand(node, j)}.",
            _with(site, k, j, lambda tape, n, s=other_site, c=candidate: _beside(tape, n, s, c)), False, 1,
        )  # fmt: skip
    if other.value.ndim > 1 and shape[-1] == shape[-2] > 1 and node.op in ("matmul", "einsum"):
        yield Mistake(
            f"{what}, {operand(node, j)} is transposed where it should not be, or the other way round.",
            _with(site, k, j, lambda tape, n: n.parents[j].value.swapaxes(-1, -2)), False, 0,
        )  # fmt: skip
    if node.value.ndim > 1 and node.value.shape[-1] == node.value.shape[-2] > 1:
        yield Mistake(
            f"{what}, the gradient of {expression(node)} is transposed where it should not be, or the other "
            "way round.",
            instead(site, k, lambda tape, n, g: n.pull(k, g.swapaxes(-1, -2))), False, 0,
        )  # fmt: skip
    own = node.parents[k].value.shape
    if len(own) > 1 and own[-1] == own[-2] > 1:
        yield Mistake(
            f"The gradient of {operand(node, k)} through {expression(node)}{statement(node)} is transposed.",
            instead(site, k, lambda tape, n, g: n.pull(k, g).swapaxes(-1, -2)), False, 0,
        )  # fmt: skip


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


def _beside(tape: Tape, node: Node, site: Site, candidate: Node) -> Array | None:
    """What another site has in the same pass through the loop."""
    if not site:
        return tape.inputs[candidate.options["name"]].value
    nodes = tape.sites.get(site, [])
    if len(nodes) == 1:
        return nodes[0].value
    return nodes[node.count].value if node.count < len(nodes) else None
