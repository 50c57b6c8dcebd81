"""The bidirectional LSTM on the device: the twin of `minilstm.functional.bilstm`, same contract.
Each direction is the LSTM of `lstm`; rows are turned round by indices that are moved once."""

from __future__ import annotations

from functools import partial

from minilstm.functional.bilstm import NUMPY_PARTS, backward_with, forward_with
from minilstm.functional.ragged import reversed_rows
from minilstm.kernels.cuda.lstm import lstm_advance, lstm_backward, lstm_forward
from minilstm.kernels.cuda.transfer import kept

# How rows move is written with NumPy functions, which CuPy arrays take to CuPy. The order is as
# long as a batch has rows, so few of them are kept.
PARTS = NUMPY_PARTS._replace(
    lstm_forward=lstm_forward,
    lstm_advance=lstm_advance,
    lstm_backward=lstm_backward,
    order=kept(reversed_rows, most=64),
)
bilstm_forward = partial(forward_with, PARTS)
bilstm_backward = partial(backward_with, PARTS)
