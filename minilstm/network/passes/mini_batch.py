"""Packs sequences and their targets into what one training step sees.
Rows of the targets stand in the order of the rows that the network puts out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.ragged import pack
from minilstm.layers import Signal
from minilstm.network.passes.heads import Head, MiniBatch

Array = NDArray[Any]


def mini_batch(
    heads: Sequence[Head],
    sequences: Sequence[Sequence[Array]],
    targets: Sequence[Sequence[Array]],
    weights: Sequence[Sequence[Array] | None],
    padded: bool = False,
) -> MiniBatch:
    """Pack some sequences with their targets.

    Parameters
    ----------
    heads : of the network, one for each output
    sequences : for each input a list of B arrays (T_b, *shape)
    targets : for each output a list of B arrays: (T_b,) or (1,) class numbers, (T_b, R) or (1, R)
    weights : for each output a list of B arrays (T_b,) or (1,), or None
    padded : steps without a class are padding, which counts in the divisor of the loss

    Returns
    -------
    MiniBatch
    """
    packed = [pack(s) for s in sequences]
    order = packed[0].order
    signals = [Signal(p.rows, p.active) for p in packed]
    rows = [_packed(t, order, h.steps) for t, h in zip(targets, heads, strict=True)]
    row_weights = [
        None if w is None else _packed(w, order, h.steps)
        for w, h in zip(weights, heads, strict=True)
    ]
    return pack_targets(heads, signals, rows, row_weights, padded)


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


def _packed(arrays: Sequence[Array], order: Any, steps: bool) -> Array:
    if steps:
        return pack(arrays).rows
    return np.concatenate([arrays[j] for j in order])  # longest sequence first
