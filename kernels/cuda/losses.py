"""The losses on numbers: the functions of `minilstm.functional`, which CuPy runs as they are.
NumPy hands each operation on a CuPy array to CuPy, so the loss alone has to come to the host.

The sum of a loss is CuPy's, in float64: its order is fixed on one device, if not the same on all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from minilstm.functional import absolute_error, binary_cross_entropy, huber, squared_error
from minilstm.kernels.cuda.transfer import to_host


def _read(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with a float for the loss."""

    @wraps(forward)
    def with_number(*arguments: Any, **named: Any) -> Any:
        loss, cache = forward(*arguments, **named)
        return float(to_host(loss)), cache

    return with_number


absolute_error_forward = _read(absolute_error.absolute_error_forward)
absolute_error_backward = absolute_error.absolute_error_backward
binary_cross_entropy_forward = _read(binary_cross_entropy.binary_cross_entropy_forward)
binary_cross_entropy_backward = binary_cross_entropy.binary_cross_entropy_backward
huber_forward = _read(huber.huber_forward)
huber_backward = huber.huber_backward
sigmoid_binary_cross_entropy_forward = _read(
    binary_cross_entropy.sigmoid_binary_cross_entropy_forward
)
sigmoid_binary_cross_entropy_backward = binary_cross_entropy.sigmoid_binary_cross_entropy_backward
squared_error_forward = _read(squared_error.squared_error_forward)
squared_error_backward = squared_error.squared_error_backward
