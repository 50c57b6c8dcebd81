"""One input at which mistakes are tried: the tape, the true gradients, and those of backward.
Two computations of the same wrong numbers are alike, and a factor may be between two gradients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minilstm.proof.causes.equations.arrays import recorded
from minilstm.proof.derivatives.problem import Array, Gradients, Problem
from minilstm.proof.derivatives.trees import leaves

SAME = 1e-7  # of the largest entry: two computations of the same wrong numbers
PART_OF_ERROR = 0.01


class Trial:
    """A tape and the gradients of backward at the same input."""

    def __init__(self, problem: Problem, grads: Gradients | None = None) -> None:
        self.problem, self.inputs = problem, problem.inputs
        self.arrays = {n: self.inputs[n] for n in problem.arrays}
        problem.forward_passes += 1
        forward = problem.forward
        assert forward is not None
        others = {n: v for n, v in self.inputs.items() if n not in self.arrays}
        self.tape = recorded(lambda a: forward({**others, **a}), self.arrays)
        self.ups = [1.0] if problem.upstream is None else leaves(problem.upstream)
        self.true = self.tape.gradients(self.ups)
        grads = problem.claimed() if grads is None else grads
        self.hands = {
            n: np.asarray(g, np.float64)
            for n, g in grads.items()
            if g is not None and np.shape(g) == self.arrays[n].shape and np.isfinite(g).all()
        }
        self.close = {
            n: max(SAME, 300 * float(np.finfo(a.dtype).eps)) for n, a in self.arrays.items()
        }
        self.floor = max((_largest(t) for t in self.true.values()), default=0.0)

    def is_wrong(self, name: str) -> bool:
        """Whether a gradient of backward is wrong by more than rounding."""
        size = max(_largest(self.true[name]), 1e-6 * self.floor)
        return _largest(self.hands[name] - self.true[name]) > 0.3 * self.close[name] * size

    def alike(self, made: Mapping[str, Array], names: Any = None) -> bool:
        """Whether gradients are those of backward, for all arrays or for some."""
        for name in self.hands if names is None else names:
            hand = self.hands[name]
            room = self.close[name] * max(_largest(made[name]), _largest(hand), 1e-6 * self.floor)
            if self.is_wrong(name):
                room = min(room, PART_OF_ERROR * _largest(hand - self.true[name]))
            if not _largest(hand - made[name]) <= room:
                return False
        return True

    def factor(
        self, full: Mapping[str, Array], dropped: Mapping[str, Array], names: Any
    ) -> float | None:
        """The factor with which a part of the gradients gives those of backward."""
        up = down = 0.0
        for n in names:
            size = _largest(self.true[n]) or 1.0
            part, error = (full[n] - dropped[n]) / size, (self.hands[n] - full[n]) / size
            up, down = up + float((part * error).sum()), down + float((part * part).sum())
        if down <= 1e-18:
            return None
        c = 1 + up / down
        c = float(round(c)) if abs(c - round(c)) < 1e-6 else c
        return c if abs(c - 1) > 1e-7 and math.isfinite(c) else None


def _largest(a: Array) -> float:
    return float(np.abs(a).max(initial=0.0))
