"""The bidirectional LSTM on the device: the twin of `minilstm.functional.bilstm`, same contract.
Each direction is the LSTM of `lstm`; rows are turned round by indices that are moved once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cupy
import numpy as np

from minilstm.functional.bilstm import (
    NUMPY_PARTS,
    BiLSTMCache,
    backward_with,
    forward_with,
)
from minilstm.functional.lstm import LSTMGradients, LSTMState
from minilstm.functional.ragged import IntArray, active_counts, reversed_rows, sequence_lengths
from minilstm.kernels.cuda.lstm import lstm_backward, lstm_forward
from minilstm.kernels.cuda.transfer import to_device

Array = Any  # a CuPy array


@lru_cache(maxsize=64)
def _order(lengths: bytes, device: int) -> Array:
    """(N,) `functional.ragged.reversed_rows`, kept for the batches that come again.

    `transfer.indices` would keep far more of them, and these are as long as a batch has rows.
    """
    return to_device(reversed_rows(active_counts(np.frombuffer(lengths, np.int64))))


# How rows move is written with NumPy functions, which CuPy arrays take to CuPy.
PARTS = NUMPY_PARTS._replace(
    lstm_forward=lstm_forward,
    lstm_backward=lstm_backward,
    order=lambda active: _order(sequence_lengths(active).tobytes(), cupy.cuda.Device().id),
)


def bilstm_forward(
    x: Array,
    h0: Array,
    c0: Array,
    W: Array,
    R: Array,
    b: Array,
    active: IntArray | None = None,
    packed: Any = None,
    gate_activation: str = "sigmoid",
    state_activation: str = "tanh",
    need_output: bool = True,
) -> tuple[Array | None, LSTMState, BiLSTMCache]:
    """Run an LSTM in both directions; see `minilstm.functional.bilstm.bilstm_forward`."""
    options = active, packed, gate_activation, state_activation, need_output
    return forward_with(PARTS, x, h0, c0, W, R, b, *options)


def bilstm_backward(
    dh: Array | None,
    dstate: LSTMState | None,
    cache: BiLSTMCache,
    need_dx: bool = True,
    spend_cache: bool = False,
) -> tuple[Array | None, LSTMGradients]:
    """Gradients of both directions; see `minilstm.functional.bilstm.bilstm_backward`."""
    return backward_with(PARTS, dh, dstate, cache, need_dx, spend_cache)
