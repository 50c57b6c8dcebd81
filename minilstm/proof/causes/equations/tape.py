"""Records what a NumPy function computes: a tape of single operations, each with its own backward.
The function runs as it is, on arrays that write down all that is done with them.

A mistake is what some sites do in place of the right thing, with a sentence for a report.

An operation has a site, the place in the source where it is called, with the calls that led there.
In a loop a site has one node for each pass through it: a mistake is made at a site, thus at every
step. What cannot be recorded (another library, a part in C) raises an error, or shows when the
gradients of the tape are compared with the true ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.equations.operations import PULLS, fitted
from minilstm.proof.derivatives.problem import Array

Site = tuple[Any, ...]  # the name of an operation, then code and instruction of each call
Edge = tuple[Site, int]  # a site and the number of one of its parents
_HERE = os.path.dirname(__file__)
# Frames of these files are no places in the user's source.
_INSIDE = (
    os.path.dirname(np.__file__),
    *(os.path.join(_HERE, name) for name in ("tape.py", "functions.py", "arrays.py", "trial.py")),
    os.path.join(_HERE, "..", "recognition.py"),
    *(os.path.join(_HERE, "..", "..", room) for room in ("checker", "adapters", "conformance")),
    *(os.path.join(_HERE, "..", "..", "..", room) for room in (
        "network", "layers", "losses", "functional/gate.py")),
)  # fmt: skip
_INSIDE = tuple(os.path.normpath(path) for path in _INSIDE)
MOST_NODES = 20_000


class CannotRecord(TypeError):
    """What a function does is no operation that a tape can hold."""


class Node:
    """The result of one operation; an input or a constant has no parents."""

    live: bool  # depends on an input

    def __init__(
        self, number: int, op: str, parents: tuple[Node, ...], value: Array, **options: Any
    ) -> None:
        self.number, self.op, self.parents, self.value = number, op, parents, value
        self.options = options
        self.live = any(p.live for p in parents)
        self.site: Site = ()
        self.count = 0  # nodes of the same site before it

    def ways(self, g: Array) -> Iterator[tuple[Node, Array]]:
        """What each parent gets, without a mistake."""
        pull, args = PULLS[self.op], [p.value for p in self.parents]
        for k, parent in enumerate(self.parents):
            if parent.live:
                part = pull(k, g, self.value, args, self.options)
                shape = parent.value.shape
                yield parent, part if part.shape == shape else fitted(part, shape)

    def pull(self, k: int, g: Array, args: Sequence[Array] | None = None) -> Array:
        """The part of parent k in the gradient, from g, that of the result.

        `args` are the values of the parents at which the derivative is taken.
        """
        args = [p.value for p in self.parents] if args is None else args
        raw = PULLS[self.op](k, g, self.value, args, self.options)
        return fitted(raw, self.parents[k].value.shape)


UPSTREAM: Site = ("upstream",)  # its change takes the list of upstream gradients, and gives another
Change = Callable[..., Any]  # of the tape, a node and its gradient: what each parent gets


class Tape:
    """All operations of one forward pass in their order."""

    def __init__(self, make: Callable[[Tape, Node], Any]) -> None:
        self.make = make  # an array that records what is done with it
        self.nodes: list[Node] = []
        self.sites: dict[Site, list[Node]] = {}  # live nodes alone
        self.inputs: dict[str, Node] = {}
        self.outputs: list[Node] = []
        self.floats: dict[float, Node] = {}  # what became a plain number on the way
        self.top: Any = None
        self.busy = False  # inside a function of NumPy, whose buffers are its own
        self.part = -1  # number of an operation inside a function made of several

    def node(self, op: str, parents: tuple[Node, ...], value: Any, **options: Any) -> Node:
        """A new node at the end of the tape."""
        if op == "subtract" and parents[1].op == "max" and parents[1].parents[0] is parents[0]:
            # The shift of a softmax: no gradient passes there in total, and nobody writes it down.
            parents = parents[0], self.node("constant", (), parents[1].value)
        node = Node(len(self.nodes), op, parents, np.asarray(value), **options)
        if node.number > MOST_NODES:
            raise CannotRecord("too many operations")
        self.nodes.append(node)
        if node.live:
            self.part += self.part >= 0
            calls = self._calls()
            if not calls:  # not in the user's source: nobody makes a mistake there
                return node
            node.site = (op, self.part, *calls)
            alike = self.sites.setdefault(node.site, [])
            node.count = len(alike)
            alike.append(node)
        return node

    def record(self, op: str, parents: Sequence[Any], value: Any, **options: Any) -> Any:
        """The result of an operation on arrays, recorded or plain."""
        return self.make(self, self.node(op, tuple(map(self.lift, parents)), value, **options))

    def lift(self, x: Any) -> Node:
        """The node of an array or number."""
        if is_recorded(x):
            return x.node  # type: ignore[no-any-return]
        known = self.floats.get(x) if isinstance(x, float) else None
        return known or self.node("constant", (), np.asarray(x))

    def _calls(self) -> Site:
        """Code and instruction of the calls on the way from the function to the operation."""
        found, frame = [], sys._getframe(2)
        while frame is not None and frame is not self.top:
            if not frame.f_code.co_filename.startswith(_INSIDE):
                found.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back  # type: ignore[assignment]
        return tuple(found)

    def gradients(
        self, upstream: Sequence[Any], changes: Mapping[Site, Change] | None = None
    ) -> dict[str, Array]:
        """Gradients of the inputs; a change says what a site does in place of the right thing.

        There is an upstream gradient for each output; None for one that counts for nothing.
        """
        changes = changes or {}
        upstream = changes[UPSTREAM](upstream) if UPSTREAM in changes else upstream
        arrived: dict[int, Array] = {}
        for node, up in zip(self.outputs, upstream, strict=True):
            if up is not None and node.live:
                arrived[node.number] = arrived.get(node.number, 0) + np.reshape(
                    np.asarray(up, np.float64), node.value.shape
                )
        for node in reversed(self.nodes):
            g = arrived.get(node.number) if node.parents else None
            if g is None:
                continue
            change = changes.get(node.site)
            for parent, part in node.ways(g) if change is None else change(self, node, g):
                before = arrived.get(parent.number)
                arrived[parent.number] = part if before is None else before + part
        return {
            name: arrived.get(node.number, np.zeros(node.value.shape))
            for name, node in self.inputs.items()
        }


def is_recorded(x: Any) -> bool:
    """Whether an array writes down what is done with it."""
    return isinstance(getattr(x, "node", None), Node)


def plain(x: Any) -> Any:
    """The values of recorded arrays, in lists and tuples too."""
    if is_recorded(x):
        return x.node.value
    if type(x) in (list, tuple):
        return type(x)(map(plain, x))
    return {k: plain(v) for k, v in x.items()} if type(x) is dict else x


class Mistake(NamedTuple):
    """What some sites do wrong, and how to say it."""

    cause: str  # with {} for what became of the gradient, where it is scaled
    changes: Mapping[Site, Change]
    scaled: bool = False
    rank: int = 1  # smaller ones are said first, where several give the same numbers


class Changes(dict[Site, Change]):
    """The same change at some sites, along some edges alone."""

    def __init__(self, edges: Mapping[Site, set[int]], change: Change) -> None:
        super().__init__(dict.fromkeys(edges, change))
        self.edges = edges


def instead(
    site: Site, k: int, make: Callable[[Tape, Node, Array], Array | None]
) -> dict[Site, Change]:
    """Something else along one edge; None for the right thing."""

    def change(tape: Tape, node: Node, g: Array) -> Iterator[tuple[Node, Array]]:
        for j, parent in enumerate(node.parents):
            if parent.live:
                part = make(tape, node, g) if j == k else None
                yield parent, node.pull(j, g) if part is None else part

    return Changes({site: {k}}, change)
