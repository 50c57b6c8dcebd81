"""The LSTM with a line for each gate: where mistakes are looked for if its own lines say nothing.
So they are found in an LSTM that is compiled, stacks its gates, or belongs to a network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMState
from minilstm.proof.derivatives.problem import Array


def lstm_equations(
    x: Array, h0: Array, c0: Array, W: Array, R: Array, b: Array, active: Any, packed: Any = None,
    gate_activation: str = "sigmoid", state_activation: str = "tanh",
) -> tuple[Array, LSTMState, Array]:  # fmt: skip
    """The contract of `lstm_forward`, with the cell state (N, H) for a cache."""
    sigmoid = {"sigmoid": _sigmoid}.get(gate_activation, GATE_ACTIVATIONS[gate_activation].forward)
    tanh = {"tanh": np.tanh}.get(state_activation, STATE_ACTIVATIONS[state_activation].forward)
    rows, cells, h, c = [], [], h0, c0
    for x_t in np.split(x, np.cumsum(active)[:-1]):
        n, B = len(x_t), len(h)  # sequences that run at this step, and all
        h_prev = h if n == B else h[:n]  # (n, H)
        c_prev = c if n == B else c[:n]  # (n, H)
        z = x_t @ W.T + h_prev @ R.T + b
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
        i = sigmoid(z_i)
        f = sigmoid(z_f)
        g = tanh(z_g)
        o = sigmoid(z_o)
        c_t = f * c_prev + i * g
        tanh_c = tanh(c_t)
        h_t = o * tanh_c
        rows.append(h_t)
        cells.append(c_t)
        # A sequence that has ended keeps its own.
        h = h_t if n == B else np.concatenate([h_t, h[n:]])  # (B, H)
        c = c_t if n == B else np.concatenate([c_t, c[n:]])  # (B, H)
    return np.concatenate(rows), LSTMState(h, c), np.concatenate(cells)


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))
