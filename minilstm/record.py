"""What a backend computes: the fields of one record are the list of its functions.
NumPy's functions are their defaults, and each other one has the contract of its twin there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minilstm.functional import (
    absolute_error,
    adam,
    batch_normalization,
    bilstm,
    binary_cross_entropy,
    classifier_loss,
    convolution,
    cross_entropy,
    dropout,
    fully_connected,
    gradient_norm,
    huber,
    lstm,
    lstm_in_spans,
    relu,
    rmsprop,
    sgdm,
    sigmoid,
    softmax,
    squared_error,
)

Function = Callable[..., Any]


def _same(array: Any) -> Any:
    """Where a backend computes in the memory of the host, nothing has to be moved."""
    return array


@dataclass(frozen=True)
class Backend:
    """The functions that layers call; each has the contract of its twin in `functional`."""

    name: str
    lstm_forward: Function = lstm.lstm_forward
    lstm_backward: Function = lstm.lstm_backward
    lstm_pack: Function = lstm_in_spans.lstm_pack
    lstm_advance: Function = lstm_in_spans.lstm_advance
    lstm_restore: Function = lstm_in_spans.lstm_restore
    bilstm_forward: Function = bilstm.bilstm_forward
    bilstm_backward: Function = bilstm.bilstm_backward
    fully_connected_forward: Function = fully_connected.fully_connected_forward
    fully_connected_backward: Function = fully_connected.fully_connected_backward
    convolution_forward: Function = convolution.convolution_forward
    convolution_backward: Function = convolution.convolution_backward
    softmax_forward: Function = softmax.softmax_forward
    softmax_backward: Function = softmax.softmax_backward
    sigmoid_forward: Function = sigmoid.sigmoid_forward
    sigmoid_backward: Function = sigmoid.sigmoid_backward
    relu_forward: Function = relu.relu_forward
    relu_backward: Function = relu.relu_backward
    dropout_forward: Function = dropout.dropout_forward
    dropout_backward: Function = dropout.dropout_backward
    batch_normalization_forward: Function = batch_normalization.batch_normalization_forward
    batch_normalization_backward: Function = batch_normalization.batch_normalization_backward
    batch_normalization_apply: Function = batch_normalization.batch_normalization_apply
    batch_normalization_apply_backward: Function = (
        batch_normalization.batch_normalization_apply_backward
    )
    softmax_cross_entropy_forward: Function = cross_entropy.softmax_cross_entropy_forward
    softmax_cross_entropy_backward: Function = cross_entropy.softmax_cross_entropy_backward
    classifier_loss: Function = classifier_loss.classifier_loss
    absolute_error_forward: Function = absolute_error.absolute_error_forward
    absolute_error_backward: Function = absolute_error.absolute_error_backward
    binary_cross_entropy_forward: Function = binary_cross_entropy.binary_cross_entropy_forward
    binary_cross_entropy_backward: Function = binary_cross_entropy.binary_cross_entropy_backward
    cross_entropy_forward: Function = cross_entropy.cross_entropy_forward
    cross_entropy_backward: Function = cross_entropy.cross_entropy_backward
    huber_forward: Function = huber.huber_forward
    huber_backward: Function = huber.huber_backward
    sigmoid_binary_cross_entropy_forward: Function = (
        binary_cross_entropy.sigmoid_binary_cross_entropy_forward
    )
    sigmoid_binary_cross_entropy_backward: Function = (
        binary_cross_entropy.sigmoid_binary_cross_entropy_backward
    )
    squared_error_forward: Function = squared_error.squared_error_forward
    squared_error_backward: Function = squared_error.squared_error_backward
    gradient_scale: Function = gradient_norm.gradient_scale
    gradient_norm: Function = gradient_norm.gradient_norm
    adam_step: Function = adam.adam_step
    rmsprop_step: Function = rmsprop.rmsprop_step
    sgdm_step: Function = sgdm.sgdm_step
    #: norms and steps of some blocks of arrays as a call each; None goes block by block
    solver_steps: Function | None = None
    #: a whole network's time step as one call; None runs a stream layer by layer
    make_stepper: Function | None = None
    #: an array to where the backend computes, and back to NumPy; the array itself if it is there
    to_device: Callable[[Any], Any] = _same
    to_host: Callable[[Any], Any] = _same
    #: memory of the GPU; None where it computes in the memory of the host
    gpu_bytes: int | None = None
