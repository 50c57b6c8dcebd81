"""Finds an LSTM in what a function does: in any layout, and however its lines are written.
So a report can speak of gates. The gate that a number belongs to is the one that it reaches first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.equations.arrays import recorded
from minilstm.proof.causes.equations.tape import Node, Tape
from minilstm.proof.derivatives.problem import Array, Axes

GATES = "ifgo"
# The last operation of a sigmoid, as people write it.
_ENDS = ("divide", "add", "multiply", "expit", "reciprocal", "where", "exp")


class Likeness(NamedTuple):
    """What a function was found to be."""

    title: str  # "an LSTM with gates in the order f, i, g, o"
    axes: dict[str, Axes]  # of the arrays in which the four gates are stacked


class _Step(NamedTuple):
    """c = f * c_prev + i * g and h = o * tanh(c), as they stand on a tape."""

    i: Node
    f: Node
    g: Node
    o: Node
    c: Node
    h: Node


def recognise(
    forward: Callable[[Mapping[str, Any]], Any], arrays: Mapping[str, Array]
) -> Likeness | None:
    """Whether a forward pass is an LSTM whose gates have weights of their own; None if not.

    Nothing is ever raised: what cannot be recorded is not recognised.
    """
    found = None
    with suppress(Exception), np.errstate(all="ignore"):
        found = _recognised(recorded(forward, arrays))
    with suppress(Exception):  # an object may have kept a recorded array
        forward({})
    return found


def _recognised(tape: Tape) -> Likeness | None:
    steps = list(_steps(tape))
    if not steps:
        return None
    reach = {gate: _reached(tape, [getattr(s, gate) for s in steps], steps) for gate in GATES}
    axes: dict[str, Axes] = {}
    single: dict[str, str] = {}
    for name in tape.inputs:
        masks = np.stack([reach[gate][name] for gate in GATES])  # (4, ...)
        of = masks.reshape(4, -1).any(axis=1)
        if of.sum() == 1:
            single.setdefault(GATES[int(of.argmax())], name)
        for axis in range(masks.ndim - 1):
            gates = _stacked(np.moveaxis(masks, axis + 1, 1).reshape(4, masks.shape[axis + 1], -1))
            if gates:
                other = _meets(tape, name, steps)
                axes[name] = tuple(gates if k == axis else other for k in range(masks.ndim - 1))
    if axes:
        order = next(w for w in next(iter(axes.values())) if isinstance(w, tuple))
        return Likeness(f"an LSTM with gates in the order {', '.join(order)}", axes)
    if set(single) == set(GATES):
        listed = ", ".join(f"{gate} ({name})" for gate, name in single.items())
        return Likeness(f"an LSTM with gates {listed}", {})
    return None


def _meets(tape: Tape, name: str, steps: list[_Step]) -> str:
    """What the other axis of stacked weights counts: of what they are multiplied by."""
    hidden = {_key(s.h) for s in steps}
    for node in reversed(tape.nodes):
        if node.op in ("matmul", "einsum") and len(node.parents) == 2:
            for weights, other in (node.parents, node.parents[::-1]):
                if _origin(weights) is tape.inputs[name]:
                    x = "feature" if _origin(other).op == "input" else ""
                    return "unit" if _key(other) in hidden else x
    return ""


def _stacked(masks: Array) -> tuple[str, ...]:
    """The gates in their order, where each has its own quarter of an axis (4, size, ...)."""
    reached = masks.any(axis=2)  # (4, size)
    size = reached.shape[1]
    if size % 4 or not (reached.sum(axis=0) == 1).all():
        return ()
    gates = "".join(GATES[n] for n in reached.argmax(axis=0))
    order = gates[:: size // 4]
    whole = gates == "".join(gate * (size // 4) for gate in order)
    return tuple(order) if whole and set(order) == set(GATES) else ()


def _steps(tape: Tape) -> Iterator[_Step]:
    """All steps of an LSTM; a buffer in between is no hindrance, as values are compared."""
    sums = {_key(n): n for n in tape.nodes if n.op == "add" and n.live}
    for h in tape.nodes:
        if h.op != "multiply":
            continue
        for o, tanh_c in (h.parents, h.parents[::-1]):
            c = sums.get(_key(tanh_c.parents[0])) if tanh_c.op == "tanh" else None
            products = [p for p in c.parents if p.op == "multiply"] if c else []
            if c and len(products) == 2:
                for kept, new in (products, products[::-1]):
                    yield from _gates(kept, new, o, c, h)


def _gates(kept: Node, new: Node, o: Node, c: Node, h: Node) -> Iterator[_Step]:
    """The step whose products are f * c_prev and i * g."""
    for i, g in (new.parents, new.parents[::-1]):
        for f in kept.parents:
            sigmoids = all(_is_sigmoid(gate) for gate in (i, f, o))
            # One tanh may have made all four of them.
            one = _origin(g) is _origin(i) and not _is_sigmoid(g)
            if sigmoids and (one or _origin(g).op == "tanh"):
                yield _Step(i, f, g, o, c, h)
                return


def _is_sigmoid(node: Node) -> bool:
    between = bool((node.value > 0).all() and (node.value < 1).all())
    return between and _origin(node).op in _ENDS


def _origin(node: Node) -> Node:
    """What computed a value that was only moved since."""
    while node.op in ("getitem", "move") and len(node.parents) == 1:
        node = node.parents[0]
    return node


def _key(node: Node) -> tuple[Any, ...]:
    return node.value.shape, node.value.tobytes()


def _reached(tape: Tape, nodes: list[Node], steps: list[_Step]) -> dict[str, Array]:
    """For each input, which of its entries reach some nodes by no way through h or c."""
    stops = {n.site: lambda *_: iter(()) for s in steps for n in (s.h, s.c)}
    outputs, tape.outputs = tape.outputs, nodes
    rng = np.random.default_rng([19, 4])
    found = tape.gradients([rng.uniform(1, 2, n.value.shape) for n in nodes], stops)
    tape.outputs = outputs
    return {name: gradient != 0 for name, gradient in found.items()}
