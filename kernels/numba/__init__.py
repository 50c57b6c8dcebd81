"""The CPU kernels, compiled by Numba: serial functions that release the GIL, driven by threads.
Threads split outputs, never sums, so the bits are the same for any number of them."""

# The names imported here are the list that `minilstm.backend` fills its record from.
# ruff: noqa: F401

import minilstm.kernels.numba.followers
from minilstm.kernels.numba.adam import adam_step
from minilstm.kernels.numba.batch_normalization import (
    batch_normalization_apply,
    batch_normalization_apply_backward,
    batch_normalization_backward,
    batch_normalization_forward,
)
from minilstm.kernels.numba.bilstm import bilstm_backward, bilstm_forward
from minilstm.kernels.numba.classifier_loss import classifier_loss
from minilstm.kernels.numba.convolution import convolution_backward, convolution_forward
from minilstm.kernels.numba.cross_entropy import (
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from minilstm.kernels.numba.dropout import dropout_backward, dropout_forward
from minilstm.kernels.numba.fully_connected import (
    fully_connected_backward,
    fully_connected_forward,
)
from minilstm.kernels.numba.gradient_norm import gradient_norm
from minilstm.kernels.numba.lstm import (
    lstm_advance,
    lstm_backward,
    lstm_forward,
    lstm_pack,
    lstm_restore,
)
from minilstm.kernels.numba.relu import relu_backward, relu_forward
from minilstm.kernels.numba.rmsprop import rmsprop_step
from minilstm.kernels.numba.sgdm import sgdm_step
from minilstm.kernels.numba.softmax import softmax_backward, softmax_forward
from minilstm.kernels.numba.solver_steps import solver_steps
from minilstm.kernels.numba.stream import make_stepper
