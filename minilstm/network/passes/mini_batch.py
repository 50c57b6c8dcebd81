"""What one training step sees: sequences and their targets, packed.
Rows of the targets stand in the order of the rows that the network puts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import Sequences
from minilstm.functional.ragged import pack
from minilstm.layers import Signal
from minilstm.network.passes.heads import Head

Array = NDArray[Any]


class MiniBatch(NamedTuple):
    """What one training step sees, packed time-major; one entry for each input or output."""

    signals: tuple[Signal, ...]
    targets: tuple[Array, ...]  # (N,) or (B,) class numbers, or (N, R) or (B, R) numbers
    weights: tuple[Array | None, ...]  # (N,) or (B,) of the rows
    divisors: tuple[float, ...]  # of each loss

    def moved(self, move: Callable[[Any], Any]) -> MiniBatch:
        """The same with its rows, targets and weights moved; steps are counted on the host."""
        return MiniBatch(
            tuple(Signal(move(s.rows), s.active) for s in self.signals),
            tuple(move(t) for t in self.targets),
            tuple(None if w is None else move(w) for w in self.weights),
            self.divisors,
        )


def mini_batch(
    heads: Sequence[Head],
    sequences: Sequence[Sequences],
    targets: Sequence[Sequence[Array]],
    weights: Sequence[Sequence[Array] | None],
    padded: bool = False,
) -> MiniBatch:
    """Pack some sequences with their targets.

    `sequences` has for each input a list of B arrays (T_b, *shape). `targets` has for each output a
    list of B arrays: (T_b,) or (1,) class numbers, (T_b, R) or (1, R); `weights` a list of B arrays
    (T_b,) or (1,), or None. With `padded`, steps without a class are padding, which counts in the
    divisor of the loss.
    """
    packed = [pack(s) for s in sequences]
    order = packed[0].order  # (B,) longest sequence first

    def rows(arrays: Sequence[Array] | None, steps: bool) -> Any:
        if arrays is None:
            return None
        return pack(arrays).rows if steps else np.concatenate([arrays[j] for j in order])

    signals = [Signal(p.rows, p.active) for p in packed]
    rows_of_targets = [rows(t, h.steps) for t, h in zip(targets, heads, strict=True)]
    row_weights = [rows(w, h.steps) for w, h in zip(weights, heads, strict=True)]
    return pack_targets(heads, signals, rows_of_targets, row_weights, padded)


def pack_targets(
    heads: Sequence[Head],
    signals: Sequence[Signal],
    targets: Sequence[Any],
    weights: Sequence[Array | None] | None = None,
    padded: bool = False,
) -> MiniBatch:
    """A mini-batch of signals and targets in packed order, with the divisors of the losses."""
    divisors = []
    for head, t in zip(heads, targets, strict=True):
        real = len(t) if padded or t.ndim > 1 else int((t >= 0).sum())
        divisors.append(head.loss.divisor(real, head.columns))
    return MiniBatch(
        tuple(signals),
        tuple(targets),
        tuple(weights) if weights is not None else (None,) * len(heads),
        tuple(divisors),
    )
