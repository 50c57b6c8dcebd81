"""The GPU kernels: CUDA files that CuPy compiles, and the functions that launch them.
Arrays come in, stay and go out on the device; `transfer` alone moves them."""

# The names imported here are the list that `minilstm.backend` fills its record from.
# ruff: noqa: F401

from minilstm.functional.sigmoid import sigmoid_backward, sigmoid_forward
from minilstm.kernels.cuda.adam import adam_step
from minilstm.kernels.cuda.batch_normalization import (
    batch_normalization_apply,
    batch_normalization_apply_backward,
    batch_normalization_backward,
    batch_normalization_forward,
)
from minilstm.kernels.cuda.bilstm import bilstm_backward, bilstm_forward
from minilstm.kernels.cuda.classifier_loss import classifier_loss
from minilstm.kernels.cuda.convolution import convolution_backward, convolution_forward
from minilstm.kernels.cuda.cross_entropy import (
    cross_entropy_backward,
    cross_entropy_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from minilstm.kernels.cuda.dropout import dropout_backward, dropout_forward
from minilstm.kernels.cuda.fully_connected import fully_connected_backward, fully_connected_forward
from minilstm.kernels.cuda.gradient_norm import gradient_norm, gradient_scale
from minilstm.kernels.cuda.losses import (
    absolute_error_backward,
    absolute_error_forward,
    binary_cross_entropy_backward,
    binary_cross_entropy_forward,
    huber_backward,
    huber_forward,
    sigmoid_binary_cross_entropy_backward,
    sigmoid_binary_cross_entropy_forward,
    squared_error_backward,
    squared_error_forward,
)
from minilstm.kernels.cuda.lstm import (
    lstm_advance,
    lstm_backward,
    lstm_forward,
    lstm_pack,
    lstm_restore,
)
from minilstm.kernels.cuda.relu import relu_backward, relu_forward
from minilstm.kernels.cuda.rmsprop import rmsprop_step
from minilstm.kernels.cuda.sgdm import sgdm_step
from minilstm.kernels.cuda.softmax import softmax_backward, softmax_forward
from minilstm.kernels.cuda.transfer import to_device, to_host
