"""A GRU, or any function with a cache whose arrays its author gives, as a subject of the card.
A reference, where there is one, says what the outputs should be.

Axes: B batch, T time, D features, H hidden; a GRU's gates are three blocks of H rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from minilstm.functional.activations import sigmoid
from minilstm.proof.conformance.subject import Arrays, Sizes, Subject, numbered
from minilstm.proof.derivatives.problem import Array

# Where r acts, on h or on R h, and which part of h is kept, z or 1 - z.
GRU_KINDS = tuple((before, kept) for before in (False, True) for kept in ("z", "1 - z"))


@dataclass(frozen=True)
class Step(Subject):
    """Any two functions with a cache, on the arrays of their author."""

    arrays: Arrays
    reference: Callable[..., Any] | None = None

    @property
    def taken(self) -> tuple[str, str]:
        """The names of all arrays; nothing is asked of backward."""
        return ", ".join(self.arrays), ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays, in order."""
        floats = (n for n, a in self.arrays.items() if np.asarray(a).dtype.kind == "f")
        return tuple(floats)

    def draw(self, sizes: Sizes, rng: np.random.Generator) -> dict[str, Array]:
        """The arrays as they are."""
        return {name: np.array(a) for name, a in self.arrays.items()}

    def right(self, arrays: Arrays) -> Iterator[tuple[str, dict[str, Array]]]:
        """What the reference gives."""
        if self.reference is not None:
            found = self.reference(*arrays.values())
            name = getattr(self.reference, "__name__", "the reference")
            yield name, numbered(found if isinstance(found, tuple) else (found,))


@dataclass(frozen=True)
class GRU(Subject):
    """The two functions of a GRU, of either kind and with its gates in any order."""

    taken = "x, h0, W, R, b", "dh, dhT, cache"
    names = ("x", "h0", "W", "R", "b")

    def draw(self, sizes: Sizes, rng: np.random.Generator) -> dict[str, Array]:
        """Random x (T, B, D), h0 (B, H), W (3H, D), R (3H, H), b (3H,)."""
        T, B, D, H = sizes
        return {
            "x": rng.standard_normal((T, B, D)), "h0": 0.5 * rng.standard_normal((B, H)),
            "W": rng.standard_normal((3 * H, D)), "R": rng.standard_normal((3 * H, H)) / np.sqrt(H),
            "b": 0.5 * rng.standard_normal(3 * H),
        }  # fmt: skip

    def right(self, arrays: Arrays) -> Iterator[tuple[str, dict[str, Array]]]:
        """The outputs (h, hT) of each kind of GRU in each order of its gates."""
        x, h0, *weights = arrays.values()
        blocks = [np.split(a, 3) for a in weights]
        for order in permutations("rzn"):
            Wr, Wz, Wn, Rr, Rz, Rn, br, bz, bn = (p[order.index(g)] for p in blocks for g in "rzn")
            for before, kept in GRU_KINDS:
                h, steps = h0, []
                for xt in x:
                    r = sigmoid(xt @ Wr.T + h @ Rr.T + br)
                    z = sigmoid(xt @ Wz.T + h @ Rz.T + bz)
                    reset = (r * h) @ Rn.T if before else r * (h @ Rn.T)
                    n = np.tanh(xt @ Wn.T + reset + bn)
                    z = z if kept == "z" else 1 - z
                    h = z * h + (1 - z) * n
                    steps.append(h)
                where = "before" if before else "after"
                gates = f"a GRU with gates {', '.join(order)}, r {where} the product"
                yield f"{gates}, {kept} keeps the state", numbered([np.array(steps), h])
