"""The test that every exported file carries: inputs, the network's scores, and a hash of the bits.
Wherever the file runs, it tells how far it is from the network, and whether a bit differs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.step.program import Program
from minilstm.network.network import Network

Array = NDArray[Any]

_MOST_BYTES = 1700  # of inputs and scores in a file
_ROWS = (8, 64)  # at least and at most so many steps


class SelfTest(NamedTuple):
    """What a file is compared with."""

    x: Array  # (T, D) float32
    scores: Array  # (T, C) float32, or (1, C) for a window of one row of scores
    bits: int  # hash of the scores of the exported program


def rows_of_test(program: Program) -> int:
    """T: a whole window, or as many steps as a small file carries."""
    if program.window is not None:
        return program.window
    least, most = _ROWS
    return min(most, max(least, _MOST_BYTES // (4 * (program.inputs + program.outputs))))


def draw_rows(net: Network, rows: int) -> Array:
    """Inputs (T, D) float32 that reach where the network was trained to work.

    A network that normalises sees numbers like those of its training data; any other numbers of
    about 1.
    """
    rng = np.random.default_rng(rows)
    first = net.layers[net.wiring.inputs[0]]
    x = rng.standard_normal((rows, net.input_size))  # (T, D)
    affine = first.affine()  # type: ignore[attr-defined]
    if affine is not None:
        scale = 1.0 if affine.scale is None else affine.scale
        offset = 0.0 if affine.offset is None else affine.offset
        x = (x * 0.5 - offset) * scale + affine.shift
    most = np.finfo(np.float32).max
    return np.ascontiguousarray(np.clip(x, -most, most), np.float32)


def check_scores(scores: Array) -> Array:
    """The scores of rows that were drawn, which have to be finite."""
    if not np.isfinite(scores).all():
        raise ValueError(
            "the network has scores that are not finite on rows like those it was trained for, as "
            "its numbers are too large for float32; train it again with a lower learning rate, or "
            "scale its data."
        )
    return scores
