"""The network whose weights are those that a program of whole numbers stands for.
What it computes is what the program has to compute, to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.step.program import Both, Cell, Dense, Program, Weights
from minilstm.network.network import Network

Array = NDArray[Any]


def dequantized(net: Network, program: Program) -> Network:
    """The network with every weight rounded as the program has it.

    Raises ValueError where a weight is further from the network's than half a factor.

    Examples
    --------
    >>> from minilstm.exchange.step.program import program_of
    >>> from minilstm.layers import LSTM, SequenceInput
    >>> net = Network([SequenceInput(3), LSTM(8)], rng=np.random.default_rng(0))
    >>> rounded = dequantized(net, program_of(net, "int8"))
    >>> w, r = (n.parameters["lstm/input_weights"] for n in (net, rounded))
    >>> bool(0 < abs(w - r).max() < abs(w).max() / 250)
    True
    """
    parameters = dict(net.parameters)
    for s in program.steps:
        op = s.operation
        if isinstance(op, Dense):
            parts = {"weights": [op.W]}
        elif isinstance(op, (Cell, Both)):
            cells = [op] if isinstance(op, Cell) else list(op)
            parts = {
                "input_weights": [c.W for c in cells],
                "recurrent_weights": [c.R for c in cells],
            }
        else:
            continue
        for name, matrices in parts.items():
            key = f"{s.name}/{name}"
            parameters[key] = _rows(key, np.asarray(net.parameters[key]), matrices)
    return net.replace(parameters=parameters)


def _rows(key: str, rows: Array, matrices: list[Weights]) -> Array:
    """Weights (M, K) of a layer as whole numbers give them."""
    stood = np.concatenate([_values(m) for m in matrices])  # (M, K)
    factors = [np.zeros(m.values.shape[1]) if m.factors is None else m.factors for m in matrices]
    # Half a factor, and the rounding of float32.
    half = 0.5001 * np.concatenate(factors).astype(np.float64)  # (M,)
    most = half[:, None] + 1e-7 * abs(rows)  # (M, K)
    if rows.shape != stood.shape or not (abs(stood - rows) <= most).all():
        raise ValueError(
            f"{key} is not what its whole numbers stand for; nothing was written, so report this "
            "as a fault of minilstm."
        )
    return stood.astype(rows.dtype)


def _values(m: Weights) -> Array:
    rows = m.values.T.astype(np.float64)
    return rows if m.factors is None else rows * m.factors[:, None]
