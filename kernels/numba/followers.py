"""Which kernels are wanted soon after another: a second process compiles them beside it.
The list only saves time; a kernel that is missing here is compiled when it is first called."""

from minilstm.kernels.numba.adam import _update
from minilstm.kernels.numba.classifier_loss import _chunks
from minilstm.kernels.numba.convolution import _convolve, _sum_windows
from minilstm.kernels.numba.gradient_norm import _sums_of_squares
from minilstm.kernels.numba.lstm import _backward, _forward, _weight_gradient
from minilstm.kernels.numba.lstm_wide import forward_wide
from minilstm.kernels.numba.machinery.barrier import answer_and_await, await_count, publish
from minilstm.kernels.numba.machinery.panels import _pack, _pack_columns, _unpack
from minilstm.kernels.numba.machinery.product import multiply_rows
from minilstm.kernels.numba.softmax import _forward as softmax

_STEP = _weight_gradient, _sums_of_squares, _update
for kernel, followers in (
    (_forward, (_pack, _pack_columns, multiply_rows, softmax)),
    (forward_wide, (_pack, _pack_columns, multiply_rows, softmax)),
    (_chunks, (_backward, *_STEP)),
    (_backward, _STEP),
    (_convolve, (_sum_windows,)),
):
    kernel.followers = followers
_CREW = answer_and_await, publish, await_count
_forward.in_training = _pack, *_CREW, _backward, _weight_gradient, _unpack
