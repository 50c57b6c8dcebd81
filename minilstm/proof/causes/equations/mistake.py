"""What a mistake on a tape is: some sites do something else in place of the right thing.
It has a sentence for a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from minilstm.proof.causes.equations.tape import Change, Node, Site, Tape
from minilstm.proof.derivatives.problem import Array

Edge = tuple[Site, int]  # a site and the number of one of its parents


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
