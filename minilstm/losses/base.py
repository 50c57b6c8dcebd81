"""What every loss is to the training loop: a name, a kind of targets, a divisor, two functions.
The equations are in `minilstm.functional`; here are names, options and checks.

Rows are the real steps of all sequences, or one row a sequence where the network keeps the last
step; there are no padded ones. The divisor belongs to the whole batch, so a batch may go through
in parts whose losses and gradients add up.

Axes: N rows, C classes, R responses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike, NDArray

from minilstm.backend import Backend

Array = NDArray[Any]
Functions = tuple[Callable[..., Any], Callable[..., Any]]  # forward and backward


@dataclass(frozen=True)
class Loss:
    """A loss as the training loop sees it."""

    name: str  # as in ``train(loss=...)``
    # What the targets are: "classes" (N,) class numbers, where -1 means no class; "numbers" (N, R);
    # "multilabel" (N, C) of 0 and 1; "any" for a pair of functions.
    kind: str
    normalization: str  # what the sum is divided by, in words
    whole: bool = False  # needs all rows of a batch at once
    fuses_with: str = ""  # kind of the layer which `fused_forward` takes in as well

    def divisor(self, rows: int, responses: int) -> float:
        """What the sum over a batch is divided by.

        `rows` counts those of the whole batch, without those whose target is -1. `responses` is
        R, or C.
        """
        return float(max(rows, 1))

    def weights_of_classes(self, classes: ArrayLike, counts: ArrayLike) -> Array | None:
        """The weight of each class (C,), or None; see `CrossEntropy`."""
        return None

    def functions(self, backend: Backend, fused: bool = False) -> Functions:
        """Forward and backward of a backend: of rows, or of what goes into `fuses_with`."""
        raise NotImplementedError

    def forward(
        self, backend: Backend, y: Array, t: Array, divisor: float, weights: Array | None = None
    ) -> tuple[Any, Any]:
        """The loss of rows y (N, C) with targets t, and the cache for `backward`.

        y is what the network puts out, real or complex; t is as `kind` says; `divisor` is from the
        method of that name; `weights` are those of the rows (N,), where None means 1 each.
        """
        return self.functions(backend)[0](y, t, divisor, weights)

    def backward(self, backend: Backend, cache: Any) -> Array:
        """The gradient dy (N, C)."""
        return self.functions(backend)[1](cache)

    def fused_forward(
        self, backend: Backend, z: Array, t: Array, divisor: float, weights: Array | None = None
    ) -> tuple[Any, Any]:
        """`forward` from what goes into the layer `fuses_with`, which nothing can overflow."""
        return self.functions(backend, fused=True)[0](z, t, divisor, weights)

    def fused_backward(self, backend: Backend, cache: Any) -> Array:
        """The gradient dz (N, C) of `fused_forward`."""
        return self.functions(backend, fused=True)[1](cache)
